"""Who goes by the clock of a zone comes an hour earlier or later when that changes: nothing is dead then."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest

from detect.clocks import clocks_changed
from detect.model import Context, minute_at
from detect.run import detect
from gatewatch.records import Finding, Kind
from tests.detect.test_hard_traffic import DAY, START, steady, tables

BERLIN = "Europe/Berlin"


def office(first: str, days: int, *, hole: tuple[str, str] | None = None, weekends: bool = True) -> list[Finding]:
    """An API that is called from 9 to 18 h by the clock of Berlin, on every day from `first` on; hole: no calls."""
    frame = steady(days)
    since = int(datetime.fromisoformat(first + "T00:00Z").timestamp()) // 60
    frame["minute"] += pd.Timedelta(minutes=since - START)
    there_at = frame["minute"].dt.tz_convert(BERLIN).dt
    there = (there_at.hour >= 9) & (there_at.hour < 18) & (weekends | (there_at.day_of_week < 5))
    if hole:
        begin, end = map(pd.Timestamp, hole)
        there &= (frame["minute"] < begin) | (frame["minute"] >= end)
    minutes, clients, coverage = tables(frame[there])
    whole = [{**coverage.to_pylist()[0], "start": minute_at(since), "end": minute_at(since + days * DAY)}]
    told = detect(minutes, clients, coverage.from_pylist(whole, coverage.schema), Context()).findings
    return [one for one in told if one.kind is Kind.DEAD_API]


@pytest.mark.parametrize("first", ["2026-10-15", "2026-03-19"], ids=["to winter time", "to summer time"])
def test_an_hour_that_has_moved_is_no_outage(first: str) -> None:
    assert office(first, 14) == []


def test_an_outage_in_the_days_after_the_change_is_said_all_the_same() -> None:
    (one,) = office("2026-10-15", 13, hole=("2026-10-26T11:00Z", "2026-10-26T11:40Z"))
    assert one.start == datetime.fromisoformat("2026-10-26T11:00Z")


def test_evenings_and_weekends_of_an_office_are_no_outage() -> None:
    """Not even the first of them, before anybody knows that it is an office; but a hole of its third day is one."""
    assert office("2026-06-11", 19, weekends=False) == []
    (told,) = office("2026-06-09", 4, weekends=False, hole=("2026-06-11T10:00Z", "2026-06-11T10:40Z"))
    assert told.start == datetime.fromisoformat("2026-06-11T10:00Z")


@pytest.mark.parametrize(
    ("first", "rate", "hole", "said"),
    [
        ("2026-06-09", 20, ("2026-06-09T10:00Z", "2026-06-09T14:00Z"), False),
        ("2026-06-09", 60, ("2026-06-09T10:00Z", "2026-06-09T10:40Z"), True),
        ("2026-06-11", 20, ("2026-06-13T10:00Z", "2026-06-13T10:40Z"), True),
        ("2026-06-11", 20, ("2026-06-12T21:00Z", "2026-06-14T22:00Z"), True),
    ],
    ids=["a first day", "a stream on its first day", "a first Saturday", "a first weekend"],
)
def test_what_stops_before_its_habits_are_known(first: str, rate: int, hole: tuple[str, str], said: bool) -> None:
    frame = steady(5, calls=rate)
    frame["minute"] += pd.Timedelta(minutes=int(datetime.fromisoformat(first + "T00:00Z").timestamp()) // 60 - START)
    begin, end = map(pd.Timestamp, hole)
    told = detect(*tables(frame[(frame["minute"] < begin) | (frame["minute"] >= end)]), Context()).findings
    assert [one.start for one in told if one.kind is Kind.DEAD_API] == [begin] * said


def test_other_days_have_no_new_clock() -> None:
    def at(text: str) -> int:
        return int(datetime.fromisoformat(text + "T12:00Z").timestamp()) // 60

    assert [clocks_changed(at(day)) for day in ("2026-03-07", "2026-03-29", "2026-06-01", "2026-11-10")] == [
        False,
        True,
        False,
        False,
    ]


def test_a_long_outage_of_who_calls_all_day_is_said_again_on_the_next_day() -> None:
    """In a first week, when no hour of the week was seen before."""
    frame = steady(6)
    minute = frame["minute"].astype("int64") // 60_000_000 - START
    down = (minute // DAY).isin([3, 4]) & (minute % DAY >= 600) & (minute % DAY < 1200)
    told = [one for one in detect(*tables(frame[~down]), Context()).findings if one.kind is Kind.DEAD_API]
    assert [one.start for one in told] == [minute_at(START + day * DAY + 600) for day in (3, 4)]
