"""The raw requests behind a finding, and the traces of some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from gatewatch.records import JSON, Finding, Kind, iso
from gatewatch.store.request_search import count_requests, every_request
from gatewatch.store.spans import read_spans
from gatewatch.store.state import State
from gatewatch.where import Term

REFUSALS = {Kind.AUTH_FAILURE_SPIKE: (400, None), Kind.THROTTLING_ABUSE: (429, 429)}
"""Kinds whose matter are refusals, and the least and the highest status of these."""


def requests_behind(state: State, finding: Finding, *, limit: int = 200) -> pa.Table:
    """Requests of the finding's scope and time, newest first: only refused ones where refusals are the matter, and of
    the causes that it counts where it says which."""
    return every_request(state, since=finding.start, until=_until(finding), terms=_terms(finding), most=limit)


def count_behind(state: State, finding: Finding) -> int:
    """How many they are."""
    return count_requests(state, since=finding.start, until=_until(finding), terms=_terms(finding))


def _until(finding: Finding) -> datetime | None:
    return None if finding.end is None else max(finding.end, finding.start + timedelta(minutes=1))


def _terms(finding: Finding) -> tuple[Term, ...]:
    equal = {"api": finding.api, "stage": finding.stage, "route": finding.route}
    terms = [Term(name, "=", (value,)) for name, value in equal.items() if value is not None]
    least, most = REFUSALS.get(finding.kind, (None, None))
    if least is not None:
        terms.append(Term("status", ">=", (least,)))
    if most is not None:
        terms.append(Term("status", "<=", (most,)))
    if (key := key_of(finding)) is not None:
        terms.append(Term("api_key_id", "=", (key,)))
    if causes := causes_of(finding):
        terms.append(Term("reject_cause", "in", causes))
    return tuple(terms)


def key_of(finding: Finding) -> str | None:
    """The API key that does not call any more, where a finding is about one."""
    key = finding.evidence.facts.get("api_key_id")
    return key if finding.kind is Kind.DEAD_API and isinstance(key, str) else None


def causes_of(finding: Finding) -> tuple[str, ...]:
    """The reject causes that refused credentials are counted of, by the evidence; empty where that does not say."""
    if finding.kind is not Kind.AUTH_FAILURE_SPIKE:
        return ()
    shown = finding.evidence.card.get("shown")
    named = shown.get("reject_causes") if isinstance(shown, Mapping) else None
    return tuple(str(one) for one in named) if isinstance(named, Sequence) and not isinstance(named, str) else ()


@dataclass(frozen=True, slots=True)
class Trace:
    """parts: (part, whose, ms), the longest first; together total_ms."""

    trace_id: str
    at: datetime
    route: str | None
    status: int | None
    total_ms: float
    parts: tuple[tuple[str, str | None, float], ...]

    def to_json(self) -> JSON:
        return {
            "trace_id": self.trace_id,
            "at": iso(self.at),
            "route": self.route,
            "status": self.status,
            "total_ms": round(self.total_ms, 3),
            "parts": [{"part": part, "name": name, "ms": round(ms, 3)} for part, name, ms in self.parts],
        }


LONGEST = timedelta(hours=24)
"""Traces are looked for in so much of a finding's time, its beginning."""


def traces_behind(state: State, finding: Finding, *, limit: int = 50) -> list[Trace]:
    """Traces of the finding's place and time, the slowest first; traces are a sample, so there may be none."""
    if key_of(finding) is not None:
        return []  # those of others
    until = _until(finding) or finding.start + LONGEST
    rows = read_spans(state, finding.start, min(until, finding.start + LONGEST)).to_pylist()
    wanted = {"api": finding.api, "stage": finding.stage, "route": finding.route}
    traces: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if all(value is None or row[name] == value for name, value in wanted.items()):
            traces.setdefault(str(row["trace_id"]), []).append(row)
    found = [_trace(name, parts) for name, parts in traces.items()]
    return sorted(found, key=lambda one: (-one.total_ms, one.trace_id))[:limit]


def _trace(name: str, rows: list[dict[str, Any]]) -> Trace:
    parts = sorted(((row["part"], row["name"], float(row["ms"])) for row in rows), key=lambda part: -part[2])
    one = rows[0]
    return Trace(name, one["at"], one["route"], one["status"], float(one["total_ms"]), tuple(parts))
