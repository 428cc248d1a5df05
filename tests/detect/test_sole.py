"""The silence of an API that one client calls is the rest of that client, until it has lasted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from detect.model import Context, minute_at
from detect.run import cut, detect, fold, frames_of
from gatewatch.records import Finding
from tests.detect.test_hard_traffic import START, Tables, steady, tables

DAY = 1440
AT = 8 * DAY + 300


def called(every: int, calls: int, callers: Sequence[int], silent: int) -> Tables:
    """Ten days of calls, once in so many minutes by these in turn, but for so many minutes of the ninth."""
    frame = steady(10)
    frame["n"] = frame["s2xx"] = calls
    frame["clients_k"] = [[callers[at // every % len(callers)]] for at in frame.index]
    times = frame.index % every == 0
    return tables(frame[times & ((frame.index < AT) | (frame.index >= AT + silent))])


def said(made: Tables) -> list[Finding]:
    return detect(*made, Context(), only={"dead_api"}).findings


@pytest.mark.parametrize(
    ("every", "calls", "callers", "silent", "noticed"),
    [
        (5, 1, [7], 6 * 60, None),
        (5, 1, [7, 9], 6 * 60, (60, 200)),
        (5, 1, [7], 16 * 60, (10 * 60, 13 * 60)),
        (1, 30, [7], 60, (5, 12)),
        (1, 30, [7, 9], 60, (1, 3)),
    ],
)
def test_a_lone_client_may_rest_half_a_day_or_ten_times_as_many_calls(
    every: int, calls: int, callers: list[int], silent: int, noticed: tuple[float, float] | None
) -> None:
    found = said(called(every, calls, callers, silent))
    if noticed is None:
        assert found == []
        return
    (one,) = found
    waited = (one.detected_at - minute_at(START + AT)).total_seconds() / 60
    assert noticed[0] <= waited <= noticed[1]
    assert ("one caller" in (one.caveat or "")) == (len(callers) == 1)


def test_who_called_is_known_however_the_minutes_are_cut() -> None:
    whole = frames_of(*called(5, 1, [7], 16 * 60), START, START + 10 * DAY)
    found, _, states = fold([whole], Context(), {}, {"dead_api"})
    again, _, after = fold(cut(whole, every=217), Context(), {}, {"dead_api"})
    assert [one.to_json() for one in again] == [one.to_json() for one in found]
    assert after == states
