from __future__ import annotations

import pytest

from gatewatch.access import limits
from gatewatch.access.limits import Backoff, Buckets, neighbours


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(per_second=2, burst=3)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.6) == 0
    assert buckets.take("a", 0.6) > 0
    assert [buckets.take("a", 1000.0) for _ in range(4)][:3] == [0, 0, 0]


def test_more_keys_than_fit_forget_the_longest_unseen() -> None:
    buckets = Buckets(per_second=0.001, burst=1)
    for number in range(limits.MOST_KEYS + 5):
        buckets.take(str(number), 0.0)
    assert buckets.take("0", 1.0) == 0
    assert buckets.take(str(limits.MOST_KEYS + 4), 1.0) > 0


def test_guessing_waits_longer_each_time_and_a_success_ends_it() -> None:
    backoff = Backoff(free=3, first=10, longest=60)
    for _ in range(2):
        backoff.failed("a", 0.0)
    assert backoff.wait("a", 0.0) == 0
    waits = []
    now = 0.0
    for _ in range(5):
        backoff.failed("a", now)
        waits.append(backoff.wait("a", now))
        now += waits[-1]
    assert waits == [10, 20, 40, 60, 60]
    assert backoff.wait("b", now) == 0
    backoff.succeeded("a")
    assert backoff.wait("a", now) == 0
    backoff.failed("a", now)
    assert backoff.wait("a", now) == 0


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_addresses_that_one_machine_has_are_counted_together(address: str, counted_as: str) -> None:
    assert neighbours(address) == counted_as
