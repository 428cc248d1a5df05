"""A store with a day of three APIs in it, four findings, and attackers' text wherever a request can carry it."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime, timedelta
from typing import Any

from gatewatch.frames import MINUTE_COUNTS, bucket_of, visible_mask
from gatewatch.records import Blind, Cause, Change, ChangeEvent, Entities, Evidence, Finding, Kind, Point, Severity
from gatewatch.store.changes import save_changes
from gatewatch.store.findings import save_blind, save_findings
from gatewatch.store.state import State
from tests.store.builders import AT, a_finding, clients, minutes, put, requests

END = AT
START = AT - timedelta(hours=24)

HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    '"><script>window.hacked=1</script>',
    "javascript:window.hacked=1",
    '<a href="https://evil.example/">Acknowledge</a>',
    r"$\href{javascript:window.hacked=1}{x}$",
    "[click](https://evil.example/) ![x](https://evil.example/x.png)",
    "{{7*7}} ${7*7} %{customdata} </textarea>",
    "\u202egpj.exe\u2066 \x1b[31mred\x07\x00",
    '=HYPERLINK("https://evil.example/")',
    "lone \ud83d half",
)
"""What an attacker would like to see come alive."""


def fill(state: State, *, end: datetime = END, hostile: bool = True) -> list[Finding]:
    """Requests, minutes, coverage and findings of the day before `end`; the findings, newest first."""
    rows = [row for step in range(1440) for row in _minute(end - timedelta(minutes=1440 - step), step)]
    put(
        state,
        tables=[
            ("minutes", minutes(rows)),
            ("requests", requests(_requests(end, hostile))),
            ("clients", clients([{}])),
        ],
        lines=sum(int(row["n"]) for row in rows),
        coverage=[(end - timedelta(hours=24), end - timedelta(hours=9)), (end - timedelta(hours=8), end)],
    )
    found = findings(end, hostile)
    with state.begin() as session:
        save_changes(session, changes(end, hostile), source="world", now=end)
        save_findings(session, found, now=end)
        save_blind(
            session,
            [
                Blind(
                    Kind.LATENCY_OUTLIER, "1", "eu-west-1", "legacy9", "v1", "no latency in the log", ("latency_ms",)
                ),
                Blind(Kind.AUTH_FAILURE_SPIKE, "1", "eu-west-1", "legacy9", "v1", HOSTILE[0], ("error_type",)),
            ],
        )
    return found


def changes(end: datetime, hostile: bool) -> list[ChangeEvent]:
    """A deployment before the slow hour, and two changes of configuration, by whom an attacker would name."""

    def event(minutes: int, what: str, actor: str, resource: str) -> ChangeEvent:
        name = what.split()[0]
        return ChangeEvent(
            f"e{minutes}", Change(end - timedelta(minutes=minutes), what, actor, resource), "apigateway", name
        )

    text = HOSTILE if hostile else ("ci",) * len(HOSTILE)
    return [
        event(66, "CreateDeployment", "ci", "shop4f2k1/stages/prod"),
        event(124, f"UpdateStage {text[0]}", text[1], "login8a2/stages/prod"),
        event(900, "UpdateUsagePlan", "ops", "plan1"),
    ]


def _minute(at: datetime, step: int) -> list[dict[str, Any]]:
    """Three stages; a gap of an hour, an attack and a slow hour."""
    if 15 * 60 <= step < 16 * 60:
        return []
    day = 0.6 + 0.4 * math.sin(2 * math.pi * (step - 480) / 1440)
    out = []
    for api, stage, api_type, rate in (
        ("shop4f2k1", "prod", "rest", 420),
        ("login8a2", "prod", "http", 160),
        ("legacy9", "v1", "rest", 12),
    ):
        n = int(rate * day) + step * 7 % 5
        attack = api == "login8a2" and 1320 <= step < 1400
        refused = 300 + step % 17 if attack else int(n * 0.01)
        slow = 6.0 if api == "shop4f2k1" and step >= 1380 else 1.0
        row: dict[str, Any] = dict.fromkeys(MINUTE_COUNTS, 0) | {
            "minute": at,
            "account": "1",
            "region": "eu-west-1",
            "api": api,
            "api_type": api_type,
            "stage": stage,
            "route": "POST /login" if api == "login8a2" else "GET /items/{id}",
            "n": n + refused,
            "s2xx": n - n // 100,
            "s4xx": refused,
            "s5xx": n // 100,
            "c_expired_credential": refused // 2,
            "c_unknown_key": refused - refused // 2,
            "c_throttle": n // 80,
            "visible": visible_mask(["at", "status"] if api == "legacy9" else ["at", "status", "latency_ms"]),
        }
        if api != "legacy9":
            buckets = sorted({bucket_of(40 * slow), bucket_of(90 * slow), bucket_of(260 * slow)})
            row |= {"latency_b": buckets, "latency_c": [n // 2 + 1, n // 3 + 1, n // 10 + 1]}
        out.append(row)
    return out


def _requests(end: datetime, hostile: bool) -> list[dict[str, Any]]:
    out = []
    for step in range(400):
        text = HOSTILE[step % len(HOSTILE)].replace("\ud83d", "\ufffd") if hostile else "curl/8.5.0"
        out.append(
            {
                "at": end - timedelta(seconds=9 * step + 5, milliseconds=step * 37 % 1000),
                "account": "1",
                "region": "eu-west-1",
                "api": "login8a2",
                "stage": "prod",
                "route": "POST /login",
                "method": "POST",
                "path": f"/login/{text}" if hostile else "/login",
                "status": 401,
                "reject_cause": "unknown_key",
                "latency_ms": 12.5 + step % 40,
                "client_ip": f"203.0.113.{step % 250}",
                "user_agent": text,
                "principal": text if hostile else "anonymous",
                "error_message": text,
                "request_id": f"req-{step}",
            }
        )
    return out


def findings(end: datetime, hostile: bool) -> list[Finding]:
    text = HOSTILE if hostile else ("POST /login",) * len(HOSTILE)
    attack_start, slow_start = end - timedelta(minutes=120), end - timedelta(minutes=60)

    def series(start: datetime, normal: float, high: float, *, lasts: int) -> tuple[Point, ...]:
        points = []
        for step in range(-60, lasts):
            value = (high if step >= 0 else normal) * (1 + 0.06 * math.sin(step * 1.7))
            expected = normal * (1 + 0.05 * math.sin(step / 20))
            points.append(Point(start + timedelta(minutes=step), value, expected, expected * 1.8))
        return tuple(points)

    attack = a_finding(
        "POST /login",
        attack_start,
        kind=Kind.AUTH_FAILURE_SPIKE,
        subtype="credential_stuffing",
        severity=Severity.CRITICAL,
        score=48.2,
        title=f"Credential stuffing against {text[0]}",
        api="login8a2",
        stage="prod",
        route="POST /login",
        entities=Entities(
            ips=tuple(f"203.0.113.{n}" for n in range(9)), user_agents=text, principals=text, api_key_ids=("k1",)
        ),
        evidence=Evidence(
            308.0,
            2.1,
            "rejections/min",
            f"308 rejections a minute instead of 2, from 250 addresses; most with the agent {text[1]}.",
            {"distinct_ips": 250, "distinct_principals": 91, "routes": list(text), "top": {text[2]: 12}, "again": True},
            series(attack_start, 2.1, 308.0, lasts=100),
            {
                "factors": [
                    {"sign": "+", "what": f"90% have the address {text[0]}", "value": 0.9},
                    {"sign": "-", "what": "for 51% the logs do not say why", "value": 0.51},
                ],
                "top": [
                    {
                        "dimension": "client_ip",
                        "value": text[1],
                        "n": 9,
                        "share": 0.9,
                        "before": 1,
                        "share_before": 0.01,
                    }
                ],
                "reproduce": {"gatewatch": f"gatewatch export requests --caller {text[2]}", "sql": "SELECT count(*)"},
            },
        ),
        remedy=f"Block the addresses in a WAF rule.\nThen turn on a rate rule for {text[3]}.",
        caveat=f"Addresses may be forged: {text[4]}",
        changes=(Change(attack_start - timedelta(minutes=4), f"UpdateStage {text[5]}", text[6], text[7], 0.8),),
    )
    slow = dataclasses.replace(
        a_finding("GET /items/{id}", slow_start),
        kind=Kind.LATENCY_OUTLIER,
        subtype="step",
        severity=Severity.HIGH,
        title="p95 latency of GET /items/{id} is 6 times what it was",
        api="shop4f2k1",
        cause=Cause.INTEGRATION,
        layer="integration",
        evidence=Evidence(
            1560.0, 262.0, "ms", "p95 is 1,560 ms instead of 262 ms.", {}, series(slow_start, 262, 1560, lasts=55)
        ),
        entities=Entities(),
        changes=(),
    )
    dead = dataclasses.replace(
        a_finding("stage", end - timedelta(hours=5)),
        kind=Kind.DEAD_API,
        subtype="silent",
        severity=Severity.LOW,
        title=f"Nothing calls {text[8]}",
        api=f"gone{text[0][:20]}" if hostile else "gone123",
        route=None,
        cause=Cause.UNKNOWN,
        evidence=Evidence(0.0, 3.0, "requests", "No request for 40 days.", {"days": 40}),
        entities=Entities(),
        changes=(),
    )
    over = dataclasses.replace(
        a_finding("k7", end - timedelta(hours=12)),
        severity=Severity.MEDIUM,
        end=end - timedelta(hours=11),
        title=f"One key is throttled: {text[9]}",
        api="shop4f2k1",
    )
    return [slow, attack, dead, over]
