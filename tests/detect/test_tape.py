import numpy as np

from detect.tape import ROOM, Running, Tape


def test_a_tape_holds_the_last_columns_whatever_was_added_before() -> None:
    rng = np.random.default_rng(1)
    whole = rng.integers(0, 9, (2, 3, 500)).astype(np.float64)
    tape, at = Tape(whole[..., :20].copy()), 20
    for many in (1, 7, ROOM, 30, 1, 90, 5):
        tape.append(whole[..., at : at + many])
        at += many
        assert np.array_equal(tape.last(20 + many), whole[..., at - many - 20 : at])


def test_rows_that_come_later_had_nothing() -> None:
    tape = Tape(np.ones((2, 1, 4)))
    tape.append(np.full((2, 1, 2), 5.0))
    tape.grow(3)
    assert tape.last(4)[0].tolist() == [[1, 1, 5, 5], [0, 0, 0, 0], [0, 0, 0, 0]]
    tape.append(np.full((2, 3, 1), 7.0))
    assert tape.last(2)[1].tolist() == [[5, 7], [0, 7], [0, 7]]


def test_differences_of_running_sums_are_those_of_one_sum_over_all() -> None:
    rng = np.random.default_rng(2)
    whole = rng.integers(-(1 << 20), 1 << 20, (1, 2, 700)) / float(1 << 20)
    sums, at = Running(whole[..., :30]), 30
    for many in (10, 60, 60, 1, 60, 60, 60, 3):
        sums.add(whole[..., at : at + many])
        at += many
        found = sums.last(many + 30)
        told = found[..., 30:] - found[..., :many]
        assert np.array_equal(told[0, :, -1], whole[0, :, at - 30 : at].sum(axis=1))
