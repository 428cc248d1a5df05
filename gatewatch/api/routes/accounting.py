"""What became of every line that was read: the outcomes add up to the lines."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gatewatch.api.access import VIEWER
from gatewatch.api.reading import PROBLEMS, answer, ask
from gatewatch.records import JSON, iso
from gatewatch.store.sources import SourceAccount, accounting
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/accounting", tags=["accounting"], dependencies=[VIEWER])


def to_json(account: SourceAccount) -> dict[str, JSON]:
    reasons: dict[str, JSON] = {**account.reasons}
    return {
        "source": account.source,
        "files": account.files,
        "lines": account.lines,
        "accepted": account.accepted,
        "rejected": account.rejected,
        "blank": account.blank,
        "duplicate": account.duplicate,
        "reasons": reasons,
        "first_at": iso(account.first_at) if account.first_at else None,
        "last_at": iso(account.last_at) if account.last_at else None,
        "last_commit_at": iso(account.last_commit_at) if account.last_commit_at else None,
    }


@router.get("", operation_id="accounting", summary="Lines by source and outcome", responses={**PROBLEMS})
async def sources(request: Request) -> Response:
    def accounts(store: State) -> list[SourceAccount]:
        with store.read() as session:
            return accounting(session)

    found = await ask(request, accounts)
    names = ("lines", "accepted", "rejected", "blank", "duplicate")
    total: dict[str, JSON] = {name: sum(getattr(account, name) for account in found) for name in names}
    return answer({"sources": [to_json(account) for account in found], "total": total})
