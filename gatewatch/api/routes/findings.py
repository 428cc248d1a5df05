"""Findings: what is wrong, newest first, and the requests behind each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from gatewatch.api.access import OPERATOR, VIEWER, asker
from gatewatch.api.changing import now
from gatewatch.api.finding_query import Asked, chosen, field_names, names_of
from gatewatch.api.kept import kept
from gatewatch.api.problems import problem
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, answer, ask, missing
from gatewatch.api.requests_shown import rows
from gatewatch.api.tags import tagged
from gatewatch.lifecycle import allowed
from gatewatch.privacy import Privacy
from gatewatch.records import JSON, iso
from gatewatch.store import audit, finding_json
from gatewatch.store.behind import requests_behind, traces_behind
from gatewatch.store.finding_cursor import NEWEST, Order
from gatewatch.store.finding_events import finding_events
from gatewatch.store.finding_facets import FACETS, facets
from gatewatch.store.finding_groups import groups
from gatewatch.store.finding_json import finding_page
from gatewatch.store.findings import (
    FindingFilter,
    StoredFinding,
    get_finding,
    list_findings,
)
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/findings", tags=["findings"], dependencies=[VIEWER])

FindingId = Annotated[str, Path(alias="id", max_length=64, description="The finding's id")]


FIELDS = frozenset(finding_json.FIELDS)
"""What `fields` may name."""

_FACETS = frozenset(FACETS)


class FindingList(BaseModel):
    """A page of findings; ask again with `cursor=next_cursor` for the next one. None: this was the last."""

    schema_version: int
    findings: list[dict[str, Any]]
    next_cursor: str | None


def to_json(stored: StoredFinding, privacy: Privacy) -> dict[str, JSON]:
    """A finding as `gatewatch scan --format json` prints it, with what the store knows besides."""
    return {
        **privacy.finding(stored.finding).to_json(),
        "state": stored.state.value,
        "first_seen_at": iso(stored.first_seen_at),
        "updated_at": iso(stored.updated_at),
        "occurrences": stored.occurrences,
        "revision": stored.revision,
        "assignee": stored.assignee,
        "snooze_until": None if stored.snooze_until is None else iso(stored.snooze_until),
        "snooze_count": stored.snooze_count,
        "suppression": stored.suppression,
        "allowed": [*(one.value for one in allowed(stored.state, over=stored.finding.end is not None))],
    }


@router.get(
    "",
    operation_id="list_findings",
    summary="Findings, newest or worst first",
    responses={200: {"model": FindingList}, **PROBLEMS},
)
async def findings(
    request: Request,
    wish: FindingFilter = Asked,
    sort: Annotated[Order, Query(description="-: the highest, or newest, first")] = NEWEST,
    fields: Annotated[
        str | None,
        Query(max_length=500, description="Only these, such as `title,severity`", json_schema_extra=names_of(FIELDS)),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=512, description="next_cursor of the page before")] = None,
) -> Response:
    names = field_names(fields, FIELDS)
    privacy: Privacy = request.app.state.privacy

    def page(store: State) -> dict[str, JSON]:
        if not privacy.on:
            with store.read() as session:
                rows_, following = finding_page(session, wish, names, limit=limit, cursor=cursor, sort=sort)
            return {"findings": rows_, "next_cursor": following}
        with store.read() as session:
            found = list_findings(session, wish, limit=limit, cursor=cursor, sort=sort)
        listed: list[JSON] = [chosen(to_json(stored, privacy), names) for stored in found.items]
        return {"findings": listed, "next_cursor": found.next_cursor}

    try:
        return await kept(request, page)
    except ValueError:
        detail = "cursor: not one that this API gave for this order; begin again without it"
        return problem(400, detail, kind="urn:gatewatch:problem:bad-cursor")


@router.get(
    "/facets",
    operation_id="count_findings",
    summary="How many findings have which value, with the filters of the list",
    responses={**PROBLEMS},
)
async def count(
    request: Request,
    wish: FindingFilter = Asked,
    fields: Annotated[
        str | None, Query(max_length=200, description="Only these facets", json_schema_extra=names_of(_FACETS))
    ] = None,
) -> Response:
    names = field_names(fields, _FACETS) or _FACETS

    def counted(store: State) -> dict[str, JSON]:
        with store.read() as session:
            total, found = facets(session, wish, names)
        listed: dict[str, JSON] = {
            name: [{"value": value, "count": number} for value, number in values] for name, values in found.items()
        }
        return {"total": total, "facets": listed}

    return await kept(request, counted)


@router.get(
    "/groups",
    operation_id="group_findings",
    summary="Findings grouped by a field, with the filters of the list; the worst group first",
    responses={**PROBLEMS},
)
async def grouped(
    request: Request,
    by: Annotated[Literal["cause", "api", "kind", "subtype", "stage", "severity", "state", "assignee"], Query()],
    wish: FindingFilter = Asked,
) -> Response:
    def counted(store: State) -> dict[str, JSON]:
        with store.read() as session:
            found = groups(session, wish, by)
        listed: list[JSON] = [
            {
                "value": one.value,
                "count": one.count,
                "open": one.open,
                "worst": one.worst.value,
                "newest": iso(one.newest),
            }
            for one in found
        ]
        return {"by": by, "groups": listed}

    return await kept(request, counted)


@router.get(
    "/{id}", operation_id="get_finding", summary="One finding and its history", responses={**NOT_FOUND, **PROBLEMS}
)
async def finding(request: Request, finding_id: FindingId) -> Response:
    privacy: Privacy = request.app.state.privacy

    def one(store: State) -> tuple[int, dict[str, JSON]] | None:
        with store.read() as session:
            stored = get_finding(session, finding_id)
            if stored is None:
                return None
            names = stored.finding.entities.principals
            events: list[JSON] = [
                {
                    "at": iso(event.at),
                    "transition": event.transition,
                    "actor": event.actor,
                    "note": privacy.text(event.note, names),
                }
                for event in finding_events(session, finding_id)
            ]
        return stored.revision, {**to_json(stored, privacy), "events": events}

    found = await ask(request, one)
    if found is None:
        raise missing("finding with this id")
    return tagged(request, answer(found[1]), revision=found[0])


@router.get(
    "/{id}/requests",
    operation_id="get_finding_requests",
    summary="Raw requests behind a finding, newest first",
    responses={**NOT_FOUND, **PROBLEMS},
)
async def requests(
    request: Request, finding_id: FindingId, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> Response:
    def behind(store: State) -> dict[str, JSON] | None:
        with store.read() as session:
            stored = get_finding(session, finding_id)
        if stored is None:
            return None
        return {"requests": rows(requests_behind(store, stored.finding, limit=limit), request.app.state.privacy)}

    found = await ask(request, behind)
    if found is None:
        raise missing("finding with this id")
    return answer(found)


@router.get(
    "/{id}/traces",
    operation_id="get_finding_traces",
    summary="Where traced requests of a finding's place and time spent it, the slowest first",
    responses={**NOT_FOUND, **PROBLEMS},
)
async def traces(request: Request, finding_id: FindingId, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
    def behind(store: State) -> list[JSON] | None:
        with store.read() as session:
            stored = get_finding(session, finding_id)
        return None if stored is None else [one.to_json() for one in traces_behind(store, stored.finding, limit=limit)]

    found = await ask(request, behind)
    if found is None:
        raise missing("finding with this id")
    return answer({"traces": found})


@router.post(
    "/{id}/reveal",
    operation_id="reveal_finding",
    summary="A finding and its requests with addresses and principals whole; written in the audit log",
    responses={**NOT_FOUND, **PROBLEMS},
    dependencies=[OPERATOR],
)
async def reveal(request: Request, finding_id: FindingId) -> Response:
    who, at = asker(request), now()

    def whole(store: State) -> dict[str, JSON] | None:
        with store.read() as session:
            stored = get_finding(session, finding_id)
        if stored is None:
            return None
        with store.begin() as session:  # first the log, then the answer
            audit.note(session, who, "finding.reveal", finding_id, now=at)
        behind = requests_behind(store, stored.finding, limit=200)
        return {**to_json(stored, Privacy()), "requests": rows(behind, Privacy())}

    found = await ask(request, whole)
    if found is None:
        raise missing("finding with this id")
    return answer(found)
