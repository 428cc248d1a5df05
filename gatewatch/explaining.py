"""Explanations over the store: from the last checkpoint before the moment, or from the start of the history."""

from __future__ import annotations

from datetime import datetime

from detect.explain import Explanation, closing, explain
from detect.model import Context
from gatewatch.backtesting import stored_blocks
from gatewatch.evaluating import checkpoint_before, history
from gatewatch.store.state import State
from gatewatch.surroundings import surrounded, with_spans


def explain_stored(
    state: State, context: Context, at: datetime, api: str, *, stage: str | None = None, route: str | None = None
) -> Explanation:
    """Why the detectors said what they said about the minute of `at`."""
    kept = checkpoint_before(state, context, at)
    since = at - history(context.settings) if kept is None else kept.at
    said = {} if kept is None else kept.said
    end = closing(at)
    context = surrounded(state, context, since, end, history=at - history(context.settings))
    context = with_spans(state, context, said.values(), end, since=since)
    blocks = stored_blocks(state, since, end)
    if kept is None:
        return explain(blocks, context, at, api, stage=stage, route=route)
    return explain(blocks, context, at, api, stage=stage, route=route, states=kept.states, said=said)
