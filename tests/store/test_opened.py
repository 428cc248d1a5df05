from __future__ import annotations

import dataclasses

from gatewatch.records import Kind, Severity
from gatewatch.store.findings import FindingFilter, save_findings
from gatewatch.store.opened import Opened, opened
from gatewatch.store.state import State
from tests.store.builders import a_finding, minutes_after


def test_what_is_open_is_counted_however_much_it_is(state: State) -> None:
    many = [dataclasses.replace(a_finding(f"many{n}"), route="GET /pets") for n in range(1200)]
    worse = dataclasses.replace(a_finding("worse"), route=None, severity=Severity.HIGH)
    over = a_finding("over", end=minutes_after(5))
    other = dataclasses.replace(a_finding("other"), api="a2", stage=None, route=None)
    with state.begin() as session:
        save_findings(session, [*many, worse, over, other], now=minutes_after(10))
    kind = Kind.THROTTLING_ABUSE
    with state.read() as session:
        mine = opened(session, FindingFilter(api="a1"))
        every = opened(session, FindingFilter())
    assert sorted(mine, key=lambda one: one.n) == [
        Opened("a1", "prod", None, kind, "one_client", Severity.HIGH, 1),
        Opened("a1", "prod", "GET /pets", kind, "one_client", Severity.MEDIUM, 1200),
    ]
    assert {one.api: one.n for one in every if one.api != "a1"} == {"a2": 1}
