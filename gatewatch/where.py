"""The one filter grammar: `field op value`, the same in the API, `--where`, suppressions and the dashboard.

    severity >= high
    api in orders,billing
    route ~ /pets
    stage is empty
    start >= 2026-06-09T12:00:00Z

Terms of a list must all hold. Text only: nothing here knows a store. The fields are those of findings (FINDINGS)
unless another `Grammar` is given: requests have theirs (gatewatch.request_fields).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from gatewatch.errors import UsageError
from gatewatch.records import Cause, Kind, Severity, State

MOST_TERMS = 30
LONGEST = 1000
MOST_VALUES = 100

Value: TypeAlias = "str | float | datetime"


class Type(StrEnum):
    """What a field holds: words of a known list, any text, a number, or a time."""

    WORD = "word"
    TEXT = "text"
    NUMBER = "number"
    TIME = "time"


_WORDS: dict[str, tuple[str, ...]] = {
    "kind": tuple(Kind),
    "severity": tuple(Severity),
    "state": tuple(State),
    "cause": tuple(Cause),
}

FIELDS: dict[str, Type] = {
    **dict.fromkeys(_WORDS, Type.WORD),
    **dict.fromkeys(
        (
            "id",
            "fingerprint",
            "subtype",
            "title",
            "account",
            "region",
            "api",
            "stage",
            "place",
            "route",
            "layer",
            "assignee",
            "suppression",
        ),
        Type.TEXT,
    ),
    **dict.fromkeys(("score", "confidence", "occurrences"), Type.NUMBER),
    **dict.fromkeys(("start", "end", "detected", "updated"), Type.TIME),
}
"""The fields, and what they hold."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """fields: what they hold. words: of those that hold words. ordered: words that have an order.

    optional: words and numbers that may be absent, which `is empty` asks for.
    """

    fields: Mapping[str, Type]
    words: Mapping[str, tuple[str, ...]]
    ordered: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


FINDINGS = Grammar(FIELDS, _WORDS, frozenset({"severity"}))

_ORDER = (">=", "<=", ">", "<")
OPS: dict[Type, tuple[str, ...]] = {
    Type.WORD: ("=", "!=", "in", "not in"),
    Type.TEXT: ("=", "!=", "in", "not in", "~", "!~", "is"),
    Type.NUMBER: ("=", "!=", *_ORDER),
    Type.TIME: (*_ORDER, "is"),
}
"""`~`: contains, whatever the case. `is`: `empty` or `set`. Severities also have an order, from info to critical."""

_TERM = re.compile(r"\s*([a-z_]{1,20})\s*(>=|<=|!=|!~|=|~|>|<|\s(?:not\s+in|in|is)\s)\s*(.*?)\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. values: one, or those of `in`; `is` has "empty" or "set"."""

    field: str
    op: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.field} {self.op} {','.join(_shown(one) for one in self.values)}"


def parse(text: str, grammar: Grammar = FINDINGS) -> Term:
    """One term. UsageError says what is wrong, and what would be right.

    >>> parse("severity >= high")
    Term(field='severity', op='>=', values=('high',))
    """
    found = _TERM.match(text) if len(text) <= LONGEST else None
    if found is None:
        raise UsageError(f"{text[:60]!r}: write `field op value`, such as `severity >= high` or `api in a,b`")
    field, op, raw = found[1], " ".join(found[2].split()), found[3]
    if field not in grammar.fields:
        raise UsageError(f"no field is called {field!r}; there are {', '.join(grammar.fields)}")
    known = ops(field, grammar)
    if op not in known:
        raise UsageError(f"{field} takes {' '.join(known)}, and not {op}")
    if op == "is":
        if raw not in ("empty", "set"):
            raise UsageError(f"{field} is {raw[:20]!r}: write `{field} is empty` or `{field} is set`")
        return Term(field, op, (raw,))
    parts = [one.strip() for one in raw.split(",")] if op.endswith("in") else [raw]
    if len(parts) > MOST_VALUES:
        raise UsageError(f"{field}: at most {MOST_VALUES} values")
    if not all(parts):
        raise UsageError(f"{field} {op}: a value is missing")
    return Term(field, op, tuple(_value(field, one, grammar) for one in parts))


def parse_all(texts: Iterable[str], grammar: Grammar = FINDINGS) -> tuple[Term, ...]:
    """Every term; all must hold."""
    terms = tuple(parse(one, grammar) for one in texts)
    if len(terms) > MOST_TERMS:
        raise UsageError(f"at most {MOST_TERMS} conditions")
    return terms


def words(terms: Sequence[Term]) -> list[str]:
    """Terms as texts that `parse_all` reads back."""
    return [str(one) for one in terms]


def ops(field: str, grammar: Grammar = FINDINGS) -> tuple[str, ...]:
    """The operators of a field."""
    known = OPS[grammar.fields[field]]
    known = (*known, *_ORDER) if field in grammar.ordered else known
    return (*known, "is") if field in grammar.optional else known


def _value(field: str, raw: str, grammar: Grammar) -> Value:
    kind = grammar.fields[field]
    if kind is Type.WORD:
        if raw.lower() not in grammar.words[field]:
            raise UsageError(f"{field} {raw[:30]!r}: choose from {', '.join(grammar.words[field])}")
        return raw.lower()
    if kind is Type.NUMBER:
        try:
            number = float(raw)
        except ValueError:
            number = float("nan")
        if not abs(number) < 1e300:
            raise UsageError(f"{field} {raw[:30]!r}: not a number")
        return number
    if kind is Type.TIME:
        try:
            at = datetime.fromisoformat(raw)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            raise UsageError(f"{field} {raw[:30]!r}: not a time; write 2026-06-09T12:00:00Z") from None
    return raw


def _shown(value: Value) -> str:
    return value.isoformat() if isinstance(value, datetime) else f"{value:g}" if isinstance(value, float) else value
