"""A refusal whose reason is in doubt is probing where the route never answered anybody, and only till it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from detect.model import Block
from detect.run import frames_of
from detect.unreached import decide
from gatewatch.frames import CLIENTS, COVERAGE, MINUTES

START = datetime(2026, 5, 4, tzinfo=UTC)
PLACE = {"account": "1", "region": "eu-west-1", "api": "a1", "api_type": "rest", "stage": "prod"}


def minute(at: int, route: str | None, **counts: int) -> dict[str, Any]:
    zeros = {field.name: 0 for field in MINUTES if pa.types.is_integer(field.type) and field.name != "visible"}
    n = sum(counts.values())
    return {**zeros, **PLACE, "minute": START + timedelta(minutes=at), "route": route, "n": n, "visible": 1, **counts}


def caller(at: int, route: str | None, cause: str, ip: str) -> dict[str, Any]:
    row = {"minute": START + timedelta(minutes=at), "route": route, "reject_cause": cause, "client_ip": ip, "n": 1}
    return {**dict.fromkeys(CLIENTS.names), **PLACE, **row}


def block(minutes: list[dict[str, Any]], clients: list[dict[str, Any]], length: int = 10) -> Block:
    first = int(START.timestamp() // 60)
    tables = pa.Table.from_pylist(minutes, schema=MINUTES), pa.Table.from_pylist(clients, schema=CLIENTS)
    return frames_of(*tables, COVERAGE.empty_table(), first, first + length)


def causes(told: pd.DataFrame) -> dict[str, str]:
    return dict(zip(told["client_ip"], told["reject_cause"], strict=True))


def test_what_never_answered_is_not_there() -> None:
    made = block(
        [minute(0, "GET /pets", s2xx=5), minute(1, "GET /pets", c_unknown=2), minute(1, "GET /", c_unknown=3)],
        [caller(1, "GET /pets", "unknown", "192.0.2.1"), caller(1, "GET /", "unknown", "192.0.2.2")],
    )
    told = decide(made, None)
    assert causes(told.clients) == {"192.0.2.1": "unknown", "192.0.2.2": "path_probing"}
    assert told.more["c_unknown"][0, 1] == -3
    assert told.more["c_path_probing"][0, 1] == 3


def test_a_route_is_there_from_its_first_answer_on_and_that_is_remembered() -> None:
    one = block(
        [minute(2, None, c_not_found=1), minute(5, None, s3xx=1), minute(6, None, c_not_found=1)],
        [caller(2, None, "not_found", "192.0.2.1"), caller(6, None, "not_found", "192.0.2.2")],
    )
    told = decide(one, None)
    assert causes(told.clients) == {"192.0.2.1": "path_probing", "192.0.2.2": "not_found"}
    later = block([minute(21, None, c_not_found=1)], [caller(21, None, "not_found", "192.0.2.3")], length=30)
    assert causes(decide(later, told.dump()).clients) == {"192.0.2.3": "not_found"}


def test_reasons_that_are_no_doubt_stay() -> None:
    made = block([minute(1, "GET /", c_bad_signature=1)], [caller(1, "GET /", "bad_signature", "192.0.2.1")])
    told = decide(made, None)
    assert causes(told.clients) == {"192.0.2.1": "bad_signature"}
    assert not told.more["c_path_probing"].any()
