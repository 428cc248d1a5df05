"""The page's sums against the detectors' rollup, which merges the same minutes by another way."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.traffic import Minutes, add_up, bucket_starts, covered, covered_share, key_places, time_places
from gatewatch.frames import COVERAGE, MINUTE_COUNTS, rollup
from tests.store.builders import AT, minutes

import pyarrow as pa  # isort: skip

ROW = st.fixed_dictionaries(
    {
        "minute": st.integers(0, 90).map(lambda n: AT + timedelta(minutes=n)),
        "api": st.sampled_from(["a1", "a2", None]),
        "stage": st.sampled_from(["prod", None]),
        "n": st.integers(1, 1000),
        "s5xx": st.integers(0, 50),
        "c_expired_credential": st.integers(0, 9),
        "c_throttle": st.integers(0, 9),
        "c_quota": st.integers(0, 9),
        "hist": st.dictionaries(st.integers(-1, 1000), st.integers(1, 50), max_size=5),
    }
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    out = []
    for row in rows:
        pairs = sorted(row["hist"].items())
        lists = {"latency_b": [b for b, _ in pairs] or None, "latency_c": [c for _, c in pairs] or None}
        out.append(dict.fromkeys(MINUTE_COUNTS, 0) | {k: v for k, v in row.items() if k != "hist"} | lists)
    return minutes(out)


def both(found: pa.Table) -> Minutes:
    return Minutes(found, pa.table({name: found.column(f"latency_{name}") for name in "bc"}))


@settings(max_examples=30, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30))
def test_sums_of_stages_are_those_of_the_rollup(rows: list[dict[str, Any]]) -> None:
    found = table(rows)
    place = found.schema.get_field_index("minute")
    one_time = found.set_column(
        place, found.schema.field(place), pa.array([AT] * len(rows), found.schema.field(place).type)
    )
    expected = rollup(one_time, by_route=False)
    keys, group = key_places(found, ("api", "stage"))
    sums = add_up(both(found), group, group, len(keys))
    wanted = {}
    for row in expected.to_dict("records"):
        key = tuple(None if pd.isna(row[name]) else row[name] for name in ("api", "stage"))
        throttled = row["c_throttle"] + row["c_quota"]
        wanted[key] = (row["n"], row["s5xx"], row["c_expired_credential"], throttled, row["latency_p95_ms"])
    assert set(keys) == set(wanted)
    for at, key in enumerate(keys):
        got = (sums.n[at], sums.failed[at], sums.auth[at], sums.throttled[at], sums.p95_ms[at])
        assert got == pytest.approx(wanted[key], nan_ok=True)


def test_minutes_fall_into_their_buckets() -> None:
    size = timedelta(minutes=15)
    starts = bucket_starts(AT - timedelta(minutes=7), AT + timedelta(minutes=20), size)
    assert starts == [AT - timedelta(minutes=15), AT, AT + timedelta(minutes=15)]
    found = minutes([{"minute": AT + timedelta(minutes=n)} for n in (-7, 0, 14, 15)])
    assert time_places(found, starts[0], size).tolist() == [0, 1, 1, 2]


def test_no_rows_are_no_requests() -> None:
    nobody = np.zeros(0, dtype=np.int64)
    sums = add_up(both(minutes([])), nobody, nobody, 2)
    assert sums.n.tolist() == [0, 0]
    assert all(math.isnan(value) for value in sums.p95_ms)
    assert key_places(minutes([]), ("api", "stage"))[0] == []


def test_coverage_is_what_any_source_delivered() -> None:
    size = timedelta(minutes=10)
    starts = [AT + size * n for n in range(6)]

    def intervals(*spans: tuple[float, float]) -> pa.Table:
        rows = [
            {"source": f"s{a}", "start": AT + timedelta(minutes=a), "end": AT + timedelta(minutes=b)} for a, b in spans
        ]
        return pa.Table.from_pylist(rows, COVERAGE)

    assert covered(intervals((12, 20), (45, 99)), starts, size).tolist() == [False, True, False, False, True, True]
    assert covered(intervals((-30, 0.5)), starts, size).tolist() == [True, False, False, False, False, False]
    assert covered(intervals((-30, 0)), starts, size).tolist() == [False] * 6
    assert covered(intervals(), starts, size).tolist() == [False] * 6
    end = AT + timedelta(hours=1)
    assert covered_share(intervals((0, 30), (15, 45)), AT, end) == 0.75
    assert covered_share(intervals((-99, 999)), AT, end) == 1.0
    assert covered_share(intervals(), AT, end) == 0.0
