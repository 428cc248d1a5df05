"""Figures as Plotly understands them: it refuses a property that it does not know."""

from __future__ import annotations

import json

import plotly.graph_objects as go

from dashboard.figure import Figure


def checked(figure: Figure) -> go.Figure:
    """What Plotly makes of it; ValueError for what it does not know."""
    return go.Figure(json.loads(json.dumps(figure.plain())))
