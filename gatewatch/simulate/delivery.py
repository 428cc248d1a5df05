"""How lines get out: late, out of order, some twice, some broken, as objects of Firehose or of subscriptions.

Each chunk writes objects of its own, so that chunks can be written in any order by anybody. Firehose, too, writes
several objects for the same time when it has grown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip

from gatewatch.simulate.calls import Calls
from gatewatch.simulate.model import Api, Chunk, Hold, Ints, Mask, World
from gatewatch.simulate.people import mixed
from gatewatch.simulate.render import Bits, Lines, hexes

TWICE = 0.0001
"""Share of lines that are delivered a second time, half a minute to a quarter of an hour later."""

BROKEN = 0.00002
"""Share of lines that arrive cut off."""

LATE_SHARE = 0.004
LATE_MS = (30_000, 300_000)
LAG_MEDIAN_MS, LAG_SIGMA, LAG_LEAST_MS = 3_500.0, 0.8, 800

BUSY_RPS = 0.5
BUFFER_MS = {True: 300_000, False: 900_000}
"""How long Firehose gathers, by whether the API has at least BUSY_RPS."""

ENVELOPE_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the lines of a chunk. lines: written in all, with twice and broken ones; lost: never delivered."""

    lines: int
    twice: int
    broken: int
    lost: int
    files: int


