"""Chooses the formats of a file from some of its lines: given by hand, by the stages' templates, or inferred."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from json import JSONDecodeError
from typing import TypeVar

from gatewatch.errors import TemplateError, UsageError
from ingest.formats.meaning import meanings
from ingest.formats.model import FORMATS, Format
from ingest.formats.shapes import csv_format, csv_header, xml_format, xml_shape
from ingest.formats.template import explicit_template
from ingest.jsonline import Leaf, Path, Tree, at_path, decode, leaves, mended, parse_path, path_text
from ingest.textline import match_text

_T = TypeVar("_T")

TIMES = frozenset({"requestTimeEpoch", "requestTime", "x.time"})

_MAX_LINE = 1 << 14  # longer lines are read, but tell nothing about formats
_MAX_SHAPES = 6
"""More sets of keys than this in one sample are one format with optional keys, not several formats."""


def choose(lines: Sequence[str], explicit: str | None, stages: Sequence[Format]) -> list[Format]:
    """The formats to read these lines with, most common first.

    explicit: a template (it holds `$context.`) or a format's name; then nothing else is tried. Raises UsageError when
    it is neither. stages: what the inventory knows; lines that no stage explains are inferred.
    """
    if explicit is not None:
        return [named(explicit)]
    if not stages:
        return infer(lines)
    counted: list[tuple[Format, int]] = []
    rest = [line for line in lines if line and len(line) <= _MAX_LINE]
    for same in _alike(stages):
        reads = _reader(same)
        left = [line for line in rest if not reads(line)]
        if len(left) < len(rest):
            counted.append((same, len(rest) - len(left)))
        rest = left
    return _ordered(counted + _infer(rest))


def named(text: str) -> Format:
    """The format that `--log-format` names; raises UsageError."""
    if "$context." in text or "${context." in text:
        return explicit_template(text)
    try:
        return relaxed(FORMATS[text.strip()])
    except KeyError:
        raise UsageError(
            f"--log-format {text[:60]!r}: neither a template with $context variables nor one of {', '.join(FORMATS)}"
        ) from None


def check_explicit(text: str) -> None:
    """UsageError when `--log-format` names no format, TemplateError when it says nothing about a request's outcome."""
    if "status" not in named(text).fields:
        raise TemplateError(
            "--log-format: the template has no $context.status; a line without a status cannot be judged"
        )


def check_timed(text: str) -> None:
    """TemplateError when lines that bring no time of their own are read with a template that has none."""
    if TIMES.isdisjoint(named(text).fields):
        raise TemplateError(
            "--log-format: the template has neither $context.requestTimeEpoch nor $context.requestTime, and nothing "
            "around the lines tells their time"
        )


def relaxed(found: Format) -> Format:
    """The format as it reads lines that are known to be its own."""
    return found if found.relaxed is None else replace(found, pattern=found.relaxed, relaxed=None)


def infer(lines: Sequence[str]) -> list[Format]:
    """Formats that explain these lines, most common first; empty when none is recognised."""
    return _ordered(_infer(lines))


def describe(found: Format) -> str:
    """One line that says how lines are read: `json: requestTimeEpoch, apiId, stage, … 21 variables`."""
    telling = [name for name in _TELLING if name in found.fields]
    telling += [name for name in found.fields if name not in telling]
    shown = ", ".join(telling[:6])
    more = ", …" if len(telling) > 6 else ""
    inferred = re.fullmatch(r"(json|csv|xml)-[0-9a-f]{8}", found.name)
    label = inferred[1] if inferred else found.name
    return f"{label}: {shown}{more} {len(telling)} variables"


_TELLING: tuple[str, ...] = (
    *("requestTimeEpoch", "requestTime", "x.time", "apiId", "x.api", "stage", "routeKey", "resourcePath", "path"),
    *("x.request", "x.url", "httpMethod", "status", "error.responseType", "responseLatency", "x.duration_s"),
    *("integration.latency", "identity.sourceIp"),
)


def _alike(stages: Sequence[Format]) -> list[Format]:
    """One format for each way of writing, the most demanding first.

    Where several stages write alike, and nothing in the line tells them apart, the stage is unknown: a guess would put
    one API's traffic on another's account.
    """
    merged: list[Format] = []
    for stage in stages:
        for index, other in enumerate(merged):
            if (stage.pattern, stage.fields, stage.inside) == (other.pattern, other.fields, other.inside):
                merged[index] = replace(
                    other,
                    api_type=_common(other.api_type, stage.api_type),
                    account=_common(other.account, stage.account),
                    region=_common(other.region, stage.region),
                    api=_common(other.api, stage.api),
                    stage=_common(other.stage, stage.stage),
                )
                break
        else:
            merged.append(stage)
    return sorted(merged, key=lambda found: -len(found.fields))


def _common(one: _T | None, other: _T | None) -> _T | None:
    return one if one == other else None


def _reader(found: Format) -> Callable[[str], bool]:
    if found.family == "text":
        return lambda line: match_text(found, line.strip()) is not None
    needs = [parse_path(path) for path in found.needs]

    def reads(line: str) -> bool:
        tree = _tree(line)
        return tree is not None and all(at_path(tree, path) is not None for path in needs)

    return reads


