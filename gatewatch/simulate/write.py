"""Writes a world: chunks in processes, what stands beside the logs in the parent; the same bytes for any number."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from gatewatch.records import JSON
from gatewatch.simulate import happenings, planting
from gatewatch.simulate.archetypes import build
from gatewatch.simulate.background import background
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.delivery import Delivered, deliver
from gatewatch.simulate.inventory import inventory
from gatewatch.simulate.labels import document
from gatewatch.simulate.metrics import Points, Series, iso_text
from gatewatch.simulate.metrics import points as metrics_of
from gatewatch.simulate.model import HOUR_MS, Chunk, Hold, Settings, World
from gatewatch.simulate.people import IPV6_NETWORK, NETWORKS
from gatewatch.simulate.render import identities
from gatewatch.simulate.routine import routine
from gatewatch.simulate.scenarios import Planted
from gatewatch.simulate.traces import traces as traces_of


class Progress(Protocol):
    """Told of chunks: total(size) once, then advance(size, lines, accepted)."""

    def total(self, size: int) -> None: ...
    def advance(self, size: int, lines: int, accepted: int) -> None: ...


@dataclass(slots=True)
class Written:
    """What was written. requests: calls by API id; lines, twice, broken, lost, files: as in `Delivered`.

    left_out: scenarios that were wanted and happen nowhere, in order of their names.
    """

    out: Path
    requests: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    twice: int = 0
    broken: int = 0
    lost: int = 0
    files: int = 0
    left_out: tuple[str, ...] = ()

    def add(self, api: str, calls: int, part: Delivered) -> None:
        self.requests[api] = self.requests.get(api, 0) + calls
        self.lines += part.lines
        self.twice += part.twice
        self.broken += part.broken
        self.lost += part.lost
        self.files += part.files


@dataclass(frozen=True, slots=True)
class Plot:
    """A world with what is planted in it and where it goes: what every process has, made from the settings alone.

    held: background deliveries that fail; those that would hide what is planted are left out.
    """

    world: World
    planted: tuple[Planted, ...]
    held: tuple[Hold, ...]
    logs: Path

    @classmethod
    def of(cls, settings: Settings, out: Path) -> Plot:
        world = build(settings)
        planted = planting.plan(world)
        held = [hold for api in world.apis for hold in happenings.holds(world, api) if _harmless(hold, planted)]
        return cls(world, planted, tuple(held), out / "logs")

    def calls(self, chunk: Chunk) -> Calls:
        """The final calls of a chunk, in order of time."""
        calls = background(self.world, chunk)
        for number, one in enumerate(self.planted):
            if one.touches(chunk):
                rng = self.world.rng("apply", number, chunk.api.index, chunk.number)
                calls = one.apply(calls, chunk, rng)
        return calls.take(calls.during(chunk.start_ms, chunk.end_ms)).in_order()

    def holds(self, chunk: Chunk) -> list[Hold]:
        planted = [hold for one in self.planted for hold in one.holds if hold.api_id == chunk.api.id]
        return [*(hold for hold in self.held if hold.api_id == chunk.api.id), *planted]

    def changes(self) -> list[Mapping[str, JSON]]:
        """CloudTrail records in order of time: the routine's and what incidents leave behind."""
        planted = [change for one in self.planted for change in one.changes]
        return sorted(
            [*routine(self.world), *planted], key=lambda change: (str(change["eventTime"]), str(change["eventID"]))
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """What a process sends back of a chunk."""

    api: str
    calls: int
    delivered: Delivered
    points: list[Points]
    traces: bytes


def write_world(settings: Settings, out: Path, *, workers: int = 1, progress: Progress | None = None) -> Written:
    """Write logs/ and the files beside them under `out`, which should be empty or new.

    workers: processes that draw and write chunks; nothing in the files depends on it.
    """
    plot = Plot.of(settings, out)
    plot.logs.mkdir(parents=True, exist_ok=True)
    chunks = [(api.index, place) for api in plot.world.apis for place, _ in enumerate(plot.world.chunks(api))]
    written, text_of = Written(out), lru_cache(maxsize=None)(iso_text)
    written.left_out = planting.left_out(plot.world, plot.planted)
    if progress is not None:
        progress.total(len(chunks))
    with (out / "metrics.jsonl").open("w") as metrics, (out / "traces.jsonl").open("wb") as traces:
        series, api = Series(), ""
        for piece in _pieces(plot, settings, out, chunks, workers):
            if piece.api != api:
                metrics.writelines(series.lines(plot.world.account, text_of))
                series, api = Series(), piece.api
            series.add(piece.points)
            traces.write(piece.traces)
            written.add(piece.api, piece.calls, piece.delivered)
            if progress is not None:
                progress.advance(1, piece.delivered.lines, piece.delivered.lines)
        metrics.writelines(series.lines(plot.world.account, text_of))
    with (out / "changes.jsonl").open("w") as changes:
        changes.writelines(json.dumps(change, separators=(",", ":")) + "\n" for change in plot.changes())
    _write_json(out / "inventory.json", inventory(plot.world, plot.planted))
    _write_networks(out / "asn.csv")
    _write_json(out / "labels.json", _labels(plot, written))
    return written


def _harmless(hold: Hold, planted: Sequence[Planted]) -> bool:
    """Whether nothing planted goes on in the API within an hour of the lines that it keeps back."""
    return not any(
        hold.api_id in one.api_ids
        and one.from_ms < hold.end_ms + HOUR_MS
        and (one.until_ms is None or hold.start_ms - HOUR_MS < one.until_ms)
        for one in planted
    )


def _labels(plot: Plot, written: Written) -> dict[str, JSON]:
    lines: dict[str, JSON] = {
        "written": written.lines,
        "twice": written.twice,
        "broken": written.broken,
        "lost": written.lost,
    }
    labels = [*happenings.labels(plot.world, plot.held), *(one.label for one in plot.planted)]
    return document(plot.world, labels, written.requests, lines)


def _pieces(
    plot: Plot, settings: Settings, out: Path, chunks: Sequence[tuple[int, int]], workers: int
) -> Iterator[Piece]:
    """The pieces of all chunks in their order."""
    if workers <= 1:
        by_api = [list(plot.world.chunks(api)) for api in plot.world.apis]
        yield from (_piece(plot, by_api[api][place]) for api, place in chunks)
        return
    method = "fork" if os.name == "posix" and threading.active_count() == 1 else "spawn"
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(settings, out)) as pool:
        yield from pool.map(_remote, chunks, chunksize=1)


_PLOT: list[Any] = []


def _begin(settings: Settings, out: Path) -> None:
    plot = Plot.of(settings, out)
    _PLOT[:] = [plot, [list(plot.world.chunks(api)) for api in plot.world.apis]]


def _remote(chunk: tuple[int, int]) -> Piece:
    plot, by_api = _PLOT
    return _piece(plot, by_api[chunk[0]][chunk[1]])


def _piece(plot: Plot, chunk: Chunk) -> Piece:
    calls = plot.calls(chunk)
    bits = identities(plot.world, chunk.api, chunk.number, len(calls))
    return Piece(
        chunk.api.id,
        len(calls),
        deliver(plot.world, chunk, calls, bits, plot.holds(chunk), plot.logs),
        metrics_of(plot.world, chunk, calls),
        traces_of(plot.world, chunk, calls, bits),
    )


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def _write_networks(path: Path) -> None:
    rows: Iterable[tuple[str, int, str]] = [(net.cidr, net.asn, net.name) for net in NETWORKS]
    text = "".join(f"{cidr},{asn},{name}\n" for cidr, asn, name in [*rows, IPV6_NETWORK])
    path.write_text("network,asn,name\n" + text)
