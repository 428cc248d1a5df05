"""The dashboard behind the gate: an address that is neither file nor callback leads to its index, which shows the page.

Dash knows only `/`; a deep link would be 404. Its server also brings FastAPI's own /docs, which this hides. What is no
request of its own scripts it answers with 500, as if it were our mistake; here that is 400 or 404.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from dash import Dash
from dash.fingerprint import check_fingerprint
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from gatewatch.api.problems import problem
from gatewatch.app.gate import PUBLIC_PATHS
from gatewatch.roles import Role, Who

_CALLBACK = "/_dash-update-component"
_SUITES = "/_dash-component-suites/"
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".map": "application/json"}
_PIECE = 64 << 10


class Pages:
    """A viewer may see all of it; only the files of the login page are shown to everybody."""

    needs = Role.VIEWER

    def __init__(self, dash: Dash) -> None:
        self.dash = dash
        self._app = dash.server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        who: Who | None = scope["state"]["who"]
        if path not in PUBLIC_PATHS and (who is None or not who.may(self.needs)):
            await problem(403, f"this needs the role {self.needs.value}")(scope, receive, send)
        elif path == _CALLBACK and scope["method"] == "POST":
            await self._callback(scope, receive, send)
        elif path.startswith(_SUITES):
            await self._file(scope, receive, send)
        elif path.startswith(("/_", "/assets/")):
            await self._app(scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"}:
            await self._app({**scope, "method": "GET", "path": "/", "raw_path": b"/"}, receive, send)
        else:
            refused = problem(405, f"{scope['method']} is not possible here", headers={"Allow": "GET, HEAD"})
            await refused(scope, receive, send)

    async def warm(self) -> None:
        """Ask for the index once: only then does Dash know its files and callbacks."""

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            assert message.get("status", 200) == 200

        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "server": None,
            "client": None,
            "state": {},
        }
        await self._app(scope, receive, send)

    async def _callback(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
        # Dash fills its map with the first request, which may be one of a page that outlived our last restart.
        if self.dash.callback_map and not sensible(body, self.dash.callback_map):
            await problem(400, "this is no request of the dashboard's pages")(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    async def _file(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A file of Dash's components, piece by piece: Dash itself would hold all its megabytes for each reader."""
        if not self.dash.registered_paths:  # Dash fills them with the first request
            await self._app(scope, receive, send)
            return
        package, _, rest = scope["path"].removeprefix(_SUITES).partition("/")
        name, dated = check_fingerprint(rest)
        if name not in self.dash.registered_paths.get(package, ()) or scope["method"] not in {"GET", "HEAD"}:
            await problem(404, "there is no such file")(scope, receive, send)
            return
        file = Path(str(sys.modules[package].__file__)).parent / name
        whole = await run_in_threadpool(_mapped, file)
        headers = {
            "Cache-Control": "private, max-age=31536000, immutable" if dated else "no-cache",
            "Content-Length": str(len(whole)),
        }
        kind = _KINDS.get(file.suffix, "application/octet-stream")
        if scope["method"] == "HEAD":
            await Response(None, headers=headers, media_type=kind)(scope, receive, send)
        else:
            await StreamingResponse(_pieces(whole), headers=headers, media_type=kind)(scope, receive, send)


@lru_cache(256)
def _mapped(file: Path) -> mmap.mmap | bytes:
    """A file of the installation, once for all who read it. A thread for each piece would keep everybody waiting."""
    if not file.stat().st_size:
        return b""
    with file.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


async def _pieces(whole: mmap.mmap | bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(whole), _PIECE):
        yield whole[start : start + _PIECE]


def sensible(body: bytes, callbacks: Mapping[str, Any]) -> bool:
    """Whether a body could come from our pages: it asks for a callback there is, with as many values as that takes."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(asked, dict) or not isinstance(asked.get("output"), str):
        return False
    callback = callbacks.get(asked["output"])
    outputs = asked.get("outputs")
    if callback is None or not isinstance(outputs, dict | list):
        return False
    if not all(map(_place, outputs if isinstance(outputs, list) else [outputs])):
        return False
    for name, wanted in (("inputs", callback["inputs"]), ("state", callback["state"])):
        values = asked.get(name, [])
        if not isinstance(values, list) or len(values) != len(wanted):
            return False
        if not all(_value(one, to) for one, to in zip(values, wanted, strict=True)):
            return False
    changed = asked.get("changedPropIds", [])
    return isinstance(changed, list) and all(isinstance(one, str) for one in changed)


def _place(given: object) -> bool:
    """A property of a component, or of several; the id of a pattern is an object, and never its text."""
    if isinstance(given, list):
        return all(map(_place, given))
    if not isinstance(given, dict) or not isinstance(given.get("property"), str):
        return False
    name = given.get("id")
    return isinstance(name, dict) or (isinstance(name, str) and not name.startswith("{"))


def _value(given: object, wanted: Mapping[str, Any]) -> bool:
    if isinstance(given, list):  # of a wildcard
        return all(isinstance(one, dict) and one.get("property") == wanted["property"] for one in given)
    return isinstance(given, dict) and given.get("property") == wanted["property"] and "id" in given
