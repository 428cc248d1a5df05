"""Starts the web process and the worker, and keeps both running until told to stop."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType

import orjson
from pydantic import SecretStr

from alerts.channels import configured
from gatewatch.app.binding import check_binding, has_users
from gatewatch.errors import UsageError
from gatewatch.settings import LOOPBACK, Settings
from gatewatch.store.state import open_state

DRAIN_SECONDS = 10.0
"""A child that has not ended so long after SIGTERM is killed (reliability.md G14)."""

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_STEADY_SECONDS = 60.0  # a child that lived so long starts afresh without waiting


@dataclass(slots=True)
class Child:
    """One supervised process; `wait_s` doubles with each early death."""

    role: str
    start: Callable[[str], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait_s: float = _FIRST_WAIT
    due: float = field(default=0.0)

    def look(self, now: float, tell: Callable[[str], None]) -> None:
        """Start the process when it is due; note its death."""
        if self.process is None:
            if now >= self.due:
                self.process, self.started = self.start(self.role), now
            return
        code = self.process.poll()
        if code is None:
            return
        _close_pipe(self.process)
        self.process = None
        self.wait_s = _FIRST_WAIT if now - self.started > _STEADY_SECONDS else self.wait_s
        tell(f"the {self.role} process ended ({_cause(code)}); it starts again in {self.wait_s:g} s")
        self.due, self.wait_s = now + self.wait_s, min(self.wait_s * 2, _LONGEST_WAIT)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C: 0 after a clean stop. UsageError when the address cannot be had."""
    for warning in check_binding(settings):
        _tell(f"gatewatch: {warning}")
    if settings.ingest_listen is not None:
        host_and_port(settings.ingest_listen)
    configured(settings)  # a wrong alerts file, too
    open_state(settings).close()  # a wrong data directory or schema is said now, in one line
    listener = listen(settings.host, settings.port)
    taking = _ingest_listener(settings)
    address = url_of(settings.host, listener.getsockname()[1], encrypted=settings.tls_certificate is not None)
    stop = threading.Event()

    def stopping(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():  # asked twice
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, stopping) for number in (signal.SIGTERM, signal.SIGINT)}
    starter = _starter(settings, {"web": listener, **({"ingest": taking} if taking else {})})
    children = [Child(role, starter) for role in ("web", "worker", *(("ingest",) if taking else ()))]
    try:
        _supervise(children, stop, address, _banner(settings))
        _drain(children)
    except KeyboardInterrupt:
        return 130
    finally:
        for child in children:
            if child.process is not None and child.process.poll() is None:
                child.process.kill()
                child.process.wait()
        listener.close()
        if taking is not None:
            taking.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _ingest_listener(settings: Settings) -> socket.socket | None:
    if settings.ingest_listen is None:
        return None
    host, port = host_and_port(settings.ingest_listen)
    listener = listen(host, port)
    encrypted = settings.tls_certificate is not None
    _tell(f"gatewatch takes data at {url_of(host, listener.getsockname()[1], encrypted=encrypted)}")
    if host.strip("[]").lower() not in LOOPBACK and not encrypted:
        _tell("gatewatch: keys cross the network unencrypted unless a proxy with https stands before this address")
    return listener


def host_and_port(text: str) -> tuple[str, int]:
    """`127.0.0.1:8081`, `[::]:8081` or `:8081` (all addresses). UsageError when it is neither."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or (":" in host and host[0] != "["):
        raise UsageError(f"ingest_listen {text!r}: write HOST:PORT, for example 127.0.0.1:8081 or [::]:8081")
    return host or "0.0.0.0", int(port)  # noqa: S104  what an empty host means


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; the web process inherits it, so the address survives the process."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1" if host == "localhost" else host.strip("[]"), port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise UsageError(f"{host} port {port}: {reason}; choose another with --port") from None
    return listener


def url_of(host: str, port: int, *, encrypted: bool = False) -> str:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{'https' if encrypted else 'http'}://{name}:{port}"


def _banner(settings: Settings) -> str | None:
    """What people are told who serve without a login."""
    if settings.login == "on" or (settings.login == "auto" and has_users(settings)):
        return None
    return (
        "no login: everybody on this machine can see and change everything; `gatewatch users add NAME --role admin` "
        "turns the login on"
    )


def _starter(settings: Settings, listeners: Mapping[str, socket.socket]) -> Callable[[str], subprocess.Popen[bytes]]:
    def start(role: str) -> subprocess.Popen[bytes]:
        descriptors = (listeners[role].fileno(),) if role in listeners else ()
        # The settings go through the pipe, not the command line: they hold secrets. The pipe stays open, and its end
        # tells the child that we are gone, however we went.
        secret = {one.get_secret_value() for _, one in settings if isinstance(one, SecretStr)}
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("GATEWATCH_") and value not in secret  # env:NAME leads to one
        }
        environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
        process = subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-m", "gatewatch.app.child", role, *map(str, descriptors)],
            stdin=subprocess.PIPE,
            pass_fds=descriptors,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches us only; we stop the children in order
        )
        assert process.stdin is not None
        try:
            process.stdin.write(dumped(settings) + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it died at once: the supervisor will see it
        return process

    return start


def dumped(settings: Settings) -> bytes:
    """The settings as one line of JSON, secrets included."""
    values = settings.model_dump()
    plain = {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in values.items()}
    return orjson.dumps(plain, default=str)


def _supervise(children: list[Child], stop: threading.Event, address: str, banner: str | None) -> None:
    told = False
    while not stop.wait(0.1):
        now = time.monotonic()
        for child in children:
            child.look(now, _tell)
        if not told and _alive(address):
            told = True
            print(f"gatewatch is at {address}", flush=True)  # noqa: T201  what people wait for
            if banner is not None:
                _tell(banner)
            _tell(f"next: open {address} in a browser; Ctrl-C stops it")


def _drain(children: list[Child]) -> None:
    for child in children:
        if child.process is not None and child.process.poll() is None:
            child.process.terminate()
    give_up = time.monotonic() + DRAIN_SECONDS
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(max(give_up - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            _tell(f"the {child.role} process did not end within {DRAIN_SECONDS:g} s and was killed")
            child.process.kill()
            child.process.wait()
        _close_pipe(child.process)


def _alive(address: str) -> bool:
    scheme, _, host = address.partition("://")
    connection: http.client.HTTPConnection
    if scheme == "https":  # our own certificate, asked by ourselves: only whether it answers matters
        connection = http.client.HTTPSConnection(host, timeout=2, context=ssl._create_unverified_context())  # noqa: S323
    else:
        connection = http.client.HTTPConnection(host, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _close_pipe(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None and not process.stdin.closed:
        try:
            process.stdin.close()
        except BrokenPipeError:
            return


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  the supervisor talks to the person who started it
