"""1,000 slow connections of each kind against a real `gatewatch serve`: is it still alive, and are they dropped?

Prints one line a kind: how many probes of /healthz took less than a second, the slowest (and when that was), and when
the last slow connection was gone. Goals: all probes below 1 s, each connection dropped within 30 s. Names of kinds as
arguments: only these.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

MANY = 1000
GIVE_UP_S = 45.0

KINDS: dict[str, tuple[bytes, bytes]] = {
    "nothing": (b"", b""),
    "slow head": (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
    "slow address": (b"GET /", b"a"),
    "slow body": (
        b"POST /api/v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000000\r\n\r\n",
        b"a",
    ),
    "slow chunks": (
        b"POST /_dash-update-component HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n",
    ),
    "slow reader": (
        b"GET /_dash-component-suites/plotly/package_data/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2,
        b"",
    ),
    "idle after one request": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "gatewatch", "serve", "--port", "0"],
            env={**os.environ, "GATEWATCH_DATA_DIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rsplit(":", 1)[1])
            wanted = sys.argv[1:] or list(KINDS)
            failed = [name for name in wanted if not attack(name, port, *KINDS[name])]
        finally:
            process.terminate()
            process.wait()
    return 1 if failed else 0


def attack(name: str, port: int, begin: bytes, drip: bytes) -> bool:
    """Whether both goals were reached."""
    slow: dict[socket.socket, float] = {}
    gone_after: list[float] = []
    probes: list[float] = []
    slowest_at = 0.0
    watch = selectors.DefaultSelector()
    started = time.monotonic()
    while time.monotonic() - started < GIVE_UP_S and (len(slow) or len(gone_after) < MANY):
        for _ in range(min(100, MANY - len(slow) - len(gone_after))):
            one = socket.socket()
            if name == "slow reader":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.connect(("127.0.0.1", port))
            one.sendall(begin)
            one.setblocking(False)
            slow[one] = time.monotonic()
            if name != "slow reader":
                watch.register(one, selectors.EVENT_READ)
        probes.append(probe(port))
        if probes[-1] == max(probes):
            slowest_at = time.monotonic() - started
        for key, _ in watch.select(0.05):
            one = key.fileobj  # type: ignore[assignment]
            with suppress(BlockingIOError):
                try:
                    closed = one.recv(65536) == b""
                except ConnectionError:
                    closed = True
                if closed:
                    watch.unregister(one)
                    gone_after.append(time.monotonic() - slow.pop(one))
                    one.close()
        for one in list(slow):
            try:
                if drip:
                    one.send(drip)
                elif name == "slow reader" and one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7:  # closed
                    raise ConnectionError
            except BlockingIOError:
                continue
            except ConnectionError:
                with suppress(KeyError):
                    watch.unregister(one)
                gone_after.append(time.monotonic() - slow.pop(one))
                one.close()
        time.sleep(0.1)
    for one in slow:
        one.close()
    quick = sum(took < 1 for took in probes) / len(probes)
    last = max(gone_after, default=GIVE_UP_S)
    good = quick == 1 and not slow and last <= 30
    print(
        f"{'ok  ' if good else 'FAIL'} {name:24} {len(gone_after)} dropped, the last after {last:.1f} s; "
        f"{len(probes)} probes, {100 * quick:.1f} % below 1 s, slowest {max(probes):.3f} s (at {slowest_at:.0f} s); "
        f"left {len(slow)}"
    )
    return good


def probe(port: int) -> float:
    begun = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return time.monotonic() - begun if one.recv(12).endswith(b"200") else 5.0
    except OSError:
        return 5.0


if __name__ == "__main__":
    sys.exit(main())
