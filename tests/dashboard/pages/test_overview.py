from __future__ import annotations

from dashboard.data import Reader
from dashboard.pages import overview
from dashboard.view import View
from tests.dashboard.pages.conftest import find, texts


def test_it_says_what_is_wrong_worst_first(reader: Reader) -> None:
    said = texts(overview.render(reader, "", View()))
    titles = [text for text in said if text.startswith(("Credential", "p95 latency", "Nothing calls"))]
    assert [title.split()[0] for title in titles] == ["Credential", "p95", "Nothing"]
    assert "3 open findings" in said
    assert "95.8 %" in said  # an hour of the day was not delivered
    assert "2 blind spots" in said


def test_each_line_has_a_sentence_and_all_have_a_table(reader: Reader) -> None:
    page = overview.render(reader, "", View())
    images = find(page, "Img")
    assert len(images) > 6
    assert all(getattr(image, "alt", "").endswith(".") for image in images)
    (twin,) = (table for table in find(page, "Table") if getattr(table, "data", None))
    assert twin.data["caption"] == "The lines above, per 15 minutes"
    assert len(twin.data["body"]) == 97


def test_a_gap_is_unknown_and_not_zero(reader: Reader) -> None:
    found = reader.overview(View())
    assert found is not None
    gaps = [at for at, n in zip(found.buckets.at, found.buckets.requests, strict=True) if n != n]
    assert [at.strftime("%H:%M") for at in gaps] == ["03:00", "03:15", "03:30", "03:45", "12:00"]  # the last has begun
    assert 0.0 not in found.buckets.requests


def test_one_api_alone(reader: Reader) -> None:
    found = reader.overview(View(api="legacy9"))
    assert found is not None
    assert [row.api for row in found.apis] == ["legacy9"]
    assert found.needs_you == []
    assert "No open finding" in texts(overview.content(found, View(api="legacy9")))


def test_what_is_wrong_without_a_request_is_in_the_table_too(reader: Reader) -> None:
    found = reader.overview(View())
    assert found is not None
    row = next(row for row in found.apis if row.api.startswith("gone"))
    assert (row.totals.n, row.open_findings) == (0, 1)


def test_an_empty_store_says_what_to_do(nothing: Reader) -> None:
    said = texts(overview.render(nothing, "", View()))
    assert "No requests yet" in said
    assert "gatewatch demo" in said
