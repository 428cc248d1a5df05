"""Parts of pages that change something: they call the API from the browser (assets/session.js)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from dashboard.components import kbd
from gatewatch.records import JSON

Call = tuple[str, str, dict[str, JSON]]
"""Method, path and body of a call of the API."""


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
    means: Mapping[str, Mapping[str, Mapping[str, JSON]]] | None = None,
    undo: Sequence[Call] = (),
    times: str = "",
    matcher: bool = False,
) -> Component:
    """Inputs whose values are sent to the API by a button. lists, numbers: names of fields that are such.

    times: names of fields that are a date and time, of UTC where no zone is written. hours: names of fields that are so
    many hours from now, or from the time in `times` when it is filled, sent as an instant. fixed: what is sent besides.
    means: of a field, values that stand for fields of their own. undo: the calls that take it back. matcher: the fields
    `label` and `pattern` are sent as `{"matchers": {label: [pattern]}}`.
    """
    asked: Any = {
        "data-method": method,
        "data-path": path,
        "data-done": done,
        "data-lists": lists,
        "data-numbers": numbers,
        "data-hours": hours,
        "data-times": times,
        "data-matcher": "yes" if matcher else "",
        "data-fixed": json.dumps(fixed or {}),
        "data-means": json.dumps(means or {}),
        **_undone(undo),
    }
    button = html.Button(label, className="plain-button send", type="submit")
    # Should the script be missing, a POST is refused, where a GET would write what was typed into the address.
    return html.Form([*inputs, button], className="send-form", method="POST", action=path, **asked)


def action(
    label: str,
    method: str,
    path: str,
    body: dict[str, JSON] | None = None,
    *,
    done: str,
    sure: str = "",
    undo: Sequence[Call] = (),
    key: str = "",
    main: bool = False,
) -> Component:
    """A button that calls the API. sure: what it says before it is pressed a second time. undo: what takes it back.

    key: presses it. main: it is what most people want here.
    """
    asked: Any = {
        "data-method": method,
        "data-path": path,
        "data-body": json.dumps(body or {}),
        "data-done": done,
        **_undone(undo),
    }
    if sure:
        asked["data-sure"] = sure
    inside: Any = label
    if key:
        asked["data-key"] = key
        inside = [label, kbd(key)]
    name = "plain-button send" + (" main-button" if main else "")
    return html.Button(inside, className=name, type="button", **asked)


def _undone(calls: Sequence[Call]) -> dict[str, str]:
    return {"data-undo": json.dumps(calls)} if calls else {}


def choice(name: str, label: str, values: Sequence[str] | Mapping[str, str], value: str) -> Component:
    """values: what is sent; of a mapping, the key, while its word is shown."""
    made: Component = dmc.Select(name=name, label=label, data=_data(values), value=value, allowDeselect=False)
    return made


def pick(name: str, label: str, values: Sequence[str] | Mapping[str, str]) -> Component:
    """The same as the system shows it, for panels that a list of our own would leave; the first is chosen."""
    options = [html.Option(one["label"], value=one["value"]) for one in _data(values)]
    return html.Label([label, html.Select(options, name=name)], className="pick")


def _data(values: Sequence[str] | Mapping[str, str]) -> list[dict[str, str]]:
    shown = values if isinstance(values, Mapping) else {one: one for one in values}
    return [{"value": one, "label": word} for one, word in shown.items()]
