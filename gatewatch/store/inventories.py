"""Versions of the inventory, one chain for each account and region; the same document again is no new version."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gatewatch.records import JSON
from gatewatch.store.models import InventoryRow, key_of

LISTS: tuple[str, ...] = ("restApis", "httpApis", "webSocketApis")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """taken_at: when this version was first seen; seen_at: last. digest: of the document."""

    id: int
    account: str | None
    region: str | None
    source: str
    taken_at: datetime
    seen_at: datetime
    digest: str


def save_inventory(session: Session, document: Mapping[str, JSON], *, source: str, now: datetime) -> Snapshot | None:
    """Keep the document of one account and region (`accountId`, `region`) as their newest version.

    None: it is what the newest version says, which from now on was seen at `now`.
    """
    account, region = (_text(document.get(name)) for name in ("accountId", "region"))
    body = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    digest = blake2b(body, digest_size=16).hexdigest()
    scope = key_of(account or "", region or "")
    newest = session.scalars(
        select(InventoryRow).where(InventoryRow.scope == scope).order_by(InventoryRow.id.desc()).limit(1)
    ).one_or_none()
    if newest is not None and newest.digest == digest:
        newest.seen_at = max(newest.seen_at, now)
        return None
    row = InventoryRow(
        scope=scope,
        account=account,
        region=region,
        source=source,
        taken_at=now,
        seen_at=now,
        digest=digest,
        body=zlib.compress(body),
    )
    session.add(row)
    session.flush()
    return _snapshot(row)


def snapshots(session: Session, account: str | None = None, region: str | None = None) -> list[Snapshot]:
    """All versions (of an account, of a region), oldest first."""
    question = select(InventoryRow).order_by(InventoryRow.id)
    if account is not None:
        question = question.where(InventoryRow.account == account)
    if region is not None:
        question = question.where(InventoryRow.region == region)
    return [_snapshot(row) for row in session.scalars(question)]


def version_times(session: Session, since: datetime) -> list[datetime]:
    """When versions of `since` on were first seen, without reading them."""
    return list(session.scalars(select(InventoryRow.taken_at).where(InventoryRow.taken_at >= since)))


def snapshot_document(session: Session, snapshot_id: int) -> dict[str, JSON] | None:
    """The document of a version; None when there is no such version."""
    row = session.get(InventoryRow, snapshot_id)
    return None if row is None else _document(row)


def current_digests(session: Session) -> list[str]:
    """Digests of the newest versions, to see whether anything changed."""
    return sorted(session.scalars(select(InventoryRow.digest).where(InventoryRow.id.in_(_newest()))))


def current_inventory(session: Session) -> dict[str, JSON] | None:
    """What is there now, as one document: the newest version of each account and region. None: nothing is known."""
    rows = session.scalars(select(InventoryRow).where(InventoryRow.id.in_(_newest())).order_by(InventoryRow.scope))
    documents = [_document(row) for row in rows]
    return joined(documents) if documents else None


def joined(documents: list[dict[str, JSON]]) -> dict[str, JSON]:
    """Documents of several accounts and regions as one: each API says itself where it is, all lists are chained."""
    if len(documents) == 1:
        return documents[0]
    out: dict[str, Any] = {}
    for document in documents:
        place = {name: document[name] for name in ("accountId", "region") if document.get(name)}
        for name, value in document.items():
            if not isinstance(value, list):
                continue
            told = [{**place, **one} if name in LISTS and isinstance(one, dict) else one for one in value]
            out.setdefault(name, []).extend(told)
    return out


def _newest() -> Any:
    return select(func.max(InventoryRow.id)).group_by(InventoryRow.scope)


def _document(row: InventoryRow) -> dict[str, JSON]:
    return cast(dict[str, JSON], json.loads(zlib.decompress(row.body)))


def _snapshot(row: InventoryRow) -> Snapshot:
    return Snapshot(row.id, row.account, row.region, row.source, row.taken_at, row.seen_at, row.digest)


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) and value else None
