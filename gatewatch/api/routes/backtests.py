"""Backtests as jobs: asked for, watched, cancelled; and what they said. A worker runs them, one at a time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from gatewatch.api.access import OPERATOR, VIEWER, asker
from gatewatch.api.changing import CHANGES, CONFLICT, Body, Key, Once, now
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, Instant, answer, ask, missing
from gatewatch.errors import UsageError
from gatewatch.privacy import Privacy
from gatewatch.records import JSON, Kind, iso
from gatewatch.settings import Settings, with_values
from gatewatch.store.backtests import StoredBacktest, add_backtest, backtest_with, backtests, cancel, result_of
from gatewatch.store.state import Session, State

router = APIRouter(prefix="/api/v1/backtests", tags=["detectors"], dependencies=[VIEWER])

BacktestId = Annotated[str, Path(alias="id", max_length=32, description="The backtest's id")]
_WHAT = "backtest with this id"


class Tried(Body):
    """Settings of detectors to try; what is left out stays as it is."""

    false_alarms_per_week: float | None = Field(default=None, gt=0, le=1000)
    detector_budgets: dict[str, float] | None = Field(default=None, max_length=20)
    dead_after_days: int | None = Field(default=None, ge=1, le=400)
    late_hours: float | None = Field(default=None, ge=0, le=168)

    def given(self) -> dict[str, JSON]:
        return self.model_dump(mode="json", exclude_none=True)


class Wish(Body):
    """Without `set` what is said now is compared with what is stored; with it, the settings in force with these."""

    since: Instant | None = Field(default=None, description="default: all that is stored")
    until: Instant | None = None
    set: Tried = Field(default_factory=Tried, description="settings to try")
    detectors: list[Kind] = Field(default_factory=list, max_length=20, description="only these kinds; default: all")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"since": "2026-06-01T00:00:00Z", "set": {"false_alarms_per_week": 0.1}}],
        },
    )

    def asked(self) -> dict[str, JSON]:
        return {
            "since": None if self.since is None else iso(self.since),
            "until": None if self.until is None else iso(self.until),
            "set": self.set.given(),
            "detectors": [kind.value for kind in self.detectors],
        }


@router.post(
    "",
    operation_id="add_backtest",
    summary="Ask for a backtest; a worker runs it",
    status_code=202,
    responses={**CHANGES},
    dependencies=[OPERATOR],
)
async def add(request: Request, wish: Wish, key: Key = None) -> Response:
    who, at = asker(request), now()
    settings: Settings = request.app.state.settings
    asked = wish.asked()
    if wish.since is not None and wish.until is not None and wish.since >= wish.until:
        raise HTTPException(422, "until: must lie after since")
    try:
        with_values(settings, wish.set.given())
    except UsageError as error:
        raise HTTPException(422, str(error).replace("--set", "set")) from None
    once = Once(request, who, key, wish.model_dump_json(), at)
    return await once.change(lambda session: add_backtest(session, who, asked, now=at).to_json(), status=202)


@router.get("", operation_id="list_backtests", summary="Backtests, newest first", responses={**PROBLEMS})
async def list_all(request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
    def found(store: State) -> list[StoredBacktest]:
        with store.read() as session:
            return backtests(session, limit)

    return answer({"backtests": [one.to_json() for one in await ask(request, found)]})


@router.get("/{id}", operation_id="get_backtest", summary="How far a backtest is", responses={**NOT_FOUND, **PROBLEMS})
async def one(request: Request, backtest_id: BacktestId) -> Response:
    def found(store: State) -> StoredBacktest | None:
        with store.read() as session:
            return backtest_with(session, backtest_id)

    stored = await ask(request, found)
    if stored is None:
        raise missing(_WHAT)
    return answer(stored.to_json())


@router.get(
    "/{id}/result",
    operation_id="get_backtest_result",
    summary="What a backtest said: findings that are new, gone and changed; 409 until it is done",
    responses={**NOT_FOUND, **CONFLICT, **PROBLEMS},
)
async def result(request: Request, backtest_id: BacktestId) -> Response:
    def found(store: State) -> tuple[StoredBacktest | None, dict[str, JSON] | None]:
        with store.read() as session:
            return backtest_with(session, backtest_id), result_of(session, backtest_id)

    stored, said = await ask(request, found)
    if stored is None:
        raise missing(_WHAT)
    if said is None:
        raise HTTPException(409, f"there is no result: the backtest is {stored.phase.value}")
    privacy: Privacy = request.app.state.privacy
    shown = {name: _shown(value, privacy) if name in _LISTS else value for name, value in said.items()}
    return answer({"id": stored.id, **shown})


@router.delete(
    "/{id}",
    operation_id="cancel_backtest",
    summary="Cancel a backtest that waits or runs",
    responses={**NOT_FOUND, **CHANGES},
    dependencies=[OPERATOR],
)
async def stop(request: Request, backtest_id: BacktestId, key: Key = None) -> Response:
    who, at = asker(request), now()

    def cancelled(session: Session) -> dict[str, JSON]:
        found = cancel(session, who, backtest_id, now=at)
        if found is None:
            raise missing(_WHAT)
        return found.to_json()

    return await Once(request, who, key, "", at).change(cancelled)


_LISTS = frozenset({"findings", "new", "gone", "changed"})


def _shown(value: JSON, privacy: Privacy) -> JSON:
    """Findings in a line each, as they may be shown."""
    if isinstance(value, list):
        return [_shown(one, privacy) for one in value]
    if not isinstance(value, dict):
        return value
    if "names" not in value:
        return {name: _shown(one, privacy) for name, one in value.items()}
    names = [str(name) for name in value["names"]] if isinstance(value["names"], list) else []
    return {
        **{name: one for name, one in value.items() if name != "names"},
        "title": privacy.text(str(value["title"]), names),
    }
