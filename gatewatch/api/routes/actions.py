"""Actions on findings: one, or all that fit a filter. The life cycle (docs/lifecycle.md) says what is allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from gatewatch.api.access import OPERATOR, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, now
from gatewatch.api.problems import problem
from gatewatch.api.reading import NOT_FOUND, Instant, Problem, missing
from gatewatch.api.routes.findings import FindingId, to_json
from gatewatch.api.tags import seen_revision
from gatewatch.errors import UsageError
from gatewatch.lifecycle import Suppression
from gatewatch.records import JSON
from gatewatch.store.acting import MOST_AT_ONCE, Act, Stale, Verb, act, act_on_all
from gatewatch.store.findings import FindingFilter, get_finding, list_findings
from gatewatch.store.state import Session
from gatewatch.where import MOST_TERMS, parse_all

router = APIRouter(prefix="/api/v1/findings", tags=["findings"], dependencies=[OPERATOR])

Condition = Annotated[str, Field(min_length=3, max_length=1000)]
STALE: dict[int | str, dict[str, object]] = {
    412: {"model": Problem, "description": "The finding has changed since it was read (If-Match)"}
}


class Wish(Body):
    """note: why, or the comment. until and why: see docs/lifecycle.md."""

    action: Verb
    note: str = Field(default="", max_length=2000)
    until: Instant | None = Field(default=None, description="when a snooze or suppression ends by itself")
    count: int | None = Field(default=None, ge=1, le=1000, description="further episodes that a snooze keeps quiet")
    why: Suppression | None = Field(default=None, description="of a suppression")
    assignee: str = Field(default="", max_length=100, description="'' for nobody")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"action": "acknowledge", "note": "looking at it"},
                {"action": "snooze", "until": "2026-06-10T08:00:00Z"},
                {"action": "suppress", "why": "accepted_risk", "note": "the load test of every Friday"},
            ]
        },
    )

    def act(self) -> Act:
        return Act(self.action, self.note, self.until, self.count, self.why, self.assignee)


class BulkWish(Wish):
    """where: `field op value`; all must hold. since, before, q: as in the list, and not of a suppression."""

    where: list[Condition] = Field(min_length=1, max_length=MOST_TERMS)
    since: Instant | None = Field(default=None, description="only what went on at or after this time")
    before: Instant | None = Field(default=None, description="only what began before this time")
    q: str | None = Field(default=None, max_length=200, description="only findings whose text contains this")
    dry_run: bool = Field(default=False, description="only say how many would be meant")

    def within(self) -> FindingFilter | None:
        if self.since is None and self.before is None and not self.q:
            return None
        return FindingFilter(since=self.since, until=self.before, text=self.q)


@router.post(
    "/{id}/actions",
    operation_id="act_on_finding",
    summary="Acknowledge, snooze, suppress, resolve, assign or comment a finding",
    responses={**NOT_FOUND, **CHANGES, **STALE},
)
async def act_on_one(
    request: Request,
    finding_id: FindingId,
    wish: Wish,
    key: Key = None,
    seen: Annotated[str | None, Header(alias="If-Match", max_length=200, description="ETag of the finding")] = None,
) -> Response:
    who, at = asker(request), now()
    revision = seen_revision(seen)

    def done(session: Session) -> dict[str, JSON]:
        try:
            changed = act(session, who, finding_id, wish.act(), now=at, revision=revision)
        except Stale as error:
            raise HTTPException(412, str(error)) from None
        if changed is None:
            raise missing("finding with this id")
        stored = get_finding(session, finding_id)
        assert stored is not None
        return {"changed": changed, "finding": to_json(stored, request.app.state.privacy)}

    return await Once(request, who, key, wish.model_dump_json(), at).change(done)


@router.post(
    "/actions",
    operation_id="act_on_findings",
    summary=f"The same for all findings that fit a filter, at most {MOST_AT_ONCE:,}",
    responses={**CHANGES},
)
async def act_on_many(request: Request, wish: BulkWish, key: Key = None) -> Response:
    who, at = asker(request), now()

    def done(session: Session) -> dict[str, JSON]:
        terms = parse_all(wish.where)
        if wish.dry_run:
            page = list_findings(session, replace(wish.within() or FindingFilter(), where=terms), limit=20)
            would: list[JSON] = [one.finding.id for one in page.items]
            return {"dry_run": True, "would": would, "more": page.next_cursor is not None}
        acted = act_on_all(session, who, terms, wish.act(), now=at, within=wish.within())
        refused: list[JSON] = [{"id": one.finding_id, "why": one.why} for one in acted.refused]
        return {"done": [*acted.done], "refused": refused, "suppression": acted.suppression}

    try:
        parse_all(wish.where)
    except UsageError as error:
        return bad_where(error)
    return await Once(request, who, key, wish.model_dump_json(), at).change(done)


def bad_where(error: UsageError) -> Response:
    """The answer to a condition that is none."""
    return problem(400, f"where: {error}", kind="urn:gatewatch:problem:bad-filter")
