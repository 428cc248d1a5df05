"""What a silence means on a first day or weekend is not known: where that is so, it is said.

An office that closes, a batch that is done and an outage look alike there. Who calls in a stream that stops at once is
judged even then (STREAM).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detect.grid import Bools, Floats, Ints, Key
from detect.model import minute_at
from detect.report import span_words
from detect.sight import WARMING, blind
from gatewatch.records import Blind, Kind

DAY = 1440
STREAM = 30.0
"""Calls a minute that do not end at once because it is evening."""

WEEKEND_MINUTES = 180
"""So long somebody is missed on a first Saturday or Sunday who was still there."""

LEAST_AGE = 180.0
"""Minutes that a stage is known before its silence means anything."""

TOLD_DAYS = 7
"""So long it is said that a silence of a first day or weekend was not judged."""


def worse(old: Floats, doubt: Bools, last: Ints, minutes: Ints) -> Floats:
    """The longest silence that could not be judged: its first minute and its length, (series, 2); 0 if there is none.

    doubt, last (minute of the last good answer): (series, minutes); minutes: since the epoch.
    """
    lengths = np.where(doubt, minutes - last, 0)
    at = np.argmax(lengths, axis=1)
    row = np.arange(len(lengths))
    new = np.stack([last[row, at] + 1, lengths[row, at]], axis=1).astype(np.float64)
    return np.where((new[:, 1] > old[:, 1])[:, None], new, old)


def warming(keys: Sequence[Key], rows: Sequence[int], age: Floats, level: Floats, doubt: Floats) -> list[Blind]:
    """Of the stages (rows of keys) those whose silences could not all be judged. level: calls a minute of late.

    age: minutes known. doubt: as `worse` gives it.
    """
    out = []
    for row in sorted(rows, key=lambda one: tuple(part or "" for part in keys[one])):
        why = None
        if doubt[row, 1] > 0:
            first, length = doubt[row].tolist()
            why = f"silent for {span_words(length)} from {minute_at(int(first)):%Y-%m-%d %H:%M} UTC, too early to tell"
        elif age[row] < LEAST_AGE:
            why = f"silences are judged when it has been known for {span_words(LEAST_AGE)}"
        elif age[row] < DAY and level[row] < STREAM:
            why = f"on a first day silences are judged of streams alone ({STREAM:g} calls a minute)"
        if why is not None:
            out.append(blind(Kind.DEAD_API, keys[row], f"{WARMING}{why}", ()))
    return out
