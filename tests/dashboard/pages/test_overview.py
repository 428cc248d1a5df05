from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from dash import page_registry

from dashboard.calling import needs_you, verdict
from dashboard.calling import said as answer
from dashboard.data import Reader, _calls
from dashboard.pages import apis, auth, changes, explorer, findings, latency, limits, overview
from dashboard.view import View
from gatewatch.records import Kind, State
from gatewatch.settings import Settings
from gatewatch.store.findings import save_findings
from gatewatch.store.reading import bounds, coverage
from gatewatch.store.state import open_state
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, fill
from tests.store.builders import a_finding


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
    twin, happened = (table for table in find(page, "Table") if getattr(table, "data", None))
    assert happened.data["head"] == ["What", "From", "To", "Which"]
    assert {row[0] for row in happened.data["body"]} == {"Deployments", "Changes", "Findings", "Gaps"}
    assert any("4 findings, 1 gap; the last begins 2026-06-09" in text for text in texts(page))
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
    assert "Not judged yet" in texts(overview.content(found, View(api="legacy9")))  # no worker ever ran here
    assert found.standing is not None
    now = found.standing.now
    looked = replace(found.standing, evaluated=(now, None), newest=now, oldest=now - timedelta(days=3))
    said = texts(needs_you(replace(found, standing=looked, open_counts={}), View(api="legacy9")))
    assert said[0] == "No open finding"
    assert "blind spot" in " ".join(said)


def test_all_is_well_only_where_somebody_called(reader: Reader) -> None:
    whole = reader.overview(View())
    assert whole is not None
    assert whole.standing is not None
    now = whole.standing.now
    looked = replace(
        whole.standing, evaluated=(now, None), newest=now - timedelta(minutes=2), oldest=now - timedelta(days=3)
    )
    found = replace(whole, needs_you=[], blind=[], open_counts={}, standing=looked)
    assert found.apis
    assert verdict(found)[0] == "All is well"
    assert "All is well" in texts(needs_you(found, View()))
    said = texts(needs_you(replace(found, apis=[]), View()))
    assert "Nothing to judge" in said
    assert "All is well" not in said
    for wrong, title in (
        ({"evaluated": None}, "Not judged yet"),
        ({"evaluated": (now, "the disk is full")}, "Not judged"),
        ({"evaluated": (now - timedelta(hours=1), None)}, "Not judged"),
        ({"newest": now - timedelta(minutes=50)}, "No open finding up to "),
        ({"oldest": now - timedelta(minutes=9)}, "No finding so far"),
    ):
        doubted, _, well = verdict(replace(found, standing=replace(looked, **wrong)))
        assert doubted.startswith(title)
        assert not well


def test_what_needs_somebody_stands_first_with_whose_fault_it_is_and_what_to_do(reader: Reader) -> None:
    found = reader.overview(View())
    assert found is not None
    said = texts(overview.content(found, View()))
    assert said.index("Needs you") < said.index("Requests")
    assert any("since 2026-06-09" in text for text in said)
    assert any(text.startswith("for ") for text in said)
    assert any(text.startswith("Probably clients, after UpdateStage") and "addresses" in text for text in said)
    assert said.count("Do next: ") == len(found.needs_you)
    changed = replace(found.needs_you[0].finding, kind=Kind.CONFIG_CHANGE)
    assert "addresses" not in answer(changed)


