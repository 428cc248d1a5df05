"""Which page an address shows: decided in the browser, so that a page asks for its data at once.

Dash's own router asks the server for the layout of each page first; only after that turn does the page's own callback
begin. Our layouts are known before: a skeleton, and room for the answer. See `route` in assets/draw.js.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, page_registry
from dash.development.base_component import Component

from dashboard.components import empty
from dashboard.guests import guests_of

LOCATION = "address"
_PLACE, _LAYOUTS = "place", "layouts"


class RoutedDash(Dash):
    """Dash with its registry of pages, and without its router."""

    def enable_pages(self) -> None:
        """Dash calls it to add its router."""

    def interpolate_index(self, *parts: Any, **named: Any) -> str:
        """Dash calls it for each who opens a page in a browser."""
        guests_of(self).came()
        written: str = super().interpolate_index(*parts, **named)  # type: ignore[no-untyped-call]
        return written


def room() -> list[Component]:
    """Where pages come, and what the router knows of them; once they are registered."""
    return [
        dcc.Location(id=LOCATION, refresh="callback-nav"),
        dcc.Store(id=_LAYOUTS, data=[*map(_known, page_registry.values()), _nowhere()]),
        html.Div(id=_PLACE),
    ]


def layouts() -> list[Component]:
    """Of all pages: Dash learns from them which ids there are."""
    return [page["layout"] for page in page_registry.values()]


def add_router(dash: Dash) -> None:
    dash.clientside_callback(
        ClientsideFunction("gatewatch", "route"),
        Output(_PLACE, "children"),
        Input(LOCATION, "pathname"),
        State(LOCATION, "search"),
        State(_LAYOUTS, "data"),
    )


def asking(dash: Dash, asks: str, inputs: Sequence[Input]) -> None:
    """What a page asks the server for: its address, whenever an input changes; never that of the page that comes next.

    asks: the page's store for it, NAME-asked.
    """
    dash.clientside_callback(
        ClientsideFunction("gatewatch", "asked"),
        Output(asks, "data"),
        *inputs,
        State(_LAYOUTS, "data"),
        State(asks, "id"),
        prevent_initial_call=True,  # a page comes with its address: `route`
    )


def _known(page: dict[str, Any]) -> dict[str, Any]:
    """path: the whole of it, or with more behind its last slash what comes before that."""
    template: str | None = page["path_template"]
    return {
        "name": page["module"],
        "path": template.partition("<")[0] if template else page["path"],
        "more": template is not None,
        "title": page["title"],
        "layout": page["layout"],
    }


def _nowhere() -> dict[str, Any]:
    """For every other address; the last one."""
    way = dcc.Link("Overview", href="/")
    layout = html.Div(
        empty("No such page", ["This address leads nowhere. The pages stand in the navigation; begin at the ", way])
    )
    return {"name": "", "path": "/", "more": True, "title": "No such page · gatewatch", "layout": layout}
