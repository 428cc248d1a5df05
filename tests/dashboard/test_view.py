from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from dashboard.view import RANGES, View, view_of, window_of
from tests.store.builders import AT


@given(
    st.builds(
        View,
        range=st.sampled_from(sorted(RANGES)),
        api=st.none() | st.text(min_size=1, max_size=40),
        stage=st.none() | st.text(min_size=1, max_size=40),
        kind=st.sampled_from([None, "dead_api", "latency_outlier"]),
        severity=st.sampled_from([None, "low", "critical"]),
        state=st.sampled_from([None, "open", "resolved"]),
        q=st.none() | st.text(min_size=1, max_size=40),
        cursor=st.none() | st.text(min_size=1, max_size=40),
        labels=st.sampled_from([None, "off"]),
    )
)
def test_an_address_gives_back_the_view_that_wrote_it(view: View) -> None:
    assert view_of(view.search()) == view


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
