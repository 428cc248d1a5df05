"""A customer's key, in use all day, is used no more."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.labels import Culprits
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.plans import has_plans, key_share
from gatewatch.simulate.quiet import LEAVING_MINUTES, silent_case
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "customer_gone",
    kind="dead_api",
    subtype="no_longer_called",
    cause="client",
    minutes={"blatant": 600, "moderate": 300, "subtle": 120},
    fits=has_plans,
)
def customer_gone(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """The largest customer stops, or a middling one: the API as a whole hardly shows it."""
    order = sorted(range(len(api.keys)), key=lambda key: -key_share(api, key))
    key = order[{"blatant": 0, "moderate": 1, "subtle": 3}[level] % len(order)]
    share = key_share(api, key)
    span = silent_case(world, api, share, level, start_ms, end_ms, rng, LEAVING_MINUTES)
    case = Case("customer_gone", world, api, level, *span, rng)
    keyed = [place for place, route in enumerate(api.routes) if route.auth == "key"]

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return calls.take(~((calls.key == key) & np.isin(calls.route, keyed)))

    return case.incident(
        edit,
        culprits=Culprits(api_key_ids=(api.keys[key],)),
        accept_subtypes=("dead", "live_outage"),
        accept_causes=("unknown",),
        tell="One key that called every few minutes for weeks is silent; all others go on.",
    )
