"""A new rule of the web ACL costs every request time."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case, shows, shows_any
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import calls_per_quarter, shift_for
from gatewatch.simulate.slowness import prolong, spread_of, typical_ms
from gatewatch.simulate.trail import web_acl


@scenario(
    "slow_waf",
    kind="latency_outlier",
    subtype="waf",
    cause="config_change",
    minutes={"blatant": 45, "moderate": 90, "subtle": 240},
    fits=lambda api: api.waf and api.kind == "rest" and shows(api, "responseLatency", "integration.latency"),
)
def slow_waf(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """The WAF phase of all requests takes longer from the moment on at which a rule group was added."""
    case = Case("slow_waf", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    calls = calls_per_quarter(world, api, 1.0, case.start_ms, case.until_ms)
    shift = shift_for(calls, spread_of(api, routes), level, rng)
    extra_ms = typical_ms(api, routes) * (float(np.exp(shift)) - 1)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        every = np.ones(len(calls), dtype=np.bool_)
        prolong(calls, every, "waf", extra_ms * rng.lognormal(0.0, 0.3, len(calls)))
        return calls

    split = shows_any(api, "waf.latency")
    return case.incident(
        edit,
        layer="waf" if split else "gateway",
        accept_subtypes=("gateway", "step"),
        accept_causes=("gateway",),
        changes=[web_acl(case, case.before_start(), "UpdateWebACL")],
        tell=f"The WAF phase takes {extra_ms:.0f} ms more on all routes, since the web ACL was changed.",
    )
