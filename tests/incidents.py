"""Fourteen hours of one API's log with four incidents: the smallest that shows a finding of each kind."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, cast

import numpy as np

from tests.ingest.lines import a_line

HOURS = 14
ATTACK, THROTTLE, SLOW, OUTAGE = (timedelta(hours=hour) for hour in (6, 8, 10, 12))
HOSTILE = "o'hara\"; rm -rf / #\u202e"


def incident_lines() -> list[str]:
    """Twelve requests a minute with a few refusals; then a brute force, throttling, slowness and an outage."""
    rng = np.random.default_rng(5)
    rows: list[tuple[float, dict[str, str]]] = []

    def add(second: float, **fields: str) -> None:
        rows.append((second, fields))

    for number in range(HOURS * 3600 // 5):
        second = 5 * number + float(rng.uniform(0, 5))
        at = timedelta(seconds=second)
        fields = {"resourcePath": f"/r{number % 3}", "ip": f"192.0.2.{number % 40}"}
        ms = float(rng.lognormal(math.log(60), 0.4))
        if SLOW <= at < SLOW + timedelta(minutes=40):
            ms *= 4
        fields |= {"responseLatency": f"{ms:.0f}", "integrationLatency": f"{ms * 0.9:.0f}"}
        if OUTAGE <= at < OUTAGE + timedelta(minutes=30):
            add(second, status="502", errorType="INTEGRATION_FAILURE", **fields)
        elif number % 40 == 0:
            add(second, status="401", errorType="UNAUTHORIZED", principalId=f"user{number % 9}", **fields)
        else:
            add(second, status="200", **fields)
    for number in range(900):
        second = ATTACK.total_seconds() + 2.0 * number
        who = {"ip": "203.0.113.66", "principalId": HOSTILE, "userAgent": "hydra"}
        add(second, status="401", errorType="UNAUTHORIZED", resourcePath="/r0", **who)
    for number in range(1500):
        second = THROTTLE.total_seconds() + 1.2 * number
        add(second, status="429", errorType="THROTTLED", apiKeyId="key1", ip="198.51.100.7", resourcePath="/r1")
    rows.sort(key=lambda row: row[0])
    return [a_line(number, second=second, **cast(Any, fields)) for number, (second, fields) in enumerate(rows)]
