"""Parts of a page that cost the browser much, charts and grids: drawn when they come near the window, or when it rests.

Until then an empty box has their height, so that nothing moves when they come. What is never seen (the grid of a wide
screen on a telephone, a chart in a closed fold) is never drawn. See assets/later.js.
"""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component


class Later(Component):
    """height: of the box, as CSS writes it; what is in it may be higher. A Dash component of our own."""

    _namespace = "gatewatch_parts"
    _type = "Later"
    _children_props: list[str] = []  # noqa: RUF012 - Dash reads them from the class
    _base_nodes = ["children"]  # noqa: RUF012
    _prop_names = ["id", "children", "height"]  # noqa: RUF012
    _valid_wildcard_attributes: list[str] = []  # noqa: RUF012
    available_properties = _prop_names
    available_wildcard_properties: list[str] = []  # noqa: RUF012

    def __init__(self, part: Component, height: str) -> None:
        super().__init__(children=part, height=height)  # type: ignore[no-untyped-call]


def narrow(part: Component) -> Component:
    """What only a small screen shows, in place of a grid: on others it is never drawn."""
    made: Component = html.Div(Later(part, "0"), className="narrow-only")
    return made
