"""What happened, and when something was wrong: lanes, marks in charts, and ribbons."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise

import pyarrow as pa
from dash.development.base_component import Component
from hypothesis import given
from hypothesis import strategies as st

from dashboard import words
from dashboard.annotations import (
    MOST,
    Beside,
    annotate,
    beside,
    drawing,
    gaps,
    lane,
    notes_of,
    sentence,
    span_href,
    text_of,
    toggles,
)
from dashboard.figure import Figure
from dashboard.names import Names
from dashboard.ribbon import MOST_RUNS, STEPS, marked, ribbon, runs, shares
from dashboard.timelines import Lines, line_figure
from dashboard.view import View, Window
from gatewatch.frames import COVERAGE
from gatewatch.records import Change, ChangeEvent, Kind, Severity
from gatewatch.store.episodes import Episode
from tests.dashboard.plotting import checked
from tests.store.builders import AT

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WINDOW = Window(AT - 4 * HOUR, AT, stale=False)
EVIL = "<img src=x onerror=window.hacked=1>"


def change(minutes: int, what: str) -> ChangeEvent:
    return ChangeEvent(
        f"{minutes}{what}", Change(AT - minutes * MINUTE, what, "ci", "a/stages/prod"), "apigateway", what
    )


def episode(start: int, end: int | None, kind: Kind = Kind.AUTH_FAILURE_SPIKE) -> Episode:
    """From so many minutes before AT to so many."""
    until = None if end is None else AT - end * MINUTE
    return Episode(f"f{start}", kind, Severity.HIGH, EVIL, "shop", "prod", AT - start * MINUTE, until)


def delivered(*spans: tuple[datetime, datetime]) -> pa.Table:
    rows = [{"start": start, "end": end, "source": "s"} for start, end in spans]
    return pa.Table.from_pylist([{name: row[name] for name in COVERAGE.names} for row in rows], schema=COVERAGE)


WHOLE = delivered((WINDOW.since, WINDOW.until))


def written(component: Component) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json())


def test_deployments_changes_findings_and_gaps_are_told_apart() -> None:
    events = [
        change(200, "CreateDeployment"),
        change(120, "UpdateStage /throttling/rateLimit"),
        change(30, "PutFunctionCode"),
    ]
    holes = delivered((WINDOW.since, AT - 2 * HOUR), (AT - HOUR, AT))
    found = notes_of(View(), WINDOW, events, [episode(20, None)], holes, Names())
    assert [note.kind for note in found] == ["deployment", "config", "gap", "deployment", "incident"]
    assert text_of(found[2]).endswith("UTC for 1 h: No source delivered")
    assert found[2].href.startswith("?from=")
    assert sentence(found) == "Marked: 2 deployments, 1 change, 1 finding, 1 gap."


def test_a_kind_that_is_switched_off_is_not_there_and_its_button_says_so() -> None:
    view = View(notes="deployment,nonsense")
    assert notes_of(view, WINDOW, [change(9, "CreateDeployment")], [], WHOLE, Names()) == []
    buttons = written(toggles(view))
    assert '{\\"notes\\": null}' in buttons  # the button of what is off switches it on
    assert '{\\"notes\\": \\"config,deployment\\"}' in buttons


def test_many_changes_are_few_marks_and_say_how_many_they_stand_for() -> None:
    events = [change(n, "CreateDeployment") for n in range(1, 239)]
    found = notes_of(View(), WINDOW, events, [], WHOLE, Names())
    assert len(found) <= MOST + 1
    assert sum(1 + note.more for note in found) == len(events)


def test_changes_lead_nowhere_without_a_page_for_them() -> None:
    found = notes_of(View(), WINDOW, [change(9, EVIL)], [episode(60, 30)], WHOLE, Names())
    without = written(lane(WINDOW, found, View(), changes_page=False))
    assert "/changes" not in without
    assert "/findings/f60" in without
    assert "/changes?from=" in written(lane(WINDOW, found, View(), changes_page=True))


def test_marks_in_a_figure_leave_its_data_alone_and_are_plain_text() -> None:
    figure = Figure()
    figure.add_scatter(x=["2026-06-09", "2026-06-10"], y=[1, 2])
    found = notes_of(View(), WINDOW, [change(9, EVIL)], [episode(60, 30)], WHOLE, Names())
    annotate(figure, found)
    assert len(checked(figure).layout.shapes) == 1  # the incident stands in the ribbon
    assert figure.data[0]["y"] == [1, 2]
    assert "<img" not in json.dumps(figure.plain())


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 200)), max_size=6))
def test_gaps_and_deliveries_make_the_whole_window(spans: list[tuple[int, int]]) -> None:
    intervals = delivered(*[(WINDOW.since + a * MINUTE, WINDOW.since + (a + n + 1) * MINUTE) for a, n in spans])
    holes = {WINDOW.since + n * MINUTE for n in range(240)}
    for a, n in spans:
        holes -= {WINDOW.since + (a + k) * MINUTE for k in range(n + 1)}
    said = {start + k * MINUTE for start, end in gaps(intervals, WINDOW) for k in range((end - start) // MINUTE)}
    assert said <= holes
    assert len(holes - said) <= 1  # the minute that goes on is no gap


def starts(size: timedelta) -> list[datetime]:
    return [WINDOW.since + size * n for n in range(WINDOW.span // size)]


def test_a_bucket_is_as_dark_as_its_minutes_are_strange() -> None:
    size = 10 * MINUTE
    found = shares([episode(235, 230), episode(238, 232), episode(60, None)], starts(size), size, AT)
    assert found[0] == 0.8  # minutes 2 to 9 of the window: what overlaps counts once
    assert found[1:18].sum() == 0
    assert found[18:].tolist() == [1.0] * 6


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(-50, 250)), max_size=80))
def test_a_ribbon_has_few_parts_which_lie_in_the_window_and_apart(spans: list[tuple[int, int]]) -> None:
    found = [episode(a, min(b, a)) for a, b in spans]
    made = sorted(runs(found, starts(5 * MINUTE), 5 * MINUTE, AT), key=lambda run: run.since)
    assert len(made) <= MOST_RUNS
    assert all(WINDOW.since <= run.since < run.until <= AT and 1 <= run.dark <= STEPS for run in made)
    assert all(one.until <= other.since for one, other in pairwise(made))
    assert all(run.findings >= 1 for run in made)


def test_a_dark_part_leads_to_its_findings() -> None:
    found = [episode(60, 30), episode(200, 100, Kind.LATENCY_OUTLIER)]
    strip = written(
        ribbon("Auth rejections", "auth", found, starts(10 * MINUTE), 10 * MINUTE, View(api="shop"), WINDOW)
    )
    assert strip.count("ribbon-run") == 1
    assert "kind=auth_failure_spike" in strip
    assert "api=shop" in strip
    assert "1 finding from" in strip


def test_charts_of_a_page_carry_what_is_beside_them_and_it_is_read_once() -> None:
    read = []

    def known() -> Beside:
        read.append(1)
        notes = notes_of(View(), WINDOW, [change(9, "CreateDeployment")], [episode(60, 30)], WHOLE, Names())
        return Beside(View(), WINDOW, notes, [episode(60, 30)])

    at = starts(10 * MINUTE)
    lines = Lines(at, {"refused": [1.0] * len(at)}, words.count)
    bare = written(lines.drawn("a", line_figure(at, lines.series, "requests"), "So many."))
    with drawing(known):
        assert read == []
        first = written(lines.drawn("a", line_figure(at, lines.series, "requests"), "So many."))
        lines.drawn("b", line_figure(at, lines.series, "requests"), "So many.")
    assert read == [1]
    assert beside() is None
    assert "So many. Marked: 1 deployment, 1 finding." in first
    assert "Marked" not in bare


def test_the_strip_in_a_figure_leads_to_the_findings_of_its_span() -> None:
    at = starts(10 * MINUTE)
    figure = line_figure(at, {"refused": [1.0] * len(at)}, "requests")
    said = marked(figure, Beside(View(api="shop"), WINDOW, [], [episode(60, 30)]), at)
    (strip,) = (one for one in checked(figure).data if one.name == "findings")
    assert said == ""
    assert list(strip.customdata) == [span_href(View(api="shop"), AT - HOUR, AT - 30 * MINUTE)]
    assert list(strip.width) == [30 * 60_000]
    assert checked(figure).layout.yaxis9.range == (0, 1)


def test_marks_far_apart_do_not_widen_the_time_that_a_figure_shows() -> None:
    at = starts(10 * MINUTE)
    figure = line_figure(at, {"refused": [1.0] * len(at)}, "requests")
    marked(figure, Beside(View(api="shop"), WINDOW, [], [episode(60, 30), episode(20, 10)]), at)
    shown = checked(figure).layout.xaxis.range
    assert list(shown) == [words.axis(at[0] - 5 * MINUTE), words.axis(at[-1] + 5 * MINUTE)]
