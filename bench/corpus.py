"""The corpus that benchmarks read: one day of seeded access logs, made once and kept under bench/data.

50,000 clients (Zipf 1.1), 4 APIs with 2 stages, 40 routes, a daily shape. A JSON line has 26 string fields, numbers in
quotes and `-` for what is absent: about 660
bytes on average. A CLF line is the console's REST template. 62,500 lines a file.

    python -m bench.corpus --lines 5000000
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import time
from base64 import b64encode
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
LINES_A_FILE = 62_500
DAY = datetime(2026, 6, 9, tzinfo=UTC)
VERSION = 1
SEED = 20260609

FIELDS = (
    "requestTimeEpoch",
    "requestId",
    "extendedRequestId",
    "accountId",
    "apiId",
    "stage",
    "domainName",
    "httpMethod",
    "resourcePath",
    "path",
    "protocol",
    "status",
    "responseLength",
    "responseLatency",
    "integrationLatency",
    "integrationStatus",
    "authorizerLatency",
    "errorType",
    "errorMessage",
    "wafStatus",
    "principalId",
    "apiKeyId",
    "xrayTraceId",
    "ip",
    "requestTime",
    "userAgent",
)
JSON_LINE = "{" + ",".join(f'"{name}":"%s"' for name in FIELDS) + "}\n"
CLF_LINE = '%s - - [%s]"%s %s %s" %s %s %s %s\n'

APIS = ("a1b2c3d4e5", "f6g7h8i9j0", "k1l2m3n4o5", "p6q7r8s9t0")
STAGES = ("prod", "beta")
NOUNS = ("pets", "orders", "users", "carts", "items", "reviews", "invoices", "stores", "prices", "events")
ROUTES = tuple(
    (method, f"/{noun}/{{id}}" if by_id else f"/{noun}")
    for noun in NOUNS
    for method, by_id in (("GET", False), ("GET", True), ("POST", False), ("DELETE", True))
)
AGENTS = tuple(f"Mozilla/5.0 Chrome/{120 + n}" for n in range(40))
CLIENTS = 50_000


@dataclass(frozen=True, slots=True)
class Part:
    """One file to be made. kind: json, json.gz, clf. broken: share of lines that are damaged."""

    kind: str
    number: int
    of: int
    folder: str
    broken: float = 0.0

    @property
    def path(self) -> Path:
        return Path(self.folder) / f"{self.number:05d}.{'log' if self.kind == 'clf' else self.kind}"


def files(kind: str, lines: int, *, broken: float = 0.0, data: Path = DATA) -> list[Path]:
    """The files of the corpus, made when they are not there yet. lines: rounded up to whole files."""
    count = max(-(-lines // LINES_A_FILE), 1)
    folder = data / f"{kind.replace('.', '-')}-{count}{f'-broken{broken:g}' if broken else ''}-v{VERSION}"
    parts = [Part(kind, number, count, str(folder), broken) for number in range(count)]
    if not (folder / ".DONE").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.monotonic()
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_make, parts, chunksize=1))
        (folder / ".DONE").touch()
        print(f"made {count} files of {kind} in {time.monotonic() - began:.0f} s")
    return [part.path for part in parts]


def _make(part: Part) -> None:
    body = text(part.kind, part.number, part.of, part.broken).encode()
    part.path.write_bytes(gzip.compress(body, 6, mtime=0) if part.kind == "json.gz" else body)


def text(kind: str, number: int, of: int, broken: float = 0.0, lines: int = LINES_A_FILE) -> str:
    """The lines of one file; json and json.gz of the same number hold the same text."""
    random = np.random.default_rng([SEED, number])
    at_ms = _times(number, of, lines, random)
    n = lines
    client = _zipf(1.1, CLIENTS, n, random)
    api = random.choice(4, n, p=[0.5, 0.25, 0.15, 0.1])
    stage = (random.random(n) < 0.1).astype(np.int64)
    route = _zipf(1.0, len(ROUTES), n, random)
    integration = np.maximum(random.lognormal(3.4 + 0.03 * route, 0.5), 1).astype(np.int64)
    status = random.choice([200, 201, 304, 400, 401, 403, 404, 429, 500, 502], n, p=_STATUS)
    refused = np.isin(status, (401, 403, 429))
    raw = random.bytes(n * 48)
    columns = _columns(at_ms, client, api, stage, route, integration, status, refused, raw, random)
    if kind == "clf":
        names = ("ip", "requestTime", "httpMethod", "resourcePath", "protocol", "status", "responseLength")
        chosen = [columns[name] for name in (*names, "requestId", "extendedRequestId")]
        pattern = CLF_LINE
    else:
        chosen = [columns[name] for name in FIELDS]
        pattern = JSON_LINE
    rendered = [pattern % row for row in zip(*chosen, strict=True)]
    if broken:
        for place in np.flatnonzero(random.random(n) < broken).tolist():
            rendered[place] = _damaged(rendered[place], place)
    return "".join(rendered)


_STATUS = (0.86, 0.05, 0.02, 0.015, 0.01, 0.005, 0.025, 0.008, 0.004, 0.003)


def _columns(
    at_ms: np.ndarray,
    client: np.ndarray,
    api: np.ndarray,
    stage: np.ndarray,
    route: np.ndarray,
    integration: np.ndarray,
    status: np.ndarray,
    refused: np.ndarray,
    raw: bytes,
    random: np.random.Generator,
) -> dict[str, list[object]]:
    n = len(at_ms)
    seconds = at_ms // 1000
    stamps = {
        s: datetime.fromtimestamp(s, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000") for s in np.unique(seconds).tolist()
    }
    ids = [raw[place : place + 48] for place in range(0, n * 48, 48)]
    hexes = [body.hex() for body in ids]
    routes = [ROUTES[index] for index in route.tolist()]
    numbers = random.integers(1, 100_000, n).tolist()
    errors = {401: "UNAUTHORIZED", 403: "ACCESS_DENIED", 429: "THROTTLED", 502: "INTEGRATION_FAILURE"}
    messages = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 502: "Internal server error"}
    listed = status.tolist()
    clients = client.tolist()
    apis = [APIS[index] for index in api.tolist()]
    return {
        "requestTimeEpoch": at_ms.tolist(),
        "requestId": [f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:32]}" for h in hexes],
        "extendedRequestId": [b64encode(body[16:27]).decode() for body in ids],
        "accountId": ["123456789012"] * n,
        "apiId": apis,
        "stage": [STAGES[index] for index in stage.tolist()],
        "domainName": [f"{name[:2]}.example" for name in apis],
        "httpMethod": [method for method, _ in routes],
        "resourcePath": [path for _, path in routes],
        "path": [path.replace("{id}", str(k)) for (_, path), k in zip(routes, numbers, strict=True)],
        "protocol": ["HTTP/1.1"] * n,
        "status": listed,
        "responseLength": random.integers(20, 9000, n).tolist(),
        "responseLatency": (np.where(refused, 2, integration) + random.integers(2, 9, n)).tolist(),
        "integrationLatency": [
            "-" if no else ms for no, ms in zip(refused.tolist(), integration.tolist(), strict=True)
        ],
        "integrationStatus": ["-" if no else code for no, code in zip(refused.tolist(), listed, strict=True)],
        "authorizerLatency": random.integers(1, 12, n).tolist(),
        "errorType": [errors.get(code, "-") for code in listed],
        "errorMessage": [messages.get(code, "-") for code in listed],
        "wafStatus": ["-"] * n,
        "principalId": [f"u{c:05d}" if c % 3 == 0 else "-" for c in clients],
        "apiKeyId": [f"key{c % 200:03d}" if c % 2 == 0 else "-" for c in clients],
        "xrayTraceId": [f"1-{s:08x}-{h[54:78]}" for s, h in zip(seconds.tolist(), hexes, strict=True)],
        "ip": [f"{11 + (c >> 14)}.{c >> 6 & 255}.{c * 7 & 255}.{c * 13 % 254 + 1}" for c in clients],
        "requestTime": [stamps[second] for second in seconds.tolist()],
        "userAgent": [AGENTS[c % 40] for c in clients],
    }


def _zipf(power: float, size: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Ranks from 0 below `size`, the k-th with weight (k + 1)^-power."""
    total = np.cumsum(np.arange(1, size + 1, dtype=np.float64) ** -power)
    return np.searchsorted(total, random.random(count) * total[-1])


def _times(number: int, of: int, lines: int, random: np.random.Generator) -> np.ndarray:
    """Sorted milliseconds of this file's share of the day; each share has as many lines, so nights are longer."""
    grid = np.linspace(0, 1, 1441)
    density = 1 + 0.6 * np.sin(2 * np.pi * (grid - 0.375))
    total = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    where = (number + np.sort(random.random(lines))) / of
    part = np.interp(where, total / total[-1], grid)
    return (DAY.timestamp() * 1000 + part * 86_400_000).astype(np.int64)


def _damaged(line: str, place: int) -> str:
    """Cut off, or with the quotes of a user agent unescaped: what real lines suffer from."""
    if place % 2:
        return line[: 40 + place % 400] + "\n"
    return line.replace("Mozilla/5.0", 'Mozilla "5.0"', 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=5_000_000)
    lines = parser.parse_args().lines
    for kind in ("json", "json.gz", "clf"):
        made = files(kind, lines if kind != "clf" else min(lines, 2_000_000))
        size = sum(path.stat().st_size for path in made)
        print(json.dumps({"kind": kind, "files": len(made), "bytes": size}))


if __name__ == "__main__":
    main()
