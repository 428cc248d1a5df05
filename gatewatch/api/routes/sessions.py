"""Sessions: everybody sees and ends their own, admins those of all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from gatewatch.access.login import idle_after
from gatewatch.api.access import VIEWER, asker
from gatewatch.api.changing import CHANGES, Key, Once, now
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, answer, ask, missing
from gatewatch.records import JSON, iso
from gatewatch.roles import Role, Who
from gatewatch.store import audit
from gatewatch.store.sessions import LoginSession, end_session, sessions
from gatewatch.store.state import Session, State

router = APIRouter(prefix="/api/v1/sessions", tags=["access"], dependencies=[VIEWER])

HANDLE = 16
"""Characters of a session's id that are shown: enough to name it."""

Handle = Annotated[str, Path(alias="id", min_length=HANDLE, max_length=HANDLE, description="The session's id")]


def to_json(one: LoginSession, who: Who) -> dict[str, JSON]:
    return {
        "id": one.id[:HANDLE],
        "user": one.user_name,
        "current": one.id == who.session,
        "created_at": iso(one.created_at),
        "seen_at": iso(one.seen_at),
        "expires_at": iso(one.expires_at),
        "address": one.address,
        "agent": one.agent,
    }


@router.get("", operation_id="list_sessions", summary="Sessions that go on, newest first", responses={**PROBLEMS})
async def list_sessions(
    request: Request, everybody: Annotated[bool, Query(alias="all", description="Of all accounts; for admins")] = False
) -> Response:
    who, at = asker(request), now()
    whose = None if everybody and who.may(Role.ADMIN) else who.id

    def listed(store: State) -> list[LoginSession]:
        with store.read() as session:
            return sessions(session, now=at, idle=idle_after(store.settings), user_id=whose)

    return answer({"sessions": [to_json(one, who) for one in await ask(request, listed)]})


@router.delete("/{id}", operation_id="end_session", summary="End a session", responses={**NOT_FOUND, **CHANGES})
async def end(request: Request, handle: Handle, key: Key = None) -> Response:
    who, at = asker(request), now()
    whose = None if who.may(Role.ADMIN) else who.id
    idle = idle_after(request.app.state.settings)

    def ended(session: Session) -> dict[str, JSON]:
        found = [one for one in sessions(session, now=at, idle=idle, user_id=whose) if one.id.startswith(handle)]
        for one in found:
            end_session(session, one.id)
            audit.note(session, who, "session.end", one.user_name, now=at)
        if not found:
            raise missing("session with this id")  # somebody else's, too: its id tells nothing
        return {"id": handle, "state": "ended"}

    return await Once(request, who, key, "", at).change(ended)
