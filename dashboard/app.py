"""Builds the dashboard."""

from __future__ import annotations

from collections.abc import Callable

from dash import Dash, html

from gatewatch.store.state import State


def build_dashboard(opened: Callable[[], State]) -> Dash:  # noqa: ARG001
    dash = Dash("dashboard", backend="fastapi")
    dash.layout = html.Div("gatewatch")
    return dash
