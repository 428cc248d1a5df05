"""Tables that are sorted, filtered, grouped and written to files on the server, over all their rows.

A page shows the first rows of a table at once. As soon as somebody sorts, filters or groups it, all of its rows are
read and put in order here, so that the first row is the first of all and not of those that happened to be shown. What
is asked for stands in the address (`t=NAME.sort:-requests`), so a link shows the same, and the file holds what fits.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import Children, table
from dashboard.data import Reader
from dashboard.view import View
from gatewatch.records import iso

MOST_ROWS = 100_000
PAGE_ROWS = 60

GROUPS = 500
LONGEST = 300

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Part(Generic[Item]):
    """A column. name: in files, conditions and addresses. of: its value; None is not known.

    adds: a group shows its sum. groups: one can group by it.
    """

    name: str
    of: Callable[[Item], object]
    head: str = ""
    adds: bool = False
    groups: bool = False

    @property
    def title(self) -> str:
        return self.head or self.name.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Sheet(Generic[Item]):
    """A table by its name. read: (reader, pathname, view) -> all rows up to MOST_ROWS; None: nothing is stored.

    rows: so many are on a page at once.
    """

    name: str
    parts: tuple[Part[Item], ...]
    read: Callable[[Reader, str, View], Sequence[Item] | None]
    rows: int = PAGE_ROWS

    def part(self, name: str | None) -> Part[Item] | None:
        return next((one for one in self.parts if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an address asks of one table. sort: a column, the greatest first when `down`. page: counted from 0."""

    sort: str | None = None
    down: bool = False
    find: str = ""
    by: str | None = None
    page: int = 0

    @property
    def asked(self) -> bool:
        return self != Wish()


@dataclass(frozen=True, slots=True)
class Group:
    value: object
    rows: int
    sums: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Shown(Generic[Item]):
    """items: those of the page. fitting: how many fit the filter, of `total`. groups: instead, when grouped."""

    sheet: Sheet[Item]
    wish: Wish
    items: Sequence[Item]
    fitting: int
    total: int
    groups: Sequence[Group] | None = None

    @property
    def cut(self) -> bool:
        """There are rows that the page does not hold, or the server put them in order."""
        return self.fitting > len(self.items) or self.wish.asked


def wish_of(view: View, name: str) -> Wish:
    """What makes no sense is left out.

    >>> wish_of(View(t=("keys.sort:-served", "keys.find:plan = gold")), "keys")
    Wish(sort='served', down=True, find='plan = gold', by=None, page=0)
    """
    said: dict[str, str] = {}
    for text in view.t:
        head, colon, value = text.partition(":")
        if colon and head.startswith(f"{name}."):
            said[head.removeprefix(f"{name}.")] = value
    sort = said.get("sort", "")
    page = said.get("page", "")
    return Wish(
        sort.removeprefix("-") or None,
        sort.startswith("-"),
        said.get("find", "")[:LONGEST].strip(),
        said.get("by") or None,
        min(int(page), MOST_ROWS) if page.isascii() and page.isdecimal() and len(page) < 7 else 0,
    )


def told(view: View, name: str, wish: Wish) -> tuple[str, ...]:
    """The address's texts with another wish for one table."""
    rest = tuple(text for text in view.t if not text.startswith(f"{name}."))
    mine = {
        "sort": ("-" if wish.down else "") + wish.sort if wish.sort else "",
        "find": wish.find,
        "by": wish.by,
        "page": str(wish.page) if wish.page else "",
    }
    return (*rest, *(f"{name}.{key}:{value}" for key, value in mine.items() if value))


def shown(
    sheet: Sheet[Item],
    view: View,
    first: Sequence[Item],
    total: int,
    every: Callable[[], Sequence[Item] | None],
) -> Shown[Item]:
    """first: the first rows, as they are when nothing is asked for. every: gives all; asked only when it is needed."""
    wish = wish_of(view, sheet.name)
    if not wish.asked:
        return Shown(sheet, wish, first[: sheet.rows], total, total)
    items = every() or []
    return arranged(sheet, items, wish)


