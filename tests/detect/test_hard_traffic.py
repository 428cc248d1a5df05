"""What breaks other detectors (docs/detection.md): each kind of traffic, before every detector.

Nothing of it is an incident, so nobody may say anything; where the same minutes come in another way, all say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest

from detect.model import DETECTORS, Context, minute_at
from detect.run import detect
from gatewatch.frames import CLIENTS, COVERAGE, MINUTES
from gatewatch.records import Finding
from tests.detect.world import World, a_world

DAY = 1440
START = 29_000_160
"""A Sunday, 00:00 UTC, in minutes since the epoch."""

Tables = tuple[pa.Table, pa.Table, pa.Table]
Array = npt.NDArray[Any]


def steady(days: int, *, calls: int = 20) -> pd.DataFrame:
    """One route, the same in every minute: so many calls, all answered, all as fast and as large."""
    rows = days * DAY
    frame = pd.DataFrame({field.name: 0 for field in MINUTES if pa.types.is_integer(field.type)}, index=range(rows))
    frame["minute"] = [minute_at(START + at) for at in range(rows)]
    for name, value in {
        "account": "1",
        "region": "eu-west-1",
        "api": "a1",
        "api_type": "rest",
        "stage": "prod",
    }.items():
        frame[name] = value
    frame["route"] = "GET /pets"
    frame["n"] = frame["s2xx"] = calls
    frame["response_bytes"], frame["visible"] = 1000 * calls, (1 << 40) - 1
    for name, bucket in (("latency", 230), ("integration", 220)):
        frame[f"{name}_us"] = calls * 90_000
        frame[f"{name}_b"], frame[f"{name}_c"] = [[bucket]] * rows, [[calls]] * rows
    for name in ("authorizer", "gateway"):
        frame[f"{name}_b"] = frame[f"{name}_c"] = None
    frame["clients_k"], frame["available_at"] = [[7, 9]] * rows, None
    return frame


def tables(frame: pd.DataFrame, clients: pa.Table | None = None) -> Tables:
    minutes = pa.Table.from_pandas(frame, schema=MINUTES, preserve_index=False)
    end = frame["minute"].max() + pd.Timedelta(minutes=1)
    covered = [{"source": "s", "start": frame["minute"].min(), "end": end}]
    return minutes, CLIENTS.empty_table() if clients is None else clients, pa.Table.from_pylist(covered, COVERAGE)


def constant() -> Tables:
    return tables(steady(3))


def first_change() -> Tables:
    """A constant series explodes elsewhere at its first change: one call more, one refused, one failed, one slower."""
    frame = steady(3)
    at = 2 * DAY + 600
    frame.loc[at, ["n", "s2xx"]] = 21
    frame.loc[at + 100, ["s2xx", "s4xx", "c_bad_signature"]] = [19, 1, 1]
    frame.loc[at + 200, ["s2xx", "s5xx", "c_backend_error"]] = [19, 1, 1]
    frame.loc[at + 300, ["s2xx", "s4xx", "c_throttle"]] = [19, 1, 1]
    for name, value in (("latency_b", [230, 260]), ("latency_c", [19, 1])):
        lists = frame[name].tolist()
        lists[at + 400] = value
        frame[name] = lists
    return tables(frame)


def one_request_routes() -> Tables:
    """Two hundred routes that are called once, some of them refused, beside a steady one."""
    frame = steady(3)
    once = frame.iloc[np.linspace(10, 3 * DAY - 10, 200).astype(int)].copy()
    once["route"] = [f"GET /once/{number}" for number in range(200)]
    once["n"] = once["s2xx"] = 1
    once["latency_c"] = once["integration_c"] = [[1]] * 200
    odd = once.index[::5]
    once.loc[odd, ["s2xx", "s4xx", "c_not_found"]] = [0, 1, 1]
    return tables(pd.concat([frame, once]))


@lru_cache(maxsize=4)
def calm(days: int = 4) -> World:
    return a_world(131, apis=2, days=days, incidents=False, benign=False, gap=False)


def gap() -> Tables:
    """For five hours no source delivers, and the coverage says so."""
    world = calm()
    stop, go = minute_at(world.start + 3 * DAY + 300), minute_at(world.start + 3 * DAY + 600)
    minute = world.minutes.column("minute").to_pandas()
    kept = world.minutes.filter(((minute < stop) | (minute >= go)).to_numpy())
    minute = world.clients.column("minute").to_pandas()
    clients = world.clients.filter(((minute < stop) | (minute >= go)).to_numpy())
    ends = minute_at(world.start), minute_at(world.start + 4 * DAY)
    parts = [{"source": "s", "start": ends[0], "end": stop}, {"source": "s", "start": go, "end": ends[1]}]
    return kept, clients, pa.Table.from_pylist(parts, COVERAGE)


def thinned(share: Callable[[Array], Array]) -> Tables:
    """A calm world with calls taken out: share of those of each minute (of the world) that stay."""
    world = calm(8)
    frame = world.minutes.to_pandas()
    at = (frame["minute"].astype("int64") // 60_000_000 - world.start).to_numpy()
    rng = np.random.default_rng(5)
    stay = share(at)
    kept = rng.binomial(frame["n"].to_numpy(), stay) / np.maximum(frame["n"].to_numpy(), 1)
    counts = [field.name for field in MINUTES if pa.types.is_int64(field.type)]
    for name in counts:
        frame[name] = np.rint(frame[name].to_numpy() * kept).astype(np.int64)
    for name in ("latency_c", "integration_c", "authorizer_c", "gateway_c"):
        frame[name] = [
            None if many is None else np.maximum(np.rint(np.asarray(many) * part), 1).astype(np.int32)
            for many, part in zip(frame[name], kept, strict=True)
        ]
    made = tables(frame[(kept > 0) & (frame["n"] > 0)])
    return made[0], CLIENTS.empty_table(), world.coverage


def holiday() -> Tables:
    """On the sixth day half as many call."""
    return thinned(lambda at: np.where(at // DAY == 5, 0.5, 1.0))


def clock_change() -> Tables:
    """From the sixth day on all comes an hour later."""
    world = calm(8)
    frame = world.minutes.to_pandas()
    late = frame["minute"] >= minute_at(world.start + 5 * DAY)
    frame.loc[late, "minute"] += pd.Timedelta(hours=1)
    return pa.Table.from_pandas(frame, schema=MINUTES, preserve_index=False), CLIENTS.empty_table(), world.coverage


QUIET = [constant, first_change, one_request_routes, gap, holiday, clock_change]


@lru_cache(maxsize=16)
def found(make: Callable[[], Tables]) -> tuple[Finding, ...]:
    return tuple(detect(*make(), Context()).findings)


@pytest.mark.parametrize("make", QUIET, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_nothing_is_said_of(name: str, make: Callable[[], Tables]) -> None:
    told = [one for one in found(make) if one.kind.value == name and one.subtype != "delivery_gap"]
    assert told == [], [(one.title, one.start, one.evidence.sentence) for one in told]


def test_a_past_outage_that_nobody_labelled_is_not_expected_again() -> None:
    """90 minutes without calls on the first day: a week later, when they are answered, nobody has anything to say."""
    world = calm(8)
    first = world.start + 12 * 60
    minute = world.minutes.column("minute").cast(pa.int64()).to_numpy() // 60_000_000
    once = world.minutes.filter(pa.array((minute < first) | (minute >= first + 90)))
    told = detect(once, world.clients, world.coverage, Context()).findings
    assert [one for one in told if one.start >= minute_at(first + 180)] == []


def test_rows_in_pieces_and_out_of_order_say_the_same() -> None:
    """Late and re-ordered lines are rows beside others, in any order; readers sum."""
    only = ["brute_force", "over_plan", "all_5xx", "live_outage", "step_all"]
    world = a_world(7, apis=2, days=3, only=only, highest=60)
    frame = world.minutes.to_pandas()
    counts = [field.name for field in MINUTES if pa.types.is_int64(field.type)]
    lists = [name for name in frame.columns if name.endswith(("_b", "_c")) and name not in counts]
    other = frame.copy()
    for name in counts:
        frame[name] = frame[name] // 2
        other[name] = other[name] - frame[name]
    frame[lists] = None
    both = pd.concat([other, frame]).sample(frac=1.0, random_state=3)
    pieces = pa.Table.from_pandas(both, schema=MINUTES, preserve_index=False)
    order = np.random.default_rng(4).permutation(world.clients.num_rows)
    clients, context = world.clients.take(pa.array(order)), Context(changes=tuple(world.changes))
    whole = detect(world.minutes, world.clients, world.coverage, context).findings
    assert len({one.kind for one in whole}) >= 2
    assert detect(pieces, clients, world.coverage, context).findings == whole
