from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.simulate.model import Plan
from gatewatch.simulate.plans import within_plan
from gatewatch.whatif import bucket_refuses, for_each, window_refuses

TIMES = st.lists(st.integers(0, 20_000), min_size=1, max_size=120).map(sorted)


def reference(at_ms: list[int], rate: int, burst: int) -> list[bool]:
    """A token bucket in exact arithmetic."""
    tokens, last, out = Fraction(burst), at_ms[0], []
    for at in at_ms:
        tokens = min(Fraction(burst), tokens + Fraction(rate * (at - last), 1000))
        last = at
        out.append(tokens < 1)
        tokens -= 0 if out[-1] else 1
    return out


@given(at_ms=TIMES, rate=st.sampled_from([1, 2, 5, 8, 125]), burst=st.integers(1, 20))
def test_a_bucket_is_the_one_of_the_book(at_ms: list[int], rate: int, burst: int) -> None:
    refused = bucket_refuses(np.array(at_ms) * 1000, float(rate), burst)
    exact = reference(at_ms, rate, burst)
    # A token that is there to the last bit but one may be judged either way; then, and only then, may both differ.
    if refused.tolist() != exact:
        place = next(place for place, one in enumerate(exact) if one != refused[place])
        before = np.array(at_ms[: place + 1]) * 1000
        near = [bucket_refuses(before, rate * (1 + tiny), burst)[-1] for tiny in (-1e-9, 1e-9)]
        assert near[0] != near[1]


@given(at_ms=TIMES, rate=st.sampled_from([0.5, 2.5, 10.0]), burst=st.integers(1, 20))
def test_it_refuses_what_the_simulated_gateway_refuses(at_ms: list[int], rate: float, burst: int) -> None:
    passed = within_plan(Plan("", "", rate, burst), np.array(at_ms))
    refused = bucket_refuses(np.array(at_ms) * 1000, rate, burst)
    assert np.count_nonzero(passed == refused) <= 1  # of a half or a tenth, the last bit


@given(at_s=st.lists(st.integers(0, 900), min_size=1, max_size=100).map(sorted), limit=st.integers(1, 12))
def test_a_window_counts_what_came_in_it(at_s: list[int], limit: int) -> None:
    refused = window_refuses(np.array(at_s) * 1_000_000, limit, 60)
    counts = [sum(at - 60 < one <= at for one in at_s[: place + 1]) for place, at in enumerate(at_s)]
    assert refused.tolist() == [n > limit for n in counts]


def test_no_limit_refuses_nothing_and_none_at_all_everything() -> None:
    at = np.arange(1000) * 1000
    assert not bucket_refuses(at, 1e9, 10**9).any()
    assert bucket_refuses(at, 5.0, 0).all()
    assert len(bucket_refuses(np.empty(0, dtype=np.int64), 1.0, 1)) == 0


def test_each_group_has_a_limit_of_its_own() -> None:
    at = np.array([0, 0, 1, 1, 2, 2]) * 1000
    groups = np.array([0, 1, 0, 1, 0, 0])
    refused = for_each(groups, at, lambda mine: bucket_refuses(mine, 0.001, 2))
    assert refused.tolist() == [False, False, False, False, True, True]
    assert for_each(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), lambda mine: mine > 0).tolist() == []
