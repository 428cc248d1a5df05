"""The same refusals are an attack or a lock-out, by who is refused and by what changed just before."""

from __future__ import annotations

from detect.authkinds import judge
from detect.who import Tally


def refused(cause: str, addresses: int, tries: int, agents: int = 1, names: int = 0) -> Tally:
    callers = {f"192.0.2.{k}": tries for k in range(addresses)}
    total = addresses * tries
    by = {"client_ip": callers, "reject_cause": {cause: total}}
    by["user_agent"] = {f"agent {k}": max(total // agents, 1) for k in range(agents)}
    if names:
        by["principal"] = {f"user{k}": max(total // names, 1) for k in range(names)}
    return Tally(total, by)


def kind(group: str, over: Tally, change: float = 0.0, base: float = 100.0) -> str:
    return judge(group, over, change=change, base=base, base_expected=100.0).subtype


def test_signatures_that_are_not_accepted_are_a_rotation_only_when_something_says_so() -> None:
    guesses = refused("bad_signature", 60, 2, agents=6)
    assert kind("signature", guesses) in {"distributed", "credential_stuffing"}
    assert kind("signature", guesses, change=0.2) in {"distributed", "credential_stuffing"}
    assert kind("signature", guesses, change=0.6) == "signing_key_rotation"
    users = refused("bad_signature", 34, 4, agents=6)
    assert kind("signature", users, change=0.2) == "signing_key_rotation", "they try again and again"
    assert kind("signature", refused("bad_signature", 40, 2, agents=6), base=20.0) == "signing_key_rotation"


def test_a_few_callers_with_one_program_are_locked_out_by_a_change_right_before() -> None:
    few = refused("authorizer_deny", 4, 8, names=4)
    assert kind("denied", few) == "brute_force"
    assert kind("denied", few, change=1.0) == "misconfiguration"
    assert kind("denied", refused("authorizer_deny", 1, 30, names=1), change=1.0) == "brute_force"


def test_a_rule_that_hits_callers_of_all_kinds_is_no_attack() -> None:
    over = refused("waf_block", 20, 3, agents=5)
    assert judge("waf", over, change=0.0, base=100.0, base_expected=100.0).cause == "config_change"
    tool = refused("waf_block", 2, 300)
    assert judge("waf", tool, change=1.0, base=100.0, base_expected=100.0).cause == "client"
