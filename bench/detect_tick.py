"""How long a live tick takes over a large fleet: the minute that closed, looked at in a store with hours of minutes.

    python -m bench.detect_tick                     # 500 APIs of 40 routes
    python -m bench.detect_tick --apis 100 --ticks 3

A fleet of routes that are called very differently often, with refusals and errors as usual; its minutes are committed
as ingest does, then a minute at a time, each followed by a tick in the same process, as the worker has it. Reported are
wall seconds of those ticks. The first tick, which looks at all that is there, is told apart, and so is one after an
hour of lines that came late.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.stored import refusals, rolled
from gatewatch.frames import REQUESTS
from gatewatch.frames.schema import TIME
from gatewatch.jobs import tick
from gatewatch.settings import Settings
from gatewatch.store.batches import commit_batch, lease_batch
from gatewatch.store.lake import Segment, publish_segment
from gatewatch.store.state import State, open_state

BEGIN = datetime(2026, 6, 9, 8, 0, tzinfo=UTC)
_STATUS = np.array([200, 401, 403, 404, 429, 500], dtype=np.int16)
_SHARES = (0.97, 0.008, 0.004, 0.012, 0.002, 0.004)
_CAUSES = ("", "expired_credential", "authorizer_deny", "not_found", "throttle", "backend_error")


class Fleet:
    """apis x routes, called `rate` times a minute in all: some routes thousands of times as often as others."""

    def __init__(self, apis: int, routes: int, rate: float, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.apis, self.routes, self.rate = apis, routes, rate
        share = np.exp(self.rng.normal(0.0, 1.5, apis * routes))
        self.share = share / share.sum()
        self.ms = np.exp(self.rng.normal(4.0, 0.8, apis * routes))

    def minutes(self, begin: datetime, count: int) -> Iterator[pa.Table]:
        """REQUESTS of half an hour at a time."""
        for first in range(0, count, 30):
            yield self.requests(begin + timedelta(minutes=first), min(30, count - first))

    def requests(self, begin: datetime, count: int) -> pa.Table:
        rng, size = self.rng, int(self.rng.poisson(self.rate * count))
        at = int(begin.timestamp() * 1e6) + np.sort(rng.integers(0, count * 60_000, size)) * 1000
        place = rng.choice(len(self.share), size, p=self.share)
        status = rng.choice(len(_STATUS), size, p=_SHARES)
        caller = rng.integers(0, 5000, size)
        ms = (self.ms[place] * np.exp(rng.normal(0.0, 0.4, size))).astype(np.float32)
        refused = np.isin(_STATUS[status], (401, 403, 429))
        columns = {
            "at": pa.array(at).cast(TIME),
            "account": _named(["123456789012"], np.zeros(size, np.int64)),
            "region": _named(["eu-west-1"], np.zeros(size, np.int64)),
            "api": _named([f"api{n:07d}" for n in range(self.apis)], place // self.routes),
            "api_type": _named(["rest"], np.zeros(size, np.int64)),
            "stage": _named(["prod"], np.zeros(size, np.int64)),
            "route": _named([f"GET /part/{n}" for n in range(self.routes)], place % self.routes),
            "status": pa.array(_STATUS[status]),
            "reject_cause": _named(list(_CAUSES), status, status > 0),
            "throttle_scope": _named(["stage"], np.zeros(size, np.int64), _STATUS[status] == 429),
            "latency_ms": pa.array(ms + 8),
            "integration_latency_ms": pa.array(ms, mask=refused),
            "integration_status": pa.array(_STATUS[status], mask=refused),
            "response_bytes": pa.array(rng.integers(80, 20_000, size)),
            "client_ip": _named([f"198.18.{n // 250}.{n % 250}" for n in range(5000)], caller),
            "user_agent": _named([f"agent/{n}" for n in range(12)], caller % 12),
        }
        return pa.table(
            [columns[one.name].cast(one.type) if one.name in columns else pa.nulls(size, one.type) for one in REQUESTS],
            schema=REQUESTS,
        )


def _named(names: list[str], places: np.ndarray, where: np.ndarray | None = None) -> pa.Array:
    indices = pa.array(places.astype(np.int32), mask=None if where is None else ~where)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names)).cast(pa.string())


def put(state: State, requests: pa.Table, begin: datetime, end: datetime) -> None:
    """Commit what requests of [begin, end) are rolled up to."""
    batch = lease_batch(state, "bench", "bench")
    written: list[Segment] = []
    for kind, table in (("minutes", rolled(requests)), ("clients", refusals(requests))):
        if len(table):
            times = table.column("minute")
            number = len(written)
            first, last = times[0].as_py(), times[-1].as_py()
            written.append(publish_segment(state.lake.root, kind, batch.id, number, table, first, last))
    commit_batch(
        state,
        batch.id,
        segments=written,
        checkpoints={},
        outcomes={},
        reject_counts={},
        dead_letters=[],
        coverage=[(begin, end)],
        now=end,
    )


def timed(state: State, now: datetime) -> tuple[float, float]:
    """Wall and CPU seconds of a tick at `now`."""
    wall, cpu = time.perf_counter(), time.process_time()
    tick(state, state.settings, now)
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(folder: Path, apis: int, routes: int, rate: float, hours: float, ticks: int) -> dict[str, float]:
    """Ticks of the minutes after `hours` of history."""
    fleet = Fleet(apis, routes, rate)
    state = open_state(Settings(data_dir=folder))
    try:
        at = BEGIN
        for table in fleet.minutes(BEGIN, round(hours * 60)):
            span = timedelta(minutes=min(30, round(hours * 60) - round((at - BEGIN).total_seconds() / 60)))
            put(state, table, at, at + span)
            at += span
        ready = timedelta(minutes=2, seconds=5)
        first = timed(state, at + ready)
        told = []
        for _ in range(ticks):
            put(state, fleet.requests(at, 1), at, at + timedelta(minutes=1))
            at += timedelta(minutes=1)
            told.append(timed(state, at + ready))
        late = fleet.requests(at - timedelta(minutes=45), 1)
        put(state, late, at - timedelta(minutes=45), at - timedelta(minutes=44))
        replayed = timed(state, at + ready)
    finally:
        state.close()
    return {
        "series": apis * routes,
        "first_s": first[0],
        "first_cpu_s": first[1],
        "tick_s": statistics.median(wall for wall, _ in told),
        "worst_tick_s": max(wall for wall, _ in told),
        "tick_cpu_s": statistics.median(cpu for _, cpu in told),
        "late_s": replayed[0],
        "late_cpu_s": replayed[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--apis", type=int, default=500)
    parser.add_argument("--routes", type=int, default=40)
    parser.add_argument("--rate", type=float, default=12_000.0, help="requests a minute, all APIs")
    parser.add_argument("--hours", type=float, default=3.5)
    parser.add_argument("--ticks", type=int, default=5)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gatewatch-tick-"))
    try:
        print(json.dumps(measure(folder, **vars(options))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
