"""The golden lines: each log under sample_logs/ with the expected reading beside it.

A log named as a format is read with that format; the others are read by inference. A line of expected readings: line
(from 1; glued records share one), outcome, reason, and the variables that are not absent.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatewatch.resources import resource
from ingest.formats.infer import choose
from ingest.formats.model import FORMATS
from ingest.slow import EMPTY, REASONS
from tests.ingest.lines import read_lines

LOGS = sorted(resource("sample_logs").rglob("*.expected.json"))
SAMPLES = {path.name.removesuffix(".expected.json"): path for path in LOGS}


def readings(path: Path, *, by_name: bool) -> list[dict[str, object]]:
    name = path.name.removesuffix(".expected.json")
    lines = path.with_name(f"{name}.log").read_bytes().decode().removesuffix("\n").split("\n")
    formats = choose(lines, name if by_name and name in FORMATS else None, ())
    found: list[dict[str, object]] = []
    for number, line in enumerate(lines, 1):
        for read in read_lines(formats, line):
            entry: dict[str, object] = {"line": number}
            if read.reason is None:
                entry["outcome"] = "accepted"
                entry["variables"] = {
                    name: value for name, value in read.variables.items() if value not in (None, "", "-")
                }
            elif read.reason == "blank":
                entry["outcome"] = "blank"
            elif read.reason in EMPTY:
                entry |= {"outcome": "blank", "reason": read.reason}
            else:
                assert read.reason in REASONS
                entry |= {"outcome": "rejected", "reason": read.reason}
            found.append(entry)
    return found


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_sample_line_is_read_as_expected(name: str) -> None:
    assert readings(SAMPLES[name], by_name=True) == json.loads(SAMPLES[name].read_text())


@pytest.mark.parametrize("name", sorted(set(SAMPLES) & set(FORMATS)))
def test_inference_reads_the_same_lines_as_the_named_format(name: str) -> None:
    accepted = [entry for entry in json.loads(SAMPLES[name].read_text()) if entry["outcome"] == "accepted"]
    assert [entry for entry in readings(SAMPLES[name], by_name=False) if entry["outcome"] == "accepted"] == accepted


def test_every_named_format_has_samples_with_good_and_broken_lines() -> None:
    assert set(FORMATS) <= set(SAMPLES)
    for path in SAMPLES.values():
        outcomes = {entry["outcome"] for entry in json.loads(path.read_text())}
        assert "accepted" in outcomes, path
        assert path.parent.name == "inferred" or "rejected" in outcomes, path
