"""Keys and records that a client writes into its user agent: with the template known it says what is true, without it
such a line is rejected as ambiguous; never is the client believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.block import block_of
from ingest.engine import Engine
from ingest.formats.template import compile_template, stage_formats
from ingest.outcome import Chosen
from ingest.parse import FIELDS, parse_paths
from ingest.repeats import repeating
from ingest.slow import read_line
from tests.ingest.lines import a_line

MIDDLE = (
    '{"requestId":"$context.requestId","requestTimeEpoch":"$context.requestTimeEpoch","ua":"$context.identity.userAgent",'
    '"status":"$context.status","ip":"$context.identity.sourceIp","route":"$context.routeKey","stage":"prod"}'
)
LAST = (
    '{"requestId":"$context.requestId","requestTimeEpoch":"$context.requestTimeEpoch","status":"$context.status",'
    '"ip":"$context.identity.sourceIp","route":"$context.routeKey","ua":"$context.identity.userAgent"}'
)
NESTED = (
    '{"id":"$context.requestId","requestTimeEpoch":"$context.requestTimeEpoch","http":{"ua":"$context.identity.userAgent",'
    '"status":"$context.status","route":"$context.routeKey"},"ip":"$context.identity.sourceIp"}'
)

FORGERIES = {
    "a key before the real one": 'x","status":"200","q":"',
    "all keys": 'x","status":"200","ip":"198.51.100.9","route":"GET /ok","q":"',
    "a second record": (
        'x"}{"requestId":"f","requestTimeEpoch":"1781006400000","status":"200","ip":"198.51.100.9","ua":"y'
    ),
    "a second record with all keys": (
        'x","status":"200","ip":"198.51.100.9","route":"GET /ok","stage":"prod"}'
        '{"requestId":"f","requestTimeEpoch":"1781006400000","ua":"y'
    ),
    "a second record, and the agent last": (
        'x"}{"requestId":"f","requestTimeEpoch":"1781006400000","status":"200","ip":"198.51.100.9",'
        '"route":"GET /ok","ua":"y'
    ),
    "broken quotes and a key": 'x" y","status":"200","q":"',
    "an object closed around": 'x","status":"200"},"http":{"q":"',
    "an object closed around, and more keys": 'x","status":"200","y":1},"q":{"z":"',
    "a backslash at the end": "x\\",
    "an array": 'x","q":["status","200"],"z":"',
    "only quotes": 'say "hi"',
    "braces": "}{ {}",
}
TRUE = {"status": 401, "client_ip": "192.0.2.1", "route": "GET /private"}


def render(template: str, number: int, agent: str, status: str = "401") -> str:
    values = {
        "$context.requestId": f"00000000-0000-4000-8000-{number:012d}",
        "$context.requestTimeEpoch": str(1781006400000 + number),
        "$context.identity.userAgent": agent,
        "$context.status": status,
        "$context.identity.sourceIp": "192.0.2.1",
        "$context.routeKey": "GET /private",
    }
    for name, value in values.items():
        template = template.replace(f'"{name}"', f'"{value}"')
    return template


def parsed(folder: Path, text: str, **how: object) -> list[dict[str, object]]:
    (folder / "a.log").write_text(text)
    rows = parse_paths([str(folder)], guessed=lambda _: None, failed=lambda _: None, **how)  # type: ignore[arg-type]
    return [dict(row) for row in rows]


def an_inventory(template: str) -> dict[str, object]:
    stage = {"stageName": "prod", "accessLogSettings": {"format": template}}
    return {"accountId": "123456789012", "region": "eu-west-1", "httpApis": [{"apiId": "h1", "stages": [stage]}]}


def believed(row: Mapping[str, object]) -> bool:
    """Whether something of the forgery was taken for true."""
    return row["outcome"] == "accepted" and any(row[name] != value for name, value in TRUE.items())


@pytest.mark.parametrize("agent", FORGERIES.values(), ids=FORGERIES)
@pytest.mark.parametrize("template", [MIDDLE, LAST, NESTED], ids=["middle", "last", "nested"])
@pytest.mark.parametrize("way", ["--log-format", "--inventory", "neither"])
def test_nothing_forged_is_believed(tmp_path: Path, template: str, agent: str, way: str) -> None:
    clean = [render(template, number, "curl/8.0") for number in range(100)]
    forged = [render(template, number, agent) for number in range(100, 110)]
    text = "".join(line + "\n" for line in [*clean[:50], *forged, *clean[50:]])
    ways: dict[str, dict[str, object]] = {
        "neither": {},
        "--log-format": {"log_format": template},
        "--inventory": {"inventory": an_inventory(template)},
    }
    how = ways[way]
    rows = parsed(tmp_path, text, **how)
    assert [row["line"] for row in rows] == sorted(range(1, 111))
    good = [row for row in rows if not 50 < int(str(row["line"])) <= 60]
    assert all(row["outcome"] == "accepted" and not believed(row) for row in good)
    for row in rows:
        assert not believed(row), row
        assert row["outcome"] == "accepted" or row["reason"] in {"ambiguous", "trailing_text", "no_format"}, row
    bad = [row for row in rows if row["outcome"] == "rejected"]
    whole = {LAST: "a second record, and the agent last", MIDDLE: "a second record with all keys"}.get(template)
    if way != "neither" and whole is not None and agent == FORGERIES[whole]:
        assert [row["reason"] for row in bad] == ["ambiguous"] * 10  # two whole records: nothing tells
    elif way != "neither":
        assert bad == []
    if agent in (FORGERIES["a key before the real one"], FORGERIES["all keys"]) and way == "neither":
        assert [row["reason"] for row in bad] == ["ambiguous"] * 10


@pytest.mark.parametrize("template", [MIDDLE, LAST, NESTED], ids=["middle", "last", "nested"])
def test_two_values_that_a_client_chooses_are_told_apart_or_not_believed(tmp_path: Path, template: str) -> None:
    both = template.replace('"GET /private"', "").replace("$context.routeKey", "$context.path")
    agent, path = 'x","status":"200","route":"/ok', '/z","status":"302'
    lines = [render(both, number, "curl").replace("$context.path", "/private") for number in range(80)]
    lines += [render(both, number, agent).replace("$context.path", path) for number in range(80, 90)]
    for how in ({}, {"log_format": both}):
        for row in parsed(tmp_path, "".join(line + "\n" for line in lines), **how):
            assert row["outcome"] == "accepted" or row["reason"] == "ambiguous"
            assert row["outcome"] == "rejected" or row["status"] == 401


def test_glued_records_are_still_taken_apart_where_they_are_the_rule(tmp_path: Path) -> None:
    records = [render(LAST, number, "curl") for number in range(60)]
    for how in ({}, {"log_format": LAST}):
        assert [row["outcome"] for row in parsed(tmp_path, "".join(records), **how)] == ["accepted"] * 60
        pairs = "".join(records[place] + records[place + 1] + "\n" for place in range(0, 60, 2))
        assert [row["outcome"] for row in parsed(tmp_path, pairs, **how)] == ["accepted"] * 60


def test_a_key_that_comes_twice_in_another_object_is_none_that_comes_twice(tmp_path: Path) -> None:
    template = NESTED.replace('"ip"', '"status"', 1)
    lines = [render(template, number, "curl") for number in range(5)]
    rows = parsed(tmp_path, "".join(line + "\n" for line in lines), log_format=template)
    assert [row["outcome"] for row in rows] == ["accepted"] * 5


def test_escaped_quotes_and_optional_keys_are_no_forgery(tmp_path: Path) -> None:
    lines = [a_line(number, userAgent='say \\"hi\\"' if number % 3 else "curl") for number in range(90)]
    lines += [a_line(number)[:-1] + f', "optional{number % 4}": "x"}}' for number in range(90, 200)]
    rows = parsed(tmp_path, "".join(line + "\n" for line in lines))
    assert [row["outcome"] for row in rows] == ["accepted"] * 200


_PIECES = st.sampled_from(
    ['"', "\\", "{", "}", ",", ":", '","status":"', "200", '"}', '{"requestId":"', "x", '":"', " "]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(_PIECES, max_size=12).map("".join), min_size=1, max_size=12), st.sampled_from([MIDDLE, NESTED])
)
def test_with_the_template_no_user_agent_changes_a_status(agents: list[str], template: str) -> None:
    lines = [render(template, number, "curl") for number in range(30)]
    lines += [render(template, number, agent) for number, agent in enumerate(agents, 30)]
    engine = _engine()
    block = block_of([("x", 1, 0, "".join(line + "\n" for line in lines).encode())])
    reading = engine.read(block, Chosen(stages=tuple(stage_formats(an_inventory(template)))))
    assert set(reading.accepted.column("status").to_pylist()) == {401}
    assert set(reading.accepted.column("client_ip").to_pylist()) == {"192.0.2.1"}
    assert not reading.split_from
    found = compile_template(template, name="t")
    for agent, line in zip(agents, lines[30:], strict=True):
        read = read_line([found], line)
        if read.reason is None and read.rest is None:
            assert read.variables["status"] == "401", agent


_engines: list[Engine] = []


def _engine() -> Engine:
    if not _engines:
        _engines.append(Engine(FIELDS, b"k"))
    return _engines[0]


def test_only_lines_with_more_quotes_than_others_are_looked_at_but_no_repetition_gets_by() -> None:
    found = compile_template(MIDDLE, name="t")
    clean = [render(MIDDLE, number, "curl") for number in range(500)]
    forged = render(MIDDLE, 500, FORGERIES["a key before the real one"])
    many = render(MIDDLE, 501, 'x","q":"' * 64 + 'x","status":"200')  # 256 quotes more
    for lines, expected in (
        (clean, []),
        ([*clean[:7], forged, *clean[7:], many], [7, 501]),
        ([forged, many], [0, 1]),
        ([forged] * 600 + clean[:1], list(range(600))),
    ):
        block = block_of([("x", 1, 0, "".join(line + "\n" for line in lines).encode())])
        assert repeating(block, np.arange(len(block)), found, [], _engine().connection).tolist() == expected
