"""Partial data are said above everything that they make doubtful."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import banner
from dashboard.standing import FULL
from dashboard.view import Window

LAG = timedelta(minutes=5)
"""What has not come yet of the last minutes is on its way, as always."""

QUIET = timedelta(minutes=30)
"""A source that is so far behind another is silent."""

MOST_NAMED = 3

Gap = tuple[datetime, datetime]
Silent = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class Missing:
    """What did not come in a window. share: of it for which sources delivered. gaps: when none did.

    sources: those that delivered in it. silent: followed sources that stopped, and since when.
    """

    share: float
    gaps: Sequence[Gap]
    window: Window
    sources: Sequence[str] = ()
    silent: Sequence[tuple[str, datetime]] = ()


def silent_since(intervals: Mapping[str, datetime], followed: Collection[str]) -> list[Silent]:
    """Followed sources that stopped well before the others. intervals: source -> until when it delivered."""
    if not intervals:
        return []
    newest = max(intervals.values())
    late = [(name, end) for name, end in intervals.items() if name in followed and newest - end > QUIET]
    return sorted(late, key=lambda one: (one[1], one[0]))


def partial_note(found: Missing) -> Component | None:
    """The banner above a page whose data are not whole, with the sources that were silent."""
    window = found.window
    missing = [(start, end) for start, end in found.gaps if end < window.until or end - start > LAG]
    said = []
    if found.share < FULL and missing:
        start, end = max(missing, key=lambda gap: gap[1] - gap[0])
        which = "nothing came" if len(missing) == 1 else f"{len(missing)} gaps, the longest"
        said.append(
            f"Data are partial: sources delivered in {words.percent(found.share)} of this range; {which} from "
            f"{words.at(start)} on for {words.duration(end - start)}, in which {_named(found.sources)}."
        )
    said += [
        f"The source {plain(name, 60)} is silent since {words.at(end)}, while others deliver."
        for name, end in found.silent[:MOST_NAMED]
    ]
    if len(found.silent) > MOST_NAMED:
        said.append(f"{len(found.silent) - MOST_NAMED} more are silent, too: see Sources.")
    return banner(f"{' '.join(said)} What lies there is not known, and not judged.") if said else None


def _named(sources: Sequence[str]) -> str:
    """Who was silent when nobody delivered."""
    if not sources:
        return "no source was known"
    names = ", ".join(plain(one, 60) for one in sources[:MOST_NAMED])
    more = f" and {len(sources) - MOST_NAMED} more" if len(sources) > MOST_NAMED else ""
    return f"{names}{more} {'was' if len(sources) == 1 else 'were'} silent"
