"""Feedback: whether a finding was right, and what that does to the threshold of its scope."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from gatewatch.api.access import OPERATOR, VIEWER, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, now
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, answer, ask, missing
from gatewatch.api.routes.findings import FindingId
from gatewatch.records import JSON
from gatewatch.store.feedback import Effect, effect, give_feedback
from gatewatch.store.state import Session, State
from gatewatch.verdicts import Verdict

router = APIRouter(prefix="/api/v1/findings", tags=["findings"], dependencies=[VIEWER])


class Opinion(Body):
    """verdict null: take back what was said."""

    verdict: Verdict | None
    note: str = Field(default="", max_length=2000)


@router.get(
    "/{id}/feedback/effect",
    operation_id="preview_feedback",
    summary="What a verdict would change, judged by the problem's episodes of the last 30 days; changes nothing",
    responses={**NOT_FOUND, **PROBLEMS},
)
async def look_ahead(
    request: Request,
    finding_id: FindingId,
    verdict: Annotated[Verdict | None, Query(description="Without it: to take back what was said")] = None,
) -> Response:
    def found(store: State) -> Effect | None:
        with store.read() as session:
            return effect(session, finding_id, verdict, now())

    seen = await ask(request, found)
    if seen is None:
        raise missing("finding with this id")
    return answer(seen.to_json())


@router.put(
    "/{id}/feedback",
    operation_id="give_feedback",
    summary="Say whether a finding was right; its scope's threshold follows",
    responses={**NOT_FOUND, **CHANGES},
    dependencies=[OPERATOR],
)
async def say(request: Request, finding_id: FindingId, opinion: Opinion, key: Key = None) -> Response:
    who, at = asker(request), now()

    def said(session: Session) -> dict[str, JSON]:
        done = give_feedback(session, who, finding_id, opinion.verdict, opinion.note.strip(), now=at)
        if done is None:
            raise missing("finding with this id")
        return done.to_json()

    return await Once(request, who, key, opinion.model_dump_json(), at).change(said)
