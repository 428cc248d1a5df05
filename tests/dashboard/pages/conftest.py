"""A reader of a filled store and of an empty one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder

from dashboard.data import Reader
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.world import END, fill


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("pages") / "data"))
    fill(state)
    yield Reader(lambda: state, lambda: END)
    state.close()


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    yield Reader(lambda: state, lambda: END)
    state.close()


def texts(component: Component) -> list[str]:
    """Every text that a page shows, in its order."""
    out: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, str):
            out.append(node)
        elif isinstance(node, list):
            for one in node:
                walk(one)
        elif isinstance(node, dict):
            walk(node.get("props", {}).get("children"))

    walk(json.loads(json.dumps(component, cls=PlotlyJSONEncoder)))
    return out


def find(component: Component, kind: str) -> list[Any]:
    """The components of a type, e.g. AgGrid."""
    return [one for one in component._traverse() if type(one).__name__ == kind]
