"""Parts of pages that change something: they call the API from the browser (assets/session.js)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from gatewatch.records import JSON


def form(
    method: str,
    path: str,
    inputs: list[Component],
    label: str,
    *,
    done: str = "",
    lists: str = "",
    numbers: str = "",
    hours: str = "",
    fixed: dict[str, JSON] | None = None,
) -> Component:
    """Inputs whose values are sent to the API by a button. lists, numbers: names of fields that are such.

    hours: names of fields that are so many hours from now, sent as an instant. fixed: what is sent besides.
    """
    asked: Any = {
        "data-method": method,
        "data-path": path,
        "data-done": done,
        "data-lists": lists,
        "data-numbers": numbers,
        "data-hours": hours,
        "data-fixed": json.dumps(fixed or {}),
    }
    button = html.Button(label, className="plain-button send", type="submit")
    # Should the script be missing, a POST is refused, where a GET would write what was typed into the address.
    return html.Form([*inputs, button], className="send-form", method="POST", action=path, **asked)


def action(
    label: str, method: str, path: str, body: dict[str, JSON] | None = None, *, done: str, sure: str = "", key: str = ""
) -> Component:
    """A button that calls the API. sure: what it says before it is pressed a second time. key: that presses it, too."""
    asked: Any = {"data-method": method, "data-path": path, "data-body": json.dumps(body or {}), "data-done": done}
    if sure:
        asked["data-sure"] = sure
    if key:
        asked["data-key"] = key
    return html.Button(label, className="plain-button send", type="button", **asked)


def choice(name: str, label: str, values: Sequence[str] | Mapping[str, str], value: str) -> Component:
    """values: what is sent; of a mapping, the key, while its word is shown."""
    shown = values if isinstance(values, Mapping) else {one: one for one in values}
    data = [{"value": one, "label": word} for one, word in shown.items()]
    made: Component = dmc.Select(name=name, label=label, data=data, value=value, allowDeselect=False)
    return made
