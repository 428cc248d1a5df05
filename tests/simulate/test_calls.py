"""Edits of calls keep layers, status and latency consistent."""

from __future__ import annotations

import numpy as np
import pytest

from gatewatch.simulate.calls import TIMEOUT_MS, Calls, answer, joined, refuse, slow
from gatewatch.simulate.model import Mask
from gatewatch.simulate.outcomes import LOOKS, Outcome
from tests.simulate.builders import a_chunk, an_api, some_calls


def layers_fit(calls: Calls) -> bool:
    parts = [np.maximum(part, 0) for part in (calls.integration_ms, calls.authorizer_ms, calls.waf_ms)]
    own = calls.latency_ms - sum(parts)
    return bool((own >= 0).all() and (own < 1000).all())


def half(calls: Calls) -> Mask:
    mask: Mask = np.arange(len(calls)) % 2 == 0
    return mask


@pytest.mark.parametrize("kind", ["rest", "http", "websocket"])
@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.ANSWERED])
def test_a_refusal_sets_every_layer_of_its_calls_and_of_no_other(outcome: Outcome, kind: str) -> None:
    api = an_api(kind=kind)
    calls = some_calls(a_chunk(api))
    before = calls.take(np.arange(len(calls)))
    where = half(calls)
    refuse(api, calls, where, outcome, np.random.default_rng(3))
    assert layers_fit(calls)
    assert (calls.status[where] == LOOKS[outcome].of(kind).status).all()
    assert (calls.integration_status[where] == -1).all()
    assert (calls.latency_ms[~where] == before.latency_ms[~where]).all()
    assert (calls.status[~where] == 200).all()


@pytest.mark.parametrize("layer", ["gateway", "waf", "authorizer", "integration", "cold", "downstream"])
def test_a_slow_layer_adds_to_the_whole(layer: str) -> None:
    calls = some_calls(a_chunk(an_api()))
    before = calls.latency_ms.copy()
    where = half(calls)
    slow(calls, where, layer, 500)
    assert (calls.latency_ms[where] == before[where] + 500).all()
    assert (calls.latency_ms[~where] == before[~where]).all()
    assert (calls.downstream_ms <= calls.integration_ms).all()


def test_a_faster_integration_shortens_what_lies_inside_of_it() -> None:
    calls = some_calls(a_chunk(an_api()))
    everything = np.ones(len(calls), dtype=np.bool_)
    slow(calls, everything, "cold", 900)
    slow(calls, everything, "integration", -0.9 * calls.integration_ms.astype(np.float64))
    assert (calls.cold_ms <= calls.integration_ms).all()
    assert layers_fit(calls)


def test_an_integration_beyond_the_limit_times_out() -> None:
    calls = some_calls(a_chunk(an_api()))
    where = half(calls)
    slow(calls, where, "integration", np.full(int(where.sum()), 60_000))
    assert (calls.integration_ms[where] == TIMEOUT_MS).all()
    assert (calls.status[where] == 504).all()
    assert (calls.outcome[where] == Outcome.INTEGRATION_TIMEOUT).all()
    assert layers_fit(calls)


def test_an_answer_of_the_back_end_needs_a_call_that_reached_it() -> None:
    api = an_api()
    calls = some_calls(a_chunk(api))
    where = half(calls)
    refuse(api, calls, where, Outcome.THROTTLED, np.random.default_rng(1))
    answer(calls, np.ones(len(calls), dtype=np.bool_), 500)
    assert (calls.status[where] == 429).all()
    assert (calls.status[~where] == 500).all()
    assert (calls.integration_status[~where] == 500).all()


def test_joining_and_ordering_keep_every_call() -> None:
    calls = some_calls(a_chunk(an_api()))
    both = joined([calls.take(half(calls)), calls.take(~half(calls))]).in_order()
    assert (both.at_ms == np.sort(calls.at_ms)).all()
    assert both.integration_ms.sum() == calls.integration_ms.sum()
