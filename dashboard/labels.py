"""What is really going on in a simulated world, for the charts: the labels that `gatewatch simulate` writes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dashboard.view import Window

log = logging.getLogger(__name__)

MOST = 2000
"""Labels that are kept of a file."""


@dataclass(frozen=True, slots=True)
class Label:
    """One incident, or something harmless that may look like one. kind None: harmless. end None: it goes on.

    said: what gives it away, or why it is harmless. of: the API's name.
    """

    name: str
    level: str | None
    kind: str | None
    api: str
    stage: str | None
    route: str | None
    start: datetime
    end: datetime | None
    said: str
    of: str | None = None

    @property
    def harmless(self) -> bool:
        return self.kind is None

    def overlaps(self, since: datetime, until: datetime) -> bool:
        return self.start < until and (self.end is None or self.end > since)


def read_labels(path: Path | None) -> tuple[Label, ...]:
    """The labels of a file, by start; what cannot be read is logged and gives none, for it is only an ornament."""
    if path is None:
        return ()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = list(_labels(document))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("labels cannot be read", extra={"path": str(path), "reason": str(error)})
        return ()
    return tuple(sorted(found, key=lambda one: (one.start, one.api, one.name))[:MOST])


def labels_of(path: Path) -> Callable[[], tuple[Label, ...]]:
    """The labels of a file that may come and go, as the demo world does; it is read again when it has changed."""
    kept: tuple[int, tuple[Label, ...]] = (-1, ())

    def labels() -> tuple[Label, ...]:
        nonlocal kept
        try:
            mark = path.stat().st_mtime_ns
        except OSError:
            return ()
        if mark != kept[0]:
            kept = (mark, read_labels(path))
        return kept[1]

    return labels


def _labels(document: dict[str, Any]) -> Iterator[Label]:
    names = {str(one["api_id"]): str(one["name"]) for one in document.get("apis", ())}
    for one in document["incidents"]:
        yield _label(one, str(one["kind"]), str(one["tell"]), names)
    for one in document["benign"]:
        yield _label(one, None, str(one["why"]), names)


def _label(one: dict[str, Any], kind: str | None, said: str, names: Mapping[str, str]) -> Label:
    end = one["end"]
    return Label(
        name=str(one["scenario"]),
        level=str(one["level"]) if "level" in one else None,
        kind=kind,
        api=str(one["api_id"]),
        stage=one["stage"],
        route=one["route"],
        start=_instant(one["start"]),
        end=None if end is None else _instant(end),
        said=said,
        of=names.get(str(one["api_id"])),
    )


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def marks(labels: Sequence[Label], window: Window) -> list[tuple[float, float, bool]]:
    """Where labels lie in a window: (from, to) as shares of its length, and whether it is harmless; harmless first."""
    span = window.span.total_seconds()
    found = []
    for one in labels:
        if one.overlaps(window.since, window.until):
            start = max((one.start - window.since).total_seconds() / span, 0.0)
            end = 1.0 if one.end is None else min((one.end - window.since).total_seconds() / span, 1.0)
            found.append((start, end, one.harmless))
    return sorted(found, key=lambda mark: (not mark[2], mark[0]))
