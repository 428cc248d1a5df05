"""A new rule of the web ACL blocks customers."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.scenarios.waf_attack import has_waf
from gatewatch.simulate.severity import blocked, share_of_calls
from gatewatch.simulate.trail import web_acl


@scenario(
    "waf_false_positives",
    kind="auth_failure_spike",
    subtype="waf_block_surge",
    cause="config_change",
    minutes={"blatant": 40, "moderate": 60, "subtle": 150},
    fits=has_waf,
)
def waf_false_positives(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Requests of everybody are blocked at random: blatant a half, moderate a tenth, subtle as few as needed."""
    case = Case("waf_false_positives", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    share = share_of_calls(
        per_minute(world, api, *case.minutes), blocked(world, api, *case.minutes), api.dispersion, level, rng,
        least=case.by_level(150, 80, 40), full=case.by_level(0.5, 0.1, 0.0),
    )  # fmt: skip

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes) & (rng.random(len(calls)) < share)
        refuse(api, calls, hit, Outcome.WAF_BLOCK, rng)
        touched(calls, hit)
        return calls

    event = "AssociateWebACL" if rng.random() < 0.5 else "UpdateWebACL"
    return case.incident(
        edit,
        changes=[web_acl(case, case.before_start(), event)],
        accept_subtypes=("misconfiguration",),
        tell="Ordinary clients of every kind are blocked, each now and then, right after the web ACL was changed.",
    )
