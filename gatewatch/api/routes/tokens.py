"""API tokens: made, listed and revoked by admins. A token's text is in the answer that makes it, and never again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from gatewatch.access.tokens import DAYS, MOST_DAYS, create_token, revoke, to_json
from gatewatch.api.access import ADMIN, asker
from gatewatch.api.changing import CHANGES, Body, change, now, person_only
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, answer, ask, missing
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
async def create(request: Request, wish: NewToken) -> Response:
    who, at = asker(request), now()
    person_only(who)
    token, made = await change(
        request, lambda session: create_token(session, who, wish.name, wish.scopes, days=wish.days, now=at)
    )
    return answer({**to_json(token, at), "token": made.text}, status=201)


@router.delete(
    "/{id}", operation_id="revoke_token", summary="Refuse a token from now on", responses={**NOT_FOUND, **CHANGES}
)
async def delete(request: Request, token_id: TokenId) -> Response:
    who, at = asker(request), now()

    def revoked(session: Session) -> Token | None:
        return revoke(session, who, token_id, now=at)

    if await change(request, revoked) is None:
        raise missing("token with this id")
    return answer({"id": token_id, "state": "revoked"})
