"""Who asks, and their own password."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from pydantic import Field, SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gatewatch.access import passwords
from gatewatch.api.access import VIEWER, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, change, now
from gatewatch.api.reading import PROBLEMS, answer, ask
from gatewatch.api.routes.users import good_password
from gatewatch.records import JSON
from gatewatch.roles import Via
from gatewatch.store import audit
from gatewatch.store.guesses import guess, guessed_right
from gatewatch.store.state import Session, State
from gatewatch.store.users import User, password_of, set_password

router = APIRouter(prefix="/api/v1/me", tags=["access"], dependencies=[VIEWER])


class PasswordChange(Body):
    old: SecretStr = Field(min_length=1, max_length=1024)
    new: SecretStr = Field(min_length=1, max_length=1024)


@router.get("", operation_id="who_am_i", summary="Who asks, and as what", responses={**PROBLEMS})
async def me(request: Request) -> Response:
    who = asker(request)
    return answer({"name": who.name, "role": who.role.value if who.role else None, "via": who.via.value})


@router.post("/password", operation_id="change_password", summary="A new password of one's own", responses={**CHANGES})
async def password(request: Request, wish: PasswordChange, key: Key = None) -> Response:
    who, at = asker(request), now()
    if who.via is not Via.SESSION:
        raise HTTPException(409, "only somebody who logged in has a password")

    once = Once(request, who, key, "", at)
    known = await once.known()
    if known is not None:
        return known
    wait = await change(request, lambda session: guess(session, "account", who.id, now=at))
    if wait is not None:
        after = {"Retry-After": str(int(wait.total_seconds()) + 1)}
        raise HTTPException(429, "too many attempts; try again later", headers=after)

    def kept(store: State) -> tuple[User, str] | None:
        with store.read() as session:
            return password_of(session, who.name)

    found = await ask(request, kept)
    if found is None:
        raise HTTPException(409, "this account has no password here")
    if not await run_in_threadpool(passwords.matches, wish.old.get_secret_value(), found[1]):
        await change(
            request, lambda session: audit.note(session, who, "user.password", who.name, now=at, outcome="refused")
        )
        raise HTTPException(409, "the old password is wrong")
    await change(request, lambda session: guessed_right(session, "account", who.id, now=at))
    new = await good_password(request, wish.new, who.name)

    def changed(session: Session) -> dict[str, JSON]:
        set_password(session, who.id, new, keep=who.session)
        audit.note(session, who, "user.password", who.name, now=at)
        return {"name": who.name}

    return await once.change(changed)
