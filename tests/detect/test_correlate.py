"""One finding a cause: what belongs together is joined, what only happens at the same time is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from detect.correlate import correlate
from gatewatch.records import JSON, Cause, Change, Entities, Finding, Kind, Severity
from tests.store.builders import a_finding

START = datetime(2026, 6, 9, 12, tzinfo=UTC)
AUTH, THROTTLE, DEAD, LATENCY = Kind.AUTH_FAILURE_SPIKE, Kind.THROTTLING_ABUSE, Kind.DEAD_API, Kind.LATENCY_OUTLIER


def one(
    kind: Kind,
    subtype: str,
    cause: Cause = Cause.UNKNOWN,
    *,
    at: int = 0,
    lasts: int | None = 60,
    facts: dict[str, Any] | None = None,
    ips: tuple[str, ...] = (),
    **more: Any,
) -> Finding:
    start = START + timedelta(minutes=at)
    place = {"api": more.pop("api", "a1"), "stage": more.pop("stage", "prod"), "route": more.pop("route", None)}
    made = a_finding(
        f"{kind} {subtype} {place} {at}",
        start,
        kind=kind,
        subtype=subtype,
        cause=cause,
        end=None if lasts is None else start + timedelta(minutes=lasts),
        entities=Entities(ips=ips),
        **{"changes": (), **place, **more},
    )
    return replace(made, evidence=replace(made.evidence, facts=facts or {}))


def joined(*findings: Finding) -> list[tuple[Finding, set[str]]]:
    """Each finding that stays, with the subtypes of what it swallowed; in whatever order they come."""
    told = correlate(findings)
    assert told == correlate(findings[::-1])
    by_id = {finding.id: finding for finding in findings}
    return [(finding, {by_id[part].subtype for part in finding.parts}) for finding in told]


def test_an_outage_hides_its_latency_errors_and_timeouts() -> None:
    outage = one(DEAD, "live_outage", Cause.INTEGRATION, facts={"server_errors": 90.0}, severity=Severity.HIGH)
    slow = one(LATENCY, "step", Cause.INTEGRATION, at=-8, severity=Severity.CRITICAL)
    late = one(LATENCY, "timeout_29s", Cause.INTEGRATION, at=3, route="GET /a")
    refused = one(AUTH, "misconfiguration", Cause.INTEGRATION, at=5)
    storm = one(THROTTLE, "retry_storm", Cause.CLIENT, at=10, ips=("192.0.2.1",))
    ((kept, parts),) = joined(replace(outage, id="0"), slow, late, storm)
    assert kept.subtype == "live_outage"
    assert parts == {"step", "timeout_29s", "retry_storm"}
    assert kept.severity is Severity.CRITICAL
    assert {"api_id": "a1", "stage": "prod", "route": "GET /a"} in cast(list[Any], kept.evidence.facts["scope"])
    # When it is the door itself that is shut, that is the root.
    ((kept, parts),) = joined(outage, refused)
    assert (kept.subtype, parts) == ("misconfiguration", {"live_outage"})


def test_a_back_end_that_fails_is_the_root_of_an_authorizer_that_fails_with_it() -> None:
    behind = one(DEAD, "live_outage", Cause.INTEGRATION, at=2, facts={"in_the_back_end": True})
    door = one(AUTH, "authorizer_outage", Cause.GATEWAY)
    ((kept, parts),) = joined(behind, door)
    assert (kept.subtype, parts) == ("live_outage", {"authorizer_outage"})
    ((kept, parts),) = joined(replace(behind, evidence=replace(behind.evidence, facts={})), door)
    assert (kept.subtype, parts) == ("authorizer_outage", {"live_outage"})


def test_a_silent_route_does_not_hide_what_happens_to_others_later() -> None:
    silent = one(DEAD, "no_longer_called", Cause.CLIENT, route="GET /a", lasts=None)
    later = one(LATENCY, "one_route", Cause.INTEGRATION, at=600, route="GET /b")
    assert len(joined(silent, later)) == 2
    assert len(joined(silent, replace(later, route="GET /a"))) == 1


def test_the_whole_stage_is_told_before_its_routes_and_from_when_any_of_them_was_noticed() -> None:
    for name in ("0", "z"):
        stage = replace(one(DEAD, "taken_offline", detected_at=START + timedelta(minutes=50)), id=name)
        route = one(DEAD, "taken_offline", at=-3, route="GET /a", detected_at=START + timedelta(minutes=40))
        ((kept, _),) = joined(stage, route)
        assert (kept.route, kept.detected_at) == (None, route.detected_at)
    # What was noticed before it began began earlier for itself only.
    earlier = replace(route, start=START - timedelta(minutes=9), detected_at=START - timedelta(minutes=1))
    ((kept, _),) = joined(stage, earlier)
    assert kept.detected_at == START


def test_an_attack_during_an_outage_stays_apart() -> None:
    outage = one(DEAD, "live_outage", Cause.INTEGRATION)
    attack = one(AUTH, "credential_stuffing", Cause.CLIENT, at=5, ips=("203.0.113.1",))
    before = one(LATENCY, "step", Cause.INTEGRATION, at=-180, lasts=200)
    assert [parts for _, parts in joined(outage, attack, before)] == [set(), set(), set()]


def test_another_stage_or_api_has_its_own_outage() -> None:
    here, there = one(DEAD, "live_outage", Cause.INTEGRATION), one(DEAD, "live_outage", Cause.GATEWAY, stage="test")
    other = one(LATENCY, "step", Cause.INTEGRATION, api="a2")
    assert len(joined(here, there, other)) == 3


def test_one_attacker_in_several_series_kinds_and_apis_is_one_finding() -> None:
    ips = ("203.0.113.1", "203.0.113.2")
    gateway = one(AUTH, "brute_force", Cause.CLIENT, ips=ips, severity=Severity.HIGH)
    back_end = one(AUTH, "brute_force", Cause.CLIENT, at=50, ips=ips[:1], facts={"group": "application"})
    waf = one(AUTH, "waf_block_surge", Cause.CLIENT, at=20, ips=(*ips, "203.0.113.9"))
    throttled = one(THROTTLE, "over_plan", Cause.CLIENT, at=10, ips=ips)
    elsewhere = one(AUTH, "brute_force", Cause.CLIENT, at=15, ips=ips, api="a2")
    ((kept, _),) = joined(gateway, back_end, waf, throttled, elsewhere)
    assert kept.kind is AUTH
    assert len(kept.parts) == 4
    assert set(kept.entities.ips) == {*ips, "203.0.113.9"}
    assert {place["api_id"] for place in cast(list[Any], kept.evidence.facts["scope"])} == {"a1", "a2"}


def test_two_attackers_at_different_times_are_two_findings() -> None:
    first = one(AUTH, "brute_force", Cause.CLIENT, ips=("203.0.113.1",), lasts=300)
    second = one(AUTH, "waf_block_surge", Cause.CLIENT, at=120, ips=("198.51.100.1",))
    scanner = one(AUTH, "path_probing", Cause.CLIENT, at=200, ips=("192.0.2.9",))
    assert len(joined(first, second, scanner)) == 3


def test_slow_routes_and_timeouts_of_one_stage_are_one_finding() -> None:
    routes = [one(LATENCY, "step", Cause.INTEGRATION, route=f"GET /{name}", at=at) for at, name in enumerate("abc")]
    late = one(LATENCY, "timeout_29s", Cause.INTEGRATION, at=8)
    ((kept, _),) = joined(*routes, late)
    assert len(kept.parts) == 3
    assert len(cast(list[Any], kept.evidence.facts["scope"])) == 4


def test_a_slow_downstream_that_traces_name_is_one_finding_for_all_its_apis() -> None:
    facts = {"verdict": "downstream DynamoDB orders"}
    both = [one(LATENCY, "downstream", Cause.INTEGRATION, facts=facts, api=api) for api in ("a1", "a2")]
    assert len(joined(*both)) == 1
    third = one(LATENCY, "downstream", Cause.INTEGRATION, facts={"verdict": "downstream other"}, api="a3")
    assert len(joined(*both, third)) == 2


def test_what_follows_from_one_change_is_one_finding() -> None:
    change = Change(START - timedelta(minutes=3), "UpdateUserPool", "ops", "pool", 0.8)
    rotated = [
        one(AUTH, "signing_key_rotation", Cause.CONFIG_CHANGE, api=api, at=at, changes=(change,))
        for at, api in enumerate(("a1", "a2", "a3"))
    ]
    assert len(joined(*rotated)) == 1
    other = replace(change, what="CreateDeployment")
    assert len(joined(*rotated, one(AUTH, "misconfiguration", Cause.CONFIG_CHANGE, api="a4", changes=(other,)))) == 2
    weak = replace(change, score=0.1)
    assert len(joined(*(replace(finding, changes=(weak,)) for finding in rotated))) == 3


def test_victims_of_an_account_limit_stand_in_the_offenders_finding() -> None:
    facts: dict[str, Any] = {"scopes": {"account": 900, "stage": 10}, "victims": ["key7"]}
    offender = one(THROTTLE, "noisy_neighbour", Cause.CLIENT, facts=facts, ips=("203.0.113.1",))
    hit = [one(THROTTLE, "shared_limit", api=api, at=2, facts={"scopes": {"account": 50}}) for api in ("a2", "a3")]
    own = one(THROTTLE, "shared_limit", api="a4", at=2, facts={"scopes": {"stage": 50}})
    told = {finding.api: finding for finding, _ in joined(offender, *hit, own)}
    assert set(told) == {"a1", "a4"}
    assert told["a1"].evidence.facts["victims"] == ["key7", "a2/prod", "a3/prod"]
    assert told["a1"].entities.ips == ("203.0.113.1",)


def test_latency_under_an_offender_is_a_part_of_it() -> None:
    offender = one(THROTTLE, "over_plan", Cause.CLIENT, ips=("203.0.113.1",))
    ((kept, parts),) = joined(offender, one(LATENCY, "step", Cause.INTEGRATION, at=12))
    assert (kept.kind, parts) == (THROTTLE, {"step"})
    assert len(joined(offender, one(LATENCY, "step", Cause.INTEGRATION, at=50))) == 2


@pytest.mark.parametrize("subtype", ["unused", "zombie", "shadow", "dead", "unproven"])
def test_what_stands_for_weeks_joins_nothing(subtype: str) -> None:
    standing = one(DEAD, subtype, lasts=None, at=-5000)
    assert len(joined(standing, one(DEAD, "live_outage", Cause.INTEGRATION), one(LATENCY, "step", at=500))) == 3


def test_another_account_is_another_cause() -> None:
    outage = one(DEAD, "live_outage", Cause.INTEGRATION)
    assert len(joined(outage, replace(one(LATENCY, "step", Cause.INTEGRATION), account="2"))) == 2


def test_a_piece_can_be_counted_again() -> None:
    outage = one(DEAD, "live_outage", Cause.INTEGRATION)
    slow = one(LATENCY, "timeout_29s", Cause.INTEGRATION)
    card: dict[str, JSON] = {"count": {"since": "2026-06-09T12:00:00Z", "until": "2026-06-09T13:00:00Z", "api": "a1"}}
    slow = replace(slow, evidence=replace(slow.evidence, card=card))
    ((kept, _),) = joined(outage, slow)
    (piece,) = cast(list[dict[str, Any]], kept.evidence.facts["joined"])
    assert piece["count"] == card["count"]
    assert piece["observed"] == slow.evidence.observed
    assert piece["sentence"] == slow.evidence.sentence


def test_the_time_that_a_flood_of_refusals_takes_is_no_trouble_of_its_own() -> None:
    flood = one(AUTH, "credential_stuffing", Cause.CLIENT, facts={"successes": 600.0})
    flood = replace(flood, evidence=replace(flood.evidence, observed=900.0))
    slow = one(LATENCY, "gateway", Cause.GATEWAY, at=5, layer="gateway")
    ((kept, parts),) = joined(flood, slow)
    assert (kept.subtype, parts) == ("credential_stuffing", {"gateway"})
    assert len(correlate([flood, one(LATENCY, "step", Cause.INTEGRATION, at=5, layer="integration")])) == 2
    few = replace(flood, evidence=replace(flood.evidence, observed=9.0))
    assert len(correlate([few, slow])) == 2