@lru_cache(maxsize=512)
def _tree(line: str) -> Tree:
    """The line's JSON object or list; None when it is neither."""
    text = line.strip().lstrip("\ufeff")
    if text[:1] not in ("{", "["):
        return None
    for attempt in (text, mended(text)):
        try:
            tree, _ = decode(attempt)
        except JSONDecodeError:
            continue
        except RecursionError:
            return None
        return tree
    return None


def _infer(lines: Iterable[str]) -> list[tuple[Format, int]]:
    samples: dict[tuple[Path, ...], list[Mapping[Path, Leaf]]] = {}
    texts: list[str] = []
    for line in lines:
        if len(line) > _MAX_LINE:
            continue
        tree = _tree(line)
        if isinstance(tree, dict):
            values = leaves(tree)
            samples.setdefault(tuple(values), []).append(values)
        elif tree is None and line.strip()[:1] not in ("", "{"):
            texts.append(line.strip().lstrip("\ufeff"))
    return _json_formats(samples) + _text_formats(texts)


def _json_formats(samples: Mapping[tuple[Path, ...], Sequence[Mapping[Path, Leaf]]]) -> list[tuple[Format, int]]:
    """One format for each set of keys that means something."""
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    present: dict[tuple[tuple[str, str], ...], set[str]] = {}
    for values in samples.values():
        places = {
            variable: where for variable, path in meanings(values).items() if (where := path_text(path)) is not None
        }
        if not _is_access_log(places):
            continue
        shape = tuple(sorted(places.items()))
        counts[shape] += len(values)
        never_null = {
            where for path in values[0] if (where := path_text(path)) and all(v[path] is not None for v in values)
        }
        present[shape] = present.get(shape, never_null) & never_null
    if len(counts) > _MAX_SHAPES and (union := _union(counts)) is not None:
        return [(_json_format(union, frozenset()), counts.total())]
    found: list[tuple[Format, int]] = []
    for shape, count in counts.items():
        own = {where for _, where in shape}
        # Keys that tell this shape from the others of the sample.
        needs = {
            where for other in counts if other != shape for where in own - {place for _, place in other}
        } & present[shape]
        found.append((_json_format({name: (where,) for name, where in shape}, frozenset(needs)), count))
    return found


def _is_access_log(places: Mapping[str, str]) -> bool:
    timed = not TIMES.isdisjoint(places)
    return "status" in places and (timed or len(places) > 3)


def _union(counts: Counter[tuple[tuple[str, str], ...]]) -> dict[str, tuple[str, ...]] | None:
    """All shapes in one, each variable with its places; None when a key means different things."""
    fields: dict[str, tuple[str, ...]] = {}
    for shape, _ in counts.most_common():
        for name, where in shape:
            if where not in fields.get(name, ()):
                fields[name] = (*fields.get(name, ()), where)
    taken = Counter(where for name, places in fields.items() if name != "x.api" for where in places)
    return fields if max(taken.values()) == 1 else None


def _json_format(fields: Mapping[str, tuple[str, ...]], needs: frozenset[str]) -> Format:
    digest = blake2b(repr((sorted(fields.items()), sorted(needs))).encode(), digest_size=4).hexdigest()
    return Format(f"json-{digest}", "json", fields, needs=needs)


def _text_formats(lines: Sequence[str]) -> list[tuple[Format, int]]:
    counts: dict[str, tuple[Format, int]] = {}
    known = _named_texts()
    unread: list[str] = []
    for line in lines:
        for found in known:
            if match_text(found, line) is not None:
                counts[found.name] = (found, counts.get(found.name, (found, 0))[1] + 1)
                break
        else:
            unread.append(line)
    return [*counts.values(), *_shaped(unread)]


@lru_cache(maxsize=1)
def _named_texts() -> tuple[Format, ...]:
    """The registered text formats, those that say most first."""
    texts = [found for found in FORMATS.values() if found.family == "text"]
    return tuple(sorted(texts, key=lambda found: (-len(found.fields), found.name)))


def _shaped(lines: Sequence[str]) -> list[tuple[Format, int]]:
    """CSV with a header row, and XML of any elements."""
    found: list[tuple[Format, int]] = []
    elements: dict[tuple[str, ...], list[str]] = {}
    for index, line in enumerate(lines):
        if line.startswith("<"):
            if shape := xml_shape(line):
                elements.setdefault(shape, []).append(line)
        elif csv_header(line) and (made := csv_format(line, lines[index + 1 :])) is not None:
            found.append((made, len(lines) - index - 1))
    for same in elements.values():
        if (made := xml_format(same)) is not None:
            found.append((made, len(same)))
    return found


def _ordered(counted: Sequence[tuple[Format, int]]) -> list[Format]:
    """Most common first, but never one whose keys are a part of a later one's: it would read that one's lines too."""
    waiting = [found for found, _ in sorted(counted, key=lambda pair: -pair[1])]
    places = {id(found): {path for paths in found.fields.values() for path in paths} for found in waiting}
    out: list[Format] = []
    while waiting:
        for found in waiting:
            if found.family == "text" or not any(
                other.family == "json" and places[id(found)] < places[id(other)] for other in waiting
            ):
                out.append(found)
                waiting.remove(found)
                break
    return out