def test_before_the_first_data_nothing_is_missing(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    fill(state)
    known = bounds(state)
    assert known is not None
    reader = Reader(lambda: state, clock=lambda: END)
    first = min(known[0], *coverage(state, END - timedelta(days=9), END).column("start").to_pylist())
    month = View(range="30d")
    found = reader.overview(month)
    missing = reader.missing(month)
    assert found is not None
    assert missing is not None
    assert found.window.since < first
    assert found.covered_share > 0.9
    assert min(start for start, _ in missing.gaps) >= first
    assert all(note.at >= first for note in found.notes if note.kind == "gap")
    state.close()


def test_what_is_wrong_without_a_request_is_in_the_table_too(reader: Reader) -> None:
    found = reader.overview(View())
    assert found is not None
    row = next(row for row in found.apis if row.api.startswith("gone"))
    assert (row.totals.n, row.open_findings) == (0, 1)


@pytest.mark.parametrize(("many", "rest"), [(7, None), (12, "5 more, in Findings"), (150, "79 or more, in Findings")])
def test_what_ended_is_listed_whatever_goes_on_and_how_much_more_there_is(
    tmp_path: Path, many: int, rest: str | None
) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    fill(state)
    past = [
        a_finding(f"past{one}", END - timedelta(hours=13, minutes=one), end=END - timedelta(hours=12))
        for one in range(many)
    ]
    newer = [a_finding(f"n{one}", END - timedelta(minutes=30 + one)) for one in range(10)]
    with state.begin() as session:
        save_findings(session, [*past, *newer], now=END)
    reader = Reader(lambda: state, clock=lambda: END)
    found = reader.overview(View())
    assert found is not None
    assert len(found.ended) == 8  # and one that `fill` brings
    assert all(one.finding.end is not None for one in found.ended)
    said = texts(overview.content(found, View()))
    assert [text for text in said if text.endswith(", in Findings")] == ([rest] if rest else [])
    state.close()


def test_an_empty_store_says_what_to_do(nothing: Reader) -> None:
    said = texts(overview.render(nothing, "", View()))
    assert "No requests yet" in said
    assert "gatewatch demo" in said


def test_what_happened_is_marked_and_partial_data_are_said(reader: Reader) -> None:
    found = reader.overview(View())
    assert found is not None
    assert [note.kind for note in found.notes].count("gap") == 1
    assert {"deployment", "config", "incident"} <= {note.kind for note in found.notes}
    one = reader.overview(View(api="legacy9"))
    assert one is not None
    assert [note.said for note in one.notes if note.kind in {"deployment", "config"}] == ["UpdateUsagePlan by ops"]


def test_numbers_are_laid_beside_the_time_before(reader: Reader) -> None:
    view = View(cmp="prev").between(END - timedelta(hours=2), END - timedelta(hours=1))
    found = reader.overview(view)
    assert found is not None
    assert found.before is not None
    assert (found.before.window.since, found.before.window.until) == (
        END - timedelta(hours=3),
        END - timedelta(hours=2),
    )
    assert len(found.before.buckets.at) == len(found.buckets.at)
    marks = [
        one
        for one in find(overview.content(found, view), "Span")
        if str(getattr(one, "className", "")).startswith("delta")
    ]
    assert len(marks) == 5
    assert all(str(mark.title).endswith("in the previous period") for mark in marks)
    assert any("delta-worse" in mark.className for mark in marks)  # the attack began within this hour
    partly = replace(found, before=replace(found.before, covered_share=0.4))
    assert not [
        one for one in find(overview.content(partly, view), "Span") if "in the previous" in str(one.to_plotly_json())
    ]


def test_what_somebody_has_taken_no_longer_calls(reader: Reader) -> None:
    found = reader.overview(View())
    assert found is not None
    one = found.needs_you[0]
    assert _calls(one, END)
    assert not _calls(replace(one, state=State.ACKNOWLEDGED), END)
    asleep = replace(one, state=State.SNOOZED, snooze_until=END + timedelta(hours=30))
    assert not _calls(asleep, END)
    assert _calls(replace(asleep, snooze_until=END + timedelta(hours=3)), END)


def test_what_does_not_fit_is_one_click_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(page_registry, "apis", {"path": "/apis"})
    view = View(range="6h")
    assert overview.rest(overview.API_ROWS, "apis", view) == []
    told = str(overview.rest(1234, "apis", view))
    assert "of 1,234" in told
    assert "/apis?range=6h" in told
    assert "Show all" not in str(overview.rest(99, "no such page", view))


def test_numbers_lead_to_the_requests_that_they_count(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.leads.has_page", lambda _: True)
    found = reader.overview(View())
    assert found is not None
    led = {str(link.href) for link in find(overview.content(found, View()), "Link")}
    assert "/explorer" in led  # all requests
    assert "/explorer?f=status+%3E%3D+500" in led
    assert "/explorer?api=login8a2&stage=prod" in led
    assert any(href.startswith("/explorer?api=login8a2&stage=prod&f=reject_cause+in+authorizer_deny") for href in led)


def test_every_page_of_an_empty_store_leads_to_where_data_are_brought(nothing: Reader) -> None:
    for one in (findings, apis, explorer, auth, limits, latency, changes):
        shown = one.render(nothing, "", View())
        assert any(getattr(link, "href", "") == "/" for link in find(shown, "Link")), one.__name__
