"""What the server takes for each page, tab and range, without a browser: reading, drawing, and writing it as JSON."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from dash import Dash
from dash._utils import to_json

from bench.ui_explorer import RANKING_MS
from bench.ui_watch import budget
from dashboard import pages
from dashboard.annotations import drawing
from dashboard.app import build_dashboard
from dashboard.data import Reader
from dashboard.pages.alerts import TABS as ALERT_TABS
from dashboard.pages.api import TABS
from dashboard.still import stilled
from dashboard.view import view_of
from gatewatch.settings import Settings
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.reading import bounds
from gatewatch.store.state import State, open_state

ANSWER_BYTES = 300_000


def served(folder: Path, most_ms: float) -> list[bool]:
    """A line a page: the first time since the server began, and when it was asked before."""
    with closing(open_state(Settings(data_dir=folder))) as state:
        known = bounds(state)
        assert known is not None, "nothing is stored"
        reader = Reader(lambda: state, lambda: known[1])
        registered(state)
        print("  on the server alone: milliseconds the second time (the first time), and bytes")
        return [good for page in asked(reader) for good in timed(reader, *page, most_ms)]


def registered(state: State) -> Dash:
    """Links lead only to pages that are registered."""
    return build_dashboard(lambda: state)


def asked(reader: Reader) -> Iterator[tuple[str, str, str]]:
    """(page, rest of its path, query)."""
    api, stage = reader.stages()[0]
    one = f"api={api}" + (f"&stage={stage}" if stage else "")
    day, week = "?range=24h", "?range=7d"
    with reader.store().read() as session:
        finding = list_findings(session, FindingFilter(), limit=1).items[0].finding.id
    for module in sorted(pkgutil.iter_modules(pages.__path__), key=lambda found: found.name):
        if module.name == "finding":
            yield module.name, finding, day
        elif module.name == "api":
            yield from ((module.name, api, f"{span}&tab={tab}") for tab in TABS for span in (day, week))
        elif module.name == "alerts":
            yield from ((module.name, "", f"?tab={tab}" if tab else "") for tab in ALERT_TABS)
        elif module.name == "settings":
            yield module.name, "", ""
        else:
            yield from ((module.name, "", query) for query in (day, week, f"{day}&{one}", f"{week}&{one}"))
    yield from (("explorer", "", f"{span}&{more}") for span in (day, week) for more in ("tab=counts", "sel=~~1000"))
    yield "explorer", "", f"{week}&f=status+%3E%3D+500"


def timed(reader: Reader, name: str, rest: str, query: str, most_ms: float) -> list[bool]:
    module = importlib.import_module(f"{pages.__name__}.{name}")
    took, size = [], 0
    for _ in range(2):
        view = view_of(query)
        began = time.perf_counter()
        with drawing(partial(reader.beside, view)):
            made = stilled(module.render(reader, rest, view), name)
        reader.standing()
        size = len(to_json({"page": made}))
        took.append((time.perf_counter() - began) * 1000)
    path = f"{name}{'/' + rest[:10] if rest else ''}{query}"
    most = RANKING_MS if "sel=" in query else most_ms  # what differs in a selection is its ranking
    good = [budget(f"{path[:48]:48} ({took[0]:,.0f})", took[1], most, "ms")]
    return good if size <= ANSWER_BYTES else [*good, budget(f"{path[:48]}, answer", size, ANSWER_BYTES, "B")]
