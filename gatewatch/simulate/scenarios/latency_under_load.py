"""A back end that no longer scales: slow when there is much to do, fast at night."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.inventory import function_name
from gatewatch.simulate.model import MINUTE_MS, Api, Floats, Ints, World
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import LEAST_SHIFT, MOST_SHIFT, calls_per_quarter, nats_of_shift, wanted_nats
from gatewatch.simulate.slowness import shows_latency, spread_of, stretch, uncached_share
from gatewatch.simulate.trail import function_update

BREAK_MINUTES = 90


@scenario(
    "latency_under_load",
    kind="latency_outlier",
    subtype="load_correlated",
    cause="config_change",
    minutes={"blatant": 1200, "moderate": 1200, "subtle": 1320},
    fits=lambda api: shows_latency(api) and api.amplitude >= 0.4,
)
def latency_under_load(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Concurrency is reserved too low; above two thirds of the day's peak calls queue, the more the more there are.

    The incident is the longest time in which there are so many calls, with breaks of at most an hour and a half.
    """
    whole = per_minute(world, api, start_ms // MINUTE_MS * MINUTE_MS, min(end_ms, world.end_ms))
    room = float(whole.max()) * 0.66
    over = np.flatnonzero(whole > room)
    over = max(np.split(over, np.flatnonzero(np.diff(over) > BREAK_MINUTES) + 1), key=len)
    if end_ms >= world.end_ms or whole.max() < 1.6 * np.median(whole) or len(over) < 60:
        raise Unfit("load does not vary enough in this time")
    begin_ms = start_ms // MINUTE_MS * MINUTE_MS
    changed_ms = start_ms
    start_ms, end_ms = begin_ms + int(over[0]) * MINUTE_MS, begin_ms + (int(over[-1]) + 1) * MINUTE_MS
    case = Case("latency_under_load", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    calls = calls_per_quarter(world, api, 1.0, start_ms, end_ms)
    form = np.maximum(calls / 15 / room - 1, 0) / 0.5
    calls = calls * uncached_share(api, routes)
    wanted, size = wanted_nats(level, rng), LEAST_SHIFT[level]
    while nats_of_shift(form * size, calls, spread_of(api, routes)) < wanted:
        size *= 1.05
        if size > MOST_SHIFT:
            raise Unfit("too few calls to tell that load slows them")

    def queued(at_ms: Ints) -> Floats:
        load = whole[np.clip((at_ms - begin_ms) // MINUTE_MS, 0, len(whole) - 1)]
        found: Floats = np.maximum(load / room - 1, 0) / 0.5
        return found

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        stretch(calls, np.isin(calls.route, routes), np.exp(size * queued(calls.at_ms)))
        return calls

    function = function_name(api, api.routes[routes[0]])
    return case.incident(
        edit,
        layer="integration",
        accept_causes=("integration", "unknown"),
        accept_subtypes=("step", "creep"),
        changes=[function_update(case, changed_ms, function, reservedConcurrentExecutions=10)],
        tell="Latency follows the number of calls up and down, which it never did before.",
    )
