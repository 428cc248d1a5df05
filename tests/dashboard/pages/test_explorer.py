from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dash.development.base_component import Component

from dashboard import words
from dashboard.data import Reader
from dashboard.explorer_chart import GREY, _colour
from dashboard.exploring import Selected, explore, selected
from dashboard.figures import SKY, VERMILLION
from dashboard.pages.explorer import render
from dashboard.stacks import COLOURS
from dashboard.view import view_of
from gatewatch.privacy import Privacy
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.pages.conftest import find, texts
from tests.store.builders import AT, put, requests

END = AT + timedelta(hours=1)


def rows() -> list[dict[str, Any]]:
    """One route fails slowly for one key."""
    out: list[dict[str, Any]] = []
    for n in range(1200):
        bad = n % 12 == 0
        out.append(
            {
                "at": AT + timedelta(seconds=3 * n),
                "route": "POST /pay" if bad or n % 5 == 0 else "GET /list",
                "status": 502 if bad else 200,
                "api_key_id": "k1" if bad else f"k{n % 40}",
                "client_ip": f"192.0.2.{n % 40}",
                "user_agent": "<script>window.hacked=1</script>",
                "latency_ms": 1500.0 + n % 100 if bad else 40.0 + n % 10,
            }
        )
    return out


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("explorer") / "data"))
    put(state, tables=[("requests", requests(rows()))], lines=1200, coverage=[(AT, END)])
    yield Reader(lambda: state, lambda: END)
    state.close()


def shown(reader: Reader, search: str) -> Component:
    return render(reader, "", view_of("?range=3h" + search))


def sets(page: Component) -> list[dict[str, Any]]:
    """What the buttons of the page write into the address."""
    told = [vars(one).get("data-set") for one in find(page, "Button")]
    return [json.loads(one) for one in told if one]


def test_an_empty_store_says_what_to_do(nothing: Reader) -> None:
    assert "gatewatch ingest PATH" in texts(render(nothing, "", view_of("")))


def test_latency_over_time_and_what_could_be_asked(full: Reader) -> None:
    page = shown(full, "&f=method+is+empty")
    text = "\n".join(texts(page))
    assert "1,200 requests with a latency" in text
    assert "from raw requests" in text
    assert "Nothing is selected" in text
    assert "/api/v1/heatmap?since=" in text
    assert {"sel": "~~~~status >= 500", "cursor": None} in sets(page)
    assert {"f": []} in sets(page)
    (brush,) = [one for one in find(page, "Div") if getattr(one, "className", "") == "explorer-brush"]
    edges = json.loads(vars(brush)["data-edges"])
    assert edges == sorted(edges)
    assert edges[0] < 41 < 1500 < edges[-1] * 1.3


def test_a_selection_is_ranked_and_each_value_can_be_taken_or_left(full: Reader) -> None:
    page = shown(full, "&sel=~~1000&f=method+is+empty")
    text = "\n".join(texts(page))
    assert "100 requests selected, compared with the other 1,100" in text
    assert "Selected requests" in text
    assert {"f": ["method is empty", "status = 502"], "cursor": None} in sets(page)
    assert {"f": ["method is empty", "client_id != key:k1"], "cursor": None} in sets(page)
    assert "select=latency_ms+%3E%3D+1000" in text
    found = explore(full, view_of("?range=3h&sel=~~1000"))
    assert found is not None
    assert {row["status"] for row in found.rows} == {502}
    assert found.differs is not None
    names = [one.name for one in found.differs.dimensions if one.score > 0.5]
    assert {"status", "client_id", "route"} <= set(names)


def test_counts_by_a_field_and_a_page_of_older_requests(full: Reader) -> None:
    page = shown(full, "&tab=counts&cols=route&f=method+is+empty")
    text = "\n".join(texts(page))
    assert "in 2 groups" in text
    assert "GET /list" in text
    (further,) = [one for one in sets(page) if set(one) == {"cursor"}]
    first = explore(full, view_of("?range=3h"))
    second = explore(full, view_of(f"?range=3h&cursor={further['cursor']}"))
    assert first is not None
    assert second is not None
    assert first.rows[-1]["at"] - second.rows[0]["at"] == timedelta(seconds=3)
    assert explore(full, view_of("?range=3h&cursor=nonsense")) is not None


def test_what_makes_no_sense_is_said_and_the_rest_is_shown(full: Reader) -> None:
    text = "\n".join(
        texts(shown(full, "&f=colour+%3D+red&f=status+%3E%3D+500&sel=yesterday~x~~&cols=password&tab=odd"))
    )
    assert "no field is called 'colour'" in text
    assert "100 requests with a latency" in text
    assert "Nothing is selected" in text


def test_log_text_is_data_in_the_drawer_and_the_table(full: Reader) -> None:
    page = shown(full, "")
    opens = [json.loads(told) for one in find(page, "Button") if (told := vars(one).get("data-request"))]
    assert len(opens) == 50
    assert opens[0]["user_agent"] == "<script>window.hacked=1</script>"
    assert not [one for one in find(page, "A") if "script" in str(getattr(one, "href", ""))]


def test_privacy_masks_and_forbids(full: Reader) -> None:
    hidden = Reader(full.store, lambda: END, privacy=Privacy("truncate"))
    page = shown(hidden, "&sel=~~~~status+%3E%3D+500&f=client_ip+~+192.0.2.1")
    text = "\n".join(texts(page))
    assert "hides client_ip" in text
    assert "192.0.2.0/24" in json.dumps([vars(one).get("data-request") for one in find(page, "Button")])
    assert "192.0.2.12" not in text


def test_a_selection_is_written_and_read_back() -> None:
    for one in (
        Selected(term="status >= 500"),
        Selected(since=AT, until=END, low_ms=300.0),
        Selected(high_ms=10.5, term="path ~ a~b"),
    ):
        assert selected(str(one)) == one
    for text in (None, "", "~~~~", "x", "~~-1", "~~nan", "2026-06-09T13:00Z~2026-06-09T12:00Z", "9" * 600):
        assert selected(text) is None
    with words.clock("Europe/Berlin"):
        noon = Selected(since=datetime(2026, 6, 9, 12, tzinfo=UTC))
        assert selected("2026-06-09T14:00") == selected("2026-06-09 12:00Z") == noon


def test_live_leaves_the_reading_to_the_stream(full: Reader, tmp_path: Path) -> None:
    page = shown(full, "&tab=live&f=status+%3E%3D+500")
    (tail,) = [one for one in find(page, "Div") if getattr(one, "id", None) == "tail"]
    assert vars(tail)["data-stream"] == "/api/v1/events/requests?where=status+%3E%3D+500"


def test_failures_have_the_colour_of_failures_whatever_else_is_shown() -> None:
    assert _colour("status_class", "5xx", 0, other=False) == VERMILLION
    assert _colour("status_class", "2xx", 3, other=False) == SKY
    assert _colour("route", "5xx", 0, other=False) == COLOURS[0]
    assert _colour("status_class", None, 1, other=True) == GREY
