"""Who is to blame for 429: a caller, or the limit."""

from __future__ import annotations

from detect.rhythm import Rhythm
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


def test_a_caller_that_knocks_at_once_and_one_that_hides_behind_addresses_have_their_own_names() -> None:
    storm = throttled({"big": 600})
    storm.rhythms = {"ip of big": Rhythm(minutes=10, seconds=60, joint=50, n=600)}
    assert kind(storm) == "retry_storm"
    assert judge(storm, changed=False, minutes=30, per_minute=[1.0] * 30).title == "A caller retries without waiting"
    storm = throttled({"a": 600, "b": 600, "c": 600})
    storm.rhythms = {f"ip of {key}": Rhythm(minutes=10, seconds=60, joint=50, n=600) for key in "abc"}
    assert judge(storm, changed=False, minutes=30, per_minute=[1.0] * 30).title == "Callers retry without waiting"
    rotating = Tally(
        600,
        {
            "api_key_id": {"big": 600},
            "client_ip": {f"192.0.2.{k}": 20 for k in range(30)},
            "user_agent": {"curl": 600},
        },
    )
    assert kind(rotating) == "address_rotation"


def test_a_quota_and_a_demand_that_grows_are_told_from_a_plan_that_is_exceeded() -> None:
    used_up = throttled({"big": 100})
    used_up.by["reject_cause"] = {"quota": 100}
    assert kind(used_up) == "quota_exhausted"
    growing = [float(k) for k in range(120)]
    assert judge(throttled({"big": 900}), changed=False, minutes=120, per_minute=growing).subtype == "slow_ramp"
    steady = [7.0] * 120
    assert judge(throttled({"big": 900}), changed=False, minutes=120, per_minute=steady).subtype == "over_plan"


def test_all_callers_hit_a_limit_and_nobody_is_ahead() -> None:
    assert kind(throttled({f"k{k}": 10 for k in range(12)})) == "shared_limit"
