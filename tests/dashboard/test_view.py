from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.view import RANGES, View, against, compared, view_of, window_of
from dashboard.when import canonical, typed
from gatewatch.errors import UsageError
from tests.store.builders import AT

INSTANTS = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(canonical)
TIMES = st.one_of(
    st.builds(lambda name: {"range": name, "since": None, "until": None}, st.sampled_from(sorted(RANGES))),
    st.builds(lambda n: {"since": f"now-{n}m", "until": None}, st.integers(61, 9999).filter(lambda n: n % 60)),
    st.builds(lambda a, b: {"since": min(a, b), "until": max(a, b)}, INSTANTS, INSTANTS).filter(
        lambda one: one["since"] != one["until"]
    ),
)


@given(
    TIMES,
    st.builds(
        View,
        api=st.none() | st.text(min_size=1, max_size=40),
        stage=st.none() | st.text(min_size=1, max_size=40),
        kind=st.sampled_from([None, "dead_api", "latency_outlier"]),
        severity=st.sampled_from([None, "low", "critical"]),
        state=st.sampled_from([None, "open", "resolved"]),
        q=st.none() | st.text(min_size=1, max_size=40),
        cursor=st.none() | st.text(min_size=1, max_size=40),
        labels=st.sampled_from([None, "off"]),
        cmp=st.sampled_from([None, "prev", "week", "2026-06-01T12:00Z"]),
        refresh=st.sampled_from([None, "off", "10s"]),
        sort=st.sampled_from([None, "-start"]),
        f=st.lists(st.text(min_size=1, max_size=20), max_size=3).map(tuple),
    ),
)
def test_an_address_gives_back_the_view_that_wrote_it(times: dict[str, str], view: View) -> None:
    view = replace(view, **times)  # type: ignore[arg-type]
    assert view_of(view.search()) == view
    assert view_of(view.kept().search()) == view.kept()


@given(st.text(max_size=300))
def test_any_address_shows_something(search: str) -> None:
    view = view_of(search)
    assert view.range in RANGES
    window_of(view, AT, AT)


def test_values_that_make_no_sense_are_left_out() -> None:
    assert view_of("?range=9y&kind=<b>&severity=awful&state=gone&api=&labels=maybe") == View()
    assert view_of(None) == View()
    assert View().search() == ""
    assert View(api="a b&c").search() == "?api=a+b%26c"
    assert not View(range="7d").filtered
    assert View(q="x").filtered


def test_a_range_counts_back_from_now_or_from_old_data() -> None:
    fresh = window_of(View(), AT - timedelta(minutes=5), AT)
    assert (fresh.until, fresh.stale) == (AT + timedelta(minutes=1), False)
    old = window_of(View(range="1h"), AT - timedelta(days=9), AT)
    assert old.stale
    assert old.until == AT - timedelta(days=9) + timedelta(minutes=1)
    assert old.span == timedelta(hours=1)
    assert window_of(View(), None, AT).until == fresh.until


def test_no_window_has_more_than_120_buckets() -> None:
    for name in RANGES:
        window = window_of(replace(View(), range=name), AT, AT)
        assert window.span / timedelta(minutes=window.bucket_minutes) <= 120


@given(
    st.sampled_from(["from", "to"]), st.text(max_size=30) | st.sampled_from(["now-9999w", "0001-01-01", "9999-12-31"])
)
def test_any_time_shows_something(key: str, text: str) -> None:
    window = window_of(view_of("?" + urlencode({key: text})), AT, AT)
    assert timedelta(minutes=1) <= window.span <= timedelta(days=400)
    assert window.span / timedelta(minutes=window.bucket_minutes) <= 120


def test_a_chosen_time_is_the_same_whenever_it_is_opened() -> None:
    view = view_of("?from=2026-06-09T12:00:00Z&to=2026-06-09T14:00:00%2B01:00&range=7d")
    assert view.frozen
    assert view == View().between(datetime(2026, 6, 9, 12, tzinfo=UTC), datetime(2026, 6, 9, 13, tzinfo=UTC))
    one, later = (window_of(view, AT, now) for now in (AT, AT + timedelta(days=40)))
    assert one == later
    assert (one.span, one.stale) == (timedelta(hours=1), False)


def test_times_that_count_back_are_quick_ranges_where_there_is_one() -> None:
    assert view_of("?from=now-6h&to=now") == View(range="6h")
    assert view_of("?from=now-90m").search() == "?from=now-90m"
    assert window_of(view_of("?from=now-90m"), AT, AT).span == timedelta(minutes=90)
    assert window_of(view_of("?from=now-2d&to=now-1d"), AT, AT).span == timedelta(days=1)
    assert view_of("?from=2026-06-09&to=2026-06-08") == View()
    assert View(since="now-90m").search(range="7d") == "?range=7d"


def test_a_comparison_is_as_long_and_no_part_of_what_it_is_compared_with() -> None:
    window = window_of(View(), AT, AT)
    before = compared(View(cmp="prev"), window)
    assert before is not None
    assert (before.until, before.span) == (window.since, window.span)
    for name in RANGES:
        window = window_of(View(range=name), AT, AT)
        week = compared(View(cmp="week"), window)
        assert week is not None
        assert week.until <= window.since
        assert (window.since - week.since) % timedelta(weeks=1) == timedelta()
    assert compared(View(), window) is None


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("now-6h", "now-6h", "now"),
        ("last 90 min", "now-90m", "now"),
        ("3 days", "now-3d", "now"),
        ("Yesterday", "2026-06-08T00:00Z", "2026-06-09T00:00Z"),
        ("today", "2026-06-09T00:00Z", "now"),
        ("2026-06-07", "2026-06-07T00:00Z", "2026-06-08T00:00Z"),
        ("2026-06-07 10:00 to 2026-06-07T12:30:15+02:00", "2026-06-07T10:00Z", "2026-06-07T10:30:15Z"),
        ("now - 2d .. now - 1d", "now-2d", "now-1d"),
        ("2026-06-07 to today", "2026-06-07T00:00Z", "now"),
        ("2026-06-07 to yesterday", "2026-06-07T00:00Z", "2026-06-09T00:00Z"),
    ],
)
def test_times_are_read_as_people_write_them(text: str, since: str, until: str) -> None:
    assert typed(text, datetime(2026, 6, 9, 12, 34, tzinfo=UTC)) == (since, until)


@given(st.text(max_size=40) | st.sampled_from(["now", "", "yesterday to 2026-01-01", "now-1h to now-2h"]))
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    now = datetime(2026, 6, 9, 12, 34, tzinfo=UTC)
    try:
        since, until = typed(text, now)
    except UsageError as error:
        said = str(error)
    else:
        said = ""
        assert [canonical(since), canonical(until)] == [since, until]
    assert said == "" or "write now-6h" in said or "at or after its end" in said


def test_any_time_of_the_same_length_can_be_compared_with() -> None:
    view = view_of("?range=6h&cmp=2026-06-01+12:00")
    assert view.cmp == "2026-06-01T12:00Z"
    assert against(view) == "time from 2026-06-01 12:00 UTC"
    window = window_of(view, AT, AT)
    other = compared(view, window)
    assert other is not None
    assert (other.since.isoformat(), other.span) == ("2026-06-01T12:00:00+00:00", window.span)
    for text in ("yesterday-ish", "now-3d", "9999-01-01", ""):
        assert view_of(f"?cmp={text}").cmp is None
