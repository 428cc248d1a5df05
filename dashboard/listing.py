"""The list of findings: what the address asks for, a page of it, counts by value, and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import get_args

from dashboard.data import Reader
from dashboard.scoping import beside
from dashboard.view import View, Window
from gatewatch.errors import UsageError
from gatewatch.lifecycle import OPEN
from gatewatch.records import JSON, Severity, iso
from gatewatch.store.finding_cursor import NEWEST, Order
from gatewatch.store.finding_facets import facets
from gatewatch.store.finding_groups import Group, groups
from gatewatch.store.findings import FindingFilter, Page, list_findings
from gatewatch.where import Term, parse

PAGE_ROWS = 60
FACETS: tuple[str, ...] = ("state", "severity", "kind", "cause", "api", "stage", "assignee")
"""Fields by whose values the list is filtered."""

GROUPED = {"cause": "cause", "api": "API", "kind": "detector"}
"""What it is grouped by, as the address and a person say it."""

ORDERS: dict[str, str] = {
    "-start": "Newest first",
    "start": "Oldest first",
    "-severity": "Worst first",
    "-score": "Least likely chance first",
    "-updated": "Last changed first",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """wrong: conditions of the address that were not understood. facets: value and count of each field, whose own
    condition does not count. grouped: when the view groups, instead of a page."""

    window: Window | None
    wish: FindingFilter
    page: Page
    total: int
    facets: dict[str, list[tuple[str | None, int]]]
    terms: tuple[Term, ...] = ()
    wrong: tuple[str, ...] = ()
    grouped: list[Group] = field(default_factory=list)


def listing(reader: Reader, view: View) -> Listing:
    """What the view asks for. ValueError: the cursor is none of ours."""
    window = reader.window(view)
    terms, wrong = understood(view.f)
    wish = wish_of(view, window, terms)
    with reader.store().read() as session:
        total, counted = facets(session, wish, FACETS)
        for name in FACETS:
            if own_term(view, terms, name):
                counted[name] = facets(session, without(wish, name), [name])[1][name]
        if view.tab in GROUPED:
            found = groups(session, wish, view.tab)
            return Listing(window, wish, Page([], None), total, counted, terms, wrong, found)
        page = list_findings(session, wish, limit=PAGE_ROWS, cursor=view.cursor, sort=order(view))
    names = reader.names()
    page = replace(page, items=[reader.masked(one, names) for one in page.items])
    return Listing(window, wish, page, total, counted, terms, wrong)


def order(view: View) -> Order:
    known: dict[str, Order] = {name: name for name in get_args(Order)}
    return known.get(view.sort or "", NEWEST)


def understood(texts: Sequence[str]) -> tuple[tuple[Term, ...], tuple[str, ...]]:
    """The conditions of an address, and those that are none: anybody can type one."""
    terms, wrong = [], []
    for text in texts:
        try:
            terms.append(parse(text))
        except UsageError as error:
            wrong.append(str(error))
    return tuple(terms), tuple(wrong)


def wish_of(view: View, window: Window | None, terms: tuple[Term, ...]) -> FindingFilter:
    return FindingFilter(
        kind=view.kind,
        severity_min=Severity(view.severity) if view.severity else None,
        api=view.api,
        stage=view.stage,
        state=view.state,
        since=window.since if window else None,
        until=window.until if window else None,
        text=view.q,
        where=(*terms, *beside(view)),
    )


def own_term(view: View, terms: Sequence[Term], name: str) -> bool:
    """Whether the view asks for values of this field."""
    plain = {"kind": view.kind, "severity": view.severity, "state": view.state, "api": view.api, "stage": view.stage}
    return plain.get(name) is not None or any(term.field == name for term in terms)


def without(wish: FindingFilter, name: str) -> FindingFilter:
    """The filter without its condition on a field."""
    rest = tuple(term for term in wish.where if term.field != name)
    changed = {"severity": "severity_min"}.get(name, name)
    cleared = {changed: None} if changed in FindingFilter.__slots__ else {}
    return replace(wish, where=rest, **cleared)


def included(terms: Sequence[Term], name: str, value: str | None) -> bool:
    return any(_asks(term, name, value, ("=", "in"), "empty") for term in terms)


def excluded(terms: Sequence[Term], name: str, value: str | None) -> bool:
    return any(_asks(term, name, value, ("!=", "not in"), "set") for term in terms)


def _asks(term: Term, name: str, value: str | None, ops: tuple[str, str], empty: str) -> bool:
    if term.field != name:
        return False
    return term.op in ops and value in term.values if value is not None else term == Term(name, "is", (empty,))


def toggled(terms: Sequence[Term], name: str, value: str | None, *, exclude: bool = False) -> tuple[str, ...]:
    """The conditions after a click on a value: it is asked for besides others, or not any more.

    >>> toggled([parse("kind = dead_api")], "kind", "data_quality")
    ('kind in dead_api,data_quality',)
    """
    one, many = ("!=", "not in") if exclude else ("=", "in")
    other = ("=", "in") if exclude else ("!=", "not in")
    was = excluded(terms, name, value) if exclude else included(terms, name, value)
    if value is None:
        rest = [term for term in terms if term.field != name]
        return (*map(str, rest), *([] if was else [f"{name} is {'set' if exclude else 'empty'}"]))
    values: list[str] = []
    kept: list[str] = []
    for term in terms:
        if term.field == name and term.op in (one, many):
            values += [str(each) for each in term.values]
        elif term.field == name and term.op in other:
            rest_ = [str(each) for each in term.values if each != value]
            kept += [_said(name, other, rest_)] if rest_ else []
        elif term.field != name or term.op != "is":
            kept.append(str(term))
    values = [each for each in values if each != value] if was else [*values, value]
    if any("," in each for each in values):
        values = values[-1:]  # a list is written with commas
    return (*kept, *([_said(name, (one, many), values)] if values else []))


def _said(name: str, ops: tuple[str, str], values: Sequence[str]) -> str:
    return f"{name} {ops[0]} {values[0]}" if len(values) == 1 else f"{name} {ops[1]} {','.join(values)}"


def query(wish: FindingFilter, sort: str | None = None) -> list[tuple[str, str]]:
    """The filter as the API's query string has it."""
    pairs = [
        ("kind", wish.kind),
        ("severity", wish.severity_min.value if wish.severity_min else None),
        ("api", wish.api),
        ("stage", wish.stage),
        ("state", wish.state),
        ("since", iso(wish.since) if wish.since else None),
        ("until", iso(wish.until) if wish.until else None),
        ("q", wish.text),
        ("sort", sort),
    ]
    return [(name, value) for name, value in pairs if value] + [("where", str(term)) for term in wish.where]


