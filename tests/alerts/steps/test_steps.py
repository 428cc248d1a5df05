from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.model import Alert, alert_of, transition_key
from alerts.steps.dedup import dedup
from alerts.steps.floor import severity_floor
from alerts.steps.group import group
from alerts.steps.only import only
from gatewatch.records import Finding, Severity, finding_id
from tests.alerts.builders import NOW, ONSET, a_finding


def episode(hours: int, **changed: object) -> Finding:
    start = ONSET + timedelta(hours=hours)
    finding = a_finding(start=start, end=start + timedelta(minutes=30), **changed)
    return a_finding(id=finding_id(finding.fingerprint, start), start=start, end=finding.end, **changed)


def test_episodes_of_one_problem_become_one_alert() -> None:
    first, second = episode(0), episode(5, severity=Severity.CRITICAL)

    [alert] = group([alert_of("worse", second), alert_of("new", first)], NOW)

    assert alert.findings == (first, second)
    assert alert.lead is second
    assert alert.transition == "new"
    assert alert.starts_at == first.start
    assert alert.ends_at == second.end
    assert alert.severity is Severity.CRITICAL
    assert alert.labels["severity"] == "critical"


def test_different_problems_stay_apart_and_in_order() -> None:
    one, two = alert_of("new", episode(0)), alert_of("new", episode(0, fingerprint="ff"))

    assert group([two, one], NOW) == [two, one]


def test_the_same_finding_twice_counts_once() -> None:
    [alert] = group([alert_of("worse", episode(0)), alert_of("new", episode(0))], NOW)

    assert len(alert.findings) == 1


def test_an_alert_goes_on_while_one_of_its_findings_does() -> None:
    assert alert_of("new", episode(0), a_finding(id="b")).ends_at is None


def test_findings_of_two_problems_are_no_alert() -> None:
    with pytest.raises(AssertionError):
        alert_of("new", episode(0), episode(0, fingerprint="ff"))


def test_what_was_said_is_not_said_again() -> None:
    alert = alert_of("new", episode(0))

    assert dedup(frozenset())([alert, alert], NOW) == [alert]
    assert dedup(frozenset(alert.keys))([alert], NOW) == []


def test_getting_worse_again_is_news() -> None:
    high = alert_of("worse", episode(0, severity=Severity.HIGH))
    critical = alert_of("worse", episode(0, severity=Severity.CRITICAL))

    assert dedup(frozenset(high.keys))([high, critical], NOW) == [critical]
    assert transition_key("worse", critical.lead) == "worse:critical"
    assert transition_key("new", critical.lead) == "new"


def test_an_alert_with_one_unsaid_finding_is_said() -> None:
    old, new = episode(0), episode(1)
    both = alert_of("new", old, new)

    assert dedup(frozenset(alert_of("new", old).keys))([both], NOW) == [both]


@pytest.mark.parametrize("least", list(Severity))
def test_only_what_reaches_the_floor_passes(least: Severity) -> None:
    alerts: list[Alert] = [alert_of("new", episode(0, severity=severity)) for severity in Severity]

    assert [one.severity for one in severity_floor(least)(alerts, NOW)] == [
        one for one in Severity if one.rank >= least.rank
    ]


def test_other_transitions_do_not_pass() -> None:
    alerts = [alert_of(transition, episode(0)) for transition in ("new", "worse", "changed", "resolved", "same")]

    assert [one.transition for one in only({"new", "worse"})(alerts, NOW)] == ["new", "worse"]


def test_steps_of_nothing_give_nothing() -> None:
    for step in (group, dedup(frozenset()), severity_floor(Severity.INFO), only({"new"})):
        assert step([], NOW) == []
