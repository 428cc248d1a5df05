"""A customer's API key is switched off by mistake."""

from __future__ import annotations

import numpy as np

from gatewatch.records import JSON
from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.changes import record
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.plans import customers, has_plans, key_share
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import credential_refusals, nats_of_counts, wanted_nats


def _fits(api: Api) -> bool:
    return has_plans(api) and shows_any(api, "error.responseType")


@scenario(
    "key_disabled",
    kind="auth_failure_spike",
    subtype="misconfiguration",
    cause="config_change",
    minutes={"blatant": 90, "moderate": 120, "subtle": 180},
    fits=_fits,
)
def key_disabled(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """All calls with the key are refused; a large customer's when it is to be blatant, a small one's to be subtle."""
    case = Case("key_disabled", world, api, level, start_ms, end_ms, rng)
    calls = per_minute(world, api, *case.minutes)
    base = credential_refusals(world, api, *case.minutes)
    wanted = wanted_nats(level, rng)
    sizes = [(key_share(api, one.key), one) for one in customers(api, rng)]
    enough = [(share, one) for share, one in sizes if nats_of_counts(calls * share, base, api.dispersion) >= wanted]
    if not enough:
        raise Unfit("no customer calls often enough")
    _, customer = min(enough, key=lambda pair: pair[0])
    keyed = [place for place, route in enumerate(api.routes) if route.auth == "key"]

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = (calls.key == customer.key) & np.isin(calls.route, keyed)
        refuse(api, calls, hit, Outcome.KEY_DISABLED, rng)
        touched(calls, hit)
        return calls

    off: dict[str, JSON] = {"apiKey": api.keys[customer.key], "updateApiKeyInput": {"patchOperations": [
        {"op": "replace", "path": "/enabled", "value": "false"}]}}  # fmt: skip
    change = record(world, case.before_start(), "UpdateApiKey", off, actor="support-console")
    found = customer.shown(case, np.array([case.start_ms]))
    return case.incident(
        edit,
        changes=[change],
        culprits=type(found)(api_key_ids=found.api_key_ids),
        tell="One key that always worked is refused every time, from the moment on at which it was disabled.",
    )
