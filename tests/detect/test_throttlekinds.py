"""Who is to blame for 429: a caller, or the limit."""

from __future__ import annotations

from detect.throttlekinds import judge
from detect.who import Tally


def throttled(by_key: dict[str, int]) -> Tally:
    total = sum(by_key.values())
    return Tally(total, {"api_key_id": dict(by_key), "client_ip": {f"ip of {key}": n for key, n in by_key.items()}})


def kind(over: Tally, *, changed: bool = False, limit_moved: bool = False) -> str:
    return judge(over, changed=changed, limit_moved=limit_moved, minutes=30, per_minute=[1.0] * 30).subtype


def test_a_limit_that_was_just_lowered_is_wrong_whoever_runs_into_it_first() -> None:
    several = throttled({"big": 55, "b": 20, "c": 15, "d": 10})
    assert kind(several) == "noisy_neighbour"
    assert kind(several, changed=True) == "noisy_neighbour", "some other change explains no limit"
    assert kind(several, changed=True, limit_moved=True) == "shared_limit"


def test_one_caller_alone_stays_the_one_whatever_was_changed() -> None:
    assert kind(throttled({"big": 97, "b": 3}), changed=True, limit_moved=True) == "over_plan"
