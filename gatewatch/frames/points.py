"""From CloudWatch's datapoints (POINTS) to the sums that detectors hold the logs against (METRICS)."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatewatch.frames.schema import METRICS

NAMESPACE = "AWS/ApiGateway"
KEPT: frozenset[str] = frozenset({"Count", "ConnectCount"})
"""`Count` is one a request of REST and HTTP APIs, `ConnectCount` one a connection of WebSocket APIs.

`MessageCount` counts messages of both directions, so it is not what lines can be held against.
"""

STATS: tuple[str, ...] = ("Sum", "SampleCount")
"""Statistics of KEPT that number requests; the first that a series has counts."""

PERIOD_S = 300

POINT_KEYS: tuple[str, ...] = ("account", "region", "namespace", "metric", "stat", "dimensions")
"""What makes a series of POINTS."""

_SERIES = ("account", "region", "api", "api_name", "stage", "metric")


def dimensions_text(dimensions: Mapping[str, str]) -> str:
    """The text that stands for the dimensions of a series in POINTS."""
    return json.dumps(dict(dimensions), sort_keys=True, separators=(",", ":"))


def metrics_of(points: pa.Table) -> pa.Table:
    """METRICS, by series and time, of the series that count an API's or a stage's requests.

    Minutes are summed to PERIOD_S; of points of one time the last row counts.
    """
    if not points.num_rows:
        return METRICS.empty_table()
    codes, keys = _series(points)
    wanted = {code: _named(key) for code, key in enumerate(keys) if _counts(key)}
    named = {code: names for code, names in wanted.items() if names is not None}
    have = {names for code, names in named.items() if keys[code]["stat"] == STATS[0]}
    chosen = {code: names for code, names in named.items() if keys[code]["stat"] == STATS[0] or names not in have}
    order = sorted(chosen, key=lambda code: tuple(part or "" for part in chosen[code]))
    at = points.column("at").cast(pa.int64()).to_numpy() // 1_000_000
    value = points.column("value").to_numpy()
    period = points.column("period_s").to_numpy()
    rows = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[rows], np.arange(len(keys)), side="right")
    begins = np.searchsorted(codes[rows], np.arange(len(keys)), side="left")
    parts: dict[str, list[npt.NDArray[np.generic]]] = {"at": [], "value": [], "period_s": [], "row": []}
    for number, code in enumerate(order):
        mine = rows[begins[code] : ends[code]]
        width = max(int(period[mine].max()), PERIOD_S)
        starts, sums = _summed(at[mine], value[mine], width)
        parts["at"].append(starts * 1_000_000)
        parts["value"].append(sums)
        parts["period_s"].append(np.full(len(starts), width, dtype=np.int32))
        parts["row"].append(np.full(len(starts), number, dtype=np.int32))
    if not order:
        return METRICS.empty_table()
    joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    arrays: dict[str, pa.Array] = {
        "at": pa.array(joined["at"].astype(np.int64)).cast(METRICS.field("at").type),
        "value": pa.array(joined["value"]),
        "period_s": pa.array(joined["period_s"]),
    }
    for place, name in enumerate(_SERIES):
        texts = pa.array([chosen[code][place] for code in order], pa.string()).dictionary_encode()
        arrays[name] = texts.take(pa.array(joined["row"]))
    return pa.table({name: arrays[name] for name in METRICS.names}, schema=METRICS)


def _series(points: pa.Table) -> tuple[npt.NDArray[np.int64], list[dict[str, str | None]]]:
    """The number of each row's series, and the keys of each series."""
    codes = np.zeros(points.num_rows, dtype=np.int64)
    for name in POINT_KEYS:
        encoded = points.column(name).combine_chunks().dictionary_encode()
        place = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        _, codes = np.unique(codes * (len(encoded.dictionary) + 1) + place, return_inverse=True)
    _, first = np.unique(codes, return_index=True)
    return codes, points.select(POINT_KEYS).take(pa.array(first)).to_pylist()


def _counts(key: Mapping[str, str | None]) -> bool:
    return key["namespace"] == NAMESPACE and key["metric"] in KEPT and key["stat"] in STATS


def _named(key: Mapping[str, str | None]) -> tuple[str | None, ...] | None:
    """_SERIES of an API or of one of its stages; None for those by route or of something else."""
    named = json.loads(key["dimensions"] or "{}")
    api, api_name, stage = (named.get(name) for name in ("ApiId", "ApiName", "Stage"))
    if (api is None and api_name is None) or not set(named) <= {"ApiId", "ApiName", "Stage"}:
        return None
    return key["account"], key["region"], api, api_name, stage, key["metric"]


def _summed(
    at: npt.NDArray[np.int64], value: npt.NDArray[np.float64], period: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Starts and sums of whole periods; the last value of a time counts."""
    order = np.argsort(at, kind="stable")
    at, value = at[order], value[order]
    last = np.append(at[1:] != at[:-1], True)
    starts, place = np.unique(at[last] // period * period, return_inverse=True)
    return starts, np.bincount(place, weights=value[last], minlength=len(starts)).astype(np.float64)
