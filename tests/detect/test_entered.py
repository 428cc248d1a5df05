"""Success after failures: by the same address or the same name, where it had been refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from detect.entered import Inside, came_in, entered
from detect.grid import Grid
from detect.who import Rows, rows_from_json
from gatewatch.frames import MINUTES, rollup
from gatewatch.frames.callers import ADDRESS, PRINCIPAL, caller_hashes

FIRST = 29_000_160
STAGE = ("123456789012", "eu-west-1", "shop000001", "prod")
LOGIN, OTHER = "POST /login", "GET /pets"
THIEF, OWNER = "203.0.113.66", "198.51.100.7"


def rows(refusals: list[tuple[int, str | None, str, int]]) -> Rows:
    """(minute, name, address, n) on the login route, all of series row 0."""
    made = sorted(refusals, key=lambda one: one[0])
    names = {name: np.full(len(made), None, dtype=object) for name in rows_from_json(None).names}
    for place, (_, name, address, _) in enumerate(made):
        names["principal"][place], names["client_ip"][place], names["route"][place] = name, address, LOGIN
    minutes = np.array([FIRST + minute for minute, *_ in made], dtype=np.int64)
    zeros = np.zeros(len(made), dtype=np.int64)
    return Rows(zeros, minutes, np.array([one[3] for one in made], dtype=np.int64), zeros, names)


def inside(calls: list[tuple[int, str, int]], answered: int = 1) -> Inside:
    """(minute, route, hash of who was there)."""
    listed: dict[tuple[int, str], list[int]] = {}
    for minute, route, code in calls:
        listed.setdefault((minute, route), []).append(code)
    columns: dict[str, list[object]] = {name: [] for name in MINUTES.names}
    for (minute, route), codes in sorted(listed.items()):
        at = datetime.fromtimestamp((FIRST + minute) * 60, UTC)
        given = {"minute": at, "route": route, "n": 5, "s2xx": answered, "clients_k": sorted(codes)}
        given |= dict(zip(("account", "region", "api", "stage"), STAGE, strict=True))
        given |= {"api_type": "rest", "available_at": at + timedelta(minutes=2)}
        for field in MINUTES:
            empty: object = [] if pa.types.is_list(field.type) else 0 if pa.types.is_integer(field.type) else None
            columns[field.name].append(given.get(field.name, empty))
    frame: pd.DataFrame = rollup(pa.table(columns, schema=MINUTES), by_route=True)
    return Inside(Grid(frame, FIRST, 60, by_route=True))


(THIEF_CODE, OWNER_CODE), (BOB_CODE,) = caller_hashes([THIEF, OWNER], ADDRESS), caller_hashes(["bob"], PRINCIPAL)


@pytest.mark.parametrize(
    ("refused", "there", "came"),
    [
        # An address that was refused twice and is there a minute later without a refusal.
        ([(5, None, THIEF, 2)], [(5, LOGIN, THIEF_CODE), (6, LOGIN, THIEF_CODE)], [("client_ip", THIEF, FIRST + 6)]),
        # Refused once, or refused in that minute, too, or only on another route, or much later: nobody can tell.
        ([(5, None, THIEF, 1)], [(6, LOGIN, THIEF_CODE)], []),
        ([(5, None, THIEF, 2), (6, None, THIEF, 1)], [(6, LOGIN, THIEF_CODE)], []),
        ([(5, None, THIEF, 2)], [(6, OTHER, THIEF_CODE)], []),
        ([(5, None, THIEF, 2)], [(40, LOGIN, THIEF_CODE)], []),
        # Somebody else came in.
        ([(5, None, THIEF, 2)], [(6, LOGIN, OWNER_CODE)], []),
        # A name: its owner may mistype a few times.
        ([(5, "bob", THIEF, 9)], [(6, LOGIN, BOB_CODE)], []),
        ([(5, "bob", THIEF, 9), (6, "bob", THIEF, 9)], [(7, LOGIN, BOB_CODE)], [("principal", "bob", FIRST + 7)]),
        # Before the time that is looked at.
        ([(1, None, THIEF, 2)], [(2, LOGIN, THIEF_CODE)], []),
    ],
)
def test_who_was_refused_and_is_there_without_a_refusal_came_in(
    refused: list[tuple[int, str | None, str, int]],
    there: list[tuple[int, str, int]],
    came: list[tuple[str, str, int]],
) -> None:
    assert entered(rows(refused), 0, FIRST + 4, FIRST + 59, inside(there), STAGE) == came


def test_where_nobody_was_answered_nobody_came_in() -> None:
    shut = inside([(6, LOGIN, THIEF_CODE)], answered=0)
    assert entered(rows([(5, None, THIEF, 2)]), 0, FIRST, FIRST + 59, shut, STAGE) == []


@pytest.mark.parametrize(
    ("opened", "said"),
    [
        ([(THIEF, "client_ip", FIRST)], "; 1 address came in afterwards, the first at 2025-02-20 00:00 UTC"),
        (
            [("bob", "principal", FIRST + 5), (THIEF, "client_ip", FIRST + 6), (OWNER, "client_ip", FIRST + 7)],
            "; 1 account and 2 addresses came in afterwards, the first at 2025-02-20 00:05 UTC",
        ),
    ],
)
def test_a_sentence_says_how_many_came_in_without_what_they_call_themselves(
    opened: list[tuple[str, str, int]], said: str
) -> None:
    assert came_in(opened) == said
