"""One line of what doctor says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """level: ok, warn or fail. hint: what to do."""

    level: str
    text: str
    hint: str = ""
