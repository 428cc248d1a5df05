"""A log file that somebody drops onto the page: taken in parts, read as `gatewatch ingest` reads it, and looked at.

`POST /api/v1/uploads` takes one part of at most PART bytes; the last one starts the reading. Only so much is kept, and
nothing of the file once it is read: its lines are in the store.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from alerts.render.text import plain
from gatewatch.api.access import OPERATOR, asker
from gatewatch.api.changing import CHANGES, Body
from gatewatch.api.reading import answer
from gatewatch.ingesting import IngestResult, ingest_paths
from gatewatch.jobs import held, tick
from gatewatch.records import JSON
from gatewatch.roles import Who
from gatewatch.settings import Settings
from gatewatch.store import audit
from gatewatch.store.state import State
from gatewatch.surroundings import known_inventory

log = logging.getLogger(__name__)

PART = 512 << 10
MOST = 64 << 20
"""Bytes of a file; what is larger is read with `gatewatch ingest`."""

FORGOTTEN_S = 3600
"""So long after its last part an upload that nobody finished is deleted."""

SOURCE = "upload"
_ID = re.compile(r"^[0-9a-f]{32}$")
"""Becomes a file's name, so it is anchored: a pattern without ends would be looked for anywhere in the text."""

Encoded = Annotated[str, Field(max_length=(PART + 2) // 3 * 4 + 4)]


class Part(Body):
    """upload: what the answer to the first part gave; null for the first. data: base64. last: read it now."""

    upload: str | None = Field(default=None, pattern=_ID.pattern)
    name: str = Field(default="a log file", max_length=300)
    data: Encoded
    last: bool = False


class Uploads:
    """Makes the router."""

    def __init__(self, settings: Settings, opened: Callable[[], State]) -> None:
        self._settings = settings
        self._opened = opened
        self._folder = settings.data_dir / "uploads"

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

    async def take(self, request: Request, part: Part) -> Response:
        who = asker(request)
        try:
            data = base64.b64decode(part.data, validate=True)
        except (binascii.Error, ValueError):  # the latter for what is not even ASCII
            raise HTTPException(422, "data: not base64") from None
        upload = part.upload or secrets.token_hex(16)
        size = await run_in_threadpool(self._keep, upload, data, part.upload is None)
        if not part.last:
            return answer({"upload": upload, "received": size})
        return answer(await run_in_threadpool(self._read, upload, part.name, who))

    def _keep(self, upload: str, data: bytes, first: bool) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget()
        path = self._path(upload)
        if not first and not path.is_file():
            raise HTTPException(409, "upload: there is none under way with this id; begin again")
        size = (path.stat().st_size if path.exists() else 0) + len(data)
        if size > MOST:
            path.unlink(missing_ok=True)
            raise HTTPException(413, f"a file has at most {MOST >> 20} MiB here; read it with `gatewatch ingest`")
        with open(path, "ab") as out:
            out.write(data)
        return size

    def _path(self, upload: str) -> Path:
        """Where the parts of an upload lie; nothing but an id of ours leads anywhere."""
        if not _ID.fullmatch(upload):
            raise HTTPException(422, "upload: not what the first part was answered")
        return self._folder / upload

    def _forget(self) -> None:
        for path in self._folder.iterdir():
            if time.time() - path.stat().st_mtime > FORGOTTEN_S:
                path.unlink(missing_ok=True)

    def _read(self, upload: str, name: str, who: Who) -> dict[str, JSON]:
        path = self._path(upload)
        state = self._opened()
        try:
            done = ingest_paths(state, [str(path)], source=SOURCE, inventory=known_inventory(state), workers=1)
        finally:
            path.unlink(missing_ok=True)
        found = self._look(state)
        with state.begin() as session:
            detail: dict[str, JSON] = {"name": plain(name, 200), "accepted": done.accounting.accepted}
            audit.note(session, who, "logs.upload", upload, now=datetime.now(UTC), detail=detail)
        return {"upload": upload, "looked": found is not None, "findings": found, **told(done, str(path), name)}

    def _look(self, state: State) -> int | None:
        """How many findings there are now; None when the worker is looking itself at this moment."""
        with held(state, "tick", f"upload {os.getpid()}", self._settings.lease_seconds) as epoch:
            if epoch is None:
                return None
            now = datetime.now(UTC)
            return tick(state, self._settings, now, lease=("tick", epoch)).findings


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
