"""What only shows something becomes one component, with the same elements in the same order."""

from __future__ import annotations

import json
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from plotly.utils import PlotlyJSONEncoder

from dashboard.still import Still, stilled


def sent(part: Any) -> Any:
    """As the browser gets it."""
    return json.loads(json.dumps(part, cls=PlotlyJSONEncoder))


def test_html_and_links_become_one_tree() -> None:
    made = stilled(html.Div([html.B("<b>", title="t"), " of ", dcc.Link(3, href="/x"), None], className="k"), "page")
    assert isinstance(made, Still)
    tree = ["div", {"className": "k"}, ["b", {"title": "t"}, "<b>"], " of ", ["Link", {"href": "/x"}, 3], None]
    assert sent(made)["props"] == {"id": "page-0", "tree": [tree]}


def test_what_lives_stays_and_its_still_neighbours_are_joined() -> None:
    live = dmc.TextInput(id="name", value="x")
    made = stilled(html.Div([html.P("a"), html.P("b"), live, html.P("c"), "d"]))
    before, kept, after = made.children
    assert kept is live
    assert [node[2] for node in before.tree] == ["a", "b"]
    assert after.tree == [["p", {}, "c"], "d"]


def test_a_table_of_thousands_of_cells_with_one_control_is_a_few_components() -> None:
    rows = [html.Tr([html.Td(f"{row}.{cell}") for cell in range(20)]) for row in range(200)]
    rows[100].children[3].children = html.Button("press", id="press")
    made = stilled(html.Table(html.Tbody(rows)))
    assert sum(1 for _ in made._traverse()) < 20
    shown = json.dumps(sent(made))
    assert all(f'"{row}.{cell}"' in shown for row in (0, 99, 100, 199) for cell in (0, 19))


def test_every_component_that_is_left_has_an_id_and_the_same_page_gets_the_same_ones() -> None:
    def page() -> Any:
        return html.Section([dmc.Kbd("q"), html.Div([html.P("x"), html.Form([html.P("y")])]), html.Span(id="own")])

    first, second = sent(stilled(page(), "p")), sent(stilled(page(), "p"))
    assert first == second
    ids: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                walk(one)
        elif isinstance(node, dict):
            ids.append(node["props"]["id"])
            walk(node["props"].get("children"))

    walk(first)
    assert "own" in ids
    assert len(ids) == len(set(ids))
