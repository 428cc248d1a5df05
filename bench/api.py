"""`make bench-api`: the API of a server that takes data in, each figure beside its target.

A store of 10 M requests of seven days and 10,000 findings; beside it a listener that takes 10,000 lines a second, and
somebody who comments a finding every two seconds, so that answers that are kept become old. The server, the listener
and the client share the machine. A question is asked in turns with different filters, as several people would; a time
counts from the first byte that is sent to the last that came.

    python -m bench.api --requests 10000000 --seconds 20
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from pydantic import SecretStr

from bench import corpus, stored
from bench.push import A_REQUEST, KEY, Listener, bodies, send
from gatewatch.app.serve import dumped, listen
from gatewatch.settings import Settings

ROOT = Path(__file__).parent.parent
LINES_A_SECOND = 10_000
DAYS = 7
CLIENTS = 4
CHANGE_S = 2.0

LISTS = [
    urlencode(query)
    for query in (
        {"limit": 50},
        {"limit": 50, "state": "open"},
        {"limit": 50, "severity": "high", "sort": "-severity"},
        {"limit": 50, "kind": "dead_api"},
        {"limit": 50, "where": "api in orders1234,billing567"},
        {"limit": 50, "q": "search"},
        {"limit": 50, "sort": "-score"},
    )
]
FEW = "fields=title,severity,state,start,kind,api_id"
FACETS = ["", "state=open", "severity=high", "kind=dead_api", "where=api+%3D+orders1234"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--findings", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each question")
    parser.add_argument("--store", type=Path, help="a data directory that an earlier run made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatewatch-bench-api-") as name:
        folder = asked.store or Path(name) / "data"
        if not (folder / "state.db").exists():
            began = time.monotonic()
            now = datetime.now(UTC)
            stored.build(folder, asked.requests, asked.findings, DAYS, until=now).close()
            print(
                f"store: {asked.requests:,} requests, {asked.findings:,} findings in {time.monotonic() - began:.0f} s"
            )
        settings = Settings(data_dir=folder, ingest_key=SecretStr(KEY), requests_per_second=1_000_000)
        with serving(settings) as port:
            missed = selections(port, asked.seconds)
            with taking_in(settings) as taken, changing(port):
                missed += measured(port, asked.seconds)
                print(f"taken in meanwhile: {taken():,.0f} lines a second (wanted {LINES_A_SECOND:,})")
    return 1 if missed else 0


def measured(port: int, seconds: float) -> int:
    """Prints each figure beside its target; how many targets were missed."""
    week, _ = times()
    shapes = itertools.product(("requests", "server_error_share", "latency_p95"), (None, "api", "route"))
    series = [
        "/api/v1/series?" + urlencode({**week, "measure": measure, "step": "1h", **({"by": by} if by else {})})
        for measure, by in shapes
    ]
    lists = [f"/api/v1/findings?{query}" for query in LISTS]
    facets = [f"/api/v1/findings/facets?{query}" for query in FACETS]
    few = [f"/api/v1/findings?{query}&{FEW}" for query in LISTS]
    for path in series:  # the first question after a start reads a week
        took = asked_once(port, path)
        print(f"  first time: {took * 1000:6.0f} ms  {path.partition('measure=')[2]}")
    missed = 0
    for name, paths, target in (
        ("findings list", lists, 50.0),
        ("findings, pages that nobody asked for before", list(pages(port)), 50.0),
        ("facets", facets, 150.0),
        ("series of 7 days", series, 300.0),
    ):
        missed += beside(name, port, paths, seconds, target)
    waits, errors = hammered(port, few, seconds, clients=CLIENTS)
    rate = len(waits) / seconds
    missed += rate < 1000 or errors > 0
    print(f"findings with six fields: {rate:,.0f} requests/s (target 1,000), {errors} errors")
    return missed


def selections(port: int, seconds: float) -> int:
    """What somebody waits for who has drawn a selection; nothing comes in meanwhile."""
    week, day = times()
    asked = [
        "/api/v1/difference?" + urlencode({**week, "select": select, **more})
        for select, more in (
            ("status >= 500", {}),
            ("status = 429", {"where": "api = orders1234"}),
            ("route = GET /search", {}),
            ("status = 401", {"against": "1d", "since": day}),
        )
    ]
    return beside("selection against the rest of 7 days", port, asked, seconds, 2000.0)


def times() -> tuple[dict[str, str], str]:
    """(the week until now, as parameters; a day ago)."""
    until = datetime.now(UTC)
    since, day = (datetime.fromtimestamp(until.timestamp() - days * 86400, UTC).isoformat() for days in (DAYS, 1))
    return {"since": since, "until": until.isoformat()}, day


def beside(name: str, port: int, paths: list[str], seconds: float, target: float) -> bool:
    """Prints a figure beside its target, in milliseconds; whether it is missed."""
    waits, errors = hammered(port, paths, seconds, clients=1)
    p50, p99 = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99))
    print(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms (target {target:g} ms), {len(waits):,} asked, {errors} errors")
    return p99 > target or errors > 0


def pages(port: int) -> Iterator[str]:
    """Addresses of pages of 50 findings, in three orders; that one was there before is of no help to the others."""
    for order, state in itertools.product(("-start", "-score", "severity"), ("all", "open")):
        path = f"/api/v1/findings?limit=50&sort={order}&state={state}"
        cursor: str | None = ""
        while cursor is not None:
            whole = path + (f"&cursor={cursor}" if cursor else "")
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", whole + "&fields=title")
            cursor = json.loads(connection.getresponse().read())["next_cursor"]
            connection.close()
            yield whole


@contextmanager
def changing(port: int) -> Iterator[None]:
    """Somebody who comments findings."""
    stop = threading.Event()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/v1/findings?limit=20&fields=title")
    some = [one["id"] for one in json.loads(connection.getresponse().read())["findings"]]

    def comment() -> None:
        for finding in itertools.cycle(some):
            if stop.wait(CHANGE_S):
                return
            body = json.dumps({"action": "comment", "note": "seen"})
            path = f"/api/v1/findings/{finding}/actions"
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status

    thread = threading.Thread(target=comment)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        connection.close()


def asked_once(port: int, path: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.monotonic()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, (path, answer.status)
    connection.close()
    return time.monotonic() - began


def hammered(port: int, paths: list[str], seconds: float, *, clients: int) -> tuple[list[float], int]:
    """(seconds of each answer, sorted; how many were none)."""
    waits: list[float] = []
    errors: list[str] = []

    def one(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        end = time.monotonic() + seconds
        for path in itertools.islice(itertools.cycle(paths), first, None):
            began = time.monotonic()
            if began >= end:
                return
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            waits.append(time.monotonic() - began)
            if answer.status != 200:
                errors.append(path)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(waits), len(errors)


@contextmanager
def serving(settings: Settings) -> Iterator[int]:
    """The port of a web process as `gatewatch serve` starts it."""
    with web_process(settings) as (port, _):
        yield port


@contextmanager
def web_process(settings: Settings) -> Iterator[tuple[int, int]]:
    """The same, with the number of the process."""
    socket = listen("127.0.0.1", 0)
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewatch.app.child", "web", str(socket.fileno())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        pass_fds=(socket.fileno(),),
    )
    assert process.stdin is not None
    process.stdin.write(dumped(settings) + b"\n")
    process.stdin.flush()
    port = int(socket.getsockname()[1])
    try:
        asked_once(port, "/api/v1/findings?limit=1")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()
        process.stdin.close()
        socket.close()


@contextmanager
def taking_in(settings: Settings) -> Iterator[Callable[[], float]]:
    """A listener and a sender of LINES_A_SECOND; gives a function that tells the rate so far."""
    files = corpus.files("json", 4 * corpus.LINES_A_FILE)
    listener = Listener(settings)
    listener.start()
    requests = bodies(files)
    stop, sent, began = threading.Event(), itertools.count(), time.monotonic()

    def sender() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=60)
        due = time.monotonic()
        for number, (name, body) in enumerate(itertools.cycle(requests)):
            if stop.wait(max(0.0, due - time.monotonic())):
                return
            due += A_REQUEST / LINES_A_SECOND
            while send(connection, f"{name}-{number}", body.replace(name.encode(), f"{name}-{number}".encode())) != 200:
                if stop.wait(0.2):
                    return
            next(sent)

    thread = threading.Thread(target=sender)
    thread.start()
    try:
        yield lambda: (next(sent) * A_REQUEST) / (time.monotonic() - began)
    finally:
        stop.set()
        thread.join()
        listener.end(kill=False)


if __name__ == "__main__":
    sys.exit(main())
