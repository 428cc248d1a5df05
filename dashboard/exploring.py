"""What the Explorer shows, read from the store: its picture, what a selection differs in, and rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from alerts.render.text import plain
from dashboard import words
from dashboard.data import Reader
from dashboard.names import Names
from dashboard.scoping import texts as scope_texts
from dashboard.view import View, Window
from gatewatch.errors import UsageError
from gatewatch.records import iso
from gatewatch.store.difference import Difference, Dimension, Sets, difference
from gatewatch.store.request_fields import GROUPED, PEOPLE, REQUEST_FIELDS, shown
from gatewatch.store.request_search import GREATEST, find_requests, greatest_requests
from gatewatch.store.series import Asked, HeatMap, Lines, heat_map, series, step_for
from gatewatch.where import Term, parse

ROWS = 50
BANDS = 30
TOP = 8
DEFAULT_FIELD = "status_class"
OLDEST = "oldest"
HEAT, COUNTS, LIVE = "heat", "counts", "live"
_SEPARATOR = "~"


@dataclass(frozen=True, slots=True)
class Selected:
    """What is selected of what is shown: a time, a range of latencies, a condition; each may be absent."""

    since: datetime | None = None
    until: datetime | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    term: str | None = None

    def __str__(self) -> str:
        """As it stands in the address."""
        parts = [
            "" if self.since is None else iso(self.since),
            "" if self.until is None else iso(self.until),
            "" if self.low_ms is None else f"{self.low_ms:g}",
            "" if self.high_ms is None else f"{self.high_ms:g}",
            self.term or "",
        ]
        return _SEPARATOR.join(parts).rstrip(_SEPARATOR)

    @property
    def texts(self) -> list[str]:
        """Its conditions beside the time."""
        found = [] if self.term is None else [self.term]
        found += [] if self.low_ms is None else [f"latency_ms >= {self.low_ms:g}"]
        return found + ([] if self.high_ms is None else [f"latency_ms < {self.high_ms:g}"])


def selected(text: str | None) -> Selected | None:
    """What an address says; None for nothing, or for what makes no sense."""
    parts = (text or "").split(_SEPARATOR, 4)
    parts += [""] * (5 - len(parts))
    try:
        since, until = (_instant(one) for one in parts[:2])
        low, high = (_number(one) for one in parts[2:4])
    except (ValueError, OverflowError):
        return None
    found = Selected(since, until, low, high, parts[4] or None)
    if since is not None and until is not None and since >= until:
        return None
    return None if found == Selected() else found


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return (at.replace(tzinfo=words.zone()) if at.tzinfo is None else at).astimezone(UTC)


def _number(text: str) -> float | None:
    if not text:
        return None
    number = float(text)
    if not 0 <= number < 1e9:
        raise ValueError
    return number


@dataclass(frozen=True, slots=True)
class Exploration:
    """problems: conditions and questions that could not be answered, each with what would be right.

    heat or lines: the picture, by the tab; differs: of the selection, None without one. rows: requests as they may be
    shown. where: the conditions in force, without those of the selection.
    """

    window: Window
    tab: str
    by: str
    where: list[str]
    chosen: Selected | None
    names: Names
    heat: HeatMap | None = None
    lines: Lines | None = None
    differs: Difference | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    next_cursor: str | None = None
    searched_to: datetime | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def since(self) -> datetime:
        """Of the rows that are shown."""
        return (self.chosen.since if self.chosen else None) or self.window.since

    @property
    def until(self) -> datetime:
        return (self.chosen.until if self.chosen else None) or self.window.until

    @property
    def all_texts(self) -> list[str]:
        """Conditions of the rows that are shown."""
        return self.where + (self.chosen.texts if self.chosen else [])


def explore(reader: Reader, view: View) -> Exploration | None:
    """None: no request was ever stored."""
    window = reader.window(view)
    if window is None:
        return None
    problems: list[str] = []
    terms, texts = _terms(reader, [*scope_texts(view), *view.f], problems)
    chosen = _within(selected(view.sel), window)
    more, kept = _terms(reader, chosen.texts if chosen else [], problems)
    if chosen is not None and chosen.term is not None and chosen.term not in kept:
        chosen = replace(chosen, term=None)
    by = view.cols if view.cols in GROUPED else DEFAULT_FIELD
    found = Exploration(
        window, view.tab if view.tab in (COUNTS, LIVE) else HEAT, by, texts, chosen, reader.names(), problems=problems
    )
    if found.tab == LIVE:
        return found
    return _read(reader, view, found, terms, more)


def _read(
    reader: Reader, view: View, found: Exploration, terms: tuple[Term, ...], more: tuple[Term, ...]
) -> Exploration:
    state, window, chosen = reader.store(), found.window, found.chosen
    asked = Asked(window.since, window.until, step_for(window.since, window.until, 150), terms)
    try:
        if found.tab == HEAT:
            found = replace(found, heat=heat_map(state, asked, rows=BANDS))
        else:
            found = replace(found, lines=_shown_lines(reader, found.by, replace(asked, by=found.by, top=TOP)))
    except UsageError as error:
        found.problems.append(str(error))
    if chosen is not None:
        sets = Sets(window.since, window.until, terms, more, chosen.since, chosen.until)
        try:
            found = replace(found, differs=_masked(reader, difference(state, sets)))
        except UsageError as error:
            found.problems.append(str(error))
    if view.sort in GREATEST:
        most = greatest_requests(state, view.sort, since=found.since, until=found.until, terms=terms + more, limit=ROWS)
        return replace(found, rows=[reader.privacy.row(row) for row in most.to_pylist()])
    wanted: dict[str, Any] = {"since": found.since, "until": found.until, "terms": terms + more, "limit": ROWS}
    wanted["newest_first"] = view.sort != OLDEST
    try:
        page = find_requests(state, cursor=view.cursor, **wanted)
    except ValueError:  # a cursor that somebody typed
        page = find_requests(state, **wanted)
    return replace(
        found,
        rows=[reader.privacy.row(row) for row in page.rows.to_pylist()],
        next_cursor=page.next_cursor,
        searched_to=page.searched_to,
    )


def _within(chosen: Selected | None, window: Window) -> Selected | None:
    """The part of a selection that the window shows."""
    if chosen is None:
        return None
    since = None if chosen.since is None else max(chosen.since, window.since)
    until = None if chosen.until is None else min(chosen.until, window.until)
    if (since or window.since) >= (until or window.until):
        return None
    return replace(chosen, since=since, until=until)


def _terms(reader: Reader, texts: list[str], problems: list[str]) -> tuple[tuple[Term, ...], list[str]]:
    """(terms, the texts that were understood)."""
    terms, kept = [], []
    for text in dict.fromkeys(texts):
        try:
            term = parse(text, REQUEST_FIELDS)
        except UsageError as error:
            problems.append(f"{plain(text, 60)}: {error}")
            continue
        if reader.privacy.on and term.field in PEOPLE:
            problems.append(f"{plain(text, 60)}: the setting `privacy` hides {term.field}, so nobody can search by it")
            continue
        terms.append(term)
        kept.append(text)
    return tuple(terms), kept


def _shown_lines(reader: Reader, name: str, asked: Asked) -> Lines:
    found = series(reader.store(), "requests", asked)
    return replace(found, lines=[replace(one, value=shown(reader.privacy, name, one.value)) for one in found.lines])


def _masked(reader: Reader, found: Difference) -> Difference:
    def masked(one: Dimension) -> Dimension:
        return replace(
            one, values=[replace(value, value=shown(reader.privacy, one.name, value.value)) for value in one.values]
        )

    return replace(found, dimensions=[masked(one) for one in found.dimensions])
