"""A silence that comes too early to be judged is said to have come."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pyarrow as pa
import pytest

from detect.model import Context, epoch_minute, minute_at
from detect.run import cut, detect, fold, frames_of
from gatewatch.frames import COVERAGE
from gatewatch.records import Blind, Kind
from tests.detect.test_hard_traffic import START, steady, tables


def judged(frame: pd.DataFrame, rate: int) -> tuple[int, list[Blind]]:
    """How many findings there are, and what could not be judged."""
    frame = frame.copy()
    frame["n"], frame["s2xx"] = rate, rate
    made = detect(*tables(frame), Context(), only={"dead_api"})
    return len(made.findings), made.blind


def holed(minutes: int, first: int, length: int) -> pd.DataFrame:
    frame = steady(-(-minutes // 1440)).iloc[:minutes]
    return frame[(frame.index < first) | (frame.index >= first + length)]


@pytest.mark.parametrize(
    ("minutes", "hole", "rate", "findings", "reason"),
    [
        (60, (60, 0), 20, 0, "warming up: silences are judged when it has been known for 3 h"),
        (600, (600, 0), 20, 0, "warming up: on a first day silences are judged of streams alone (30 calls a minute)"),
        (600, (600, 0), 40, 0, None),
        (600, (400, 100), 40, 1, None),
        (600, (400, 100), 20, 0, "warming up: silent for 100 min from {hole} UTC, too early to tell"),
        (1500, (400, 100), 20, 0, "warming up: silent for 100 min from {hole} UTC, too early to tell"),
        (1500, (400, 1), 20, 0, None),
        (10 * 1440, (400, 100), 20, 0, None),
    ],
)
def test_what_of_a_first_day_is_not_judged(
    minutes: int, hole: tuple[int, int], rate: int, findings: int, reason: str | None
) -> None:
    found, blind = judged(holed(minutes, *hole), rate)
    assert found == findings
    at = pd.Timestamp((START + hole[0]) * 60, unit="s")
    told = [] if reason is None else [(Kind.DEAD_API, reason.format(hole=f"{at:%Y-%m-%d %H:%M}"))]
    assert [(one.kind, one.reason) for one in blind] == told


def test_what_a_first_weekend_hides_is_said_however_the_minutes_are_cut() -> None:
    monday = epoch_minute(datetime.fromisoformat("2026-03-02T00:00Z"))
    frame = steady(6)
    frame["n"], frame["s2xx"] = 20, 20
    frame["minute"] += pd.Timedelta(minutes=monday - START)
    hour, day = frame.index // 60 % 24, frame.index // 1440
    frame = frame[(hour >= 8) & (hour < 18) & (day < 5)]  # an office, from Monday to Friday
    minutes, clients, _ = tables(frame)
    until = monday + 6 * 1440
    watched = [{"source": "s", "start": minute_at(monday), "end": minute_at(until)}]
    made = frames_of(minutes, clients, pa.Table.from_pylist(watched, schema=COVERAGE), monday, until)
    whole, states = fold([made], Context(), {}, {"dead_api"})[1:]
    parts = fold(cut(made, every=437), Context(), {}, {"dead_api"})
    assert parts[1:] == (whole, states)
    (one,) = whole
    assert one.reason == "warming up: silent for 30 h from 2026-03-06 18:00 UTC, too early to tell"
