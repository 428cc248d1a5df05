"""Backtests that somebody asked for: one at a time in all, in a worker, with progress, until done or cancelled.

What a worker that was killed leaves running, the next one begins anew; who is told to stop gives it back. Each write
checks the lease's epoch, so that a worker that was frozen changes nothing after its successor.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from detect.model import Context
from gatewatch.backtested import MOST_TOLD, brief, document, stored_findings
from gatewatch.backtesting import backtest, difference, minutes_to_replay, range_of
from gatewatch.errors import GatewatchError, LeaseLost, UsageError
from gatewatch.records import JSON, Kind, iso
from gatewatch.settings import Settings, with_values
from gatewatch.store import backtests, leases
from gatewatch.store.backtests import Phase, StoredBacktest
from gatewatch.store.state import Session, State

log = logging.getLogger(__name__)

LEASE = "backtest"
TOLD_EVERY_S = 1.0


class Stopped(Exception):
    """Somebody cancelled it, or the worker is told to end."""


def replay_next(
    state: State, settings: Settings, epoch: int, stop: threading.Event, clock: Callable[[], datetime] | None = None
) -> bool:
    """Run the backtest whose turn it is, as holder of the lease; False when there is none. LeaseLost."""
    now = clock or (lambda: datetime.now(UTC))

    def ours(action: Callable[[Session], Any]) -> Any:
        def checked(session: Session) -> Any:
            leases.require(session, LEASE, epoch)
            return action(session)

        return state.run(checked)

    one: StoredBacktest | None = ours(lambda session: backtests.take(session, now()))
    if one is None:
        return False
    try:
        result = _replayed(state, settings, one, stop, ours)
    except Stopped:
        if stop.is_set():
            ours(lambda session: backtests.give_back(session, one.id))
        else:
            ours(lambda session: backtests.finish(session, one.id, Phase.CANCELLED, now=now()))
    except LeaseLost:
        raise
    except GatewatchError as error:
        said = str(error)
        ours(lambda session: backtests.finish(session, one.id, Phase.FAILED, now=now(), error=said))
    except Exception as error:  # the edge of a job: whoever asked must learn that it is over
        log.exception("a backtest broke", extra={"backtest": one.id})
        said = f"{type(error).__name__}; the log has the reason"
        ours(lambda session: backtests.finish(session, one.id, Phase.FAILED, now=now(), error=said))
    else:
        ours(lambda session: backtests.finish(session, one.id, Phase.DONE, now=now(), result=result))
    return True


def _replayed(
    state: State,
    settings: Settings,
    one: StoredBacktest,
    stop: threading.Event,
    ours: Callable[[Callable[[Session], Any]], Any],
) -> dict[str, JSON]:
    asked: dict[str, Any] = one.asked
    known = range_of(state)
    if known is None:
        raise UsageError("the store is empty: nothing to replay")
    since = max(_time(asked["since"]) or known[0], known[0])
    until = min(_time(asked["until"]) or known[1], known[1])
    if since >= until:
        raise UsageError(f"nothing is stored between {iso(since)} and {iso(until)}")
    only = [Kind(name) for name in asked["detectors"]] or None
    tried = with_values(settings, asked["set"])
    contexts = [Context(settings=each) for each in ([settings, tried] if asked["set"] else [settings])]
    whole = minutes_to_replay(state, contexts, since, until)
    minutes, requests, told_at = 0, 0, time.monotonic()

    def tell() -> None:
        if stop.is_set() or not ours(lambda session: backtests.progress(session, one.id, minutes, whole, requests)):
            raise Stopped

    def further(more_minutes: int, more_requests: int) -> None:
        nonlocal minutes, requests, told_at
        minutes, requests = minutes + more_minutes, requests + more_requests
        if stop.is_set() or time.monotonic() - told_at >= TOLD_EVERY_S or minutes >= whole:
            told_at = time.monotonic()
            tell()

    tell()
    began = time.monotonic()
    found = backtest(state, contexts, since, until, only=only, told=further)
    before = found.runs[0].findings if asked["set"] else stored_findings(state, found, only)
    differs = difference(before, found.runs[-1].findings)
    said = document(
        found,
        differs,
        before,
        settings=settings,
        tried=tried,
        names=list(asked["set"]),
        tell=brief,
        most=MOST_TOLD,
    )
    totals: dict[str, JSON] = {
        "findings": len(found.runs[-1].findings),
        "new": len(differs.new),
        "gone": len(differs.gone),
        "changed": len(differs.changed),
    }
    return {**said, "totals": totals, "seconds": round(time.monotonic() - began, 1)}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
