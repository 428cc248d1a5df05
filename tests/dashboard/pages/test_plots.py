"""Every figure of every page, as Plotly sees it."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import plotly.graph_objects as go
import pytest
from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder

from dashboard import pages
from dashboard.annotations import drawing
from dashboard.data import Reader
from dashboard.pages.api import TABS
from dashboard.view import view_of
from gatewatch.settings import Settings
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.state import open_state
from tests.dashboard.operations import add_changes, add_sources, add_spans
from tests.dashboard.pages.conftest import find
from tests.dashboard.world import END, fill


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=Path(tmp_path_factory.mktemp("plots")) / "data"))
    fill(state)
    add_sources(state, END)
    add_changes(state, END)
    add_spans(state, END)
    yield Reader(lambda: state, lambda: END)
    state.close()


def asked(reader: Reader) -> Iterator[tuple[str, str, str]]:
    api = reader.stages()[0][0]
    with reader.store().read() as session:
        found = [one.finding.id for one in list_findings(session, FindingFilter(), limit=50).items]
    for module in pkgutil.iter_modules(pages.__path__):
        if module.name == "finding":
            yield from ((module.name, one, "?range=7d") for one in found)
        elif module.name == "api":
            yield from ((module.name, api or "", f"?range=7d&tab={tab}") for tab in TABS)
        elif module.name != "caller":
            yield module.name, "", "?range=7d"
    yield "explorer", "", "?range=7d&tab=counts"
    yield "explorer", "", "?range=7d&sel=~~1000"


def test_plotly_knows_every_property_of_every_figure(full: Reader) -> None:
    drawn = 0
    for name, rest, query in asked(full):
        module = importlib.import_module(f"{pages.__name__}.{name}")
        view = view_of(query)
        with drawing(lambda view=view: full.beside(view)):  # type: ignore[misc]
            made: Component = module.render(full, rest, view)
        for store in find(made, "Store"):
            if isinstance(store.data, dict) and "layout" in store.data:
                go.Figure(json.loads(json.dumps(store.data, cls=PlotlyJSONEncoder)))
                drawn += 1
    assert drawn > 15
