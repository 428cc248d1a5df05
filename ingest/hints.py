"""What a file's path tells about the API and stage whose lines it holds, for lines that do not say it themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gatewatch.records import ApiType

_API_ID = re.compile(r"[a-z0-9]{10}")
_STAGE = re.compile(
    r"\$?default|prod|production|live|dev|develop|development|test|testing|stage|staging|qa|uat|int|beta|sandbox|v[0-9]+"
)
_DATED = re.compile(r"(?:[a-z_]+=)?[0-9]{1,4}(?:[-_T:][0-9]{2})*Z?|[0-9a-f]{8,}|[0-9-]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Known:
    """An API of the inventory."""

    api: str
    api_type: ApiType | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """api, stage: None when the path says nothing. sure: the API is one of the inventory, which tells its type."""

    api: str | None = None
    stage: str | None = None
    sure: bool = False
    api_type: ApiType | None = None


def hint_of(path: str, apis: Mapping[str, Known]) -> Hint:
    """The path's hint. apis: ids and names of the inventory's APIs -> the API.

    An API of the inventory that the path names; else a folder that looks like an API id; else the nearest folder that
    is neither a date nor a stage, which at least keeps two APIs apart.
    """
    folders = [part for part in reversed(Path(path).absolute().parent.parts) if part not in ("/", "")]
    stage = next((folder for folder in folders[:6] if _STAGE.fullmatch(folder)), None)
    for name in sorted(apis, key=len, reverse=True):
        if name in path and re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", path):
            return Hint(apis[name].api, stage, True, apis[name].api_type)
    named = [folder for folder in folders if not _DATED.fullmatch(folder) and not _STAGE.fullmatch(folder)]
    looks = (folder for folder in named if _API_ID.fullmatch(folder) and not folder.isalpha())
    return Hint(next(looks, named[0] if named else None), stage)


def undated(folder: Path) -> tuple[str, ...]:
    """The parts of a folder's path without the dates at its end: `logs/x` of `logs/x/2026/06/09/12`."""
    parts = folder.parts
    while parts and _DATED.fullmatch(parts[-1]):
        parts = parts[:-1]
    return parts
