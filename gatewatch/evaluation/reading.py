"""Typed access to a parsed JSON document; an error names the document, the place in it, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gatewatch.errors import UsageError


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands: `labels.json: incidents[3]`. advice: what to do when it is wrong."""

    value: Any
    where: str
    advice: str

    def wrong(self, key: str, what: str) -> UsageError:
        return UsageError(f"{self.where}{'.' if '[' in self.where else ': '}{key}: {what}; {self.advice}")

    def fields(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise UsageError(f"{self.where}: no JSON object; {self.advice}")
        return self.value

    def get(self, key: str) -> Any:
        return self.fields().get(key)

    def text(self, key: str) -> str:
        value = self.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "is missing" if value is None else "must be a text that is not empty")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.get(key) in (None, "") else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; absent or null: empty. Numbers are taken as their digits (AS numbers)."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or any(isinstance(one, bool) or not isinstance(one, str | int) for one in value):
            raise self.wrong(key, "must be a list of texts")
        return tuple(str(one) for one in value)

    def number(self, key: str) -> float:
        """Absent or null: 0."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise self.wrong(key, "must be a number")
        return float(value or 0)

    def moment(self, key: str) -> float:
        """Seconds since the epoch."""
        text = self.text(key)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise self.wrong(key, f"{text[:40]!r} is no time; write 2026-06-09T12:00:00Z") from None
        if at.tzinfo is None:
            raise self.wrong(key, f"{text[:40]!r} says no time zone; write 2026-06-09T12:00:00Z")
        return at.astimezone(UTC).timestamp()

    def optional_moment(self, key: str) -> float | None:
        return None if self.get(key) is None else self.moment(key)

    def child(self, key: str) -> Node:
        """An object inside; absent or null: an empty one."""
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, "must be a JSON object")
        return Node(value or {}, f"{self.where}{'.' if '[' in self.where else ': '}{key}", self.advice)

    def children(self, key: str, *, needed: bool = False) -> Iterator[Node]:
        value = self.get(key)
        if value is None and not needed:
            return
        if not isinstance(value, list):
            raise self.wrong(key, "is missing" if value is None else "must be a list")
        yield from nodes(value, f"{self.where}{'.' if '[' in self.where else ': '}{key}", self.advice)


def nodes(values: Sequence[Any], where: str, advice: str) -> Iterator[Node]:
    for number, value in enumerate(values):
        yield Node(value, f"{where}[{number}]", advice)
