"""Our own log: one record, one line, whatever an attacker got into it; as text for people or JSON for programs."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from alerts.render.json import json_text
from alerts.render.log import log_text
from gatewatch.records import JSON

_LONGEST = 2000
_MOST_LINES = 200
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message", "taskName"}


def set_up_logging(level: int, form: str = "text", stream: TextIO | None = None) -> None:
    """All loggers write to stderr (or `stream`), from `level` on. form: text or json."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class TextLines(logging.Formatter):
    """`2026-06-09T12:00:00Z WARNING gatewatch.jobs: a job failed job=tick reason="…"`; a trace follows, set in.

    Every part is made visible and bounded, so a record can neither end its line and begin another, nor hide.
    """

    def format(self, record: logging.LogRecord) -> str:
        parts = [_time(record), record.levelname, f"{record.name}:", log_text(record.getMessage(), _LONGEST)]
        parts += [f"{name}={_quoted(value)}" for name, value in _extra(record).items()]
        lines = [" ".join(parts)]
        if record.exc_info:
            lines += [f"    | {log_text(line, _LONGEST)}" for line in _trace(record.exc_info)]
        return "\n".join(lines)


class JsonLines(logging.Formatter):
    """The same as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, JSON] = {
            "at": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:_LONGEST],
        }
        row |= {name: log_text(value, _LONGEST) for name, value in _extra(record).items() if name not in row}
        if record.exc_info:
            row["trace"] = "\n".join(line[:_LONGEST] for line in _trace(record.exc_info))
        return json_text(row)


def _trace(info: Any) -> list[str]:
    """The last lines of a trace, where the reason stands."""
    return "".join(traceback.format_exception(*info)).splitlines()[-_MOST_LINES:]


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """What the caller said beside the message."""
    return {name: value for name, value in record.__dict__.items() if name not in _USUAL}


def _quoted(value: object) -> str:
    text = log_text(value, _LONGEST)
    return f'"{text}"' if " " in text or '"' in text or "=" in text or not text else text
