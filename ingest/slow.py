"""The slow reader: one line at a time, for the lines that the engine's passes could not read.

It knows what API Gateway does to lines: values are pasted into the template as they are, so absent ones stand bare
(`"latency": -`), and a quote in a user agent breaks the JSON. Reasons are stable words, see REASONS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from json import JSONDecodeError

from ingest.formats.infer import relaxed
from ingest.formats.model import Format
from ingest.formats.shapes import csv_header
from ingest.jsonline import Path, Tree, as_text, at_path, decode, mended, moved, parse_path, repeats
from ingest.prefixes import is_head, taken_off
from ingest.textline import match_anchored, match_inside, match_text

REASONS: Mapping[str, str] = {
    "ambiguous": "JSON that can be read in more than one way: somebody wrote keys into a value",
    "blank": "nothing but white space",
    "comment": "a line that begins with #",
    "csv_header": "the header row of a CSV file",
    "no_format": "readable, but not a line of any known access-log format",
    "not_json": "JSON was expected, and this is none",
    "not_object": "JSON, but no object",
    "too_deep": "JSON that is nested too deeply",
    "trailing_text": "text behind the JSON object",
    "truncated": "the line ends in the middle of a JSON object",
}

EMPTY = frozenset({"blank", "comment", "csv_header"})
"""Reasons of lines that say nothing about a request: they count as blank, not as rejected."""

_TIMES = ("requestTimeEpoch", "requestTime", "x.time")
_SPACE = " \t\r\n\f\v\0\ufeff"
_MAX_KEYS = 400


@dataclass(frozen=True, slots=True)
class SlowLine:
    """What a line says. reason None: it was read with `format`. rest: further records that were glued behind it."""

    format: Format | None
    variables: dict[str, str | None] = field(default_factory=dict)
    reason: str | None = None
    rest: str | None = None


def read_line(formats: Sequence[Format], line: str) -> SlowLine:
    """Read the first record of a line with the first of `formats` that fits."""
    text = line.strip(_SPACE)
    if not text:
        return SlowLine(None, reason="blank")
    if text[0] in "{[":
        found = _read_json(formats, text)
        if found.reason is None:
            return found
        return _read_text(formats, text) or found
    if (read := _read_text(formats, text)) is not None:
        return read
    if text[0] == "#":
        return SlowLine(None, reason="comment")
    if csv_header(text) is not None or is_head(text):
        return SlowLine(None, reason="csv_header")
    if (prefixed := taken_off(text)) is not None:
        found = read_line(formats, prefixed[0])
        if found.reason is None:
            return replace(found, variables={**found.variables, "x.event_time": prefixed[1]})
    only_json = bool(formats) and all(found.family == "json" for found in formats)
    return SlowLine(None, reason="not_json" if only_json else "no_format")


def _read_text(formats: Sequence[Format], text: str) -> SlowLine | None:
    several = [found for found in formats if found.family == "text"]
    for found in [*several, *(relaxed(found) for found in several if found.relaxed is not None)]:
        if (variables := match_text(found, text)) is not None:
            return SlowLine(found, variables)
    return None


def _read_json(formats: Sequence[Format], text: str) -> SlowLine:
    found: SlowLine | None = None
    cut_off = text[-1] not in "}]"
    for attempt in dict.fromkeys((text, mended(text))):
        try:
            found = _read_strictly(formats, attempt)
        except RecursionError:
            return SlowLine(None, reason="too_deep")
        except JSONDecodeError as error:
            cut_off = cut_off or error.pos >= len(attempt)
            continue
        if found.reason in {"ambiguous", "no_format"} and found.rest is None:
            return _anchored(formats, text) or found
        if found.reason is None or (found.rest is None and found.reason != "trailing_text"):
            return found
        break  # the object ended too early: a user agent may have closed it
    if (anchored := _anchored(formats, text)) is not None:
        return anchored
    if cut_off:
        return found or SlowLine(None, reason="truncated")
    record, rest = _first_record(text)
    tree, doubtful = _scan(record)
    if found is not None and found.reason == "trailing_text" and not _says_more(tree, text):
        return found
    if doubtful:
        return SlowLine(None, reason="ambiguous", rest=rest)
    for plan in [_plan(one) for one in formats if one.family == "json"]:
        variables = plan.read(tree)
        if variables is not None:
            return SlowLine(plan.format, variables, rest=rest)
    return found or SlowLine(None, reason="not_json", rest=rest)


def _anchored(formats: Sequence[Format], text: str) -> SlowLine | None:
    """The whole line by the template that it is of; None when no template is known, or it is of none of them."""
    for found in formats:
        if found.anchored is None or (read := match_anchored(found.anchored, text)) is None:
            continue
        if read is True:
            return SlowLine(None, reason="ambiguous")
        assert isinstance(read, dict)
        return SlowLine(found, {variable: value and _unescaped(value) for variable, value in read.items()})
    return None


def read_alone(formats: Sequence[Format], line: str, records: Sequence[bytes]) -> SlowLine:
    """A line that reads as several glued records in a file that has one a line: somebody may have written the others.

    records: these. The template tells, unless each of them is whole; without a template nothing does.
    """
    known = [found for found in formats if found.anchored is not None]
    pieces = [record.decode("utf-8", "replace") for record in records]
    if all(_anchored(known, piece) is not None for piece in pieces):
        return SlowLine(None, reason="ambiguous")
    return _anchored(known, line.strip(_SPACE)) or SlowLine(None, reason="ambiguous")


def _says_more(tree: Tree, text: str) -> bool:
    """Whether a quote in a value ended the first object early: a quote or further keys stand behind its end."""
    if text.endswith('"}'):
        return True
    first, _ = decode(mended(text))
    return isinstance(tree, dict) and isinstance(first, dict) and len(tree) > len(first)


def _read_strictly(formats: Sequence[Format], text: str) -> SlowLine:
    """The JSON value that `text` begins with; raises as `decode` does."""
    tree, end = decode(text)
    rest = text[end:].lstrip(_SPACE + ",") or None
    if rest is not None and rest[0] not in "{[":
        return SlowLine(None, reason="trailing_text")
    if isinstance(tree, dict) and repeats(text):  # no template has a key twice
        return SlowLine(None, reason="ambiguous", rest=rest)
    if isinstance(tree, dict | list):
        for found in formats:
            if found.family == "json" and (variables := _plan(found).read(tree)) is not None:
                if moved(tree, _paths(found, formats)):
                    return SlowLine(None, reason="ambiguous", rest=rest)
                return SlowLine(found, variables, rest=rest)
    return SlowLine(None, reason="no_format" if isinstance(tree, dict) else "not_object", rest=rest)


def _paths(found: Format, formats: Sequence[Format]) -> frozenset[Path]:
    """Where the variables of a format stand, and those of formats that have all of its keys and more."""
    mine = _plan(found).paths
    others = (_plan(other).paths for other in formats if other.family == "json")
    return mine.union(*(theirs for theirs in others if theirs > mine))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A JSON format, with its paths taken apart once."""

    format: Format
    places: tuple[tuple[str, tuple[Path, ...], str | None], ...]
    needs: tuple[Path, ...]
    times: tuple[str, ...]

    @property
    def paths(self) -> frozenset[Path]:
        return frozenset(path for _, several, _ in self.places for path in several)

    def read(self, tree: Tree) -> dict[str, str | None] | None:
        """The variables; None when the object is not of this format."""
        for path in self.needs:
            if at_path(tree, path) is None:
                return None
        variables: dict[str, str | None] = {}
        for variable, paths, inside in self.places:
            value = None
            for path in paths:
                value = as_text(at_path(tree, path))
                if value is not None:
                    break
            if inside is not None and value is not None:
                value = match_inside(inside, value)
            variables[variable] = value
        if not self.needs:
            timed = not self.times or any(variables[name] is not None for name in self.times)
            if not timed or variables.get("status", "") is None:
                return None
        return variables


