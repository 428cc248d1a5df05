"""Callers that come to be refused: four of them say more than eight refusals of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detect.arrivals import MEMORY, arrivals
from detect.model import Context
from detect.run import detect
from detect.who import Rows, rows_from_json
from gatewatch.frames import COVERAGE
from gatewatch.records import Finding, Kind
from gatewatch.settings import Settings
from tests.detect.world import Api, tables_of

FIRST = 1000


def rows(refusals: Sequence[tuple[int, str | None, str | None]]) -> Rows:
    """(minute, address, name), all of series row 0."""
    made = sorted(refusals, key=lambda one: one[0])
    names = {name: np.full(len(made), None, dtype=object) for name in rows_from_json(None).names}
    for place, (_, address, name) in enumerate(made):
        names["client_ip"][place], names["principal"][place] = address, name
    zeros, ones = np.zeros(len(made), dtype=np.int64), np.ones(len(made), dtype=np.int64)
    return Rows(zeros, np.array([one[0] for one in made], dtype=np.int64), ones, zeros, names)


def came(refusals: Sequence[tuple[int, str | None, str | None]], minutes: int = 200) -> float:
    return float(arrivals(rows(refusals), 1, FIRST, minutes)[0, MEMORY - 1 :].sum())


@pytest.mark.parametrize(
    ("refusals", "callers"),
    [
        ([(FIRST + k, "a", "ann") for k in range(9)], 1.0),
        ([(FIRST + k, f"ip{k}", f"name{k}") for k in range(9)], 9.0),
        ([(FIRST, f"ip{k}", f"name{k}") for k in range(9)], 9.0),
        ([(FIRST + k, "a", f"name{k}") for k in range(9)], 1.0),
        ([(FIRST, "a", f"name{k}") for k in range(9)], 1.0),
        ([(FIRST + k, f"ip{k}", "admin") for k in range(9)], 5.0),
        ([(FIRST + k, f"ip{k}", None) for k in range(9)], 9.0),
        ([(FIRST, None, None)], 0.0),
        ([(FIRST, "a", "ann"), (FIRST + MEMORY, "a", "ann")], 1.0),
        ([(FIRST, "a", "ann"), (FIRST + MEMORY + 1, "a", "ann")], 2.0),
        ([(FIRST - 30, "a", "ann"), (FIRST, "a", "ann")], 0.0),
    ],
)
def test_whoever_was_not_refused_in_the_hour_before_counts_once(
    refusals: list[tuple[int, str | None, str | None]], callers: float
) -> None:
    assert came(refusals) == callers


def test_any_cut_gives_the_same() -> None:
    rng = np.random.default_rng(3)
    every: list[tuple[int, str | None, str | None]] = [
        (FIRST + int(m), f"ip{rng.integers(9)}", f"n{rng.integers(5)}") for m in np.sort(rng.integers(0, 180, 150))
    ]
    whole = arrivals(rows(every), 1, FIRST, 180)
    part = arrivals(rows([one for one in every if one[0] >= FIRST]), 1, FIRST + 120, 60)
    assert np.array_equal(whole[:, 120:], part)


def said(seed: int, refusals: list[tuple[int, str]]) -> list[Finding]:
    """15 hours of a stage that never refused a signature, and what is said when it does, of one address each."""
    api = Api("quiet00001", np.random.default_rng(seed), 29_000_000, 900, 5.0)
    for minute, address in refusals:
        extra = np.zeros_like(api.n)
        extra[0, minute] = 1
        api.refuse("bad_signature", extra, [address], principals=True)
    minutes, clients = tables_of(api)
    context = Context(settings=Settings())
    findings = detect(minutes, clients, COVERAGE.empty_table(), context, only={"auth_failure_spike"}).findings
    return [one for one in findings if one.kind is Kind.AUTH_FAILURE_SPIKE]


def test_a_few_callers_are_enough_where_hardly_any_refusal_is_usual() -> None:
    (hit,) = said(5, [(700 + 3 * k, f"203.0.113.{k}") for k in range(12)])
    assert (hit.detected_at - hit.start).total_seconds() <= 60 * 15  # the eighth refusal would be said after 24


def test_as_many_refusals_of_one_caller_are_not() -> None:
    assert said(5, [(700 + 3 * k, "203.0.113.1") for k in range(5)]) == []
