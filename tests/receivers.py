"""HTTP receivers of alerts that answer as real ones do: ok, fail, drop, hang, 429."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any


@dataclass(frozen=True, slots=True)
class Got:
    """at: seconds of the monotonic clock."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = 0.0

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass(slots=True)
class Receiver:
    """mood: ok, drop, hang, or a status; may be changed at any time. answer: the body, made from what was got."""

    url: str = ""
    mood: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    answer: Callable[[Got], Any] = lambda _: "ok"
    got: list[Got] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def at(self, finding: str) -> float | None:
        """When the first message came that tells of this finding."""
        return next((one.at for one in self.got if finding in one.json["data"]["finding_ids"]), None)

    @property
    def keys(self) -> list[str]:
        return [one.key for one in self.got]


@contextmanager
def receiver(**options: Any) -> Iterator[Receiver]:
    """A receiver on a loopback port; those that it lets hang are let go at the end."""
    kept = Receiver(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body, monotonic())
            kept.got.append(got)
            made = kept.answer(got) if kept.mood != "hang" else ""
            if kept.mood == "drop":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if kept.mood == "hang":
                kept.released.wait(60)
                return
            raw = made if isinstance(made, bytes) else (made if isinstance(made, str) else json.dumps(made)).encode()
            self.send_response(200 if kept.mood == "ok" else int(kept.mood))
            for name, value in kept.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_PUT = do_POST

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that was killed

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield kept
    finally:
        kept.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
