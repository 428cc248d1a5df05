"""API tokens: made, listed and revoked by admins. A token's text is in the answer that makes it, and never again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from gatewatch.access.tokens import DAYS, MOST_DAYS, create_token, revoke, to_json
from gatewatch.api.access import ADMIN, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, now, person_only
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, answer, ask, missing
from gatewatch.records import JSON
from gatewatch.roles import Scope
from gatewatch.store.state import Session, State
from gatewatch.store.tokens import Token, tokens

router = APIRouter(prefix="/api/v1/tokens", tags=["access"], dependencies=[ADMIN])

TokenId = Annotated[str, Path(alias="id", max_length=32, description="The token's id: the part after `gw_`")]


class NewToken(Body):
    """name: what it is for. A token with the scope `ingest` has no other."""

    name: str = Field(min_length=1, max_length=100)
    scopes: list[Scope] = Field(min_length=1, max_length=4)
    days: int = Field(default=DAYS, ge=1, le=MOST_DAYS, description="days until it expires")


@router.get("", operation_id="list_tokens", summary="All tokens, without their secrets", responses={**PROBLEMS})
async def list_tokens(request: Request) -> Response:
    def all_of_them(store: State) -> list[Token]:
        with store.read() as session:
            return tokens(session)

    at = now()
    return answer({"tokens": [to_json(token, at) for token in await ask(request, all_of_them)]})


@router.post(
    "",
    operation_id="create_token",
    summary="A new token; its text is shown once",
    status_code=201,
    responses={**CHANGES},
)
async def create(request: Request, wish: NewToken, key: Key = None) -> Response:
    who, at = asker(request), now()
    person_only(who)

    def created(session: Session) -> dict[str, JSON]:
        token, made = create_token(session, who, wish.name, wish.scopes, days=wish.days, now=at)
        return {**to_json(token, at), "token": made.text}

    # Who asks again with the same key gets the token's id without its text: revoke it, and make another.
    return await Once(request, who, key, wish.model_dump_json(), at).change(created, status=201, told_once="token")


@router.delete(
    "/{id}", operation_id="revoke_token", summary="Refuse a token from now on", responses={**NOT_FOUND, **CHANGES}
)
async def delete(request: Request, token_id: TokenId, key: Key = None) -> Response:
    who, at = asker(request), now()

    def revoked(session: Session) -> dict[str, JSON]:
        if revoke(session, who, token_id, now=at) is None:
            raise missing("token with this id")
        return {"id": token_id, "state": "revoked"}

    return await Once(request, who, key, "", at).change(revoked)
