"""What routes about requests and time share: a range, terms on requests, a step, and what privacy forbids to ask."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Query, Request

from gatewatch.api.reading import Instant, unfit
from gatewatch.errors import UsageError
from gatewatch.privacy import Privacy
from gatewatch.store.request_fields import PEOPLE, REQUEST_FIELDS
from gatewatch.where import MOST_TERMS, Term, parse_all

T = TypeVar("T")

LONGEST = timedelta(days=400)
DEFAULT = timedelta(hours=24)
STEP = r"^[1-9][0-9]{0,5}[mhd]$"
_SECONDS = {"m": 60, "h": 3600, "d": 86400}

WHERE = Query(
    description="`field op value` on fields of requests, such as `status >= 500` or `route ~ /pets`; all must hold",
    max_length=MOST_TERMS,
    examples=[["api = a1b2c3d4e5", "status >= 500"]],
)


@dataclass(frozen=True, slots=True)
class Span:
    """[since, until) and what must hold in it."""

    since: datetime
    until: datetime
    terms: tuple[Term, ...]


async def span_of(
    request: Request,
    since: Annotated[Instant | None, Query(description="At or after; default: 24 hours before `until`")] = None,
    until: Annotated[Instant | None, Query(description="Before; default: now")] = None,
    where: Annotated[list[str] | None, WHERE] = None,
) -> Span:
    """The range and terms of a query string; 400 for a condition or range that is none."""
    return spanned(request, since, until, where)


def spanned(request: Request, since: datetime | None, until: datetime | None, where: list[str] | None) -> Span:
    end = until or (datetime.now(UTC) if since is None else max(datetime.now(UTC), since + timedelta(minutes=1)))
    try:
        begin = since or end - DEFAULT
        if not begin < end:
            raise unfit("since: must be before until")
        if end - begin > LONGEST or begin.astimezone(UTC).year < 1971 or end.astimezone(UTC).year > 2200:
            raise unfit(f"since: at most {LONGEST.days} days before until, between 1971 and 2200")
    except OverflowError:
        raise unfit("since, until: between the years 1971 and 2200") from None
    return Span(begin.astimezone(UTC), end.astimezone(UTC), request_terms(request, where))


SPAN: Any = Depends(span_of)


def request_terms(request: Request, where: list[str] | None, name: str = "where") -> tuple[Term, ...]:
    """Terms on requests; 400 for one that is none, or that would tell what privacy hides."""
    try:
        terms = parse_all(where or (), REQUEST_FIELDS)
    except UsageError as error:
        raise unfit(f"{name}: {error}") from None
    privacy: Privacy = request.app.state.privacy
    for term in terms:
        if privacy.on and term.field in PEOPLE:
            raise unfit(f"{name}: the setting `privacy` hides {term.field}, so nobody can search by it")
    return terms


def step_seconds(text: str | None) -> int | None:
    """`5m`, `1h`, `1d` in seconds; None for none. 422 for anything else."""
    if text is None:
        return None
    if re.fullmatch(STEP, text) is None:
        raise HTTPException(422, "step: write minutes, hours or days, such as 5m, 1h or 1d")
    return int(text[:-1]) * _SECONDS[text[-1]]


def usage(question: Callable[[], T]) -> T:
    """What a question gives; 400 when it asks for too much."""
    try:
        return question()
    except UsageError as error:
        raise unfit(str(error)) from None
