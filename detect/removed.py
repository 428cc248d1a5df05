"""Stages that somebody removed: by hand, a pipeline or a rule, as CloudTrail tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from detect.changes import here
from detect.grid import Key
from detect.model import Context, epoch_minute
from gatewatch.records import Change

Removals: TypeAlias = "Mapping[Key, Sequence[int]]"
"""Stage -> minutes since the epoch."""

_DOORS = ("deletestage", "deleterestapi", "deleteapi", "deletebasepath", "deletedomain")
"""In the name of the call. DeleteApi: and of a mapping, too."""

_CLEARED = ("deletedeployment",)
"""Takes a stage away only in undoing it; pipelines clear old ones every day."""


def removes(change: Change) -> bool:
    """Does it take something away that callers need?"""
    return _names(change, (*_DOORS, *_CLEARED))


def removals(context: Context, keys: Iterable[Key]) -> Removals:
    """When each of these stages, its API or the way to it was deleted."""
    found: dict[Key, list[int]] = {}
    deleted = [change for change in context.changes if _names(change, _DOORS)]
    for change in deleted:
        for key in keys:
            if here(change.resource, key[2] or "", key[3], context.linked):
                found.setdefault(key, []).append(epoch_minute(change.at))
    return found


def _names(change: Change, words: tuple[str, ...]) -> bool:
    text = change.what.replace(" ", "").lower()
    return any(word in text for word in words) and "deleteapikey" not in text  # a key is one caller's
