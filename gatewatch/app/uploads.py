"""A log file that somebody drops onto the page: taken in parts, read as `gatewatch ingest` reads it, and looked at.

`POST /api/v1/uploads` takes one part of at most PART bytes; the last one starts the reading. Only so much is kept
(gatewatch/unfinished.py), and nothing of the file once it is read: its lines are in the store.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from alerts.render.text import plain
from dashboard.view import View
from gatewatch.api.access import OPERATOR, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, now
from gatewatch.ingesting import IngestResult, ingest_paths
from gatewatch.jobs import held, tick
from gatewatch.records import JSON
from gatewatch.roles import Who
from gatewatch.settings import Settings
from gatewatch.store import audit
from gatewatch.store.reading import bounds
from gatewatch.store.state import State
from gatewatch.surroundings import known_inventory
from gatewatch.unfinished import ID, Crowded, TooLong, Unfinished, Unknown

log = logging.getLogger(__name__)

PART = 512 << 10
SOURCE = "upload"
SHORT = timedelta(hours=12)
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Encoded = Annotated[
    str,
    Field(max_length=(PART + 2) // 3 * 4, json_schema_extra={"pattern": _BASE64, "contentEncoding": "base64"}),
]


class Part(Body):
    """upload: what the answer to the first part gave; null for the first. data: base64. last: read it now."""

    upload: str | None = Field(default=None, pattern=ID.pattern)
    name: str = Field(default="a log file", max_length=300)
    data: Encoded
    last: bool = False


class Uploads:
    """Makes the router."""

    def __init__(self, settings: Settings, opened: Callable[[], State]) -> None:
        self._settings = settings
        self._opened = opened
        self._parts = Unfinished(settings.data_dir)

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/v1/uploads", tags=["ingest"], dependencies=[OPERATOR])
        router.add_api_route(
            "",
            self.take,
            methods=["POST"],
            operation_id="upload_logs",
            summary="A part of a log file; the last one starts its reading",
            responses={**CHANGES, 413: {"description": "The file is larger than an upload may be"}},
        )
        return router

    async def take(self, request: Request, part: Part, key: Key = None) -> Response:
        who = asker(request)
        once = Once(request, who, key, part.model_dump_json(), now())
        known = await once.known()
        if known is not None:  # a part that is sent again is not appended again
            return known
        try:
            data = base64.b64decode(part.data, validate=True)
        except (binascii.Error, ValueError):  # the latter for what is not even ASCII
            raise HTTPException(422, "data: not base64") from None
        upload = part.upload or secrets.token_hex(16)
        size, whole = await run_in_threadpool(self._keep, upload, data, part.upload is None, part.last)
        if whole is None:
            return await once.done({"upload": upload, "received": size})
        return await once.done(await run_in_threadpool(self._read, upload, whole, part.name, who))

    def _keep(self, upload: str, data: bytes, first: bool, last: bool) -> tuple[int, Path | None]:
        """(bytes so far, the file when this was its last part)"""
        try:
            size = self._parts.add(upload, data, first=first)
            return size, self._parts.whole(upload) if last else None
        except Crowded as error:
            raise HTTPException(429, str(error), {"Retry-After": "60"}) from None
        except TooLong as error:
            raise HTTPException(413, str(error)) from None
        except Unknown as error:
            raise HTTPException(409, str(error)) from None

    def _read(self, upload: str, path: Path, name: str, who: Who) -> dict[str, JSON]:
        state = self._opened()
        try:
            done = ingest_paths(state, [str(path)], source=SOURCE, inventory=known_inventory(state), workers=1)
        finally:
            path.unlink(missing_ok=True)
        found = self._look(state)
        with state.begin() as session:
            detail: dict[str, JSON] = {"name": plain(name, 200), "accepted": done.accounting.accepted}
            audit.note(session, who, "logs.upload", upload, now=datetime.now(UTC), detail=detail)
        told_of = told(done, str(path), name)
        return {"upload": upload, "looked": found is not None, "findings": found, "page": page(state), **told_of}

    def _look(self, state: State) -> int | None:
        """How many findings there are now; None when the worker is looking itself at this moment."""
        with held(state, "tick", f"upload {os.getpid()}", self._settings.lease_seconds) as epoch:
            if epoch is None:
                return None
            now = datetime.now(UTC)
            return tick(state, self._settings, now, lease=("tick", epoch)).findings


def page(state: State) -> str:
    """The Overview of all that is stored where that is less than it shows by itself: else a short file is a sliver."""
    known = bounds(state)
    if known is None or known[1] - known[0] >= SHORT:
        return "/"
    return "/" + View().between(known[0], known[1] + timedelta(minutes=1)).search()


def told(done: IngestResult, path: str, name: str) -> dict[str, JSON]:
    """What became of its lines, with the file's own name in the place of ours."""

    def said(texts: list[str]) -> list[JSON]:
        shown = plain(name, 100)
        return [plain(text.replace(path, shown).replace(Path(path).name, shown), 400) for text in texts[:5]]

    return {
        "accounting": done.accounting.to_json(),
        "read_before": done.passed_over > 0,
        "guessed": said(done.guessed),
        "problems": said([*done.errors, *done.no_logs]),
    }
