"""A field for conditions `field op value` (gatewatch.where), with what there is to choose from while one types.

Enter adds what was typed to the conditions of the address (`f`). What is no condition stands there, too: the page that
reads them says what is wrong with it. `field:value` and `-field:value` are understood, and a whole query string.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import icon
from gatewatch.where import FIELDS, Type, ops

MOST = 400


def suggestions(
    values: Mapping[str, Iterable[tuple[str | None, int]]], fields: Mapping[str, Type] = FIELDS
) -> list[tuple[str, str]]:
    """(condition, what it is) for each known value with its count, then for each field how it is asked about."""
    found = []
    for name, known in values.items():
        for value, count in known:
            text = f"{name} is empty" if value is None else f"{name} = {value}"
            if name in fields and text == plain(text, 200):  # what cannot be shown as it is cannot be typed either
                found.append((text, words.count(count)))
    found += [(f"{name} {ops(name)[0]} ", f"takes {' '.join(ops(name))}") for name in fields]
    return found[:MOST]


def term_input(known: Sequence[tuple[str, str]], *, name: str = "terms") -> Component:
    """The field. known: see `suggestions`."""
    field = dcc.Input(
        id={"type": "term", "key": name},
        type="text",
        list=f"{name}-known",
        placeholder="Add a condition …",
        autoComplete="off",
        spellCheck=False,
        className="term-text",
    )
    options = [html.Option(said, value=text) for text, said in known]
    label: Any = {"aria-label": "Add a condition"}
    return html.Div(
        [icon("filter"), field, html.Datalist(options, id=f"{name}-known")],
        className="term-input",
        role="group",
        **label,
    )
