"""What people are told and when, minute by minute on a simulated clock."""

from __future__ import annotations

import pytest

from alerts.plan import Wants
from gatewatch.records import Cause, Kind
from tests.alerts.simulation import Sent, Simulation, finding


def told(sent: list[Sent]) -> list[tuple[float, str, str, str]]:
    return [(one.at, one.channel, one.reason, " ".join(sorted(one.findings))) for one in sent]


def test_without_configuration_each_problem_is_told_at_once_and_once() -> None:
    world = Simulation("{}", ["mail", "chat"])
    world.fire(1, finding("a"), finding("b"))
    world.end(20, "a", "b")

    assert sorted(told(world.run(60))) == [
        (1, "chat", "new", "a"),
        (1, "chat", "new", "b"),
        (1, "mail", "new", "a"),
        (1, "mail", "new", "b"),
    ]


GROUPED = "route: {group_by: [api], group_wait: 1m, group_interval: 5m}"


def test_a_group_waits_for_its_members_and_later_ones_wait_for_the_interval() -> None:
    world = Simulation(GROUPED)
    world.fire(1, finding("a"))
    world.fire(1.5, finding("b"), finding("other", api="payments"))
    world.fire(3, finding("c"))

    assert told(world.run(60)) == [
        (2, "mail", "new", "a b"),
        (2.5, "mail", "new", "other"),
        (7, "mail", "new", "c"),
    ]


def test_a_critical_finding_waits_for_nobody_and_takes_along_what_waits() -> None:
    world = Simulation(GROUPED)
    world.fire(1, finding("a"))
    world.fire(1.5, finding("b", "critical"))

    assert told(world.run(60)) == [(1.5, "mail", "new", "a b")]


def test_what_gets_worse_is_told_at_once() -> None:
    world = Simulation(GROUPED)
    world.fire(1, finding("a", "medium"))
    world.worse(3, finding("a", "high"))

    assert told(world.run(60)) == [(2, "mail", "new", "a"), (3, "mail", "worse", "a")]


def test_who_wants_it_hears_when_the_last_of_a_group_is_over() -> None:
    world = Simulation(GROUPED, ["mail", "hook"], hook=Wants(resolved=True))
    world.fire(1, finding("a"), finding("b"))
    world.end(10, "a")
    world.end(12, "b")

    assert told(world.run(60))[2:] == [(12, "hook", "resolved", "a b")]


def test_a_message_in_place_changes_with_each_of_its_findings() -> None:
    world = Simulation(GROUPED, ["slack"], slack=Wants(resolved=True, in_place=True))
    world.fire(1, finding("a"), finding("b"))
    world.acknowledge(5, "a")
    world.end(10, "a")
    world.end(12, "b")

    assert told(world.run(60))[1:] == [
        (5, "slack", "changed", "a"),
        (10, "slack", "changed", "a"),
        (12, "slack", "resolved", "b"),
    ]


def test_it_is_repeated_until_somebody_acknowledges_it_or_it_ends() -> None:
    world = Simulation("route: {repeat: 30m}")
    world.fire(0, finding("a"), finding("b"))
    world.acknowledge(40, "a")
    world.end(70, "b")

    assert [(one.at, *one.findings) for one in world.run(200) if one.reason == "repeat"] == [
        (30, "a"),
        (30, "b"),
        (60, "b"),
    ]


TREE = """
times: {nights: {start: "22:00", end: "06:00", zone: Europe/Berlin}, days: {start: "08:00", end: "18:00"}}
owners:
  - {match: {api: "orders*"}, team: shop, environment: prod, tags: [pci]}
  - {match: {api: "orders-test"}, environment: test}
route:
  channels: [mail]
  routes:
    - {match: {environment: test}, channels: []}
    - {match: {team: shop, severity: [critical, high]}, channels: [pager], go_on: true}
    - {match: {tag: pci}, channels: [audit]}
    - {match: {kind: latency_outlier}, time: [days], channels: [chat]}
"""


