"""What a request for findings asks for: the filters that lists and counts share, and which fields to give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, HTTPException, Query

from gatewatch.api.reading import Instant, unfit
from gatewatch.errors import UsageError
from gatewatch.records import JSON, Kind, Severity
from gatewatch.records import State as FindingState
from gatewatch.store.findings import FindingFilter
from gatewatch.where import MOST_TERMS, parse_all

Text = Annotated[str | None, Query(max_length=512)]


async def asked_for(
    kind: Annotated[Kind | None, Query(description="Only this kind")] = None,
    severity: Annotated[Severity | None, Query(description="This severity or worse")] = None,
    api: Text = None,
    stage: Text = None,
    route: Text = None,
    state: Annotated[
        FindingState | Literal["open", "all"] | None,
        Query(description="open: neither resolved nor suppressed; without it, all but what is suppressed"),
    ] = None,
    where: Annotated[
        list[str] | None,
        Query(description="`field op value`, such as `severity >= high`; all must hold", max_length=MOST_TERMS),
    ] = None,
    since: Annotated[Instant | None, Query(description="Only what went on at or after this time")] = None,
    until: Annotated[Instant | None, Query(description="Only what began before this time")] = None,
    q: Annotated[str | None, Query(max_length=200, description="Only findings whose text contains this")] = None,
) -> FindingFilter:
    """The filter of a query string; 400 for a condition that is none."""
    try:
        terms = parse_all(where or ())
    except UsageError as error:
        raise unfit(f"where: {error}") from None
    return FindingFilter(
        kind=kind,
        severity_min=severity,
        api=api,
        stage=stage,
        route=route,
        state=state,
        since=since,
        until=until,
        text=q,
        where=terms,
    )


Asked: Any = Depends(asked_for)


def chosen(found: dict[str, JSON], fields: frozenset[str] | None) -> dict[str, JSON]:
    """A finding with just these fields, and its id."""
    return found if fields is None else {name: value for name, value in found.items() if name in fields | {"id"}}


def names_of(known: frozenset[str]) -> dict[str, JSON]:
    """What the description says of a parameter that `field_names` reads."""
    one = f" *(?:{'|'.join(sorted(known))}) *"
    return {"pattern": f"^{one}(?:,{one})*$"}


def field_names(text: str | None, known: frozenset[str], name: str = "fields") -> frozenset[str] | None:
    """Names of a comma-separated parameter; None for none. 422 for one that is not known."""
    if text is None:
        return None
    names = frozenset(part.strip(" ") for part in text.split(","))
    wrong = sorted(names - known)
    if wrong:
        raise HTTPException(422, f"{name}: {wrong[0][:40]!r} is not one of {', '.join(sorted(known))}")
    return names
