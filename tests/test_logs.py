"""Our own log: one record, one line, and no secret in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from gatewatch.logs import set_up_logging
from tests.alerts.hostile import HOSTILE

log = logging.getLogger("test.hostile")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def written(form: str, value: str) -> str:
    out = io.StringIO()
    set_up_logging(logging.INFO, form, out)
    log.info("a path was seen", extra={"path": value, "level": value})
    log.warning("%s", value)
    try:
        raise ValueError(value)
    except ValueError:
        log.exception("it failed", extra={"path": value})
    return out.getvalue()


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:30])
def test_no_record_ends_its_line_or_forges_another(value: str) -> None:
    text = written("text", value)
    assert text.isprintable() or text.replace("\n", "").isprintable()
    begins = [line for line in text.splitlines() if not line.startswith("    | ")]
    assert len(begins) == 3
    assert [line.split(" ")[1] for line in begins] == ["INFO", "WARNING", "ERROR"]
    assert all(line.split(" ")[0].startswith("20") for line in begins)
    assert max(map(len, text.splitlines())) < 10_000


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:30])
def test_json_lines_are_printable_ascii_and_each_is_one_object(value: str) -> None:
    text = written("json", value)
    lines = text.splitlines()
    assert len(lines) == 3
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    rows = [json.loads(line) for line in lines]
    assert [row["level"] for row in rows] == ["INFO", "WARNING", "ERROR"]
    assert "ValueError" in rows[2]["trace"]


def test_what_is_said_beside_the_message_is_written() -> None:
    out = io.StringIO()
    set_up_logging(logging.INFO, "text", out)
    log.info("evaluated", extra={"result": "3 new", "n": 7, "who": 'a="b'})
    log.debug("not wanted")
    assert out.getvalue().endswith(' INFO test.hostile: evaluated result="3 new" n=7 who="a="b"\n')