def arranged(sheet: Sheet[Item], items: Sequence[Item], wish: Wish, *, rows: int | None = None) -> Shown[Item]:
    """A page of the rows that fit, in the order that is asked for."""
    total, rows = len(items), rows or sheet.rows
    fits = matcher(sheet, wish.find)
    found = [one for one in items if fits(one)] if wish.find else list(items)
    by, sort = sheet.part(wish.by), sheet.part(wish.sort)
    if by is not None and by.groups:
        made = grouped(sheet, found, by, wish)
        return Shown(sheet, wish, [], len(made), total, made[:GROUPS])
    if sort is not None:
        found = ordered(found, sort.of, down=wish.down)
    last = max(len(found) - 1, 0) // rows
    wish = replace(wish, page=min(wish.page, last))
    return Shown(sheet, wish, found[wish.page * rows : (wish.page + 1) * rows], len(found), total)


def matching(sheet: Sheet[Item], items: Sequence[Item], wish: Wish) -> Shown[Item]:
    """The same for a file: all rows, and all groups."""
    return arranged(sheet, items, replace(wish, page=0), rows=MOST_ROWS)


def known(value: object) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))


def _place(value: object) -> tuple[int, float, str]:
    """What a value is sorted by: numbers and times by their size, the rest as text without its case."""
    if isinstance(value, datetime):
        return (0, value.timestamp(), "")
    if isinstance(value, int | float):
        return (0, float(value), "")
    rank = getattr(value, "rank", None)
    return (0, float(rank), "") if isinstance(rank, int) else (1, 0.0, str(value).casefold())


def ordered(items: Sequence[Item], of: Callable[[Item], object], *, down: bool) -> list[Item]:
    """Stable; what is not known comes last, whichever way."""
    pairs = [(of(one), one) for one in items]
    have = sorted((pair for pair in pairs if known(pair[0])), key=lambda pair: _place(pair[0]), reverse=down)
    return [one for _, one in have] + [one for value, one in pairs if not known(value)]


def grouped(sheet: Sheet[Item], items: Sequence[Item], by: Part[Item], wish: Wish) -> list[Group]:
    """Most rows first, or in the order asked for: `rows`, a column that adds up, or the value itself."""
    adding = [part for part in sheet.parts if part.adds]
    counts: dict[object, list[float]] = defaultdict(lambda: [0.0] * (len(adding) + 1))
    for one in items:
        value = by.of(one)
        sums = counts[value if known(value) else None]
        sums[0] += 1
        for place, part in enumerate(adding, 1):
            number = part.of(one)
            sums[place] += float(number) if isinstance(number, int | float) and known(number) else 0.0
    made = [Group(value, int(sums[0]), tuple(sums[1:])) for value, sums in counts.items()]
    names = [part.name for part in adding]
    if wish.sort in names:
        place = names.index(wish.sort)
        return sorted(made, key=lambda one: one.sums[place], reverse=wish.down)
    if wish.sort == by.name:
        return ordered(made, lambda one: one.value, down=wish.down)
    return sorted(made, key=lambda one: (-one.rows, str(one.value)))


_CONDITION = re.compile(r"([^<>=!~]{1,60}?)\s*(>=|<=|!=|!~|=|>|<|~)\s*(.+)", re.DOTALL)
_NUMBER = re.compile(r"(-?[\d,]*\.?\d+)\s*(%|ms|s|/s)?")


def matcher(sheet: Sheet[Item], text: str) -> Callable[[Item], bool]:
    """Whether a row fits: words that stand in any of its cells, and conditions `column op value`, joined by `and`."""
    tests = [_test(sheet, one) for one in re.split(r"\s+and\s+", text.strip()) if one]
    return lambda item: all(test(item) for test in tests)


