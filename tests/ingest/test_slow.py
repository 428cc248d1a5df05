from __future__ import annotations

import json
import time
from dataclasses import replace

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.infer import infer
from ingest.formats.model import FORMATS, Format
from ingest.slow import REASONS, read_line
from tests.ingest.lines import read_lines
from tests.ingest.test_sample_logs import SAMPLES

GOOD = '{"ts":"1781008496000","id":"i","in":{"status":"200","latency":12},"ip":"203.0.113.7","status":"403","ua":"%s"}'
FORMAT = Format(
    "t",
    "json",
    {
        "requestTimeEpoch": ('$."ts"',),
        "integration.latency": ('$."in"."latency"',),
        "status": ('$."status"',),
        "identity.userAgent": ('$."ua"',),
    },
)
QUERY = "SELECT json_extract_string(try_cast(? AS JSON), ?)"


def test_a_key_that_comes_twice_is_not_believed_also_in_broken_lines() -> None:
    for agent in ('x","status":"200', 'say "hi"","status":"200', 'x"}","status":"200","in":{"latency":"1'):
        assert read_line([FORMAT], GOOD % agent).reason == "ambiguous"


@pytest.mark.parametrize("agent", ['"', '""', 'a "b" c', "a\\", "\\x", 'a", b', "tab\tand\x01", '{"', '"}', '"}}{'])
def test_unescaped_quotes_and_backslashes_stay_in_the_value(agent: str) -> None:
    found = read_line([FORMAT], GOOD % agent)
    assert found.variables["identity.userAgent"] == agent
    assert found.variables["integration.latency"] == "12"


def test_a_message_that_brings_its_own_quotes_loses_them() -> None:
    assert read_line([FORMAT], GOOD % '"Forbidden"').variables["identity.userAgent"] == "Forbidden"


def test_numbers_keep_their_digits() -> None:
    line = '{"ts":1781008496000,"status":200,"in":{"latency":0.1000000000000000055511151231257827},"ua":null}'
    found = read_line([FORMAT], line).variables
    assert (found["requestTimeEpoch"], found["status"], found["identity.userAgent"]) == ("1781008496000", "200", None)


def test_a_number_of_five_thousand_digits_is_no_error() -> None:
    line = '{"ts":1781008496000,"status":%s}' % ("9" * 5000)
    assert read_line([FORMAT], line).variables["status"] == "9" * 5000


def test_glued_records_come_one_by_one_also_behind_a_broken_one() -> None:
    found = list(read_lines([FORMAT], GOOD % 'a "b" c' + GOOD % "-" + " " + GOOD % "d"))
    assert [one.variables["identity.userAgent"] for one in found] == ['a "b" c', "-", "d"]


@pytest.mark.parametrize(
    "agent",
    [
        *('"' * 100_000, "\\" * 100_001, ',"a":' * 20_000, "{" * 100_000, ", " * 100_000, '":' + " " * 100_000),
        *('"' + " " * 100_000, '":' * 50_000, '"}' * 50_000, '{"a":' * 20_000, '" 200 12 "' * 10_000),
    ],
)
def test_hostile_text_takes_no_time(agent: str) -> None:
    formats = [FORMAT, *(found for found in FORMATS.values() if found.family == "text")]
    begin = time.process_time()
    read_line(formats, GOOD % agent)
    read_line(formats, f'203.0.113.7 - - [09/Jun/2026:12:34:56 +0000] "GET / HTTP/1.1" 200 5 "-" "{agent}')
    infer([GOOD % agent])
    assert time.process_time() - begin < 2


@given(st.text(max_size=300))
def test_any_text_is_read_or_rejected_with_a_known_reason(text: str) -> None:
    for formats in ([], [FORMAT], [FORMAT, *FORMATS.values()]):
        for read in read_lines(formats, text):
            assert (read.reason is None) == (read.format is not None)
            assert read.reason is None or read.reason in REASONS


KEYS = st.sampled_from(["ts", "status", "ua", "in", "latency", "other"])
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | PLAIN
TREES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["ts", "status", "ua", "other"], LEAVES),
        "in": st.dictionaries(KEYS, LEAVES, max_size=3),
    },
)


@given(TREES)
def test_the_line_reader_reads_what_duckdb_reads(tree: dict[str, object]) -> None:
    text = json.dumps(tree)
    paths = [path for (path,) in FORMAT.fields.values()]
    (values,) = duckdb.execute(QUERY, [text, paths]).fetchone() or ([],)
    read = read_line([FORMAT], text)
    if read.reason is None:
        assert list(read.variables.values()) == values
    else:
        assert values[0] is None or values[2] is None


TEXTS = sorted(name for name, found in FORMATS.items() if found.family == "text")


@pytest.mark.parametrize("name", TEXTS)
def test_duckdb_reads_a_text_format_as_the_line_reader_does(name: str) -> None:
    found = replace(FORMATS[name], relaxed=None)
    lines = [
        text for path in SAMPLES.values() for text in path.with_name(f"{path.name[:-14]}.log").read_text().split("\n")
    ]
    for text in lines:
        row = duckdb.execute("SELECT regexp_extract(?, ?, ?)", [text, found.pattern, list(found.groups)]).fetchone()
        assert row is not None
        read = read_line([found], text)
        if read.reason is None:
            values = {variable: row[0][group] or None for variable, (group,) in found.fields.items()}
            assert values == read.variables
        else:
            assert not any(row[0].values())


def test_how_deep_is_too_deep_depends_on_nothing_but_the_line() -> None:
    for depth, reason in ((500, None), (513, "too_deep"), (100_000, "too_deep")):
        for left, right in (("[", "]"), ('{"a":', "}")):
            line = GOOD.replace('"ua":"%s"', f'"deep":{left * depth}1{right * depth}')
            assert read_line([FORMAT], line).reason == reason, depth
    assert read_line([FORMAT], GOOD % ("{" * 2000 + "[")).reason is None
