"""An authorizer that is slow by itself is found where the whole latency hides it, or is not logged at all."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from detect.explain import explain
from detect.model import Context, minute_at
from detect.run import cut, detect, fold, frames_of
from gatewatch.records import Cause, Finding, Severity
from tests.detect.test_hard_traffic import START, steady, tables

DAYS, AT, LONG = 3, 2 * 1440 + 600, 60
MS_24, MS_48, CACHED = 160, 195, -1
"""Buckets of base 1.02."""


def logged(authorizer: int = MS_48, *, cached: float = 0.0, whole: bool = True, calls: int = 20) -> pd.DataFrame:
    """Three days of a route; in an hour of the third its authorizer takes so long, or a share comes from its cache."""
    rng = np.random.default_rng(5)
    frame = steady(DAYS, calls=calls)
    noise = rng.normal(0, 12, (len(frame), calls)).round().astype(int)
    frame["authorizer_b"] = [sorted(set((MS_24 + row // 2).tolist())) for row in noise]
    frame["authorizer_c"] = [counts((MS_24 + row // 2).tolist()) for row in noise]
    slow = [MS_24 + row // 2 + (authorizer - MS_24) for row in noise[AT : AT + LONG]]
    if cached:
        many = round(cached * calls)
        slow = [np.r_[np.full(many, CACHED), row[many:]] for row in slow]
    for name, told in (
        ("authorizer_b", lambda row: sorted(set(row.tolist()))),
        ("authorizer_c", lambda row: counts(row.tolist())),
    ):
        lists = frame[name].tolist()
        lists[AT : AT + LONG] = [told(row) for row in slow]
        frame[name] = lists
    # The back end's own noise is far larger than what the authorizer takes.
    wide = rng.normal(0, 45, (len(frame), calls)).round().astype(int)
    for name, bucket in (("latency", 300), ("integration", 298)):
        frame[f"{name}_b"] = [sorted(set((bucket + row).tolist())) for row in wide]
        frame[f"{name}_c"] = [counts((bucket + row).tolist()) for row in wide]
    if not whole:
        frame["latency_b"] = frame["latency_c"] = None
    return frame


def counts(buckets: list[int]) -> list[int]:
    return [buckets.count(one) for one in sorted(set(buckets))]


def found(frame: pd.DataFrame) -> list[Finding]:
    return list(detect(*tables(frame), Context(), only={"latency_outlier"}).findings)


@pytest.mark.parametrize("whole", [True, False])
def test_twice_as_long_is_found_whatever_the_back_end_does_and_without_the_whole(whole: bool) -> None:
    (one,) = found(logged(whole=whole))
    assert (one.subtype, one.layer, one.cause) == ("authorizer", "authorizer", Cause.GATEWAY)
    assert one.title == "a1/prod GET /pets is slow in its authorizer"
    assert one.evidence.unit == "ms in the authorizer"
    assert abs((one.start - minute_at(START + AT)).total_seconds()) <= 120
    assert one.detected_at - one.start < timedelta(minutes=6)
    assert one.end is not None
    assert one.severity is Severity.MEDIUM  # 24 ms more
    assert 42 < one.evidence.observed < 54
    assert 21 < one.evidence.expected < 27
    assert one.evidence.sentence.startswith("The median time of the authorizer was ")
    assert one.evidence.card["shown"]["authorizer_min_ms"] == one.evidence.observed  # type: ignore[index,call-overload]


def test_what_is_no_slower_or_hardly_is_none() -> None:
    assert found(logged(MS_24)) == []
    assert found(logged(MS_24 + 12)) == []  # 6 ms
    assert found(logged(MS_24, cached=0.7)) == []  # its cache is no fast answer of it
    assert found(logged(cached=0.7)) != []


def test_a_route_without_an_authorizer_is_not_looked_at() -> None:
    frame = logged()
    frame["authorizer_b"] = frame["authorizer_c"] = None
    assert found(frame) == []


def test_live_is_batch_however_it_is_cut() -> None:
    frame = logged()
    # The authorizer comes in the middle of a day, and of a block.
    for name in ("authorizer_b", "authorizer_c"):
        lists = frame[name].tolist()
        lists[:700] = [None] * 700
        frame[name] = lists
    frame.loc[600:650, ["s2xx", "s4xx", "c_authorizer_deny"]] = [5, 15, 15]
    block = frames_of(*tables(frame), START, START + DAYS * 1440)
    whole = fold([block], Context(), {}, {"latency_outlier"})
    assert len(whole[0]) == 1
    for every in (437, 61):
        assert fold(cut(block, every=every), Context(), {}, {"latency_outlier"})[2] == whole[2]


def test_it_is_explained_beside_the_whole() -> None:
    frame = logged(MS_24 + 15)
    block = frames_of(*tables(frame), START, START + DAYS * 1440)
    said = explain([block], Context(), minute_at(START + AT + 40), "a1", stage="prod", route="GET /pets")
    mine = [answer for answer in said.answers if answer.kind.value == "latency_outlier"]
    assert {answer.series for answer in mine} >= {"authorizer", "GET /pets", "all routes"}