_plans: dict[int, _Plan] = {}


def _plan(found: Format) -> _Plan:
    plan = _plans.get(id(found))
    if plan is None or plan.format is not found:
        if len(_plans) > 256:
            _plans.clear()
        plan = _plans[id(found)] = _Plan(  # holds the format, so that its id stays its own
            found,
            tuple(
                (variable, tuple(map(parse_path, paths)), found.inside.get(variable))
                for variable, paths in found.fields.items()
            ),
            tuple(map(parse_path, found.needs)),
            tuple(name for name in _TIMES if name in found.fields),
        )
    return plan


# A key stands behind `{`, or behind `,` that ends a value: a quote, a brace, a digit, a bare word or a dash.
_ANCHOR = re.compile(
    r'(?:^\s*\{|(?<=["}\]\w-])\s*,|(?<=:)\s*\{|(?<=: )\s*\{)\s*"([^"\\\s{},:][^"\\{},:]{0,63})"\s*:\s*'
)
_ESCAPE = re.compile(r'\\(["\\/]|u[0-9a-fA-F]{4})')
_GLUED = re.compile(r'"?\}+\s*(?=\{\s*"[^"\\]{1,64}"\s*:)')


def _first_record(text: str) -> tuple[str, str | None]:
    """The first of several glued records, one of which is broken, and the rest."""
    opening = re.match(r'\{\s*"[^"\\]{1,64}"\s*:', text)
    if opening is None:
        return text, None
    # Only where the first key of the record comes again: `}{"` may stand in a user agent, too.
    at = text.find("}" + opening[0], opening.end())
    return (text[: at + 1], text[at + 1 :]) if at > 0 else (text, None)


