"""Fixed limits of a stage, for alarms that know no seasons: what its own last weeks bear within the budget.

Counts of five minutes are taken by hour of the day. A limit is what the busiest hour reaches, and a floor what the
quietest falls to, no more often than the budget allows; slower is what the usual spread of the p95 does not explain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from detect.grid import Floats, Key
from detect.policy import budget_of, threshold_nats
from detect.stats.tail import size, upper_limit
from gatewatch.frames import rollup
from gatewatch.records import Kind
from gatewatch.settings import Settings

WINDOW_MINUTES = 5
DAY_WINDOWS = 288
"""Windows of a day: with less of a stage nothing is learned."""

LEAST_RISE = 1.3
_LEAST_ERRORS = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of five minutes. None: too little was seen, or too few requests come for it to mean anything.

    server_errors, client_errors: more is out of line. least: fewer requests are. p95_ms: slower is.
    """

    key: Key
    windows: int
    server_errors: int | None
    client_errors: int | None
    least: int | None
    p95_ms: int | None


def limits_of(minutes: pa.Table, settings: Settings) -> list[Limits]:
    """The limits of every stage in the minutes (MINUTES), by its key."""
    if not minutes.num_rows:
        return []
    coarse = pc.floor_temporal(minutes.column("minute"), multiple=WINDOW_MINUTES, unit="minute")
    place = minutes.schema.get_field_index("minute")
    frame = rollup(minutes.set_column(place, minutes.schema.field("minute"), coarse), by_route=False)
    names = ["account", "region", "api", "stage"]
    found = []
    for key, mine in frame.groupby(names, dropna=False, sort=True):
        parts: list[Any] = list(key) if isinstance(key, tuple) else [key]
        whole: Key = tuple(str(part) if isinstance(part, str) else None for part in parts)
        found.append(_limits(whole, mine, settings))
    return found


def _limits(key: Key, frame: pd.DataFrame, settings: Settings) -> Limits:
    at = frame["minute"]
    span = int((at.max() - at.min()) / pd.Timedelta(minutes=WINDOW_MINUTES)) + 1
    if span < DAY_WINDOWS:
        return Limits(key, span, None, None, None, None)
    nats = {kind: threshold_nats(budget_of(settings, kind)) for kind in (Kind.DEAD_API, Kind.AUTH_FAILURE_SPIKE)}
    spot = ((at - at.min()) / pd.Timedelta(minutes=WINDOW_MINUTES)).to_numpy().astype(np.int64)
    hours = (at.min() + pd.to_timedelta(np.arange(span) * WINDOW_MINUTES, unit="min")).hour.to_numpy()

    def series(column: str) -> list[Floats]:
        values = np.zeros(span)
        values[spot] = frame[column].to_numpy(dtype=np.float64)
        return [values[hours == hour] for hour in range(24) if (hours == hour).any()]

    slow = frame["latency_p95_ms"].to_numpy(dtype=np.float64)
    return Limits(
        key,
        span,
        _most(series("s5xx"), nats[Kind.DEAD_API]),
        _most(series("s4xx"), nats[Kind.AUTH_FAILURE_SPIKE]),
        _least(series("n"), nats[Kind.DEAD_API]),
        _slow(slow[np.isfinite(slow)]),
    )


def _spread(counts: Floats) -> tuple[float, float]:
    """Mean and r of counts, a few wild ones left out of the spread."""
    mean = float(counts.mean())
    tame = counts[counts <= np.quantile(counts, 0.99)]
    dispersion = max(float(tame.var()) / max(float(tame.mean()), 1e-9), 1.0)
    r = size(np.array([mean]), np.array([dispersion]), np.array([0.1]))
    return mean, float(r[0])


def _most(hours: Sequence[Floats], nats: float) -> int:
    return math.ceil(max(_LEAST_ERRORS, *(upper_limit(*_spread(counts), nats) for counts in hours)))


def _least(hours: Sequence[Floats], nats: float) -> int | None:
    """The floor that the quietest hour keeps; none when silence is usual in some hour."""
    floors = []
    for counts in hours:
        mean, r = _spread(counts)
        if r * math.log1p(mean / r) < nats:  # none at all is no surprise
            return None
        low, high = 0.0, mean
        for _ in range(30):
            middle = 0.5 * (low + high)
            rate = (middle * math.log(middle / mean) if middle else 0.0) - (middle + r) * math.log1p(
                (middle - mean) / (mean + r)
            )
            low, high = (middle, high) if rate >= nats else (low, middle)
        floors.append(low)
    return math.floor(min(floors)) or None


def _slow(values: Floats) -> int | None:
    if len(values) < DAY_WINDOWS // 4:
        return None
    logs = np.log(np.maximum(values, 1.0))
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    high = max(middle + 6.0 * spread, float(np.quantile(logs, 0.995)), middle + math.log(LEAST_RISE))
    return math.ceil(math.exp(high))
