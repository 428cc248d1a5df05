"""The demo's world in an empty installation, at the press of a button: loaded in the background, and taken out again.

`POST /api/v1/demo-world` starts it, `GET` says how far it is, `DELETE` takes it out. For admins: all share one store.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gatewatch import demoworld
from gatewatch.api.access import ADMIN, asker
from gatewatch.api.changing import CHANGES, CONFLICT, now
from gatewatch.api.reading import answer
from gatewatch.errors import GatewatchError, UsageError
from gatewatch.records import JSON
from gatewatch.roles import Who
from gatewatch.settings import Settings
from gatewatch.store import audit
from gatewatch.store.state import State

log = logging.getLogger(__name__)

_PARTS = {"writing": (0.0, 0.25), "reading": (0.25, 0.6), "looking": (0.85, 0.15)}
"""Of each part: where it begins, and how much of the whole it is."""

PATIENCE_S = 4.0
"""For what is being written or looked at when the server stops."""


class _StoppingError(Exception):
    """The server stops: what was read so far stays, and can be taken out."""


class _Part:
    """How far one part is, as writers and readers tell it."""

    def __init__(self, load: DemoLoad, name: str) -> None:
        self._load, self._name, self._size, self._done = load, name, 0, 0
        load.phase, load.share = name, _PARTS[name][0]

    def total(self, size: int) -> None:
        self._size = size

    def advance(self, size: int, lines: int, accepted: int) -> None:  # noqa: ARG002
        self._load.go_on()
        self._done += size
        begin, whole = _PARTS[self._name]
        self._load.share = begin + whole * min(self._done / self._size, 1.0) if self._size else begin

    def note(self, text: str) -> None:
        """Nobody reads it here."""


class DemoLoad:
    """Makes the router. phase: what is being done now, or what became of it."""

    def __init__(self, settings: Settings, opened: Callable[[], State]) -> None:
        self._settings = settings
        self._opened = opened
        self._one = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.phase = "absent"
        self.share = 0.0
        self.said = ""

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/v1/demo-world", tags=["ingest"], dependencies=[ADMIN])
        router.add_api_route(
            "", self.show, methods=["GET"], operation_id="get_demo_world", summary="How far the demo world is loaded"
        )
        router.add_api_route(
            "",
            self.start,
            methods=["POST"],
            status_code=202,
            operation_id="load_demo_world",
            summary="Load the demo world into an empty installation, in the background",
            responses={**CHANGES, **CONFLICT},
        )
        router.add_api_route(
            "",
            self.take_out,
            methods=["DELETE"],
            operation_id="remove_demo_world",
            summary="Take the demo world out again, with all findings about it",
            responses={**CHANGES, **CONFLICT},
        )
        return router

    def close(self) -> None:
        """Stop loading, and wait until it has stopped."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)

    def go_on(self) -> None:
        if self._stop.is_set():
            raise _StoppingError

    async def show(self) -> Response:
        why = await run_in_threadpool(demoworld.why_not_remove, self._opened())
        return answer(self._told() | {"removable": why is None, "why_not": why})

    def _told(self) -> dict[str, JSON]:
        return {"state": self.phase, "share": round(self.share, 3), "said": self.said}

    async def start(self, request: Request) -> Response:
        who, at = asker(request), now()
        if not self._one.acquire(blocking=False):
            raise HTTPException(409, "The demo world is being loaded or taken out already.")
        try:
            why = await run_in_threadpool(demoworld.why_not_load, self._opened())
            if why is not None:
                raise HTTPException(409, why)
            await run_in_threadpool(self._noted, who, "demo.load", at)
        except BaseException:
            self._one.release()
            raise
        self.phase, self.share, self.said = "writing", 0.0, ""
        # No daemon: the interpreter's end would take the lock from it in the middle of the database's own code.
        self._thread = threading.Thread(target=self._load, name="demo-world", daemon=False)
        self._thread.start()
        return answer(self._told(), status=202)

    async def take_out(self, request: Request) -> Response:
        who, at = asker(request), now()
        if not self._one.acquire(blocking=False):
            raise HTTPException(409, "The demo world is being loaded or taken out already.")
        try:
            await run_in_threadpool(demoworld.remove, self._opened(), self._settings)
            await run_in_threadpool(self._noted, who, "demo.remove", at)
        except UsageError as error:
            raise HTTPException(409, str(error)) from None
        finally:
            self._one.release()
        self.phase, self.share, self.said = "absent", 0.0, ""
        return answer(self._told())

    def _noted(self, who: Who, what: str, at: datetime) -> None:
        with self._opened().begin() as session:
            audit.note(session, who, what, demoworld.SOURCE, now=at)

    def _load(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="demo-world-", dir=self._settings.data_dir))
        state, at = self._opened(), datetime.now(UTC)
        try:
            demoworld.write(at, folder, workers=1, progress=_Part(self, "writing"))
            done = demoworld.read(state, folder, at, workers=1, progress=_Part(self, "reading"))
            demoworld.keep_labels(folder, self._settings)
            self.go_on()
            _Part(self, "looking")
            found = demoworld.look(state, self._settings, at)
            looked = "the worker looks for findings now" if found is None else f"{found} findings"
            self.phase, self.share = "loaded", 1.0
            self.said = f"{done.accounting.accepted:,} requests of {demoworld.APIS} APIs; {looked}."
        except _StoppingError:
            self.phase, self.said = "failed", "gatewatch was stopped meanwhile"
        except GatewatchError as error:
            log.warning("the demo world could not be loaded", extra={"reason": str(error)})
            self.phase, self.said = "failed", str(error)
        except Exception:  # the edge of a job: nobody else would say that it ended
            log.exception("loading the demo world failed")
            self.phase, self.said = "failed", "the log of gatewatch has the reason"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._one.release()
