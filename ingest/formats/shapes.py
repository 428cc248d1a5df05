"""CSV whose first row names the columns, and XML elements of any name."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from hashlib import blake2b

from ingest.formats.meaning import meanings
from ingest.formats.model import Format
from ingest.formats.names import variable_of
from ingest.formats.textpattern import FREE, escaped, shape, text_pattern
from ingest.jsonline import Leaf, Path

_CELL = re.compile(r"[A-Za-z@$][A-Za-z0-9_.$ -]{0,63}")
_SEPARATORS = (",", "\t", ";", "|")
_ELEMENT = re.compile(r'([A-Za-z_][\w:.-]*)="([^"]*)"|<([A-Za-z_][\w:.-]*)>([^<]*)</\3>')
_TAG = re.compile(r'<(/?)([A-Za-z_][\w:.-]*)(?:\s+[^\s=<>]+="[^"]*")*\s*(/?)>')
_QUOTED = r'"(?:[^"]|"")*"'
_TRIED = 40


def csv_header(line: str) -> tuple[str, tuple[str, ...]] | None:
    """Separator and column names when the line is a header row of an access log."""
    if len(line) > 8192 or not re.match(r'"?[A-Za-z@$]', line):
        return None
    for separator in _SEPARATORS:
        cells = tuple(cell.strip().strip('"') for cell in line.split(separator))
        if len(cells) < 4 or not all(_CELL.fullmatch(cell) for cell in cells):
            continue
        known = {found[0] for cell in cells if (found := variable_of(_key(cell))) is not None}
        if len(known) >= 4 and "status" in known:
            return separator, cells
    return None


def _key(cell: str) -> tuple[str, ...]:
    return (cell.removeprefix("$context.").lstrip("@").replace(" ", "_"),)


def csv_format(header: str, rows: Sequence[str]) -> Format | None:
    """The format of the rows under a header; values may stand in double quotes."""
    found = csv_header(header)
    if found is None:
        return None
    separator, cells = found
    paths: list[Path] = [_key(cell) for cell in cells]
    samples: list[dict[Path, Leaf]] = []
    for row in rows[:_TRIED]:
        values = _cells(row, separator)
        if len(values) == len(cells):
            samples.append(dict(zip(paths, (value.strip().strip('"') for value in values), strict=True)))
    if not samples:
        return None
    places = {path: variable for variable, path in meanings(samples).items() if variable != "x.api"}
    if "status" not in places.values():
        return None
    fields: dict[str, tuple[str, ...]] = {}
    columns: list[str] = []
    quoted: set[str] = set()
    unread = rf"(?:{_QUOTED}|[^{separator}]*)"
    for index, path in enumerate(paths):
        variable = places.get(path)
        if variable is None or variable in fields:
            columns.append(unread)
            continue
        fields[variable] = (f"g{index}",)
        named = "path" if variable == "x.url" else variable
        body = f'[^{separator}"]*' if named.startswith("x.") else shape(named, separator + '"')
        if FREE in body or named.startswith("x."):  # as it is when nobody quoted it, separators and all
            quoted.add(variable)
            columns.append(f"(?P<g{index}>{_QUOTED}|{body})")
        else:
            columns.append(f'"?(?P<g{index}>{body})"?')
    pattern = f"^{escaped(separator).join(columns)}[ \\t]*$"
    return Format(f"csv-{_digest(pattern)}", "text", fields, pattern=pattern, quoted=frozenset(quoted))


def _cells(row: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([row], delimiter=separator), [])
    except csv.Error:
        return row.split(separator)


def xml_shape(line: str) -> tuple[str, ...]:
    """The names of the attributes and elements with a value, in order; empty when the line is no XML, or cut off."""
    if len(line) > 8192 or not re.match(r"<[A-Za-z]", line) or not line.endswith(">") or not _closed(line):
        return ()
    return tuple(match[1] or match[3] for match in _ELEMENT.finditer(line))


def _closed(line: str) -> bool:
    """Whether every element that is opened is closed, in order."""
    opened: list[str] = []
    for tag in _TAG.finditer(line):
        if tag[1]:
            if not opened or opened.pop() != tag[2]:
                return False
        elif not tag[3]:
            opened.append(tag[2])
    return not opened


def xml_format(lines: Sequence[str]) -> Format | None:
    """The format of lines of one shape."""
    samples: list[dict[Path, Leaf]] = []
    for line in lines[:_TRIED]:
        values: dict[Path, Leaf] = {}
        for match in _ELEMENT.finditer(line):
            values.setdefault((match[1] or match[3],), match[2] if match[1] else match[4])
        samples.append(values)
    variables = {path[0]: variable for variable, path in meanings(samples).items() if variable != "x.api"}
    if "status" not in variables.values() or len(variables) < 4:
        return None
    parts: list[str] = []
    at = 0
    line = lines[0]
    for match in _ELEMENT.finditer(line):
        group = 2 if match[1] else 4
        parts += [line[at : match.start(group)], variables.get(match[1] or match[3], "")]
        at = match.end(group)
    fields, pattern = text_pattern([*parts, line[at:]])
    return Format(f"xml-{_digest(pattern)}", "text", fields, pattern=pattern)


def _digest(pattern: str) -> str:
    return blake2b(pattern.encode(), digest_size=4).hexdigest()
