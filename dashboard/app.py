"""Builds the dashboard: Dash on its FastAPI backend, everything served from here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dash import Dash, html
from dash.backends import get_backend

from dashboard import pages
from dashboard.data import Reader
from dashboard.frame import add_frame, places, shell
from dashboard.labels import Label
from dashboard.routing import RoutedDash, layouts
from gatewatch.privacy import Privacy
from gatewatch.store.state import State as Store

_INDEX = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <title>{%title%}</title>
        {%favicon%}
        <script src="/assets/first/theme.js"></script>
        {%css%}
    </head>
    <body>
        {%app_entry%}
        <footer>
            {%config%}
            {%scripts%}
            {%renderer%}
        </footer>
    </body>
</html>"""


def _without_websockets() -> type:
    """Dash's FastAPI backend; as it comes, every page opens a WebSocket, and nothing here speaks it."""
    backend: type = get_backend("fastapi")
    return type("Backend", (backend,), {"websocket_capability": False})


def _now() -> datetime:
    return datetime.now(UTC)


def build_dashboard(
    opened: Callable[[], Store],
    clock: Callable[[], datetime] = _now,
    *,
    csrf_cookie: str = "gw-csrf",
    labels: Callable[[], Sequence[Label]] = tuple,
    privacy: Privacy | None = None,
) -> Dash:
    """The dashboard on the store that `opened` gives; mount its `.server` behind all other routes.

    csrf_cookie: name of the cookie with the token that callbacks send along. labels: of a simulated world. privacy:
    what is shown of people.
    """
    dash = RoutedDash(
        "dashboard",
        backend=_without_websockets(),
        assets_folder=str(Path(__file__).parent / "assets"),
        # The one is loaded by the index itself, before anything is painted, the other by the login page.
        assets_ignore=r"theme\.js|login\.css",
        index_string=_INDEX,
        use_pages=True,
        pages_folder="",
        title="gatewatch",
        update_title="",
        serve_locally=True,
        include_pages_meta=False,  # it would need the public address, and name it
        enable_mcp=False,
        websocket_callbacks=False,
        suppress_callback_exceptions=False,
        add_log_handler=False,
        csrf_token_name=csrf_cookie,
    )
    reader = Reader(opened, clock, labels, privacy)
    add_frame(dash, reader)
    for module in sorted(pkgutil.iter_modules(pages.__path__), key=lambda found: found.name):
        importlib.import_module(f"{pages.__name__}.{module.name}").register(dash, reader)
    navigation = places(dash)
    dash.validation_layout = html.Div([*layouts(), shell(navigation)])  # type: ignore[assignment]
    dash.layout = lambda: shell(navigation)  # for each who comes: it says who that is
    return dash
