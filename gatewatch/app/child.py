"""A process that `serve` started: `python -m gatewatch.app.child web|ingest|worker [FD]`, settings first on stdin.

Stdin stays open as long as the parent lives; its end stops this process, so that none is left behind when the parent
is killed.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from types import FrameType
from typing import TYPE_CHECKING

import orjson
import uvicorn
from starlette.datastructures import State
from starlette.types import ASGIApp

from gatewatch.api.live import Listeners
from gatewatch.app.client import networks
from gatewatch.app.ingestion import build_ingest_app
from gatewatch.app.wire import Connections, Wire
from gatewatch.logs import set_up_logging
from gatewatch.settings import Settings

if TYPE_CHECKING:
    from dashboard.warming import Warming

DRAIN_SECONDS = 8
"""Shorter than the parent's patience."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""With forward secrecy and authenticated encryption; those of TLS 1.3 are not chosen here."""


def main(arguments: list[str]) -> int:
    role, *descriptors = arguments
    settings = Settings(**orjson.loads(_first_line()))
    set_up_logging(logging.WARNING, settings.log_format)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold secrets
    threading.Thread(target=_watch_parent, name="watch-parent", daemon=True).start()
    if role == "web":
        from gatewatch.app.build import build_app  # all pages: seconds that the others do not need

        listening(build_app(settings), settings, socket.socket(fileno=int(descriptors[0])))
    elif role == "ingest":
        listening(build_ingest_app(settings), settings, socket.socket(fileno=int(descriptors[0])))
    else:
        worker(settings)
    return 0


def listening(app: ASGIApp, settings: Settings, listener: socket.socket) -> None:
    """Run an application on an open listener until SIGTERM."""
    _many_files()
    _Server(config_of(app, settings), getattr(app, "state", None)).run(sockets=[listener])


def config_of(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How we speak HTTP, whoever listens."""
    return uvicorn.Config(
        app,
        http=partial(Wire, connections=Connections(exempt=_near(settings))),  # type: ignore[arg-type]
        loop="gatewatch.app.wire:quick_handshakes",
        log_config=None,  # ours is set up
        access_log=False,  # lines made of what clients send
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_ciphers=CIPHERS,
        ssl_context_factory=_tls if settings.tls_certificate else None,
        ws="none",
    )


def _tls(_: uvicorn.Config, usual: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """TLS 1.2 at least: where the system has no settings of its own for OpenSSL, Python would take older ones."""
    context = usual()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Server(uvicorn.Server):
    """Live streams end when we are told to stop; uvicorn would wait for them. Once we listen, pages are drawn ahead."""

    def __init__(self, config: uvicorn.Config, kept: State | None) -> None:
        super().__init__(config)
        self._listeners: Listeners | None = getattr(kept, "listeners", None)
        self._warming: Warming | None = getattr(kept, "warming", None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is there now stays. To look through all of it took 0.3 s, in which nobody was answered, each time that
        # many connections came or went.
        gc.collect()
        gc.freeze()
        # A page is tens of thousands of small objects that are gone once it is sent: to look for garbage among them
        # after every 700 took a sixth of the time of the large ones.
        gc.set_threshold(10_000, 10, 10)
        if self._warming is not None and not self.should_exit:
            self._warming.start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._listeners is not None:
            self._listeners.stopping = True
        super().handle_exit(sig, frame)


def _near(settings: Settings) -> Callable[[str], bool]:
    """Addresses that stand for many people: this machine's own proxy, and those that we trust."""
    trusted = networks(settings.trusted_proxies)

    def near(address: str) -> bool:
        try:
            one = ip_address(address)
        except ValueError:
            return False
        return one.is_loopback or any(one in network for network in trusted)

    return near


def _many_files() -> None:
    """Room for the sockets of all connections that we allow, beside what the store opens."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
