"""What routes that change something share: one transaction in a thread, with its line of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import Header, HTTPException, Request
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gatewatch.api.reading import PROBLEMS, Problem, answer
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


Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=200, description="The same key gives the same answer, and acts once"),
]
"""Of every route that changes something."""


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


@dataclass(frozen=True, slots=True)
class Once:
    """A change that somebody asks for, perhaps again with the same key: then it gets the same answer, and acts once.

    asked: what is asked for, without secrets, since a digest of it is kept for a day.
    """

    request: Request
    who: Who
    key: str | None
    asked: str
    now: datetime

    async def change(
        self, action: Callable[[Session], dict[str, JSON]], *, status: int = 200, told_once: str | None = None
    ) -> Response:
        """`action` in one transaction with what is remembered of its answer. 409: the key stands for another change.

        told_once: the field of the answer that is a secret and never kept; None the next time.
        """

        def both(session: Session) -> tuple[int, dict[str, JSON]]:
            known = self._known(session)
            if known is not None:
                return known
            body = action(session)
            self._remember(session, status, body if told_once is None else {**body, told_once: None})
            return status, body

        told, body = await change(self.request, both)
        return answer(body, status=told)

    async def known(self) -> Response | None:
        """The answer from before, for what is done in more than one transaction."""
        if self.key is None:
            return None
        known = await change(self.request, self._known)
        return None if known is None else answer(known[1], status=known[0])

    async def done(self, body: dict[str, JSON]) -> Response:
        """The answer to what is done; remembered."""
        if self.key is not None:
            await change(self.request, lambda session: self._remember(session, 200, body))
        return answer(body)

    def _known(self, session: Session) -> tuple[int, dict[str, JSON]] | None:
        if self.key is None:
            return None
        known = answered(session, self.who, self.key, now=self.now)
        if known is None:
            return None
        if known.asked != asked_digest(self._asked):
            raise UsageError("this idempotency key stands for another change")
        return known.status, known.body

    def _remember(self, session: Session, status: int, body: dict[str, JSON]) -> None:
        if self.key is not None:
            remember(session, self.who, self.key, self._asked, status, body, now=self.now)

    @property
    def _asked(self) -> str:
        return f"{self.request.method} {self.request.url.path} {self.asked}"
