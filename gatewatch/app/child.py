"""A process that `serve` started: `python -m gatewatch.app.child web|worker FD`, settings on the first line of stdin.

Stdin stays open as long as the parent lives; its end stops this process, so that none is left behind when the parent
is killed.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from types import FrameType

import orjson
import uvicorn

from gatewatch.app.build import build_app
from gatewatch.settings import Settings

DRAIN_SECONDS = 8
"""Shorter than the parent's patience."""


def main(arguments: list[str]) -> int:
    role, descriptor = arguments
    settings = Settings(**orjson.loads(_first_line()))
    threading.Thread(target=_watch_parent, name="watch-parent", daemon=True).start()
    if role == "web":
        web(settings, socket.socket(fileno=int(descriptor)))
    else:
        worker(settings)
    return 0


def web(settings: Settings, listener: socket.socket) -> None:
    """Run the web application on an open listener until SIGTERM."""
    config = uvicorn.Config(
        build_app(settings),
        log_level="warning",
        access_log=False,  # lines made of what clients send
        server_header=False,
        proxy_headers=False,
        limit_concurrency=1000,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        h11_max_incomplete_event_size=64 << 10,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[listener])


def worker(settings: Settings) -> None:
    from gatewatch.jobs import run_worker  # the web process does without the detectors

    stop = threading.Event()

    def stopping(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():
            os._exit(130)
        stop.set()

    signal.signal(signal.SIGTERM, stopping)
    signal.signal(signal.SIGINT, stopping)
    run_worker(settings, stop)


def _first_line() -> bytes:
    # Read without Python's buffer: its lock, held by a thread that waits, would break the interpreter's end.
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            raise SystemExit(1)
        line += part
    return line


def _watch_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(DRAIN_SECONDS + 1)
    os._exit(1)


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # uvicorn raises the signal again after a clean stop
        code = 0
    sys.exit(code)
