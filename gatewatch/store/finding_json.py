"""Pages of findings as JSON, straight from their rows: what is not asked for is neither read nor decoded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session, defer

from gatewatch.lifecycle import allowed
from gatewatch.records import JSON, State, iso
from gatewatch.store.finding_cursor import NEWEST, Order
from gatewatch.store.findings import FindingFilter, finding_rows
from gatewatch.store.models import FindingRow

_HEAVY = {"entities": FindingRow.entities, "evidence": FindingRow.evidence, "changes": FindingRow.changes}
"""Columns of JSON; all else of a finding is small."""


def finding_page(
    session: Session,
    filter_: FindingFilter,
    names: frozenset[str] | None = None,
    *,
    limit: int = 50,
    cursor: str | None = None,
    sort: Order = NEWEST,
) -> tuple[list[JSON], str | None]:
    """(findings with these fields and their id, the cursor of the next page). names None: all of FIELDS.

    ValueError when the cursor is not one that an earlier page of the same order gave.
    """
    wanted = FIELDS.keys() if names is None else names | {"id"}
    options = [defer(column) for name, column in _HEAVY.items() if name not in wanted]
    rows, following = finding_rows(session, filter_, limit=limit, cursor=cursor, sort=sort, options=options)
    makers = [(name, make) for name, make in FIELDS.items() if name in wanted]
    return [
        {name: make(row) for name, make in makers if name != "layer" or row.layer is not None or names is not None}
        for row in rows
    ], following


def _evidence(row: FindingRow) -> JSON:
    found = row.evidence
    assert isinstance(found, dict)
    series: Any = found["series"]
    points: list[JSON] = [  # thousands in a page: without a call for each
        {
            "at": at[:19] + "Z" if at[19:] == "+00:00" else _at(at),
            "observed": observed,
            "expected": expected,
            "upper": upper,
        }
        for at, observed, expected, upper in series
    ]
    return {"card": {}, **found, "series": points}


def _changes(row: FindingRow) -> JSON:
    found: Any = row.changes
    return [{**one, "at": _at(one["at"])} for one in found]


def _at(text: str) -> str:
    """A stored time as the API writes it."""
    return iso(datetime.fromisoformat(text))


def _allowed(row: FindingRow) -> JSON:
    return [one.value for one in allowed(State(row.state), over=row.end_at is not None)]


FIELDS: dict[str, Callable[[FindingRow], JSON]] = {
    "id": lambda row: row.id,
    "fingerprint": lambda row: row.fingerprint,
    "kind": lambda row: row.kind,
    "subtype": lambda row: row.subtype,
    "severity": lambda row: row.severity,
    "score": lambda row: row.score,
    "confidence": lambda row: row.confidence,
    "title": lambda row: row.title,
    "account": lambda row: row.account,
    "region": lambda row: row.region,
    "api_id": lambda row: row.api,
    "stage": lambda row: row.stage,
    "route": lambda row: row.route,
    "start": lambda row: iso(row.start_at),
    "end": lambda row: None if row.end_at is None else iso(row.end_at),
    "detected_at": lambda row: iso(row.detected_at),
    "entities": lambda row: row.entities,
    "cause": lambda row: row.cause,
    "caveat": lambda row: row.caveat,
    "evidence": _evidence,
    "changes": _changes,
    "remedy": lambda row: row.remedy,
    "layer": lambda row: row.layer,
    "state": lambda row: row.state,
    "first_seen_at": lambda row: iso(row.first_seen_at),
    "updated_at": lambda row: iso(row.updated_at),
    "occurrences": lambda row: row.occurrences,
    "revision": lambda row: row.revision,
    "assignee": lambda row: row.assignee,
    "snooze_until": lambda row: None if row.snooze_until is None else iso(row.snooze_until),
    "snooze_count": lambda row: row.snooze_count,
    "suppression": lambda row: row.suppression_id,
    "allowed": _allowed,
}
"""What a finding has, and how it is told."""
