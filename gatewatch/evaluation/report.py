"""The evaluation as one JSON document; absent figures are null."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gatewatch.evaluation.figures import Figures
from gatewatch.evaluation.labels import Place
from gatewatch.evaluation.luck import Luck, beyond_luck
from gatewatch.evaluation.match import Judgement, Rules
from gatewatch.records import JSON, iso

SCHEMA_VERSION = 1


def document(judgements: Sequence[Judgement], counted: Figures, luck: Luck, rules: Rules) -> dict[str, JSON]:
    """Figures over all, the same at shuffled times, and what became of each incident and each finding."""
    chance = {**_plain(luck), "recall_beyond_luck": _number(beyond_luck(counted.everything.recall, luck.recall))}
    out: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "rules": _plain(rules),
        **_plain(counted),
        "at_shuffled_times": chance,
        "incidents": [row for one in judgements for row in _incidents(one)],
        "findings": [row for one in judgements for row in _findings(one)],
    }
    return out


def _incidents(judgement: Judgement) -> list[dict[str, Any]]:
    rows = []
    for outcome in judgement.outcomes:
        incident = outcome.incident
        claim = None if outcome.found is None else judgement.claims[outcome.found]
        rows.append(
            {
                "id": incident.id,
                "scenario": incident.scenario,
                "kind": incident.kind,
                "subtype": incident.subtypes[0],
                "level": incident.level,
                "traffic": incident.traffic,
                **_place(incident.place),
                "start": time_text(incident.start),
                "end": None if incident.end is None else time_text(incident.end),
                "found": claim is not None,
                "flooded": outcome.flooded,
                "finding": None if claim is None else claim.id,
                "delay_minutes": None if outcome.delay_s is None else round(outcome.delay_s / 60, 2),
                "said_subtype": None if claim is None else claim.subtype,
                "said_cause": None if claim is None else claim.cause,
                "subtype_right": None if claim is None else claim.subtype in incident.subtypes,
                "cause_right": None if claim is None or not incident.causes else claim.cause in incident.causes,
                "culprit_f1": None if outcome.named is None else round(outcome.named.f1, 4),
                "findings": outcome.findings,
            }
        )
    return rows


def _findings(judgement: Judgement) -> list[dict[str, Any]]:
    rows = []
    for claim, fate, owner, window in zip(
        judgement.claims, judgement.fates, judgement.owners, judgement.tempted, strict=True
    ):
        rows.append(
            {
                "id": claim.id,
                "kind": claim.kind,
                "subtype": claim.subtype,
                "severity": claim.severity,
                **_place(claim.place or Place("")),
                "start": time_text(claim.start),
                "end": None if claim.end is None else time_text(claim.end),
                "detected_at": time_text(claim.detected),
                "fate": fate.value,
                "incident": None if owner is None else judgement.labels.incidents[owner].id,
                "benign": None if window is None else judgement.labels.benign[window].id,
            }
        )
    return rows


def _place(place: Place) -> dict[str, Any]:
    return {"api_id": place.api or None, "stage": place.stage, "route": place.route}


def time_text(seconds: float) -> str:
    return iso(datetime.fromtimestamp(seconds, UTC))


def _plain(value: Any) -> Any:
    """Dataclasses, mappings and tuples as JSON; numbers that are none as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
