"""Signing keys are exchanged without an overlap: every token in use is void, until its owner fetches a new one."""

from __future__ import annotations

import numpy as np

from gatewatch.records import JSON
from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.changes import record
from gatewatch.simulate.crowds import some_users, token_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import uniform
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import credential_refusals, share_of_calls
from gatewatch.simulate.trail import function_update, patched


def _fits(api: Api) -> bool:
    # without such a word a void signature looks like any other refusal
    return bool(token_routes(api)) and shows_any(api, "authorizer.error", "error.responseType", "error.message")


@scenario(
    "signing_key_rotation",
    kind="auth_failure_spike",
    subtype="signing_key_rotation",
    cause="config_change",
    minutes={"blatant": 60, "moderate": 75, "subtle": 120},
    fits=_fits,
)
def signing_key_rotation(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Users are refused until they renew their token; how many still have an old one halves again and again.

    blatant: all users; moderate: two fifths; subtle: those of one small issuer.
    """
    case = Case("signing_key_rotation", world, api, level, start_ms, end_ms, rng)
    routes = token_routes(api)
    half_ms = (end_ms - start_ms) / 5
    calls = per_minute(world, api, *case.minutes) * sum(api.routes[place].weight for place in routes)
    decay = np.exp2(-np.arange(len(calls)) * 60_000 / half_ms)
    share = share_of_calls(
        calls * decay, credential_refusals(world, api, *case.minutes), api.dispersion, level, rng,
        least=case.by_level(120, 60, 30), full=case.by_level(1.0, 0.4, 0.0),
    )  # fmt: skip
    owners = some_users(api, share, rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        renewed_ms = case.start_ms - half_ms * np.log2(np.maximum(uniform(case.salt, calls.principal), 1e-9))
        hit = np.isin(calls.route, routes) & np.isin(calls.principal, owners) & (calls.at_ms < renewed_ms)
        refuse(api, calls, hit, Outcome.TOKEN_SIGNATURE, rng)
        touched(calls, hit)
        return calls

    at_ms = case.before_start(5, 60)
    secret: dict[str, JSON] = {"secretId": f"{api.name}/signing-key", "versionStages": ["AWSCURRENT"]}
    changes = [record(world, at_ms, "PutSecretValue", secret, source="secretsmanager")]
    if api.authorizer == "lambda":
        changes.append(function_update(case, at_ms + 1_500, f"{api.name}-auth", environment={"variables": "KEY_ID"}))
    else:
        changes.append(
            patched(case, at_ms + 1_500, "UpdateAuthorizer", {"jwtConfiguration": "issuer"}, authorizerId="a1b2c3")
        )
    return case.incident(
        edit,
        changes=changes,
        accept_subtypes=("misconfiguration",),
        tell="Everybody's signature is wrong at once, and the refusals die away as one client after the other renews.",
    )