def _scan(text: str) -> tuple[Tree, bool]:
    """An object whose strings hold unescaped quotes or backslashes, read from key to key.

    And whether it cannot be told what is true: a key came twice, or the object was closed before its last key.
    """
    doubtful = False
    root: dict[str, Tree] = {}
    stack: list[dict[str, Tree]] = [root]
    anchors = []
    for match in _ANCHOR.finditer(text):
        anchors.append(match)
        if len(anchors) > _MAX_KEYS:
            break
    for index, match in enumerate(anchors):
        last = index + 1 == len(anchors)
        region = text[match.end() : len(text) if last else anchors[index + 1].start()].rstrip()
        here = stack[-1]
        if not last and not region and text[anchors[index + 1].start() :].lstrip()[:1] == "{":
            inner: dict[str, Tree] = {}
            doubtful = doubtful or match[1] in here
            here.setdefault(match[1], inner)
            if len(stack) < 16:
                stack.append(inner)
            continue
        value, closed = _value(region, len(stack) if last else len(stack) - 1)
        doubtful = doubtful or (not last and closed == len(stack) - 1 and _ended(region, closed))
        doubtful = doubtful or match[1] in here
        here.setdefault(match[1], value)
        if closed and not last:
            del stack[max(1, len(stack) - closed) :]
    return root, doubtful


def _ended(region: str, closed: int) -> bool:
    """Whether one more brace than `closed` stands behind the value."""
    bare = region
    for _ in range(closed):
        bare = bare[:-1].rstrip()
    return bare.endswith("}")


def _value(region: str, depth: int) -> tuple[Tree, int]:
    """A value with at most `depth` closing braces behind it, and how many there were."""
    closed = 0
    while closed < depth and region.endswith("}"):
        region = region[:-1].rstrip()
        closed += 1
    if len(region) > 1 and region[0] == region[-1] == '"':
        inner = region[1:-1]
        if len(inner) > 2 and inner[0] == inner[-1] == '"':  # error.messageString brings its own quotes
            inner = inner[1:-1]
        return _unescaped(inner), closed
    return (None if region == "null" else region.strip('"')), closed


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    body = match[1]
    if body[0] != "u":
        return body
    char = chr(int(body[1:], 16))
    return "\ufffd" if "\ud800" <= char <= "\udfff" else char