def deliver(world: World, chunk: Chunk, calls: Calls, bits: Bits, holds: Sequence[Hold], logs: Path) -> Delivered:
    """Write the chunk's log objects under `logs`. calls: in order of time; bits: their identities."""
    rng = world.rng("delivery", chunk.api.index, chunk.number)
    arrival = _arrivals(calls, rng)
    lost = np.zeros(len(calls), dtype=np.bool_)
    for hold in holds:
        held = calls.during(hold.start_ms, hold.end_ms) if hold.api_id == chunk.api.id else lost & False
        if hold.until_ms is None:
            lost |= held
        else:
            late = hold.until_ms + rng.integers(0, 60_000, len(calls))
            arrival[held] = np.maximum(arrival, late)[held]
    twice = np.flatnonzero((rng.random(len(calls)) < TWICE) & ~lost)
    rows = np.concatenate([np.flatnonzero(~lost), twice])
    at = np.concatenate([arrival[~lost], arrival[twice] + rng.integers(30_000, 900_000, len(twice))])
    buffer_ms = BUFFER_MS[chunk.api.rate_rps >= BUSY_RPS]
    phase = int(mixed(world.seed, chunk.api.index, 51)) % buffer_ms
    order = np.argsort(at, kind="stable")
    rows, at = rows[order], at[order]
    broken = rng.random(len(rows)) < BROKEN
    if not len(rows):
        return Delivered(0, 0, 0, int(lost.sum()), 0)
    lines = Lines(world, chunk.api, calls.take(rows), bits[rows])
    texts = _cut(lines.text(), broken, rng)
    edges = np.flatnonzero(np.diff((at + phase) // buffer_ms, prepend=-1))
    files = 0
    for first, last in zip(edges.tolist(), [*edges.tolist()[1:], len(rows)], strict=True):
        _write(world, chunk, lines, texts, at, first, last, logs)
        files += 1
    return Delivered(len(rows), len(twice), int(broken.sum()), int(lost.sum()), files)


def _arrivals(calls: Calls, rng: np.random.Generator) -> Ints:
    """When each line reaches the stream: after the call ended, some seconds on, a few much later."""
    n = len(calls)
    lag = LAG_LEAST_MS + rng.lognormal(np.log(LAG_MEDIAN_MS), LAG_SIGMA, n)
    late = rng.random(n) < LATE_SHARE
    lag[late] += rng.integers(*LATE_MS, int(late.sum()))
    found: Ints = calls.at_ms + calls.latency_ms + lag.astype(np.int64)
    return found


def _cut(texts: pa.Array, broken: Mask, rng: np.random.Generator) -> pa.Array:
    """Broken lines end somewhere in their middle."""
    places = np.flatnonzero(broken)
    if not len(places):
        return texts
    cut = [
        text[: max(1, int(len(text) * share))]
        for text, share in zip(
            texts.take(pa.array(places)).to_pylist(), rng.uniform(0.2, 0.9, len(places)).tolist(), strict=True
        )
    ]
    return pc.replace_with_mask(texts, pa.array(broken), pa.array(cut, pa.string()))


def _write(
    world: World, chunk: Chunk, lines: Lines, texts: pa.Array, at: Ints, first: int, last: int, logs: Path
) -> None:
    """One object: rows [first, last), which arrived within one gathering time of the stream."""
    api = chunk.api
    when = datetime.fromtimestamp(int(at[first]) / 1000, UTC)
    salt = [int(mixed(world.seed, api.index, chunk.number, int(at[first]), number)) for number in (1, 2)]
    unique = UUID(int=(salt[0] << 64 | salt[1]) & ((1 << 128) - 1), version=4)
    stream = f"amazon-apigateway-{api.name}" if api.kind == "rest" else f"access-logs-{api.name}"
    name = f"{stream}-1-{when:%Y-%m-%d-%H-%M-%S}-{unique}"
    part = texts.slice(first, last - first)
    if api.delivery == "s3":
        folder, body = logs / "s3" / api.name / f"dt={when:%Y-%m-%d}", _with_ends(part)
        name += ".log"
    else:
        kind = "cloudwatch" if api.delivery == "cloudwatch" else "firehose"
        folder = logs / kind / stream / f"{when:%Y/%m/%d/%H}"
        name += ".gz"
        if api.delivery == "cloudwatch":
            body = b"".join(
                igzip.compress(envelope, 1, mtime=0) for envelope in _envelopes(world, api, lines, part, first, salt[0])
            )
        else:
            body = igzip.compress(_glued(part) if api.delivery == "glued" else _with_ends(part), 1, mtime=0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(body)


def _with_ends(texts: pa.Array) -> bytes:
    return _glued(pc.binary_join_element_wise(texts, "", "\n"))


def _glued(texts: pa.Array) -> bytes:
    """The texts one after the other: what an Arrow column of strings has in memory anyway."""
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return bytes(memoryview(texts.buffers()[2])[offsets[0] : offsets[-1]])


def _envelopes(world: World, api: Api, lines: Lines, texts: pa.Array, first: int, salt: int) -> Iterator[bytes]:
    """Subscription-filter envelopes of at most 200 events, each of one of four log streams."""
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    rows = slice(first, first + len(texts))
    ended = lines.calls.at_ms[rows] + lines.calls.latency_ms[rows]
    ids = pc.binary_join_element_wise(
        "3",
        pc.cast(pa.array(ended), pa.string()),
        pc.utf8_lpad(pc.cast(pa.array(lines.bits[rows, 0]), pa.string()), 21, "0"),
        pc.utf8_lpad(pc.cast(pa.array(lines.bits[rows, 1]), pa.string()), 21, "0"),
        "",
    )
    events = pc.binary_join_element_wise(
        '{"id":"', ids, '","timestamp":', pc.cast(pa.array(ended), pa.string()), ',"message":"', escaped, '"}', ""
    )
    events = pc.binary_join_element_wise(events, "", ",")
    streams = hexes(np.array([int(mixed(world.seed, api.index, 52, n)) for n in range(4)], dtype=np.uint64), 16)
    for begin in range(0, len(texts), ENVELOPE_EVENTS):
        head = {
            "messageType": "DATA_MESSAGE",
            "owner": world.account,
            "logGroup": log_group(api),
            "logStream": streams[(salt + begin // ENVELOPE_EVENTS) % 4].as_py() * 2,
            "subscriptionFilters": ["to-s3"],
        }
        body = _glued(events.slice(begin, ENVELOPE_EVENTS))[:-1]
        yield json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"logEvents":[' + body + b"]}"


def log_group(api: Api) -> str:
    return f"/aws/apigateway/{api.name}/{api.id}"
