"""Small parts that the pages of APIs, refusals and limits share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import empty, finding_link, severity_mark, state_mark, table
from dashboard.view import View
from gatewatch.store.findings import StoredFinding


def size(minutes: int) -> str:
    """A bucket in words."""
    return "minute" if minutes == 1 else f"{minutes} minutes" if minutes < 60 else f"{minutes // 60} h"


def no_requests() -> Component:
    return empty("No request in this range", "Choose a longer range above.")


def unknown(title: str, why: str) -> Component:
    """why: as `summing.needs` says it."""
    said = why.removeprefix("not known: ")
    return empty(title, f"{said[:1].upper()}{said[1:]}.")


def folded(
    heads: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    caption: str,
    first: int = 10,
    numbers: Sequence[int] = (),
    name: str = "stack",
) -> Component:
    """A table of which the first rows are seen at once, and the others when they are asked for."""
    return table(heads, rows, caption=caption, numbers=numbers, name=name, first=first)


def route_name(route: str | None) -> str:
    return plain(route, 160) if route else "no route (nothing answers to the path, or it is not logged)"


def short_list(findings: Sequence[StoredFinding], view: View, *, ended: bool = False) -> Component:
    def item(stored: StoredFinding) -> Component:
        one = stored.finding
        since = (
            f"{words.at(one.start)}, {words.duration(one.end - one.start)}"
            if one.end
            else f"since {words.at(one.start)}"
        )
        place = " · ".join(plain(part, 120) for part in (one.stage, one.route) if part)
        return html.Li(
            [
                severity_mark(one.severity),
                html.Div(
                    [finding_link(stored, view), html.Div(f"{place} · {since}" if place else since, className="small")],
                    className="what",
                ),
                None if ended else state_mark(stored.state),
            ]
        )

    return html.Ul([item(stored) for stored in findings], className="short-list")
