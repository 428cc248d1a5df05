"""The judges of `make alert-kill-test`: a few kills, and that they would see what goes wrong."""

from __future__ import annotations

import json
from collections import Counter

from bench.alerts import Ledger, judge, kills
from tests.receivers import Got, Receiver


def got(key: str, finding: str) -> Got:
    body = {"data": {"finding_ids": [finding], "transition_key": "new"}}
    return Got("/", {"idempotency-key": key}, json.dumps(body).encode())


def test_a_worker_that_is_killed_loses_no_alert_and_makes_no_second_one() -> None:
    verdict = kills(3, seed=5)
    assert verdict.good, str(verdict)
    assert verdict.faults["kills"] == 3
    assert verdict.wanted > 0


def test_the_judge_sees_what_is_missing_twice_or_repeated_without_a_fault() -> None:
    ledger = Ledger(findings={"a": 0.0, "b": 0.0})
    assert judge(ledger, {"one": Receiver(got=[got("1", "a")])}).missing == 1
    assert judge(ledger, {"one": Receiver(got=[got("1", "a"), got("2", "a"), got("3", "b")])}).twice == 1
    repeated = {"one": Receiver(got=[got("1", "a"), got("1", "a"), got("3", "b")])}
    assert not judge(ledger, repeated).good
    ledger.faults = Counter(kills=1)
    assert judge(ledger, repeated).good
