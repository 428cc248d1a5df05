"""What CloudWatch would know of a stage: requests, errors and latency by the minute, from the rollup of a scan.

python -m bench.detect_minutes WORLD      # writes WORLD/minutes.parquet and coverage.parquet, and prints counts
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gatewatch.frames.histogram import bucket_value_ms

Floats = npt.NDArray[np.float64]
PERIOD = 5
_COLUMNS = ["minute", "api", "stage", "n", "s4xx", "s5xx", "c_throttle", "c_quota", "latency_b", "latency_c"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Arrays over minutes from `first` (since the epoch, a multiple of PERIOD), or over periods of five for p99_ms.

    covered: the logs of this minute were delivered. throttled: 429. p99_ms: NaN in periods without requests.
    """

    api: str
    stage: str
    first: int
    n: Floats
    errors_4xx: Floats
    errors_5xx: Floats
    throttled: Floats
    covered: npt.NDArray[np.bool_]
    p99_ms: Floats

    def periods(self, minutes: Floats) -> Floats:
        """Sums of five minutes each."""
        return np.asarray(minutes.reshape(-1, PERIOD).sum(axis=1), np.float64)


def keep(folder: Path) -> dict[str, object]:
    """Read the logs of a world once and keep their minutes beside it; they do not depend on any detector."""
    from ingest.documents import read_inventory
    from ingest.scan import scan_paths

    inventory = read_inventory(str(folder / "inventory.json"))
    scanned = scan_paths([str(folder / "logs")], inventory=inventory, workers=os.cpu_count() or 1, hash_key=b"bench")
    pq.write_table(scanned.minutes, folder / "minutes.parquet", compression="zstd")
    pq.write_table(scanned.clients, folder / "clients.parquet", compression="zstd")
    pq.write_table(scanned.coverage, folder / "coverage.parquet")
    return {**scanned.accounting.to_json(), "errors": len(scanned.errors)}


def stages(folder: Path, start_s: float, end_s: float) -> Iterator[Stage]:
    """Every stage of a world whose minutes are kept, over the record [start, end)."""
    first = int(start_s // 60) // PERIOD * PERIOD
    count = -(-(int(-(-end_s // 60)) - first) // PERIOD) * PERIOD
    table = pq.read_table(folder / "minutes.parquet", columns=_COLUMNS)
    covered = _covered(pq.read_table(folder / "coverage.parquet"), first, count)
    names = table.select(["api", "stage"]).group_by(["api", "stage"]).aggregate([]).to_pylist()
    for name in sorted(names, key=lambda row: (row["api"] or "", row["stage"] or "")):
        if name["api"] is None or name["stage"] is None:
            continue
        mine = table.filter(
            pc.and_(pc.equal(table.column("api"), name["api"]), pc.equal(table.column("stage"), name["stage"]))
        )
        yield _stage(mine, name["api"], name["stage"], first, count, covered)


def _stage(table: pa.Table, api: str, stage: str, first: int, count: int, covered: npt.NDArray[np.bool_]) -> Stage:
    minute = table.column("minute").cast(pa.int64()).to_numpy() // 60_000_000 - first
    inside = (minute >= 0) & (minute < count)

    def sums(*names: str) -> Floats:
        total = sum(table.column(name).to_numpy().astype(float) for name in names)
        return np.bincount(minute[inside], np.asarray(total)[inside], count).astype(np.float64)

    n = sums("n")
    return Stage(
        api,
        stage,
        first,
        n,
        sums("s4xx"),
        sums("s5xx"),
        sums("c_throttle", "c_quota"),
        covered | (n > 0),
        _p99(table.filter(pa.array(inside)), minute[inside] // PERIOD, count // PERIOD),
    )


def _p99(table: pa.Table, period: npt.NDArray[np.int64], count: int) -> Floats:
    buckets = table.column("latency_b").combine_chunks()
    counts = table.column("latency_c").combine_chunks()
    lengths = np.asarray(buckets.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), np.int64)
    owner = np.repeat(period, lengths)
    bucket = np.asarray(buckets.flatten().to_numpy(zero_copy_only=False), np.int64)
    weight = np.asarray(counts.flatten().to_numpy(zero_copy_only=False), np.float64)
    order = np.lexsort((bucket, owner))
    owner, bucket, weight = owner[order], bucket[order], weight[order]
    total = np.bincount(owner, weight, count)
    running = np.cumsum(weight)
    ends = np.searchsorted(owner, np.arange(count), side="right")
    before = np.concatenate([[0.0], running])[np.searchsorted(owner, np.arange(count), side="left")]
    place = np.searchsorted(running, before + np.maximum(np.ceil(0.99 * total), 1))
    out = np.full(count, np.nan)
    filled = total > 0
    out[filled] = bucket_value_ms(bucket[np.minimum(place, ends - 1)[filled]])
    return out


def _covered(table: pa.Table, first: int, count: int) -> npt.NDArray[np.bool_]:
    """Minutes in which any source delivered."""
    steps = np.zeros(count + 1)
    begins = table.column("start").cast(pa.int64()).to_numpy() // 60_000_000 - first
    ends = -(-table.column("end").cast(pa.int64()).to_numpy() // 60_000_000) - first
    np.add.at(steps, np.clip(begins, 0, count), 1)
    np.add.at(steps, np.clip(ends, 0, count), -1)
    return np.cumsum(steps)[:count] > 0


if __name__ == "__main__":
    print(json.dumps(keep(Path(sys.argv[1]))))
