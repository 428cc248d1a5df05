"""What was refused at the door is no latency of a back end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from detect.answered import AT_THE_DOOR, BY_AUTHORIZER, denied, unclear, worked_on
from detect.grid import Floats, Grid, Ints
from gatewatch.frames import cause_column
from gatewatch.records import REJECT_CAUSES


@dataclass
class Counts:
    """A grid's counts: (series, minutes)."""

    n: Floats
    refused: dict[str, Floats] = field(default_factory=dict)

    @property
    def minutes(self) -> int:
        return int(self.n.shape[1])

    def counts(self, *names: str) -> Floats:
        given = {"n": self.n} | {cause_column(cause): counts for cause, counts in self.refused.items()}
        return np.asarray(sum((given.get(name, np.zeros_like(self.n)) for name in names), np.zeros_like(self.n)))


def left(grid: Counts, *values: tuple[int, int, int, int]) -> list[tuple[int, ...]]:
    columns = cast("tuple[Ints, Ints, Ints, Ints]", tuple(np.array(values, dtype=np.int64).reshape(-1, 4).T))
    return [tuple(row) for row in np.stack(worked_on(cast(Grid, grid), columns), axis=1).tolist()]


def test_all_causes_are_ours() -> None:
    assert set(AT_THE_DOOR + BY_AUTHORIZER) <= set(REJECT_CAUSES)
    assert not set(AT_THE_DOOR) & set(BY_AUTHORIZER)


def test_the_fastest_go_that_were_refused_at_the_door() -> None:
    grid = Counts(np.array([[10.0, 5.0], [0.0, 4.0]]), {"throttle": np.array([[3.0, 0.0], [0.0, 1.0]])})
    values = (0, 0, 1, 2), (0, 0, 9, 8), (0, 1, 1, 5), (1, 1, 2, 3), (1, 1, 7, 1)
    assert left(grid, *values) == [(0, 0, 9, 7), (0, 1, 1, 5), (1, 1, 2, 2), (1, 1, 7, 1)]


def test_without_refusals_nothing_changes() -> None:
    grid = Counts(np.array([[10.0]]), {"backend_error": np.array([[9.0]])})
    assert left(grid, (0, 0, 1, 10)) == [(0, 0, 1, 10)]
    assert left(grid) == []


def test_where_most_were_refused_nothing_is_told() -> None:
    grid = Counts(np.array([[10.0, 10.0]]), {"quota": np.array([[6.0, 0.0]])})
    assert left(grid, (0, 0, 1, 6), (0, 0, 9, 4), (0, 1, 9, 10)) == [(0, 1, 9, 10)]


def test_refusals_without_a_latency_of_their_own_take_nobody_elses() -> None:
    """Where the integration's time stands for the whole one, what was refused has none."""
    grid = Counts(np.array([[10.0]]), {"throttle": np.array([[4.0]])})
    assert left(grid, (0, 0, 5, 6)) == [(0, 0, 5, 6)]
    assert left(grid, (0, 0, 1, 1), (0, 0, 5, 6)) == [(0, 0, 5, 6)]


def test_more_refusals_of_an_authorizer_than_usual_make_a_minute_unclear() -> None:
    calls = np.array([[100.0, 100.0, 100.0], [10.0, 10.0, 0.0]])
    refused = denied(cast(Grid, Counts(calls, {"expired_credential": np.array([[14.0, 16.0, 90.0], [5.0, 7.0, 0.0]])})))
    assert unclear(refused, calls, np.array([0.02, 0.3])).tolist() == [[False, True, True], [False, True, False]]
