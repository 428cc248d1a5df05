from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.frames import CLIENTS, MINUTES, merge_client_parts, merge_clients, merge_minute_parts, merge_minutes
from gatewatch.frames.schema import MINUTE_COUNTS

START = datetime(2026, 6, 9, tzinfo=UTC)
ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from([None, "GET /a", "GET /b"]), st.integers(1, 5)), max_size=12
)


def a_part(rows: list[tuple[int, str | None, int]]) -> pa.Table:
    """One row for each different minute and route, in order."""
    kept = {(minute, route): count for minute, route, count in rows}
    return merge_minutes(
        pa.Table.from_pylist(
            [
                {
                    "minute": START + timedelta(minutes=minute),
                    "api": "a1",
                    "route": route,
                    **dict.fromkeys(MINUTE_COUNTS, 0),
                    "n": count,
                    "latency_b": [3, 7],
                    "latency_c": [count, 1],
                    "clients_k": [count, count + 10],
                    "visible": 1 << minute,
                }
                for (minute, route), count in kept.items()
            ],
            schema=MINUTES,
        )
    )


@given(st.lists(ROWS, max_size=6))
def test_minutes_that_one_part_has_alone_pass_by_and_change_nothing(
    several: list[list[tuple[int, str | None, int]]],
) -> None:
    parts = [a_part(rows) for rows in several]
    assert merge_minute_parts(parts).equals(merge_minutes(pa.concat_tables([MINUTES.empty_table(), *parts])))


@given(st.lists(ROWS, max_size=6))
def test_so_it_is_with_clients(several: list[list[tuple[int, str | None, int]]]) -> None:
    parts = [
        merge_clients(
            pa.Table.from_pylist(
                [
                    {"minute": START + timedelta(minutes=minute), "route": route, "n": count, "seconds": 1 << count}
                    for minute, route, count in rows
                ],
                schema=CLIENTS,
            )
        )
        for rows in several
    ]
    assert merge_client_parts(parts).equals(merge_clients(pa.concat_tables([CLIENTS.empty_table(), *parts])))


def test_parts_that_follow_each_other_are_not_copied() -> None:
    """A day of files in the order of time costs nothing at the end."""
    parts = [a_part([(minute, "GET /a", 1)]) for minute in range(5)]
    merged = merge_minute_parts(reversed(parts))
    assert merged.column("n").num_chunks == 5
    assert [chunk.buffers()[1].address for chunk in merged.column("n").chunks] == [
        part.column("n").chunk(0).buffers()[1].address for part in parts
    ]
