from __future__ import annotations

import io
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.policy import default

import pytest
from PIL import Image

from alerts.chart import DARK, HEIGHT, LIGHT, WIDTH, chart_png, short
from alerts.letter import letter
from alerts.message import read
from alerts.sample import sample_payload
from gatewatch.records import JSON
from gatewatch.settings import Settings
from tests.alerts.builders import a_payload

NOW = datetime(2026, 6, 9, 12, 41, tzinfo=UTC)
RED = "#b42318"


def drawn(**changed: JSON) -> Image.Image | None:
    png = chart_png(read({**sample_payload(Settings(), NOW), **changed}), RED, LIGHT)
    return None if png is None else Image.open(io.BytesIO(png)).convert("RGB")


def reds(picture: Image.Image) -> list[tuple[int, int]]:
    """(x, y) of the pixels of the observed line."""
    return [
        (x, y)
        for x in range(picture.width)
        for y in range(70, picture.height)
        if picture.getpixel((x, y)) == (0xB4, 0x23, 0x18)
    ]


def test_the_line_rises_where_the_finding_begins() -> None:
    picture = drawn()
    assert picture is not None
    assert picture.size == (2 * WIDTH, 2 * HEIGHT)
    line = reds(picture)
    before = [y for x, y in line if x < WIDTH]
    since = [y for x, y in line if x > 1.9 * WIDTH]
    assert min(before) > max(since), "y grows downwards"


@pytest.mark.parametrize(
    "series",
    [
        [],
        [["2026-06-09T12:00:00Z", 1.0, 1.0, 1.0]],
        [["yesterday", 1.0, 1.0, 1.0]] * 9,
        [["2026-06-09T12:00:00Z", None, 1.0, 2.0], ["2026-06-09T12:01:00Z", None, 1.0, 2.0]],
    ],
)
def test_what_is_no_series_is_no_chart(series: list[JSON]) -> None:
    assert drawn(series=series) is None


@pytest.mark.parametrize("value", [0.0, -5.0, 1e14, 1e-9])
def test_any_numbers_can_be_drawn(value: float) -> None:
    series: list[JSON] = [[f"2026-06-09T12:{minute:02}:00Z", value, None, None] for minute in range(5)]
    assert drawn(series=series) is not None


def test_numbers_on_the_axis_are_short() -> None:
    assert [short(value) for value in (0, 0.03125, 41.237, 1200, 3.4e6, 2e9)] == [
        "0",
        "0.0312",
        "41.2",
        "1.2k",
        "3.4M",
        "2G",
    ]


def test_a_letter_carries_the_chart_by_day_and_by_night_and_says_it_in_text_too() -> None:
    me = Address("", "a", "example.net")
    mail = letter(read(sample_payload(Settings(), NOW)), key="k", sender=me, to=[me], date=NOW)
    got = message_from_bytes(mail.as_bytes(), policy=default)
    page = got.get_body(("html",))
    text = got.get_body(("plain",))
    assert page is not None
    assert text is not None
    pictures = [part for part in got.walk() if part.get_content_type() == "image/png"]
    assert len(pictures) == 2
    for one in pictures:
        assert f'src="cid:{one["Content-ID"].strip("<>")}"' in page.get_content()
        assert one.get_content_disposition() == "inline"
    assert 'alt="Chart: refused requests/min' in page.get_content()
    assert "418 refused requests/min" in text.get_content()
    assert chart_png(read(sample_payload(Settings(), NOW)), RED, DARK) is not None


def test_a_letter_without_a_series_carries_no_picture() -> None:
    me = Address("", "a", "example.net")
    mail = letter(read(a_payload()), key="k", sender=me, to=[me], date=NOW)
    assert not [part for part in mail.walk() if part.get_content_maintype() == "image"]
