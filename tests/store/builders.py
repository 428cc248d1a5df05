"""Small batches, tables and findings for the tests of the store."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from gatewatch.frames import CLIENTS, MINUTES, REQUESTS
from gatewatch.records import Cause, Change, Entities, Evidence, Finding, Kind, Point, Severity, finding_id, fingerprint
from gatewatch.store.batches import DeadLetter, Outcomes, Position, Segment, commit_batch, lease_batch
from gatewatch.store.lake import publish_segment
from gatewatch.store.state import State

AT = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)


def minutes_after(count: float) -> datetime:
    return AT + timedelta(minutes=count)


def requests(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """REQUESTS rows; what is not given is NULL, except a time and a status."""
    return pa.Table.from_pylist(
        [{"at": AT, "status": 200, "api": "a1", "stage": "prod", **row} for row in rows], REQUESTS
    )


def minutes(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"minute": AT, "n": 1, "api": "a1", "stage": "prod", **row} for row in rows], MINUTES)


def clients(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    filled = [{"minute": AT, "n": 1, "api": "a1", "stage": "prod", "reject_cause": "throttle", **row} for row in rows]
    return pa.Table.from_pylist(filled, CLIENTS)


def segment(state: State, batch_id: str, kind: str, table: pa.Table, n: int = 0) -> Segment:
    """Write a table to the lake as it is done in a worker process."""
    times = table.column("at" if kind == "requests" else "minute").to_pylist()
    return publish_segment(state.lake.root, kind, batch_id, n, table, min(times), max(times))


def a_position(offset: int = 10, **changes: Any) -> Position:
    return dataclasses.replace(Position(offset, 2, 10, 1, True, "f"), **changes)


def a_letter(body: bytes = b"broken", **changes: Any) -> DeadLetter:
    letter = DeadLetter("app.log", 7, 120, len(body), "not_json", hashlib.sha256(body).hexdigest(), body)
    return dataclasses.replace(letter, **changes)


def put(
    state: State,
    *,
    source: str = "files",
    tables: Sequence[tuple[str, pa.Table]] = (),
    lines: int = 0,
    file: str = "app.log",
    coverage: Sequence[tuple[datetime, datetime]] = (),
) -> str:
    """Lease, write and commit one batch; its id."""
    batch = lease_batch(state, source, "me")
    assert commit_batch(
        state,
        batch.id,
        segments=[segment(state, batch.id, kind, table, n) for n, (kind, table) in enumerate(tables)],
        checkpoints={file: a_position(lines)},
        outcomes={file: Outcomes(lines, lines, 0, 0, 0)},
        reject_counts={},
        dead_letters=[],
        coverage=coverage,
        now=AT,
    )
    return batch.id


def commit(state: State, batch_id: str, **changes: Any) -> bool:
    """`commit_batch` with nothing in it but what is given."""
    arguments: dict[str, Any] = {
        "segments": [],
        "checkpoints": {},
        "outcomes": {},
        "reject_counts": {},
        "dead_letters": [],
        "coverage": [],
        "now": AT,
    }
    return commit_batch(state, batch_id, **(arguments | changes))


def a_finding(scope: str = "GET /pets", start: datetime = AT, **changes: Any) -> Finding:
    """An open finding of medium severity; `scope` makes its fingerprint."""
    print_ = fingerprint(Kind.THROTTLING_ABUSE, "1", "eu-west-1", "a1", "prod", scope)
    finding = Finding(
        id=finding_id(print_, start),
        fingerprint=print_,
        kind=Kind.THROTTLING_ABUSE,
        subtype="one_client",
        severity=Severity.MEDIUM,
        score=12.5,
        confidence=0.9,
        title=f"One client is throttled on {scope}",
        account="1",
        region="eu-west-1",
        api="a1",
        stage="prod",
        route=scope,
        start=start,
        end=None,
        detected_at=start + timedelta(minutes=3),
        entities=Entities(ips=("192.0.2.1",), user_agents=("curl/8\x00\ud83d",)),
        cause=Cause.CLIENT,
        evidence=Evidence(
            41.0,
            0.5,
            "429/min",
            "41 a minute",
            {"distinct_ips": 1},
            (Point(start, 41.0, 0.5, None), Point(start, None)),
        ),
        remedy="Give the client a usage plan.",
        changes=(Change(start, "UpdateUsagePlan", "somebody", "plan1", 0.5),),
    )
    return dataclasses.replace(finding, **changes)
