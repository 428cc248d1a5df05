"""Execution logs and spans come by themselves: each request once and whole, however its events are scattered."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gatewatch.following import Follower
from gatewatch.store.executions import read_executions
from gatewatch.store.request_search import find_requests
from gatewatch.store.sources import Source, register_source, sources
from gatewatch.store.spans import read_spans
from gatewatch.store.state import State
from tests.awsdouble import Double
from tests.following.logs import REGION, Clock, Event, LogGroup, aws_of

START = datetime(2026, 6, 9, 12, 0, tzinfo=UTC).timestamp()
EXECUTION = "API-Gateway-Execution-Logs_a1b2c3d4e5/prod"
SPANS = "aws/spans"
MINUTES = 60
PLAN = "Key throttle limit exceeded for Usage Plan ID nn, RestApi a1b2c3d4e5, Stage prod, Resource f6, HttpMethod GET"

Messages = list[tuple[int, str]]
"""Milliseconds after the request began, and what the event says."""


def execution(number: int, began: int, chance: random.Random) -> tuple[Messages, Any]:
    """The lines of a request, and (its id, cause, scope); None: it came through."""
    ident = f"r-{number}"
    kind = number % 3
    lines = ["Extended Request Id: x" + ident]
    lines += [["Method completed with status: 200"], [PLAN], ["Starting authorizer: z4", "Unauthorized request"]][kind]
    due = [None, (ident, "throttle", "plan"), (ident, "missing_credential", None)][kind]
    return [(n * chance.randrange(0, 8_000), f"({ident}) {text}") for n, text in enumerate(lines)], due


def trace(number: int, began: int, chance: random.Random) -> tuple[Messages, Any]:
    """The spans of a trace, and (its id, parts); the gateway's own span is the last to come."""
    ident = f"6a28{number:028x}"
    took = chance.randrange(100, 9_000)
    stage = "arn:aws:apigateway:eu-west-1::/restapis/a1b2c3d4e5/stages/prod"

    def span(span_id: str, parent: str | None, first: int, last: int, **attributes: Any) -> str:
        resource = {"cloud.resource_id": stage} if parent is None else {}
        origin = "AWS::ApiGateway::Stage" if parent is None else "AWS::Lambda"
        return json.dumps(
            {
                "resource": {"attributes": {"service.name": "orders/prod", **resource}},
                "traceId": ident,
                "spanId": span_id,
                **({} if parent is None else {"parentSpanId": parent}),
                "name": "orders/prod",
                "kind": "SERVER",
                "startTimeUnixNano": (began + first) * 1_000_000,
                "endTimeUnixNano": (began + last) * 1_000_000,
                "attributes": {"aws.xray.origin": origin, "http.response.status_code": 200, **attributes},
            }
        )

    inner = span("0d9d2a6c53a0c1f2", "5f3a8d2c1b0e4a77", 10, took - 10)
    return [(0, inner), (took, span("5f3a8d2c1b0e4a77", None, 0, took))], (ident, took)


def kept_executions(state: State) -> Any:
    found = read_executions(state).to_pylist()
    return Counter((row["request_id"], row["reject_cause"], row["throttle_scope"]) for row in found)


def kept_traces(state: State) -> Any:
    rows = {(row["trace_id"], row["part"], row["name"]): row for row in read_spans(state).to_pylist()}
    whole = Counter({ident: 0.0 for ident, _, _ in rows})
    for (ident, _, _), row in rows.items():
        whole[ident] += row["ms"]
    return Counter((ident, round(total)) for ident, total in whole.items())


KINDS: dict[str, tuple[Callable[..., tuple[Messages, Any]], Callable[[State], Any]]] = {
    EXECUTION: (execution, kept_executions),
    SPANS: (trace, kept_traces),
}


def the_source(state: State, group: str) -> Source:
    register_source(state, "beside", "cloudwatch_logs", group, True, {})
    with state.read() as session:
        return sources(session)[0]


@pytest.mark.parametrize("group", KINDS)
def test_each_request_once_and_whole_within_the_rate(double: Double, state: State, group: str) -> None:
    chance = random.Random(5)
    make, kept = KINDS[group]
    events: list[Event] = []
    due: list[Any] = []
    for number in range(240):
        began = int(START * 1000) + chance.randrange(MINUTES * 60_000)
        messages, told = make(number, began, chance)
        due += [] if told is None else [told]
        for after, text in messages:
            late = chance.choice((500, 2_000, 100_000)) if chance.random() < 0.1 else 300
            events.append(Event(len(events), began + after, began + after + late, text))
    clock = Clock(START + 60)
    log = LogGroup(clock, events, chance, page=60, throttled=0.4, empty=0.15, repeats=0.005, expires=0.005, group=group)
    double.answers.append(log)
    source = the_source(state, group)
    aws = aws_of(double, clock, {"logs": 1.0})
    new, looks = 0, 0
    while clock.now < START + (MINUTES + 12) * 60:
        if looks % 6 == 0:  # a process that starts anew remembers nothing
            follower = Follower(state, lambda _: lambda service: aws.client(service, REGION))
        looked = follower.look(source, datetime.fromtimestamp(clock.now, UTC))
        assert all("expired" in error or "same page" in error or "throttles" in error for error in looked.errors)
        new += looked.accepted
        looks += 1
        clock.now = max(clock.now, START + 60 + looks * 120)
    assert kept(state) == Counter(due)
    if group == EXECUTION:
        assert len(due) <= new <= 1.1 * len(due)  # what was read again was known, unless there was more to it
    assert {"throttled", "empty"} <= set(log.faults)
    assert log.served <= 1.3 * log.ideal, (log.served, log.ideal)
    assert min(later - earlier for earlier, later in zip(log.times, log.times[1:], strict=False)) >= 1.0 - 1e-6


def test_requests_are_shown_with_the_limit_that_the_execution_log_names(double: Double, state: State) -> None:
    began = int(START * 1000)
    line = {
        "requestId": "r-1",
        "extendedRequestId": "xr-1",
        "requestTimeEpoch": str(began),
        "apiId": "a1b2c3d4e5",
        "stage": "prod",
        "httpMethod": "GET",
        "resourcePath": "/pets",
        "status": "429",
        "errorType": "THROTTLED",
    }
    clock = Clock(START + 300)
    chance = random.Random(1)
    logs = LogGroup(clock, [Event(0, began, began, json.dumps(line))], chance)
    told = LogGroup(
        clock,
        [Event(1, began, began, "(r-1) Extended Request Id: xr-1"), Event(2, began, began, f"(r-1) {PLAN}")],
        chance,
        group=EXECUTION,
    )
    double.answers.append(lambda call: (told if EXECUTION in str(call.body) else logs)(call))
    aws = aws_of(double, clock, {"logs": 100.0})
    register_source(state, "access", "cloudwatch_logs", logs.group, True, {})
    register_source(state, "execution", "cloudwatch_logs", EXECUTION, True, {})
    follower = Follower(state, lambda _: lambda service: aws.client(service, REGION))
    with state.read() as session:
        listed = sources(session)
    shown = []
    for source in sorted(listed, key=lambda one: one.name):
        assert follower.look(source, datetime.fromtimestamp(clock.now, UTC)).errors == []
        (row,) = find_requests(state).rows.to_pylist()
        shown.append((row["reject_cause"], row["throttle_scope"]))
    follower.close()
    assert shown == [("throttle", "unknown"), ("throttle", "plan")]
