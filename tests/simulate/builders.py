"""A small API, a world around it, and calls to edit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gatewatch.simulate.calls import Calls
from gatewatch.simulate.model import HOUR_MS, Api, Chunk, Latency, Route, Settings, World

END_MS = 1_780_000_000_000 // HOUR_MS * HOUR_MS


def an_api(**more: Any) -> Api:
    routes = (
        Route("GET", "/pets", 0.6, Latency(40.0), auth="jwt"),
        Route("GET", "/pets/{id}", 0.3, Latency(25.0), auth="jwt"),
        Route("POST", "/session", 0.1, Latency(120.0), auth="login"),
    )
    api = Api(
        index=0,
        id="pets123abc",
        name="pets",
        kind="rest",
        stage="prod",
        archetype="shop",
        timezone="Europe/Berlin",
        country="DE",
        rate_rps=3.0,
        users=400,
        routes=routes,
        template="rest_console_json",
        delivery="firehose",
        chunk_minutes=60,
    )
    return replace(api, **more)


def a_world(*apis: Api, seed: int = 7, days: float = 2) -> World:
    settings = Settings(seed=seed, days=days, apis=len(apis), rate_rps=1.0, end_ms=END_MS)
    return World(settings, "123456789012", "eu-west-1", apis)


def a_chunk(api: Api, hours_before_end: int = 24) -> Chunk:
    start = END_MS - hours_before_end * HOUR_MS
    return Chunk(api, start // HOUR_MS, start, start + HOUR_MS)


def some_calls(chunk: Chunk, n: int = 3000, seed: int = 1) -> Calls:
    """Answered calls, spread over the chunk, each with an integration and a user."""
    rng = np.random.default_rng(seed)
    calls = Calls.blank(np.sort(rng.integers(chunk.start_ms, chunk.end_ms, n)))
    calls.route[:] = rng.integers(0, len(chunk.api.routes), n)
    calls.integration_ms[:] = rng.integers(20, 90, n)
    calls.authorizer_ms[:] = 5
    calls.waf_ms[:] = 1
    calls.latency_ms[:] = calls.integration_ms + 5 + 1 + 3
    calls.integration_status[:] = 200
    calls.principal[:] = rng.integers(0, 400, n)
    calls.ip[:] = 0xC6120001 + calls.principal
    return calls