@pytest.mark.parametrize(
    ("given", "channels"),
    [
        (finding("a", api="orders"), {"pager", "audit"}),
        (finding("a", "low", api="orders"), {"audit"}),
        (finding("a", "critical", api="orders-test"), set()),
        (finding("a", "critical", api="payments"), {"mail"}),
        (finding("a", api="payments", kind=Kind.LATENCY_OUTLIER), {"chat"}),
    ],
)
def test_the_tree_leads_each_finding_to_its_channels(given: object, channels: set[str]) -> None:
    world = Simulation(TREE, ["mail", "pager", "audit", "chat"])
    world.fire(0, given)  # type: ignore[arg-type]

    assert {one.channel for one in world.run(5)} == channels


def test_a_silence_holds_back_and_what_is_still_open_is_told_at_its_end() -> None:
    world = Simulation("{}")
    world.silence(0, 30, api="orders", kind="auth_*")
    world.fire(5, finding("short"), finding("long"), finding("other", api="payments"))
    world.end(20, "short")

    assert told(world.run(60)) == [(5, "mail", "new", "other"), (30, "mail", "new", "long")]


def test_maintenance_and_quiet_hours_hold_back_but_let_critical_findings_through_quiet_hours() -> None:
    world = Simulation(
        """
        times: {morning: {days: [wed], start: "09:00", end: "09:30"}}
        maintenance: [{reason: move, match: {api: payments}, starts: 2026-06-10T09:00:00Z, ends: 2026-06-10T09:45:00Z}]
        route: {quiet: [morning]}
        """
    )
    world.fire(1, finding("a"), finding("b", "critical"), finding("c", "critical", api="payments"))

    assert told(world.run(90)) == [
        (1, "mail", "new", "b"),
        (30, "mail", "new", "a"),
        (45, "mail", "new", "c"),
    ]


def test_what_a_cause_explains_is_told_only_when_the_cause_is_gone() -> None:
    world = Simulation("{}")
    slow = {"kind": Kind.LATENCY_OUTLIER, "cause": Cause.INTEGRATION}
    world.fire(0, finding("outage", "critical", cause=Cause.INTEGRATION))
    world.fire(2, finding("slow", "medium", **slow), finding("elsewhere", "medium", api="payments", **slow))
    world.end(30, "outage")

    assert told(world.run(60)) == [
        (0, "mail", "new", "outage"),
        (2, "mail", "new", "elsewhere"),
        (30, "mail", "new", "slow"),
    ]


ESCALATING = """
route:
  channels: [chat]
  escalate: [{after: 10m, channels: [pager]}, {after: 30m, channels: [boss]}]
"""


def test_it_escalates_in_two_steps_until_somebody_acknowledges() -> None:
    everybody = ["chat", "pager", "boss"]
    ignored, answered = Simulation(ESCALATING, everybody), Simulation(ESCALATING, everybody)
    for world in (ignored, answered):
        world.fire(0, finding("a"))
    answered.acknowledge(15, "a")

    first, second = (0, "chat", "new", "a"), (10, "pager", "escalated", "a")
    assert told(ignored.run(120)) == [first, second, (30, "boss", "escalated", "a")]
    assert told(answered.run(120)) == [first, second]


def test_a_storm_is_one_summary_and_the_critical_finding_stands_apart() -> None:
    world = Simulation("{}")
    for number in range(300):
        world.fire(number / 300, finding(f"f{number}", "medium"))
    world.fire(0.9, finding("worst", "critical"))
    sent = world.run(60)

    [worst] = [one for one in sent if "worst" in one.findings]
    assert (worst.at, worst.reason) == (1, "new")
    assert len(sent) <= 20
    assert len(frozenset.union(*(one.findings for one in sent))) == 301, "nobody is forgotten"
    assert min(one.at for one in sent if one.reason == "storm") <= 1
    assert all(len(one.findings) > 1 for one in sent if one.reason == "storm")


def test_the_end_of_a_storm_is_no_second_storm() -> None:
    world = Simulation("{}", ["slack"], slack=Wants(resolved=True, in_place=True))
    names = [f"f{number}" for number in range(100)]
    world.fire(0, *(finding(name, "medium") for name in names))
    world.end(10, *names)

    assert sum(one.reason == "resolved" for one in world.run(60)) == 12
