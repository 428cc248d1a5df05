from __future__ import annotations

from datetime import timedelta

from dashboard.partial import LAG, Missing, partial_note, silent_since
from dashboard.view import Window
from tests.dashboard.pages.conftest import texts
from tests.store.builders import AT

HOUR = timedelta(hours=1)
WINDOW = Window(AT - 24 * HOUR, AT, stale=False)


def test_it_says_how_much_is_missing_and_since_when() -> None:
    made = partial_note(
        Missing(0.9, [(AT - 9 * HOUR, AT - 8 * HOUR), (AT - 5 * HOUR, AT - 3 * HOUR)], WINDOW, ["bucket", "pushes"])
    )
    assert made is not None
    (said,) = texts(made)
    assert said == (
        "Data are partial: sources delivered in 90 % of this range; 2 gaps, the longest from 2026-06-09 07:00 UTC on "
        "for 2 h, in which bucket, pushes were silent. What lies there is not known, and not judged."
    )


def test_what_is_on_its_way_as_always_is_not_missing() -> None:
    quarter = Window(AT - timedelta(minutes=15), AT, stale=False)
    assert partial_note(Missing(0.8, [(AT - timedelta(minutes=3), AT)], quarter)) is None
    assert partial_note(Missing(0.5, [(AT - LAG - timedelta(minutes=1), AT)], quarter)) is not None
    assert partial_note(Missing(0.99, [(AT - 2 * HOUR, AT - HOUR)], WINDOW)) is None
    assert partial_note(Missing(1.0, [], WINDOW)) is None


def test_a_followed_source_that_stopped_is_named_even_if_others_deliver() -> None:
    ends = {"shop": AT - 2 * HOUR, "orders": AT, "by hand": AT - 9 * HOUR, "late": AT - timedelta(minutes=20)}
    silent = silent_since(ends, {"shop", "orders", "late"})
    assert silent == [("shop", AT - 2 * HOUR)]
    made = partial_note(Missing(1.0, [], WINDOW, sorted(ends), silent))
    assert made is not None
    (said,) = texts(made)
    assert said.startswith("The source shop is silent since 2026-06-09 10:00 UTC, while others deliver.")
    assert silent_since({}, {"shop"}) == []
