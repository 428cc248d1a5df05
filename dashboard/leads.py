"""Where numbers lead: to pages that show what is behind them, and to calls and commands that give the same."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import dash
from dash import dcc
from dash.development.base_component import Component

from dashboard.charting import copies
from dashboard.data import Reader
from dashboard.scoping import options, texts
from dashboard.summing import route_term
from dashboard.view import View, Window
from gatewatch.records import iso
from gatewatch.where import Term

LINKED = 400
"""Characters of a name that fit into an address."""

Words = Component | str | list[Any]


def has_page(path: str) -> bool:
    """Whether there is such a page; no link leads to one that does not exist."""
    return any(path in (one["path"], one["path_template"]) for one in dash.page_registry.values())


def findings_href(view: View, **changes: Any) -> str:
    """Findings of the same time and scope."""
    return "/findings" + view.kept().search(**changes)


def findings_link(words: Words, view: View, **changes: Any) -> Component:
    return dcc.Link(words, href=findings_href(view, **changes))


def requests_href(view: View, *terms: str) -> str | None:
    """Where the requests that fit all terms (`reject_cause = throttle`) are shown; None while there is no such page."""
    return f"/explorer{view.kept().search(f=terms)}" if has_page("/explorer") else None


def requests_link(words: Words, view: View, *terms: str) -> Words:
    """The same as a link, or the words alone."""
    href = requests_href(view, *terms)
    return words if href is None else dcc.Link(words, href=href)


def caller_href(reader: Reader, client_id: str | None, view: View, *terms: str) -> str | None:
    """The requests of a caller; where people are masked, no link names them."""
    if not client_id or reader.privacy.on:
        return None
    return requests_href(view, str(Term("client_id", "=", (client_id,))), *terms)


def caller_page(reader: Reader, client_id: str | None, view: View) -> str:
    """The page of a caller, `kind:value`; '' where it has none."""
    if not client_id or reader.privacy.on or not has_page("/caller"):
        return ""
    if len(client_id) > LINKED or client_id != client_id.encode("utf-8", "ignore").decode():
        return ""  # half a character, as a log can bring it, stands in no address
    return "/caller" + view.kept().search(sel=client_id)


def requests_copies(window: Window, view: View, *terms: str) -> Component:
    """How to ask for the requests behind a number: of the API, and as a command, by the same conditions."""
    conditions = (*texts(view), *terms)
    asked = [("since", iso(window.since)), ("until", iso(window.until)), *(("where", one) for one in conditions)]
    return copies(api=f"GET /api/v1/requests?{urlencode(asked)}", cli=requests_command(window, view, *terms))


def requests_command(window: Window, view: View, *terms: str) -> str:
    """The command that writes the requests of a page's time and scope that fit these conditions."""
    span = f"--since {iso(window.since)} --until {iso(window.until)}"
    return f"gatewatch export requests {span}{options(view, *terms)} -o requests.csv"


def api_href(api: str, view: View, tab: str = "", *, stage: str | None = None, route: str | None = None) -> str:
    """The page of an API in the same time. Its id may be anything that a log says."""
    f = () if route is None else (route_term(route),)
    return f"/apis/{quote(api, safe='')}{view.kept().search(api=None, stage=stage, tab=tab or None, f=f)}"
