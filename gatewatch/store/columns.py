"""Column types that mean the same on SQLite and on PostgreSQL, whatever text an attacker sends."""

# ruff: noqa: ARG002  the signatures are SQLAlchemy's

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from gatewatch.records import JSON


class Utc(TypeDecorator[datetime]):
    """An instant: aware UTC in Python, microseconds. SQLite keeps text that sorts in time order."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the store")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AnyText(TypeDecorator[str]):
    """Any Python string, also one that no database takes (NUL on PostgreSQL, half surrogates of odd file names).

    Such a string is stored as \\x01 and its JSON form, and comes back unchanged; equality still works.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None or not value.startswith("\x01") else str(json.loads(value[1:]))


def storable(value: str) -> str:
    """The text that stands for `value` in the database."""
    if "\x00" not in value and not value.startswith("\x01"):
        try:
            value.encode()
        except UnicodeEncodeError:
            pass
        else:
            return value
    return "\x01" + json.dumps(value)


class Json(TypeDecorator[JSON]):
    """JSON as ASCII text: no database looks inside, and NUL, half surrogates and NaN come back as they were."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: JSON | None, dialect: Dialect) -> str | None:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)

    def process_result_value(self, value: Any, dialect: Dialect) -> JSON | None:
        decoded: JSON = None if value is None else json.loads(value)
        return decoded
