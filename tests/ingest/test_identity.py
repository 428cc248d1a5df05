import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.identity import SeenSet

# Some with the same leading bits, some with others (see identity._BITS).
IDENTITIES = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda parts: (parts[0] << 58) + parts[1])
BATCHES = st.lists(st.lists(IDENTITIES, max_size=20), max_size=12)


@given(BATCHES)
def test_each_identity_is_new_exactly_once(batches: list[list[int]]) -> None:
    seen = SeenSet()
    known: set[int] = set()
    for batch in batches:
        repeated = seen.take(np.array(batch, dtype=np.uint64))
        assert len(batch) - int(repeated.sum()) == len(set(batch) - known)
        known |= set(batch)
    assert len(seen) == len(known)


@given(st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=15), st.booleans())
def test_times_that_do_not_meet_hide_no_repetition(batches: list[list[int]], ever: bool) -> None:
    seen = SeenSet()
    known: set[int] = set()
    for batch in [[7, 7, 9], *batches] if ever else batches:
        identities = np.array(batch, dtype=np.uint64) << np.uint64(40)  # the instant is in the identity
        span = (min(batch, default=0), max(batch, default=0))
        repeated = seen.take(identities, span) if batch != [7, 7, 9] else seen.take(identities)
        assert len(batch) - int(repeated.sum()) == len(set(batch) - known)
        known |= set(batch)
    assert len(seen) == len(known)


def test_what_a_failed_batch_brought_is_new_again() -> None:
    seen = SeenSet()
    seen.take(np.array([1, 2], dtype=np.uint64))
    brought = np.array([3, 4], dtype=np.uint64)
    seen.take(brought)
    seen.forget(brought)
    assert seen.take(np.array([1, 2, 3, 4], dtype=np.uint64)).tolist() == [True, True, False, False]


def test_it_is_bounded() -> None:
    seen = SeenSet(limit=1000)
    for start in range(0, 10_000, 100):
        seen.take(np.arange(start, start + 100, dtype=np.uint64))
    assert len(seen) <= 1100
    assert seen.take(np.array([9_999], dtype=np.uint64)).tolist() == [True]


def test_the_first_of_equal_ones_is_no_repetition() -> None:
    values = np.array([9, 7, 9, 7, 7, 3], dtype=np.uint64)
    assert SeenSet().take(values).tolist() == [False, False, True, True, True, False]
