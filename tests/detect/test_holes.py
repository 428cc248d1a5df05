"""Logs with years between them: each part is judged for itself, and nobody waits for the minutes in between."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa

from detect import run
from detect.model import Context, minute_at
from detect.run import Detection, detect
from gatewatch.frames import COVERAGE, MINUTES
from gatewatch.records import Kind
from gatewatch.settings import Settings
from tests.detect.world import Api, tables_of

FIRST, YEARS = 29_000_000, 400 * 1440


def attacked(start: int, refused: range) -> tuple[pa.Table, pa.Table]:
    """15 hours of a stage, and the callers that are refused one by one in these minutes of it."""
    api = Api("quiet00001", np.random.default_rng(5), start, 900, 5.0)
    for k, minute in enumerate(refused):
        extra = np.zeros_like(api.n)
        extra[0, minute] = 3
        api.refuse("bad_signature", extra, [f"203.0.113.{k % 250}"], principals=True)
    return tables_of(api)


def told(*parts: tuple[pa.Table, pa.Table]) -> Detection:
    minutes, clients = (pa.concat_tables(tables) for tables in zip(*parts, strict=True))
    only = {"auth_failure_spike", "config_change"}
    return detect(minutes, clients, COVERAGE.empty_table(), Context(settings=Settings()), only=only)


def test_parts_with_a_long_hole_between_them_say_what_each_says_alone() -> None:
    early, late = attacked(FIRST, range(860, 900)), attacked(FIRST + YEARS, range(700, 760))
    both = told(early, late).findings
    assert len(both) == 2
    (first,), (second,) = told(early).findings, told(late).findings
    assert first.end is None  # it went on when its logs ended
    assert [one.id for one in both] == [first.id, second.id]
    assert both[0].end == minute_at(FIRST + 900)
    assert both[1] == second
    assert both[1].start - both[0].start > timedelta(days=399)
    assert {one.kind for one in both} == {Kind.AUTH_FAILURE_SPIKE}


def test_only_holes_that_are_long_enough_cut() -> None:
    at = [FIRST + minute for minute in (3, 0, 899, 2000, 2899, YEARS)]
    minutes = pa.table({"minute": pa.array([minute_at(one) for one in at], MINUTES.field("minute").type)})
    stop = FIRST + YEARS + 1000
    assert run._stretches(minutes, FIRST, stop, 30 * 1440) == [(FIRST, FIRST + 2900), (FIRST + YEARS, stop)]
    assert run._stretches(minutes, FIRST, stop, 1100) == [
        (FIRST, FIRST + 900),
        (FIRST + 2000, FIRST + 2900),
        (FIRST + YEARS, stop),
    ]
    assert run._stretches(minutes, FIRST, stop, 1101)[0] == (FIRST, FIRST + 2900)
    assert run._stretches(minutes.slice(0, 0), FIRST, stop, 1) == [(FIRST, stop)]
