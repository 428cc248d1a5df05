"""One finding a campaign: it may rest for hours, and others may go on with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from detect.correlate import correlate
from gatewatch.records import Cause, Entities, Evidence, Finding, Kind, Severity

AT = datetime(2026, 5, 4, 8, tzinfo=UTC)


def a_finding(name: str, after_h: float, who: Entities, subtype: str = "password_spray") -> Finding:
    start = AT + timedelta(hours=after_h)
    return Finding(
        id=name,
        fingerprint=name,
        kind=Kind.AUTH_FAILURE_SPIKE,
        subtype=subtype,
        severity=Severity.HIGH,
        score=10.0,
        confidence=0.9,
        title="Password spray",
        account="1",
        region="eu-west-1",
        api="a1",
        stage="prod",
        route=None,
        start=start,
        end=start + timedelta(minutes=30),
        detected_at=start + timedelta(minutes=10),
        entities=who,
        cause=Cause.CLIENT,
        evidence=Evidence(observed=30, expected=1, unit="refused requests", sentence="30 where 1 was expected."),
        remedy="Block it.",
    )


ONE = Entities(ips=("203.0.113.1",), principals=("ann", "bob"), user_agents=("curl",))
TWO = Entities(ips=("203.0.113.2",), principals=("bob", "cem"), user_agents=("curl",))


def test_the_next_address_with_the_same_names_and_tool_joins_the_campaign() -> None:
    (found,) = correlate([a_finding("a", 0, ONE), a_finding("b", 3, TWO)])
    assert found.id == "a"
    assert found.entities.ips == ("203.0.113.1", "203.0.113.2")
    assert found.entities.principals == ("ann", "bob", "cem")
    assert found.end == AT + timedelta(hours=3.5)
    assert [line["subtype"] for line in found.evidence.facts["joined"]] == ["password_spray"]  # type: ignore[index,union-attr,call-overload]


def test_who_comes_back_much_later_or_with_another_tool_has_come_back() -> None:
    assert len(correlate([a_finding("a", 0, ONE), a_finding("b", 5, TWO)])) == 2
    assert len(correlate([a_finding("a", 0, ONE), a_finding("b", 3, replace(TWO, user_agents=("hydra",)))])) == 2


def test_the_same_address_is_one_campaign_whatever_it_is_called_and_the_same_key_only_in_the_same_way() -> None:
    assert len(correlate([a_finding("a", 0, ONE), a_finding("b", 3, ONE, "brute_force")])) == 1
    key = Entities(api_key_ids=("k1",))
    assert len(correlate([a_finding("a", 0, key), a_finding("b", 3, key)])) == 1
    assert len(correlate([a_finding("a", 0, key), a_finding("b", 3, key, "api_key_probing")])) == 2
