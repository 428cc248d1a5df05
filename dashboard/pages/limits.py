"""Limits: who was throttled and at whose cost, what is left of plans and account, and what another limit would do."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dash import MATCH, Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from dashboard import words
from dashboard.components import banner, card, command, empty, range_line, stale_note
from dashboard.data import Reader
from dashboard.data_apis import known_inventory
from dashboard.data_limits import limits
from dashboard.data_whatif import WINDOWS_S, Per, Proposed, outcome
from dashboard.firstrun import begin_here
from dashboard.frame import Nav, add_page
from dashboard.limit_cards import TABLES, content
from dashboard.routing import LOCATION
from dashboard.view import View, view_of
from dashboard.whatif_cards import told
from gatewatch.errors import GatewatchError

log = logging.getLogger(__name__)

NAV = Nav(order=60, key="t", icon="limits")
_HIGHEST = 1e9


def register(dash: Dash, reader: Reader) -> None:
    heights = (48, 96, 320, 240)
    add_page(
        dash,
        reader,
        "limits",
        title="Limits",
        render=render,
        partial=True,
        path="/limits",
        heights=heights,
        nav=NAV,
        tables=TABLES,
    )

    def part(name: str) -> dict[str, Any]:
        return {"type": "whatif", "name": MATCH, "part": name}

    @dash.callback(
        Output(part("result"), "children"),
        Input(part("rate"), "value"),
        Input(part("burst"), "value"),
        State(part("of"), "data"),
        State(LOCATION, "search"),
        prevent_initial_call=True,
    )
    async def moved(rate: Any, burst: Any, of: Any, search: str | None) -> Any:
        proposed = proposed_of(rate, burst, of)
        if proposed is None:
            return no_update
        try:
            return await asyncio.to_thread(answered, reader, proposed, reader.resolved(view_of(search)))
        except GatewatchError as error:
            log.warning("a limit could not be replayed", extra={"reason": str(error)})
            return banner(f"Cannot read the data: {error}", kind="error")


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    view = replace(view, f=())  # conditions are a page's own, and this one has none
    found = limits(reader, view)
    head = html.Div([html.H1("Limits"), range_line(found.window if found else None)], className="page-head")
    if found is None:
        hint = html.Span(["Read access logs with ", command("gatewatch ingest PATH…"), "."])
        return html.Div([head, card(None, empty("No requests yet", "Nothing was ingested.", hint, begin_here()))])
    return html.Div([head, stale_note(view, found.window), content(reader, found, view)])


def proposed_of(rate: Any, burst: Any, of: Any) -> Proposed | None:
    """What the sliders stand at; None for what no slider can say."""
    try:
        if not isinstance(of, Mapping):
            return None
        per = Per(str(of.get("per")))
        api, stage = of.get("api"), of.get("stage")
        number, at_once = float(rate), int(float(burst))
    except (TypeError, ValueError, OverflowError):
        return None
    if not isinstance(api, str) or not (stage is None or isinstance(stage, str)):
        return None
    if not math.isfinite(number) or not 0 <= number <= _HIGHEST or not 0 <= at_once <= _HIGHEST:
        return None
    if per is Per.ADDRESS and at_once not in WINDOWS_S:
        return None
    return Proposed(api, stage, per, number, at_once)


def answered(reader: Reader, proposed: Proposed, view: View) -> list[Component | None]:
    with words.clock(view.tz):
        return _answered(reader, proposed, view)


def _answered(reader: Reader, proposed: Proposed, view: View) -> list[Component | None]:
    scope = replace(view, api=proposed.api, stage=proposed.stage)
    window = reader.window(scope)
    if window is None:
        return [empty("No requests yet", "Nothing was ingested.")]
    return told(reader, outcome(reader, scope, window, proposed), known_inventory(reader.store()))
