"""A Plotly figure as plain data.

plotly.graph_objects checks and copies every property that is set, which took a third of what a page costs; the tests
give each figure to it instead (tests/dashboard/plotting.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Figure:
    """data, layout: as plotly.js takes them. None takes a property away."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = {}

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.layout["height"])

    def add_bar(self, **trace: Any) -> None:
        self._add("bar", trace)

    def add_scatter(self, **trace: Any) -> None:
        self._add("scatter", trace)

    def add_heatmap(self, **trace: Any) -> None:
        self._add("heatmap", trace)

    def add_shape(self, **shape: Any) -> None:
        self.layout.setdefault("shapes", []).append(_merged({}, shape))

    def add_annotation(self, **annotation: Any) -> None:
        self.layout.setdefault("annotations", []).append(_merged({}, annotation))

    def update_layout(self, **layout: Any) -> None:
        _merged(self.layout, layout)

    def update_xaxes(self, **axis: Any) -> None:
        self.update_layout(xaxis=axis)

    def update_yaxes(self, **axis: Any) -> None:
        self.update_layout(yaxis=axis)

    def plain(self) -> dict[str, Any]:
        return {"data": self.data, "layout": self.layout}

    def _add(self, kind: str, trace: Mapping[str, Any]) -> None:
        self.data.append(_merged({"type": kind}, trace))


def _merged(into: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in more.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, Mapping):
            held = into.get(name)
            into[name] = _merged(held if isinstance(held, dict) else {}, value)
        else:
            into[name] = value
    return into
