from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.frames import (
    CLIENTS,
    CLOSE_DELAY,
    MINUTE_COUNTS,
    MINUTES,
    merge_clients,
    merge_minutes,
    rollup,
    stage_counts,
    visible_mask,
)

START = datetime(2026, 6, 9, 12, tzinfo=UTC)


def a_row(minute: int, route: str | None, buckets: dict[int, int], clients: list[int]) -> dict[str, object]:
    ordered = sorted(buckets)
    return {
        **dict.fromkeys(MINUTES.names),
        **dict.fromkeys(MINUTE_COUNTS, 0),
        "minute": START + timedelta(minutes=minute),
        "api": "a1",
        "stage": "prod",
        "route": route,
        "n": sum(buckets.values()),
        "s2xx": sum(buckets.values()),
        "latency_b": ordered or None,
        "latency_c": [buckets[bucket] for bucket in ordered] or None,
        "clients_k": sorted(set(clients)) or None,
        "visible": visible_mask(["status"]),
    }


ROWS = st.lists(
    st.builds(
        a_row,
        st.integers(0, 3),
        st.sampled_from(["GET /a", "GET /b", None]),
        st.dictionaries(st.integers(-1, 900), st.integers(1, 9), max_size=4),
        st.lists(st.integers(0, 2**32 - 1), max_size=5),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=15, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 30))
def test_any_order_and_any_split_merge_to_the_same(rows: list[dict[str, object]], random: object, cut: int) -> None:
    whole = merge_minutes(pa.Table.from_pylist(rows, schema=MINUTES))
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random typed as object
    parts = [merge_minutes(pa.Table.from_pylist(part, schema=MINUTES)) for part in (shuffled[:cut], shuffled[cut:])]
    assert merge_minutes(pa.concat_tables(parts)).equals(whole)


def test_a_stage_sums_its_routes_and_merges_their_latencies() -> None:
    rows = [a_row(0, "GET /a", {100: 3}, [1, 2]), a_row(0, "GET /b", {100: 1, 200: 4}, [2, 3])]
    frame = rollup(pa.Table.from_pylist(rows, schema=MINUTES), by_route=False)
    assert len(frame) == 1
    assert frame.loc[0, "n"] == 8
    assert frame.loc[0, "distinct_clients"] == 3
    assert frame.loc[0, "latency_n"] == 8
    assert frame.loc[0, "closes_at"] == START + timedelta(minutes=1) + CLOSE_DELAY


@settings(max_examples=8, deadline=None)
@given(ROWS, st.lists(st.integers(1, 500), max_size=30))
def test_the_counts_of_stages_are_those_of_the_rollup(rows: list[dict[str, object]], late: list[int]) -> None:
    for row, seconds in zip(rows, late, strict=False):
        row["available_at"], row["visible"] = START + timedelta(seconds=seconds), 1 << seconds % 60
        row["api"] = "a2" if seconds % 3 else None
    minutes = pa.Table.from_pylist(rows, schema=MINUTES)
    whole, counts = rollup(minutes, by_route=False), stage_counts(minutes)
    pd.testing.assert_frame_equal(counts, whole[counts.columns])
    assert set(MINUTE_COUNTS) <= set(counts.columns)


def test_no_rows_have_no_counts() -> None:
    none = MINUTES.empty_table()
    counts = stage_counts(none)
    pd.testing.assert_frame_equal(counts, rollup(none, by_route=False)[counts.columns])


def test_clients_add_up() -> None:
    row = {
        **dict.fromkeys(CLIENTS.names),
        "minute": START,
        "api": "a1",
        "reject_cause": "throttle",
        "client_ip": "192.0.2.1",
    }
    table = pa.Table.from_pylist([{**row, "n": 2, "seconds": 5}, {**row, "n": 3, "seconds": 6}], schema=CLIENTS)
    merged = merge_clients(table)
    assert merged.column("n").to_pylist() == [5]
    assert merged.column("seconds").to_pylist() == [7]
