"""`make bench-push`, and half of `make kill-test`: a sender like Firehose against the listener, judged by a ledger.

Speed: requests of 2,500 lines from four connections; a line counts when the answer came, which is after the commit.
Kills: the sender repeats what was answered, sends in any order, and cuts connections off, while the listener is killed
at random moments; what is not answered is sent again. Then every line must be there once (bench.kill's judge).

    python -m bench.push --lines 500000
    python -m bench.push --kills 20 --lines 250000
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import queue
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from pydantic import SecretStr

from bench import corpus
from bench.kill import judge
from gatewatch.app.serve import dumped, listen
from gatewatch.settings import Settings
from gatewatch.store.state import open_state

ROOT = Path(__file__).parent.parent
KEY = "bench-key-that-only-this-process-knows"
ARN = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/amazon-apigateway-bench"
A_REQUEST = 2500
CONNECTIONS = 4


@dataclass(slots=True)
class Listener:
    """The process that takes data, on a socket that survives it, as under `gatewatch serve`."""

    settings: Settings
    socket: socket.socket = field(default_factory=lambda: listen("127.0.0.1", 0))
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gatewatch.app.child", "ingest", str(self.socket.fileno())],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            pass_fds=(self.socket.fileno(),),
        )
        assert self.process.stdin is not None
        self.process.stdin.write(dumped(self.settings) + b"\n")
        self.process.stdin.flush()

    def end(self, *, kill: bool) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait()
        self.process.stdin.close()


def bodies(files: list[Path]) -> list[tuple[str, bytes]]:
    """(request id, body) of the lines of the files."""
    out = []
    for file in files:
        lines = file.read_bytes().splitlines(keepends=True)
        for number, begin in enumerate(range(0, len(lines), A_REQUEST)):
            name = f"{file.stem}-{number}"
            records = [{"data": b64encode(line).decode()} for line in lines[begin : begin + A_REQUEST]]
            out.append((name, orjson.dumps({"requestId": name, "timestamp": 1781006400000, "records": records})))
    return out


def send(connection: http.client.HTTPConnection, name: str, body: bytes, *, cut: bool = False) -> int:
    """The status of the answer. cut: the connection ends in the middle of the body."""
    connection.putrequest("POST", "/ingest/firehose")
    headers = {
        "X-Amz-Firehose-Protocol-Version": "1.0",
        "X-Amz-Firehose-Request-Id": name,
        "X-Amz-Firehose-Source-Arn": ARN,
        "X-Amz-Firehose-Access-Key": KEY,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    for key, value in headers.items():
        connection.putheader(key, value)
    connection.endheaders()
    if cut:
        connection.send(body[: len(body) // 2])
        connection.close()
        return 0
    connection.send(body)
    answer = connection.getresponse()
    document = orjson.loads(answer.read())
    assert document["requestId"] == name, document
    return answer.status


def speed(files: list[Path], folder: Path, database: str | None) -> None:
    settings = Settings(
        data_dir=folder, ingest_key=SecretStr(KEY), database_url=SecretStr(database) if database else None
    )
    open_state(settings).close()
    requests = bodies(files)
    lines = len(files) * corpus.LINES_A_FILE
    waiting: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    listener = Listener(settings)
    listener.start()
    warm = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=60)
    first, *rest = requests
    assert send(warm, *first) == 200
    for one in rest:
        waiting.put(one)
    waits: list[float] = []
    refused = itertools.count()

    def sender() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=60)
        while True:
            try:
                one = waiting.get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            while send(connection, *one) != 200:
                next(refused)
                time.sleep(0.2)
            waits.append(time.monotonic() - began)

    spent, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    threads = [threading.Thread(target=sender) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    own = resource.getrusage(resource.RUSAGE_SELF)
    listener.end(kill=False)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    waits.sort()
    sent = lines - A_REQUEST
    print(f"{sent:,} events in {seconds:.2f} s: {sent / seconds:,.0f} events/s durable ({database or 'sqlite'})")
    cpu = theirs.ru_utime + theirs.ru_stime
    print(
        f"  listener {cpu:.1f} s of CPU, sender {own.ru_utime + own.ru_stime - spent.ru_utime - spent.ru_stime:.1f} s"
    )
    print(
        f"  answer p50 {waits[len(waits) // 2] * 1000:.0f} ms, p99 {waits[len(waits) * 99 // 100] * 1000:.0f} ms; ",
        end="",
    )
    print(f"{next(refused)} answers of 503; peak {theirs.ru_maxrss >> 10} MiB")


class Sender:
    """Sends all requests until each is answered; see the module's text for how it misbehaves."""

    def __init__(self, listener: Listener, requests: list[tuple[str, bytes]], chance: random.Random) -> None:
        self._listener = listener
        self._chance = chance
        self._requests = dict(requests)
        self._lock = threading.Lock()
        self._left = set(self._requests)
        self._order = chance.sample(sorted(self._requests), len(self._requests))
        self.answered = 0
        self.repeated = 0
        self.cut = 0
        self.stop = False

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._listener.port, timeout=15)
        while (name := self._next()) is not None:
            cut = self._chance.random() < 0.05
            try:
                status = send(connection, name, self._requests[name], cut=cut)
            except (OSError, http.client.HTTPException, AssertionError, orjson.JSONDecodeError):
                connection.close()
                time.sleep(0.05)
                continue
            with self._lock:
                self.cut += cut
                if status == 200:
                    self.answered += 1
                    self.repeated += name not in self._left
                    self._left.discard(name)
            if status not in (0, 200):
                time.sleep(0.1)

    def _next(self) -> str | None:
        with self._lock:
            if self.stop or not self._left:
                return None
            if self._chance.random() < 0.15:
                return self._chance.choice(self._order)  # answered or not
            return next(iter(self._left))

    @property
    def done(self) -> bool:
        return not self._left


def kills(files: list[Path], folder: Path, most: int, chance: random.Random) -> bool:
    done, good, rounds = 0, True, 0
    while done < most:
        rounds += 1
        data_dir = folder / f"round-{rounds}"
        settings = Settings(data_dir=data_dir, ingest_key=SecretStr(KEY), lease_seconds=5)
        open_state(settings).close()
        listener = Listener(settings)
        sender = Sender(listener, bodies(files), chance)
        threads = [threading.Thread(target=sender.run) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        mine = 0
        while not sender.done:
            listener.start()
            give_up = time.monotonic() + (chance.uniform(0.8, 4.0) if done < most else 600.0)
            while time.monotonic() < give_up and not sender.done:
                time.sleep(0.01)
            listener.end(kill=not sender.done)
            if not sender.done:
                done, mine = done + 1, mine + 1
        for thread in threads:
            thread.join()
        print(
            f"{mine} kills ({done} in all); {sender.answered:,} answers of 200, {sender.repeated:,} to repetitions, "
            f"{sender.cut:,} requests cut off",
            flush=True,
        )
        good = judge(files, [], data_dir, folder) and good
        shutil.rmtree(data_dir)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=500_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="SQLAlchemy URL of the state (default: SQLite)")
    options = parser.parse_args()
    files = corpus.files("json", -(-options.lines // corpus.LINES_A_FILE) * corpus.LINES_A_FILE)
    folder = Path(tempfile.mkdtemp(prefix="push-", dir=corpus.DATA))
    try:
        if not options.kills:
            speed(files, folder / "data", options.database)
            return
        good = kills(files, folder, options.kills, random.Random(options.seed))
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)
    print("ok: nothing that was answered was lost, nothing came twice" if good else "VIOLATION")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
