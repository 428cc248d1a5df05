"""An authorizer is set up wrongly: good tokens are refused from one moment on."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.crowds import some_users, token_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import credential_refusals, share_of_calls
from gatewatch.simulate.trail import patched


def _fits(api: Api) -> bool:
    return bool(token_routes(api)) and shows_any(api, "error.responseType", "error.message", "authorizer.error")


@scenario(
    "misconfiguration",
    kind="auth_failure_spike",
    subtype="misconfiguration",
    cause="config_change",
    minutes={"blatant": 30, "moderate": 60, "subtle": 150},
    fits=_fits,
)
def misconfiguration(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """blatant: a wrong audience for all; moderate: for a third of the users (one app); subtle: for as few as needed."""
    case = Case("misconfiguration", world, api, level, start_ms, end_ms, rng)
    routes = token_routes(api)
    calls = per_minute(world, api, *case.minutes) * sum(api.routes[place].weight for place in routes)
    share = share_of_calls(
        calls, credential_refusals(world, api, *case.minutes), api.dispersion, level, rng,
        least=case.by_level(120, 60, 30), full=case.by_level(1.0, 0.33, 0.0),
    )  # fmt: skip
    locked_out = some_users(api, share, rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes) & np.isin(calls.principal, locked_out)
        refuse(api, calls, hit, Outcome.TOKEN_AUDIENCE, rng)
        touched(calls, hit)
        return calls

    patches = {"/authType": "custom"} if api.authorizer == "lambda" else {"jwtConfiguration": f"audience={api.name}-v2"}
    return case.incident(
        edit,
        changes=[patched(case, case.before_start(), "UpdateAuthorizer", patches, authorizerId="a1b2c3")],
        accept_subtypes=("signing_key_rotation", "authorizer_outage") if level == "blatant" else (),
        tell="Users who were let in a minute ago are refused from the moment on at which the authorizer was changed.",
    )
