"""Findings to rows and back."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect

from gatewatch.records import JSON, Cause, Change, Entities, Evidence, Finding, Kind, Point, Severity
from gatewatch.store.columns import Json
from gatewatch.store.models import FindingRow

MOST = {"title": 300, "remedy": 4000, "caveat": 2000, "sentence": 2000, "subtype": 200, "layer": 200}
"""Characters of the texts that detectors write; names of callers may stand in them, and are as long as callers like."""


def finding_values(finding: Finding) -> dict[str, Any]:
    """Columns of `finding` that come from the detector, without id and detected_at, which never change."""
    return {
        "fingerprint": finding.fingerprint,
        "kind": finding.kind.value,
        "subtype": _cut("subtype", finding.subtype),
        "severity": finding.severity.value,
        "severity_rank": finding.severity.rank,
        "score": float(finding.score),
        "confidence": float(finding.confidence),
        "title": _cut("title", finding.title),
        "account": finding.account,
        "region": finding.region,
        "api": finding.api,
        "stage": finding.stage,
        "route": finding.route,
        "start_at": finding.start,
        "end_at": finding.end,
        "entities": finding.entities.to_json(),
        "cause": finding.cause.value,
        "layer": None if finding.layer is None else _cut("layer", finding.layer),
        "caveat": None if finding.caveat is None else _cut("caveat", finding.caveat),
        "evidence": {
            **finding.evidence.to_json(),
            "sentence": _cut("sentence", finding.evidence.sentence),
            "series": [_point(point) for point in finding.evidence.series],
        },
        "changes": [{**change.to_json(), "at": change.at.isoformat()} for change in finding.changes],
        "remedy": _cut("remedy", finding.remedy),
    }


def _cut(name: str, text: str) -> str:
    """What is cut off is marked."""
    return text if len(text) <= MOST[name] else text[: MOST[name] - 1] + "…"


def digest(values: dict[str, Any]) -> str:
    """A hash of all that a detector said: equal when nothing changed."""
    text = json.dumps(values, sort_keys=True, default=lambda at: at.astimezone(UTC).isoformat())
    return hashlib.sha256(text.encode()).hexdigest()


class WithoutSeries(Json):
    """Evidence as it is stored, without its points, which are not even parsed: they are most of it."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> JSON | None:
        return super().process_result_value(None if value is None else without_series(value), dialect)


def without_series(text: str) -> str:
    """Keys are sorted, so that nothing but the unit follows the points; within a text no quote stands bare."""
    key, following = '"series":[', '],"unit":'
    begin, end = text.rfind(key) + len(key), text.rfind(following)
    return text[:begin] + text[end:] if len(key) <= begin <= end else text


def finding_of(row: FindingRow, *, told: JSON = None) -> Finding:
    """told: the evidence, instead of the row's, which is not read then."""
    entities, changes = _dict(row.entities), row.changes
    evidence = _dict(row.evidence if told is None else told)
    assert isinstance(changes, list)
    return Finding(
        id=row.id,
        fingerprint=row.fingerprint,
        kind=Kind(row.kind),
        subtype=row.subtype,
        severity=Severity(row.severity),
        score=row.score,
        confidence=row.confidence,
        title=row.title,
        account=row.account,
        region=row.region,
        api=row.api,
        stage=row.stage,
        route=row.route,
        start=row.start_at,
        end=row.end_at,
        detected_at=row.detected_at,
        entities=Entities(
            ips=tuple(entities["ips"]),
            api_key_ids=tuple(entities["apiKeyIds"]),
            principals=tuple(entities["principals"]),
            user_agents=tuple(entities["userAgents"]),
            asns=tuple(entities["asns"]),
        ),
        cause=Cause(row.cause),
        evidence=Evidence(
            observed=evidence["observed"],
            expected=evidence["expected"],
            unit=evidence["unit"],
            sentence=evidence["sentence"],
            facts=evidence["facts"],
            card=evidence.get("card", {}),
            series=tuple(
                Point(datetime.fromisoformat(at), observed, expected, upper)
                for at, observed, expected, upper in evidence["series"]
            ),
        ),
        remedy=row.remedy,
        layer=row.layer,
        caveat=row.caveat,
        changes=tuple(_change(_dict(change)) for change in changes),
    )


def _point(point: Point) -> list[JSON]:
    return [point.at.isoformat(), point.observed, point.expected, point.upper]


def _change(change: dict[str, Any]) -> Change:
    return Change(
        datetime.fromisoformat(change["at"]), change["what"], change["actor"], change["resource"], change["score"]
    )


def _dict(value: JSON) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value