def conditions(wish: FindingFilter) -> list[str]:
    """What of the filter lasts: all but its time and its search, as conditions for a suppression."""
    out = [f"{name} = {value}" for name in ("kind", "api", "stage") if (value := getattr(wish, name))]
    if wish.severity_min is not None:
        out.append(f"severity >= {wish.severity_min.value}")
    return [*out, *(str(term) for term in wish.where if term.field not in ("state", "detected", "start", "updated"))]


def visit(at: datetime) -> str:
    """The condition of what is new since then."""
    return f"detected >= {iso(at.astimezone(UTC))}"


def acted_on(wish: FindingFilter) -> dict[str, JSON]:
    """All findings of the filter, as the body of an action has it."""
    where = [f"{name} = {value}" for name in ("kind", "api", "stage") if (value := getattr(wish, name))]
    if wish.severity_min is not None:
        where.append(f"severity >= {wish.severity_min.value}")
    if wish.state == "open":
        where.append(f"state in {','.join(one.value for one in OPEN)}")
    elif wish.state is not None:
        where.append(f"state = {wish.state}")
    where += [str(term) for term in wish.where]
    body: dict[str, JSON] = {"where": [*(where or ["score >= 0"])]}
    if wish.since is not None:
        body["since"] = iso(wish.since)
    if wish.until is not None:
        body["before"] = iso(wish.until)
    if wish.text:
        body["q"] = wish.text
    return body
