"""Suppressions: what is hidden, why and by whom; a preview; and those that are not needed any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from gatewatch.api.access import OPERATOR, VIEWER, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, now
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, answer, ask, missing
from gatewatch.api.routes.actions import Condition, bad_where
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso
from gatewatch.store.state import Session, State
from gatewatch.store.suppressions import Preview, StoredSuppression, end_suppression, preview, suppressions
from gatewatch.where import MOST_TERMS, parse_all

router = APIRouter(prefix="/api/v1/suppressions", tags=["findings"], dependencies=[VIEWER])

SuppressionId = Annotated[str, Path(alias="id", max_length=32, description="The suppression's id")]


class Where(Body):
    """where: `field op value`; all must hold."""

    where: list[Condition] = Field(min_length=1, max_length=MOST_TERMS, examples=[["api = orders", "kind = dead_api"]])


@router.get("", operation_id="list_suppressions", summary="Suppressions, newest first", responses={**PROBLEMS})
async def list_all(
    request: Request,
    everything: Annotated[bool, Query(alias="all", description="also those that are over")] = False,
    unused_days: Annotated[
        int | None, Query(ge=0, le=3650, description="only those that hid nothing for so many days")
    ] = None,
) -> Response:
    at = now()
    unused = None if unused_days is None else timedelta(days=unused_days)

    def found(store: State) -> list[StoredSuppression]:
        with store.read() as session:
            return suppressions(session, everything=everything, unused_for=unused, now=at)

    return answer({"suppressions": [one.to_json(at) for one in await ask(request, found)]})


@router.post(
    "/preview",
    operation_id="preview_suppression",
    summary="What a suppression would have hidden in the last 30 days; changes nothing",
    responses={**PROBLEMS},
)
async def look_ahead(request: Request, wish: Where) -> Response:
    try:
        terms = parse_all(wish.where)
    except UsageError as error:
        return bad_where(error)

    def found(store: State) -> Preview:
        with store.read() as session:
            return preview(session, terms, now())

    seen = await ask(request, found)
    newest: list[JSON] = [*seen.newest]
    return answer(
        {
            "since": iso(seen.since),
            "findings": seen.findings,
            "open": seen.open,
            "problems": seen.problems,
            "newest": newest,
        }
    )


@router.delete(
    "/{id}",
    operation_id="end_suppression",
    summary="End a suppression; what it hides counts again",
    responses={**NOT_FOUND, **CHANGES},
    dependencies=[OPERATOR],
)
async def end_one(request: Request, suppression_id: SuppressionId, key: Key = None) -> Response:
    who, at = asker(request), now()

    def ended(session: Session) -> dict[str, JSON]:
        released = end_suppression(session, who, suppression_id, now=at)
        if released is None:
            raise missing("suppression with this id that is not over")
        return {"released": [*released]}

    return await Once(request, who, key, "", at).change(ended)
