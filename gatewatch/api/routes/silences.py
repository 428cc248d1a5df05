"""Silences: alerts that are not sent for a while. What is still open at the end is told then."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from gatewatch.api.access import OPERATOR, VIEWER, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, now
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, Instant, answer, ask, missing
from gatewatch.records import JSON
from gatewatch.silencing import add, end, to_json
from gatewatch.store.silences import StoredSilence, silences
from gatewatch.store.state import Session, State

router = APIRouter(prefix="/api/v1/silences", tags=["alerts"], dependencies=[VIEWER])

SilenceId = Annotated[str, Path(alias="id", max_length=32, description="The silence's id")]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class NewSilence(Body):
    """matchers: label -> patterns, such as `{"api": ["orders*"]}`; all labels must fit, one pattern of each."""

    matchers: dict[str, Annotated[list[Pattern], Field(min_length=1, max_length=50)]] = Field(
        min_length=1, max_length=20
    )
    reason: str = Field(min_length=1, max_length=500)
    starts_at: Instant | None = Field(default=None, description="default: now")
    ends_at: Instant


@router.get("", operation_id="list_silences", summary="Silences, the last to end first", responses={**PROBLEMS})
async def list_silences(
    request: Request, everything: Annotated[bool, Query(alias="all", description="also those that are over")] = False
) -> Response:
    at = now()

    def found(store: State) -> list[StoredSilence]:
        with store.read() as session:
            return silences(session, None if everything else at)

    return answer({"silences": [to_json(one, at) for one in await ask(request, found)]})


@router.post(
    "",
    operation_id="add_silence",
    summary="A new silence",
    status_code=201,
    responses={**CHANGES},
    dependencies=[OPERATOR],
)
async def add_one(request: Request, wish: NewSilence, key: Key = None) -> Response:
    who, at = asker(request), now()

    def made(session: Session) -> dict[str, JSON]:
        starts_at = wish.starts_at or at
        one = add(session, who, wish.matchers, reason=wish.reason, starts_at=starts_at, ends_at=wish.ends_at, now=at)
        return to_json(one, at)

    return await Once(request, who, key, wish.model_dump_json(), at).change(made, status=201)


@router.delete(
    "/{id}",
    operation_id="end_silence",
    summary="End a silence now",
    responses={**NOT_FOUND, **CHANGES},
    dependencies=[OPERATOR],
)
async def end_one(request: Request, silence_id: SilenceId, key: Key = None) -> Response:
    who, at = asker(request), now()

    def ended(session: Session) -> dict[str, JSON]:
        one = end(session, who, silence_id, now=at)
        if one is None:
            raise missing("silence with this id that is not over")
        return to_json(one, at)

    return await Once(request, who, key, "", at).change(ended)