def _test(sheet: Sheet[Item], text: str) -> Callable[[Item], bool]:
    asked = _CONDITION.fullmatch(text.strip())
    part = _named(sheet, asked[1]) if asked else None
    if asked is None or part is None:
        wanted = text.strip().casefold()
        return lambda item: any(wanted in written(one.of(item)).casefold() for one in sheet.parts)
    op, said = asked[2], asked[3].strip()
    if op in (">", "<", ">=", "<="):
        return lambda item: _beyond(part.of(item), op, said)
    number = _number(said)

    def same(item: Item) -> bool:
        value = part.of(item)
        if op in ("~", "!~"):
            return said.casefold() in written(value).casefold()
        if said == "-":
            return not known(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and number is not None:
            return value == number
        return written(value).casefold() == said.casefold()

    return (lambda item: not same(item)) if op in ("!=", "!~") else same


def _named(sheet: Sheet[Item], name: str) -> Part[Item] | None:
    wanted = name.strip().casefold()
    return next((one for one in sheet.parts if wanted in (one.name, one.title.casefold())), None)


def _number(said: str) -> float | None:
    """1,234, 5 % (a share of 1), 2 s (in ms)."""
    found = _NUMBER.fullmatch(said)
    if found is None:
        return None
    return float(found[1].replace(",", "")) * {"%": 0.01, "s": 1000.0}.get(found[2] or "", 1.0)


def _beyond(value: object, op: str, said: str) -> bool:
    if not known(value):
        return False
    if isinstance(value, datetime):
        try:
            at = datetime.fromisoformat(said)
        except ValueError:
            return False
        left, right = value.timestamp(), (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, int | float):
        number = _number(said)
        if number is None:
            return False
        left, right = float(value), number
    else:
        return False
    return {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[op]


def written(value: object) -> str:
    """As it is searched for, and stands in a group."""
    if not known(value):
        return ""
    if isinstance(value, datetime):
        return iso(value)
    return str(value.value) if isinstance(value, Enum) else str(value)


FEW = 6
"""So many rows need no bar."""


def bar(found: Shown[Any], *, one: str = "row", grid: Mapping[str, Any] | None = None) -> Component | None:
    """Filter, order, groups and pages of a table: what assets/sheets.js draws. grid: for the heads of a grid."""
    rows = found.sheet.rows
    if found.total <= FEW and not found.wish.asked:
        return None
    wish = found.wish
    said = words.plural(found.fitting, "group" if found.groups is not None else one)
    if found.groups is None and found.fitting > len(found.items):
        first = wish.page * rows + 1
        said = f"{words.count(first)} to {words.count(first + len(found.items) - 1)} of {said}"
    if wish.find:
        said += f" of {words.count(found.total)}"
    state = {
        "name": found.sheet.name,
        "find": wish.find,
        "sort": ("-" if wish.down else "") + (wish.sort or ""),
        "by": wish.by or "",
        "page": wish.page,
        "pages": 1 if found.groups is not None else -(-found.fitting // rows),
        "said": said,
        "parts": [[part.name, part.title] for part in found.sheet.parts],
        "groups": [[part.name, part.title] for part in found.sheet.parts if part.groups],
        "grid": dict(grid or {}),
    }
    named: Any = {"data-sheet": json.dumps(state)}
    return html.Div(className="sheet-bar", **named)


def grouped_table(found: Shown[Any], view: View) -> Component:
    """One line for each value; it leads to its rows."""
    by = found.sheet.part(found.wish.by)
    assert by is not None
    adding = [part for part in found.sheet.parts if part.adds]

    def line(one: Group) -> list[Children]:
        name = written(one.value)
        said = plain(name, 120) or "not known"
        condition = f"{by.name} = {name or '-'}"
        if len(condition) > LONGEST or " and " in condition:
            return [said, words.count(one.rows), *(words.count(value) for value in one.sums)]
        keys = {"t": list(told(view, found.sheet.name, Wish(find=condition)))}
        go: Any = {"data-set": json.dumps(keys)}
        press = html.Button(said, type="button", className="link-button", **go)
        return [press, words.count(one.rows), *(words.count(value) for value in one.sums)]

    heads = (by.title, "Rows", *(part.title for part in adding))
    caption = f"Grouped by {by.title}"
    return table(
        heads, [line(one) for one in found.groups or ()], caption=caption, numbers=range(1, len(heads)), name="stack"
    )


def sheet_table(
    found: Shown[Item],
    view: View,
    heads: Sequence[tuple[str, str]],
    line: Callable[[Item], Sequence[Children]],
    *,
    caption: str,
    numbers: Sequence[int] = (),
    name: str = "stack",
    first: int | None = None,
    one: str = "row",
) -> Component:
    """A plain table with its bar. heads: (what stands there, the part that it sorts by, '' for none).

    first: so many rows are seen at once, and the others when they are asked for.
    """
    if found.groups is not None:
        return html.Div([bar(found, one=one), grouped_table(found, view)])
    if not found.items:
        rows: Component = html.P("No row fits this filter.", className="small")
    else:
        rows = table(
            [head for head, _ in heads],
            [line(item) for item in found.items],
            caption=caption,
            numbers=numbers,
            name=name,
            sheet=found.sheet.name,
            sorts=[part for _, part in heads],
            order=("-" if found.wish.down else "") + (found.wish.sort or ""),
            first=None if found.wish.asked else first,
        )
    return html.Div([bar(found, one=one), rows])
