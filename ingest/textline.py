"""Reads one line of text with a format's pattern, exactly as DuckDB does on blocks."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from ingest.formats.model import Anchored, Format

_SHORT = 2048
"""Up to here Python's engine is used, which is faster; beyond it RE2, which stays linear on hostile text."""

_compiled: dict[str, re.Pattern[str]] = {}


def match_text(found: Format, line: str) -> dict[str, str | None] | None:
    """The variables of a line, None for groups that took part in nothing; None when the line is not of this format."""
    pattern = found.pattern
    if pattern is None:
        return None
    if len(line) > _SHORT:
        groups = _linear(pattern, line)
        if groups is None:
            return None
        return {variable: _value(found, variable, groups.get(places[0])) for variable, places in found.fields.items()}
    expression = _compiled.get(pattern)
    if expression is None:
        if len(_compiled) > 512:
            _compiled.clear()
        expression = _compiled[pattern] = re.compile(pattern, re.ASCII)
    match = expression.fullmatch(line)
    if match is None:
        return None
    return {variable: _value(found, variable, match[places[0]]) for variable, places in found.fields.items()}


def _value(found: Format, variable: str, text: str | None) -> str | None:
    if text and variable in found.quoted and text[0] == text[-1] == '"' and len(text) > 1:
        text = text[1:-1].replace('""', '"')
    return text or None


def match_anchored(found: Anchored, line: str) -> dict[str, str | None] | bool | None:
    """The variables of a line that a JSON template gave, as they stand there; None when it is of another template.

    True: the line can be read in more than one way. It is read with each client's value as short, and as long, as can
    be: when both say the same there is no third way.
    """
    short, long = _linear(found.pattern, line), _linear(found.pattern.replace(".*?", ".*"), line)
    if short is None or long is None:
        return None
    if short != long:
        return True
    return {**{variable: short[group] or None for variable, group in found.fields.items()}, **found.fixed}


def match_inside(pattern: str, value: str) -> str | None:
    """Group 1 of a pattern of Format.inside."""
    if len(value) > _SHORT:
        named = _linear(pattern.replace("(?:", "\0").replace("(", "(?P<v>", 1).replace("\0", "(?:"), value)
        return named["v"] if named else None
    match = re.match(pattern, value, re.ASCII)
    return match[1] if match else None


def _linear(pattern: str, line: str) -> dict[str, str] | None:
    groups: dict[str, str] | None = pc.extract_regex(pa.array([line]), pattern)[0].as_py()
    return groups
