"""The engine's passes and the row-by-row reference give the same rows, whatever stands in the lines."""

import json
from datetime import datetime
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.frames import REQUESTS
from ingest.block import Block, block_of
from ingest.canonical import canonical_row, reason
from ingest.engine import Engine
from ingest.formats.model import Format
from ingest.outcome import Chosen
from tests.ingest.lines import a_line

KEY = b"test"
NAMES = [name for name in REQUESTS.names if name not in {"source", "batch"}]
BIG = Format(
    "big",
    "json",
    {
        name: (f'$."{name}"',)
        for name in (
            "requestTimeEpoch apiId stage httpMethod resourcePath routeKey status responseLatency requestId "
            "extendedRequestId integration.latency integration.status integration.integrationStatus "
            "authorizer.latency authorizer.status authorizer.error authorize.status authenticate.status waf.status "
            "error.responseType error.message identity.sourceIp identity.apiKeyId identity.userAgent "
            "identity.userArn authorizer.principalId path"
        ).split()
    },
)
STATUS = st.sampled_from(["-", "200", "302", "400", "401", "403", "404", "429", "500", "502", "503", "504"])
PHASE = st.sampled_from([None, "-", "200", "401", "403", "429", "500", "504"])
LATENCY = st.sampled_from(["-", "0", "5", "9999", "10000", "27999", "28000", "28999", "29000", "29001.5", "x"])
TYPES = st.sampled_from(
    "- UNAUTHORIZED ACCESS_DENIED EXPIRED_TOKEN INVALID_SIGNATURE INVALID_API_KEY MISSING_AUTHENTICATION_TOKEN "
    "THROTTLED QUOTA_EXCEEDED AUTHORIZER_FAILURE AUTHORIZER_CONFIGURATION_ERROR INTEGRATION_TIMEOUT "
    "INTEGRATION_FAILURE API_CONFIGURATION_ERROR BAD_REQUEST_BODY WAF_FILTERED RESOURCE_NOT_FOUND DEFAULT_5XX "
    "new_word".split()
)
MESSAGES = st.sampled_from(
    [
        "-",
        "Forbidden",
        "Unauthorized",
        "The incoming token has expired",
        "Too Many Requests",
        "Limit Exceeded",
        "User: anonymous is not authorized to perform: execute-api:Invoke",
        "User is not authorized to access this resource with an explicit deny",
        "Endpoint request timed out",
        "scope is missing",
    ]
)
WORD = st.one_of(st.none(), st.just("-"), st.text(max_size=6))
LINES = st.fixed_dictionaries(
    {
        "requestTimeEpoch": st.sampled_from(["1781006400123", "1781006400", "-", "x", "99999999999999"]),
        "apiId": WORD,
        "stage": WORD,
        "httpMethod": st.sampled_from(["GET", "-", None]),
        "resourcePath": st.sampled_from(["/pets/{id}", "/", "/{proxy+}", "-", None]),
        "routeKey": st.sampled_from(["GET /pets", "$default", "-", None]),
        "status": STATUS,
        "responseLatency": LATENCY,
        "requestId": st.sampled_from(["3f1c0e0a-8f0b-4c58-9d1e-5a1f3f6f2b11", "GQIVriFLIAMEMsA=", "-", None]),
        "extendedRequestId": WORD,
        "integration.latency": LATENCY,
        "integration.status": PHASE,
        "integration.integrationStatus": PHASE,
        "authorizer.latency": LATENCY,
        "authorizer.status": PHASE,
        "authorizer.error": MESSAGES,
        "authorize.status": PHASE,
        "authenticate.status": PHASE,
        "waf.status": PHASE,
        "error.responseType": TYPES,
        "error.message": MESSAGES,
        "identity.sourceIp": st.sampled_from(["192.0.2.1", "-", "x"]),
        "identity.apiKeyId": WORD,
        "identity.userAgent": st.one_of(WORD, st.just("token=abc&x=eyJhbGciOiJIUzI1NiJ9.e30.abc")),
        "identity.userArn": WORD,
        "authorizer.principalId": WORD,
        "path": st.sampled_from(["/prod/pets/12?access_token=s3cret", "/pets", "-", None]),
    }
)


def plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    return round(value, 3) if isinstance(value, float) else value


@settings(max_examples=30, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=25))
def test_the_engine_and_the_reference_give_the_same_rows(lines: list[dict[str, str | None]]) -> None:
    engine = Engine(NAMES, KEY)
    try:
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        with patch("ingest.engine.choose", return_value=[BIG]):
            reading = engine.read(block_of([("a", 1, 0, text)]), Chosen())
    finally:
        engine.close()
    accepted = {row["rn"]: row for row in reading.accepted.to_pylist()}
    assert set(accepted) | set(reading.rejected) | set(reading.blank) == set(range(len(lines)))
    for number, line in enumerate(lines):
        why = reason(line)
        if why is not None:
            assert reading.rejected[number] == why
            continue
        expected = canonical_row(line, {}, KEY.hex())
        for name in NAMES:
            assert plain(name, accepted[number][name]) == pytest.approx(plain(name, expected[name])), name


def test_lean_and_full_reading_agree_on_what_a_rollup_needs() -> None:
    from ingest.rollup import ROLLUP_COLUMNS, roll

    statuses = [200, 401, 403, 429, 500, 200]
    text = "".join(a_line(number, status=statuses[number % 6]) + "\n" for number in range(200)).encode()
    tables = []
    for engine in (Engine(ROLLUP_COLUMNS, KEY, lean=True), Engine(NAMES, KEY)):
        reading = engine.read(block_of([("a", 1, 0, text)]), Chosen())
        rolled = roll(reading.accepted, engine.connection)
        order = [(key, "ascending") for key in ("minute", "route")]
        tables.append(
            (
                rolled.minutes.sort_by(order),
                rolled.clients.sort_by(
                    [("minute", "ascending"), ("client_ip", "ascending"), ("reject_cause", "ascending")]
                ),
            )
        )
        engine.close()
    lean, full = tables
    assert lean[0].drop_columns("visible").equals(full[0].drop_columns("visible"))
    assert lean[1].equals(full[1])


def test_combinations_are_the_same_by_sql_and_by_row() -> None:
    lines = [
        a_line(status=status, resourcePath=resource, errorType=kind, path="/prod/pets/12")
        for status in (200, 403, 429, 504)
        for resource in ("/pets/{id}", "-")
        for kind in ("-", "ACCESS_DENIED", "THROTTLED")
    ]
    tables = []
    for most in (0, len(lines)):
        engine = Engine(NAMES, KEY)
        with patch("ingest.runner._BY_ROW", most):
            tables.append(engine.read(of_lines(lines), Chosen()).accepted.sort_by("rn").to_pylist())
        engine.close()
    assert tables[0] == tables[1]


def test_a_secret_or_a_malformed_line_in_a_later_block_is_read_with_care_from_then_on() -> None:
    engine = Engine(NAMES, KEY)
    clean, secret = a_line(), a_line(userAgent="curl Bearer abcdefghijklmnopqrstuvwx")
    broken = a_line().replace('"GET"', '"GE"T"')
    unended = a_line()[:-1]  # it has as many quotes as the others
    for lines in ([clean], [clean, secret], [clean, broken, clean], [clean, clean, unended, secret]):
        accepted = engine.read(of_lines(lines), Chosen()).accepted
        shown = accepted.sort_by("rn").column("user_agent").to_pylist()
        whole = [line for line in lines if line is not unended]
        assert [agent.startswith("curl redacted:") for agent in shown] == [line == secret for line in whole]
    engine.close()


def of_lines(lines: list[str]) -> Block:
    return block_of([("a", 1, 0, "".join(line + "\n" for line in lines).encode())])
