"""What is summed once and kept says the same as the minutes themselves, wherever the time cuts the segments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.frames import visible_mask
from gatewatch.settings import Settings
from gatewatch.store.coarse import COARSE, LEVELS_MIN, coarsened, level_of, summed_minutes
from gatewatch.store.groups import Scope, minute_clients, minute_histograms, minute_sums
from gatewatch.store.state import State, open_state
from tests.store.builders import AT, minutes, minutes_after, put

STEPS = [None, *(timedelta(minutes=size) for size in (1, 5, 15, 60, 120))]


def row(n: int, **more: Any) -> dict[str, Any]:
    """What comes in minute n."""
    return {
        "minute": minutes_after(n),
        "route": f"GET /{n % 3}" if n % 4 else None,
        "n": n + 1,
        "s5xx": n % 2,
        "latency_b": [n % 7, 100 + n % 5] if n % 5 else None,
        "latency_c": [n + 1, 2] if n % 5 else None,
        "clients_k": sorted({n * 37 % 400, n * 91 % 400, n}),
        "visible": visible_mask(["status"]),
        **more,
    }


def fill(state: State) -> None:
    """Segments that lie apart, beside and over each other."""
    for number, span in enumerate((range(50), range(50, 130), range(40, 60), range(200, 260))):
        put(state, file=f"{number}.log", tables=[("minutes", minutes([row(n) for n in span]))])


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """The lake is the same, whatever database lists its segments."""
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    fill(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize(("first", "last"), [(0, 300), (7, 55), (45, 201), (131, 150)])
def test_any_time_and_step_adds_up(state: State, first: int, last: int) -> None:
    for step in STEPS:
        adds_up(state, step, first, last)


def adds_up(state: State, step: timedelta | None, first: int, last: int) -> None:
    scope = Scope(minutes_after(first), minutes_after(last))
    inside = [n for span in (range(50), range(50, 130), range(40, 60), range(200, 260)) for n in span]
    inside = [n for n in inside if first <= n < last]
    for _ in range(2):  # the second time from what was kept
        sums = minute_sums(state, scope, ("route",), ("n", "s5xx"), step=step).to_pylist()
        assert sum(one["n"] for one in sums) == sum(n + 1 for n in inside)
        assert sum(one["s5xx"] for one in sums) == sum(n % 2 for n in inside)
        if sums:
            assert max(one["last"] for one in sums) == minutes_after(max(inside))
        if step is not None:
            size = int(step.total_seconds()) // 60
            assert {one["bucket"] for one in sums} == {AT + timedelta(minutes=n // size * size) for n in inside}
        took = minute_histograms(state, scope, (), step=step).to_pylist()
        counts: dict[int, int] = {}
        for one in took:
            for bucket, n in zip(one["b"] or [], one["c"] or [], strict=True):
                counts[bucket] = counts.get(bucket, 0) + n
        wanted: dict[int, int] = {}
        for n in inside:
            for bucket, many in ((n % 7, n + 1), (100 + n % 5, 2)) if n % 5 else ():
                wanted[bucket] = wanted.get(bucket, 0) + many
        assert counts == wanted


def test_callers_are_those_with_the_smallest_hashes(state: State) -> None:
    every = sorted({k for span in (range(130), range(200, 260)) for n in span for k in row(n)["clients_k"]})
    found = minute_clients(state, Scope(AT, AT + timedelta(hours=5)), ()).to_pylist()
    assert found[0]["clients_k"] == every[:64]


def test_what_was_summed_is_read_once(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Scope(AT, AT + timedelta(hours=5))
    expected = minute_sums(state, whole, ("route",)).to_pylist()
    monkeypatch.setattr("gatewatch.store.coarse.of_segments", None)
    assert minute_sums(state, whole, ("route",)).to_pylist() == expected
    with pytest.raises(TypeError):  # a time that cuts a segment reads that
        minute_sums(state, Scope(minutes_after(3), AT + timedelta(hours=5)), ("route",))


def test_what_is_kept_is_bounded() -> None:
    assert COARSE.bytes <= COARSE.most


def test_steps_are_served_by_the_longest_part_that_divides_them() -> None:
    wanted = {1: None, 5: 5, 10: 5, 15: 15, 30: 15, 60: 60, 120: 60, 1440: 60}
    assert {size: level_of(timedelta(minutes=size)) for size in wanted} == wanted
    assert level_of(None) == LEVELS_MIN[0]


def test_large_and_small_groups_of_histograms_are_summed_alike(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = summed_minutes(state, "latency", AT, AT + timedelta(hours=5), timedelta(minutes=1))
    given = rows.rename_columns([*rows.column_names[:-2], "latency_b", "latency_c"])
    dense = coarsened(given, "latency", 15)
    monkeypatch.setattr("gatewatch.store.coarse._DENSE", 0)
    assert coarsened(given, "latency", 15).equals(dense)
