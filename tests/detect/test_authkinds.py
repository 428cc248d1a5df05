"""The same refusals are an attack or a lock-out, by who is refused and by what changed just before."""

from __future__ import annotations

from detect.authkinds import GUESSES, judge, taken_over
from detect.detectors.auth_failure_spike import GROUPS, waits
from detect.spikes import Candidate
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


def test_each_attack_has_its_own_name() -> None:
    said = {
        "brute_force": kind("denied", refused("authorizer_deny", 1, 300, names=2)),
        "distributed": kind("denied", refused("authorizer_deny", 50, 2, names=4)),
        "password_spray": kind("denied", refused("authorizer_deny", 2, 100, names=120)),
        "credential_stuffing": kind("application", refused("backend_refused", 60, 5, names=300)),
        "api_key_probing": kind("key", refused("unknown_key", 1, 90)),
        "expired_token_loop": kind("expired", refused("expired_credential", 1, 400, names=1)),
        "path_probing": kind("probing", refused("path_probing", 2, 400)),
        "waf_block_surge": kind("waf", refused("waf_block", 2, 300)),
        "authorizer_outage": kind("authorizer", refused("authorizer_error", 40, 2, agents=6)),
    }
    assert all(name == subtype for name, subtype in said.items()), said


def test_what_hits_callers_at_large_is_no_attack() -> None:
    everybody = refused("authorizer_deny", 40, 2, agents=8, names=40)
    assert kind("denied", everybody, base=20.0) == "misconfiguration"
    assert kind("denied", everybody, base=80.0, change=0.6) == "misconfiguration"
    assert kind("expired", refused("expired_credential", 60, 2, agents=8)) == "misconfiguration"
    withdrawn = refused("disabled_key", 10, 9)
    withdrawn.by["api_key_id"] = {"k1": 90}
    assert kind("key", withdrawn) == "misconfiguration"


def test_guesses_that_opened_an_account_are_a_takeover() -> None:
    stuffing = judge(
        "application", refused("backend_refused", 60, 5, names=300), change=0.0, base=100.0, base_expected=100.0
    )
    opened = taken_over(stuffing)
    assert (opened.subtype, opened.severity, opened.cause) == ("account_takeover", "critical", "client")
    assert stuffing.subtype in GUESSES


def test_names_over_a_week_make_a_spray_of_what_looks_like_a_clumsy_client() -> None:
    one = refused("authorizer_deny", 1, 8, names=1)
    assert kind("denied", one) == "brute_force"
    said = judge("denied", one, change=0.0, base=100.0, base_expected=100.0, day=(30, 28))
    assert said.subtype == "password_spray"


def due(group: str, now: Tally, recent: list[float], base: float = 100.0) -> str | None:
    """Why an alarm that is due waits; None: it is raised."""
    one = next(group_of for group_of in GROUPS if group_of.name == group)
    seen = float(now.total)
    return waits(Candidate(0, one, 100, 91, seen, 1.0, recent, now, Tally(), 60, base, 100.0, None, 0.0))


def test_benign_waves_wait_and_what_is_none_does_not() -> None:
    wave = refused("expired_credential", 40, 2, agents=8, names=40)
    assert "expired together" in (due("expired", wave, [8.0] * 10) or "")
    office = refused("backend_refused", 1, 60, agents=30, names=40)
    office.by["client_ip|user_agent"] = {f"192.0.2.0\x1fbrowser {k}": 2 for k in range(30)}
    office.by["client_ip|principal"] = {f"192.0.2.0\x1fuser{k}": 1 for k in range(40)}
    assert "one address" in (due("application", office, [6.0] * 10) or "")
    crowd = refused("backend_refused", 30, 1, agents=12)
    assert "newcomers" in (due("application", crowd, [3.0] * 10, base=900.0) or "")
    assert due("application", crowd, [3.0] * 10) is None
    assert due("denied", refused("authorizer_deny", 1, 60, names=1), [6.0] * 10) is None
