"""What routes that change something share: one transaction in a thread, with its line of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from gatewatch.api.reading import PROBLEMS, Problem
from gatewatch.errors import UsageError
from gatewatch.records import JSON
from gatewatch.roles import Via, Who
from gatewatch.store.answers import answered, asked_digest, remember
from gatewatch.store.state import Session, State

T = TypeVar("T")

CONFLICT: dict[int | str, dict[str, object]] = {
    409: {"model": Problem, "description": "It cannot be changed like this"}
}
CHANGES: dict[int | str, dict[str, object]] = {**CONFLICT, **PROBLEMS}


class Body(BaseModel):
    """A body with just these fields."""

    model_config = ConfigDict(extra="forbid")


async def change(request: Request, action: Callable[[Session], T]) -> T:
    """`action` in one transaction, done again when it lost against another. 409 says why it is refused."""
    opened: Callable[[], State] = request.app.state.opened
    try:
        return await run_in_threadpool(lambda: opened().run(action))
    except UsageError as error:
        raise HTTPException(409, str(error)) from None


def person_only(who: Who) -> None:
    """409 while there is no login: accounts and tokens are made by somebody who is known."""
    if who.via is Via.NOBODY:
        raise HTTPException(
            409, "there is no login yet: make the first admin with `gatewatch users add NAME --role admin`"
        )


def now() -> datetime:
    return datetime.now(UTC)


def once(
    session: Session,
    who: Who,
    key: str | None,
    asked: str,
    action: Callable[[Session], tuple[int, dict[str, JSON]]],
    *,
    now: datetime,
) -> tuple[int, dict[str, JSON]]:
    """`action`, or the answer that the same asker got for this idempotency key before. UsageError: asked otherwise."""
    if key is None:
        return action(session)
    known = answered(session, who, key, now=now)
    if known is not None:
        if known.asked != asked_digest(asked):
            raise UsageError("this idempotency key stands for another change")
        return known.status, known.body
    status, body = action(session)
    if status < 300:
        remember(session, who, key, asked, status, body, now=now)
    return status, body
