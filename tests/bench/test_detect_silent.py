import numpy as np

from bench.detect_silent import minutes_of
from gatewatch.frames import MINUTES


def test_minutes_hold_what_was_drawn() -> None:
    counts = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 4.0]])
    table = minutes_of(counts)
    assert table.schema == MINUTES
    told = [(one["api"], one["n"], one["s2xx"], one["s5xx"]) for one in table.to_pylist()]
    assert told == [("1", 1, 1, 0), ("0", 2, 2, 0), ("1", 4, 4, 0)]
