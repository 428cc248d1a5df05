"""Goal 5: how many expected requests an outage misses until it is said, and whether quiet hours are called dead.

    python -m bench.detect_silent            # a week and a half of APIs from 0.1 to 50 requests a minute
    python -m bench.detect_silent --quick

Each API has one route, a day's shape and quieter weekends (`bench.detect_counts.seasonal`); a few neighbours go on when
it falls silent, so that it is no stop of delivery. Evidence is what was expected between the last call and the alarm,
by the rate that the API really has; nothing is said before a minute is over. The silence begins at a random hour of the
second week. Every alarm before it is a false death: nights and weekends are in it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from bench.detect_counts import START, WEEK, drawn, head, seasonal
from bench.detect_tables import Goal, columns
from detect.model import Context, minute_at
from detect.run import detect
from gatewatch.frames import CLIENTS, CLOSE_DELAY, COVERAGE, MINUTES, visible_mask
from gatewatch.frames.schema import TIME
from gatewatch.records import Kind

RATES = (0.1, 1.0, 10.0, 50.0)
SLOW = 1.0
BEFORE, MISSED = WEEK + 2 * 1440, 400.0
_SEEN = visible_mask(("at", "api", "stage", "route", "status"))


@dataclass(frozen=True, slots=True)
class Told:
    """Of APIs of one rate: expected requests that each outage missed until it was said; how many were not said, and
    how many alarms came before any outage.
    """

    rate: float
    missed: list[float]
    unsaid: int
    false: int


def outages(rng: np.random.Generator, rate: float, apis: int) -> Told:
    lasts = int(min(2.0 * MISSED / rate, 1440.0))
    mean = seasonal(rate, apis, BEFORE + 1440 + lasts)
    counts = drawn(rng, mean, 1.5)
    onset = BEFORE + rng.integers(0, 1440, apis)
    counts[np.arange(counts.shape[1]) >= onset[:, None]] = 0.0
    others = drawn(rng, seasonal(5.0, 3, counts.shape[1]), 1.0)
    table = minutes_of(np.concatenate([counts, others]))
    ends = minute_at(START), minute_at(START + counts.shape[1])
    coverage = pa.table({"source": ["bench"], "start": [ends[0]], "end": [ends[1]]}).cast(COVERAGE)
    found = detect(table, CLIENTS.empty_table(), coverage, Context(), only={"dead_api"}).findings
    missed, false = dict[int, float](), 0
    for one in found:
        number = int(one.api or 0)
        at = round((one.detected_at - CLOSE_DELAY).timestamp() / 60) - START
        if one.kind is not Kind.DEAD_API or one.subtype == "dead" or number >= apis:
            continue
        if at < onset[number]:
            false += 1
        else:
            last = int(np.flatnonzero(counts[number, : onset[number]])[-1]) + 1
            missed.setdefault(number, float(mean[number, last:at].sum()))
    return Told(rate, list(missed.values()), apis - len(missed), false)


def minutes_of(counts: np.ndarray) -> pa.Table:
    """MINUTES of APIs named by their numbers, all calls answered well."""
    at, api = (part.astype(np.int64) for part in np.nonzero(counts.T))
    n = pa.array(counts[api, at].astype(np.int64))
    given = {
        "minute": pa.array((START + at) * 60_000_000).cast(TIME),
        "api": pa.array(api).cast(pa.string()),
        "api_type": pa.array(["rest"]).take(pa.array(np.zeros(len(at), np.int64))),
        "stage": pa.array(["prod"]).take(pa.array(np.zeros(len(at), np.int64))),
        "route": pa.array(["GET /one"]).take(pa.array(np.zeros(len(at), np.int64))),
        "n": n,
        "s2xx": n,
        "visible": pa.array(np.full(len(at), _SEEN, np.uint64)),
    }
    nothing = pa.array(np.zeros(len(at), np.int64))
    columns_ = [
        given.get(one.name, nothing if one.type == pa.int64() else pa.nulls(len(at), one.type)) for one in MINUTES
    ]
    return pa.table([column.cast(one.type) for column, one in zip(columns_, MINUTES, strict=True)], schema=MINUTES)


def silences(*, quick: bool) -> list[Goal]:
    rng, apis = np.random.default_rng(20_260_402), 8 if quick else 30
    rows: list[list[object]] = [
        ["requests a minute", "outages", "said", "missed, median", "missed, p90", "false before"]
    ]
    middles: dict[float, float] = {}
    unsaid = false = 0
    for rate in RATES:
        told = outages(rng, rate, apis)
        quantiles = np.quantile(told.missed, (0.5, 0.9)) if told.missed else np.full(2, np.nan)
        rows.append([f"{rate:g}", apis, len(told.missed), *(f"{one:.1f}" for one in quantiles), told.false])
        middles[rate] = float(quantiles[0])
        unsaid, false = unsaid + told.unsaid, false + told.false
    head(
        f"silences: expected requests missed until the alarm, {timedelta(minutes=BEFORE).days} days known",
        columns(rows),
    )
    return [
        *(
            Goal("5", f"requests missed until said, median, {rate:g} a minute", middle, 15.0, True, "bound 11.5")
            for rate, middle in middles.items()
            if rate <= SLOW  # of more than that come in the minute that has to be over
        ),
        Goal("5", "outages not said", unsaid / (apis * len(RATES)), 0.0, True, "-"),
        Goal("5", "false deaths through nights and weekends", float(false), 0.0, True, "-"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer APIs")
    silences(quick=parser.parse_args().quick)


if __name__ == "__main__":
    main()
