"""Partial data are said above everything that they make doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from dash.development.base_component import Component

from dashboard import words
from dashboard.components import banner
from dashboard.standing import FULL
from dashboard.view import Window

LAG = timedelta(minutes=5)
"""What has not come yet of the last minutes is on its way, as always."""

Gap = tuple[datetime, datetime]


def partial_note(share: float, gaps: Sequence[Gap], window: Window) -> Component | None:
    """share: of the window for which sources delivered. gaps: when none did."""
    missing = [(start, end) for start, end in gaps if end < window.until or end - start > LAG]
    if share >= FULL or not missing:
        return None
    start, end = max(missing, key=lambda gap: gap[1] - gap[0])
    which = "nothing came" if len(missing) == 1 else f"{len(missing)} gaps, the longest"
    return banner(
        f"Data are partial: sources delivered in {words.percent(share)} of this range; {which} from {words.at(start)} "
        f"on for {words.duration(end - start)}. What lies there is not known, and not judged."
    )
