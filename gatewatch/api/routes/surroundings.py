"""What is around the traffic: changes, sources, detectors and settings."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from alerts.render.inforce import in_force
from alerts.render.redact import redacted
from detect.catalog import CODES, code_of
from detect.catalog import to_json as code_json
from gatewatch.api.access import ADMIN, VIEWER
from gatewatch.api.reading import PROBLEMS, Instant, answer, ask
from gatewatch.api.routes.accounting import to_json as account_json
from gatewatch.records import JSON, iso
from gatewatch.settings import Settings
from gatewatch.store.changes import changes
from gatewatch.store.finding_facets import kinds_and_subtypes
from gatewatch.store.sources import accounting, sources
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1", tags=["surroundings"], dependencies=[VIEWER])


@router.get(
    "/changes",
    operation_id="list_changes",
    summary="Configuration changes, newest first",
    responses={**PROBLEMS},
)
async def list_changes(
    request: Request,
    since: Annotated[Instant | None, Query(description="default: 30 days ago")] = None,
    until: Annotated[Instant | None, Query(description="before; to page, the time of the last change given")] = None,
    resource: Annotated[str | None, Query(max_length=300, description="its resource contains this")] = None,
    actor: Annotated[str | None, Query(max_length=300, description="its actor contains this")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Response:
    begin = since or (until or datetime.now(UTC)) - timedelta(days=30)
    privacy = request.app.state.privacy

    def listed(store: State) -> dict[str, JSON]:
        with store.read() as session:
            found = changes(session, begin, until)
        kept = [
            one
            for one in reversed(found)
            if (resource is None or resource.lower() in one.change.resource.lower())
            and (actor is None or actor.lower() in one.change.actor.lower())
        ]
        rows: list[JSON] = [
            {
                "id": one.id,
                "at": iso(one.change.at),
                "what": privacy.text(one.change.what),
                "actor": privacy.text(one.change.actor),
                "resource": one.change.resource,
                "service": one.service,
                "name": one.name,
                "account": one.account,
                "region": one.region,
            }
            for one in kept[:limit]
        ]
        return {"changes": rows, "total": len(kept)}

    return answer(await ask(request, listed))


@router.get(
    "/sources",
    operation_id="list_sources",
    summary="Where logs come from, and what became of their lines",
    responses={**PROBLEMS},
)
async def list_sources(request: Request) -> Response:
    def listed(store: State) -> list[JSON]:
        with store.read() as session:
            registered = {one.name: one for one in sources(session)}
            accounts = {one.source: one for one in accounting(session)}
        out: list[JSON] = []
        for name in sorted({*registered, *accounts}):
            one, account = registered.get(name), accounts.get(name)
            out.append(
                {
                    "name": name,
                    "kind": None if one is None else one.kind,
                    "location": None if one is None else redacted(one.location),
                    "follow": one is not None and one.follow,
                    "created_at": None if one is None else iso(one.created_at),
                    "accounting": None if account is None else account_json(account),
                }
            )
        return out

    return answer({"sources": await ask(request, listed)})


@router.get(
    "/detectors",
    operation_id="list_detectors",
    summary="What is looked for: meaning, maths, needs and tuning of each code, and its findings so far",
    responses={**PROBLEMS},
)
async def list_detectors(request: Request) -> Response:
    def listed(store: State) -> list[JSON]:
        with store.read() as session:
            found = kinds_and_subtypes(session)
        counts: Counter[str | None] = Counter()
        for kind, subtype, count in found:
            counts[code_of(kind, subtype)] += count
        out: list[JSON] = []
        for one in CODES:
            told = code_json(one)
            assert isinstance(told, dict)
            out.append({**told, "findings": counts[one.code]})
        return out

    return answer({"detectors": await ask(request, listed)})


@router.get(
    "/settings",
    operation_id="show_settings",
    summary="Settings in force; of secrets only whether they are set",
    responses={**PROBLEMS},
    dependencies=[ADMIN],
)
async def show_settings(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    rows: list[JSON] = [*in_force(settings)]
    return answer({"settings": rows})
