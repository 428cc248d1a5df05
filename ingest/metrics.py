"""CloudWatch metrics as people bring them -> POINTS: GetMetricData-like series and Metric-Stream records, JSON lines.

Of all metrics only those in KEPT reach detection; the others are counted and passed over. A datapoint that comes again
replaces the earlier one (metric streams re-send with late samples).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gatewatch.errors import UsageError
from gatewatch.frames.points import KEPT, NAMESPACE, STATS, dimensions_text, metrics_of
from gatewatch.frames.schema import POINTS
from gatewatch.records import JSON
from ingest.jsonstream import Rejects, records

LONGEST_NAME = 256
_LATEST_S = 4_102_444_800  # 2100; a time beyond it is milliseconds


class _Series(NamedTuple):
    account: str | None
    region: str | None
    metric: str
    stat: str
    dimensions: str


@dataclass(slots=True)
class Metrics:
    """points: POINTS, by series and time. records: all that were read; kept: those of series that detection uses."""

    points: pa.Table
    records: int = 0
    kept: int = 0
    rejects: Rejects = field(default_factory=Rejects)

    @property
    def table(self) -> pa.Table:
        """METRICS, by series and time."""
        return metrics_of(self.points)


@dataclass(slots=True)
class _Points:
    """Start (epoch seconds) and value of each point in the order they came: 16 bytes a point."""

    at: array[int] = field(default_factory=lambda: array("q"))
    value: array[float] = field(default_factory=lambda: array("d"))
    period_s: int = 60


def read_metrics(paths: Iterable[str]) -> Metrics:
    """All files together. UsageError: one cannot be read, is empty, or holds not one metric."""
    found = Metrics(POINTS.empty_table())
    series: dict[_Series, _Points] = {}
    for path in paths:
        before, bad = found.records, found.rejects.count
        for line, record in records(path, "MetricDataResults", found.rejects):
            why = _take(record, series, found)
            if why is not None:
                found.rejects.add(path, line, why)
        if found.records == before:
            named = [text for text in found.rejects.named if text.startswith(f"{path}: ")]
            raise UsageError(named[0] if named else f"{path}: none of {found.rejects.count - bad} records is a metric")
    found.points = _table(series)
    return found


def _take(record: dict[str, JSON], series: dict[_Series, _Points], found: Metrics) -> str | None:
    """Add a record's points; why it is none, else None."""
    if "metric_name" in record and "value" in record:
        return _streamed(record, series, found)
    return _listed(record, series, found)


def _streamed(record: dict[str, JSON], series: dict[_Series, _Points], found: Metrics) -> str | None:
    name, value, at = record["metric_name"], record["value"], record.get("timestamp")
    if not isinstance(name, str) or not isinstance(value, dict):
        return "no metric (metric_name is no text, or value no object)"
    if isinstance(at, bool) or not isinstance(at, int | float):
        return "no timestamp"
    total = value.get("sum")
    if isinstance(total, bool) or not isinstance(total, int | float):
        return "value has no sum"
    if record.get("namespace") == NAMESPACE and name in KEPT:
        key = _series(record, record.get("dimensions"), name, "Sum")
        if key is not None:
            try:
                start = _seconds(at)
            except ValueError as error:
                return str(error)
            found.kept += 1
            points = series.setdefault(key, _Points())
            points.at.append(start)
            points.value.append(float(total))
    found.records += 1
    return None


def _listed(record: dict[str, JSON], series: dict[_Series, _Points], found: Metrics) -> str | None:
    times, values = record.get("Timestamps"), record.get("Values")
    name = next((text for key in ("MetricName", "Label", "Id") if isinstance(text := record.get(key), str)), None)
    if not isinstance(times, list) or not isinstance(values, list) or name is None:
        return "no metric (MetricName with Timestamps and Values, or metric_name)"
    if len(times) != len(values):
        return "Timestamps and Values differ in length"
    stat = record.get("Stat", "Sum")
    wanted = record.get("Namespace", NAMESPACE) == NAMESPACE and name in KEPT and stat in STATS
    key = _series(record, record.get("Dimensions"), name, str(stat)) if wanted else None
    if key is None:
        found.records += 1
        return None
    try:
        starts = [_instant(time) for time in times]
        numbers = [_number(value) for value in values]
    except ValueError as error:
        return str(error)
    found.records += 1
    found.kept += 1
    points = series.setdefault(key, _Points())
    points.at.extend(starts)
    points.value.extend(numbers)
    period = record.get("Period")
    if isinstance(period, int) and not isinstance(period, bool) and period > 0:
        points.period_s = max(points.period_s, period)
    return None


def _series(record: dict[str, JSON], dimensions: JSON, name: str, stat: str) -> _Series | None:
    """The series of an API or of one of its stages; None for those by route or of something else."""
    named: dict[str, JSON] = {}
    if isinstance(dimensions, dict):
        named = dimensions
    elif isinstance(dimensions, list):
        named = {str(one.get("Name")): one.get("Value") for one in dimensions if isinstance(one, dict)}
    told = {key: text for key in ("ApiId", "ApiName", "Stage") if (text := _text(named.get(key))) is not None}
    if not told.keys() & {"ApiId", "ApiName"} or not set(named) <= {"ApiId", "ApiName", "Stage"}:
        return None
    account = _text(record.get("AccountId")) or _text(record.get("account_id")) or _text(record.get("accountId"))
    region = _text(record.get("Region")) or _text(record.get("region"))
    return _Series(account, region, name, stat, dimensions_text(told))


def _text(value: JSON) -> str | None:
    return value[:LONGEST_NAME] if isinstance(value, str) and value else None


def _instant(value: JSON) -> int:
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no ISO 8601 time") from None
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _seconds(value)
    raise ValueError("a timestamp is neither a text nor a number")


def _seconds(value: float) -> int:
    """Epoch seconds of seconds or milliseconds; ValueError for what is neither."""
    seconds = value / 1000 if value > _LATEST_S else value
    if not 0 < seconds < _LATEST_S:
        raise ValueError(f"{value} is no time")
    return int(seconds)


def _number(value: JSON) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a value is no number")
    return float(value)


def _table(series: dict[_Series, _Points]) -> pa.Table:
    keys = sorted(series, key=lambda key: tuple(part or "" for part in key))
    if not keys:
        return POINTS.empty_table()
    points = [_last(series[key]) for key in keys]
    sizes = [len(at) for at, _ in points]
    arrays: dict[str, pa.Array] = {
        "at": pa.array(np.concatenate([at for at, _ in points]) * 1_000_000).cast(POINTS.field("at").type),
        "value": pa.array(np.concatenate([value for _, value in points])),
        "period_s": pa.array(np.repeat([series[key].period_s for key in keys], sizes).astype(np.int32)),
        "namespace": pa.repeat(pa.scalar(NAMESPACE), sum(sizes)),
    }
    row = pa.array(np.repeat(np.arange(len(keys)), sizes))
    for name in ("account", "region", "metric", "stat", "dimensions"):
        arrays[name] = pa.array([getattr(key, name) for key in keys], pa.string()).take(row)
    return pa.table({name: arrays[name] for name in POINTS.names}, schema=POINTS)


def _last(points: _Points) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.float64]]]:
    """Times and values in the order of time; of one time the last value counts."""
    at, value = np.array(points.at, dtype=np.int64), np.array(points.value)
    order = np.argsort(at, kind="stable")
    at, value = at[order], value[order]
    last = np.append(at[1:] != at[:-1], True) if len(at) else np.zeros(0, dtype=bool)
    return at[last], value[last]
