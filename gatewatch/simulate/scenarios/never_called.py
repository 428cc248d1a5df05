"""What was deployed once and nobody ever called: an API, a route, a key."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from gatewatch.simulate.case import Case
from gatewatch.simulate.labels import Culprits, Scope
from gatewatch.simulate.model import DAY_MS, Api, World
from gatewatch.simulate.scenarios import Planted, Unfit, scenario

LEAST_DAYS = 33.0
"""Monthly jobs must have had their chance before anything is called dead."""

_DECLARED = {"blatant": "API", "moderate": "route", "subtle": "key"}


@scenario(
    "never_called",
    kind="dead_api",
    subtype="never_called",
    cause="unknown",
    minutes={"blatant": 60, "moderate": 60, "subtle": 60},
    fits=lambda api: api.kind == "rest",
    alone=False,
)
def never_called(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """The inventory declares it from before the world's begin; no line ever names it. Only in worlds of five weeks."""
    del start_ms, end_ms
    if (world.end_ms - world.start_ms) < LEAST_DAYS * DAY_MS:
        raise Unfit("the world is too short to call anything dead")
    if level == "subtle" and not api.keys:
        raise Unfit("an API without keys has no dead key")
    case = Case("never_called", world, api, level, world.start_ms, world.end_ms, rng)
    ident = f"d{case.salt % 10**9:09d}"
    key = f"kdead{case.salt % 10**5:05d}"
    route = "POST /legacy/import"

    def declare(document: dict[str, Any]) -> None:
        own = next(one for one in document["restApis"] if one["id"] == api.id)
        if level == "blatant":
            twin = deepcopy(own)
            twin.update(id=ident, name=f"{api.name}-old")
            document["restApis"].append(twin)
        elif level == "moderate":
            method = deepcopy(next(iter(own["resources"][0]["resourceMethods"].values())))
            method["httpMethod"] = "POST"
            own["resources"].append({"id": "dead01", "path": "/legacy/import", "resourceMethods": {"POST": method}})
        else:
            old = next(one for one in document["apiKeys"] if one["id"] in api.keys)
            document["apiKeys"].append({**old, "id": key, "name": "client-old"})

    scope = {
        "blatant": Scope(ident, api.stage),
        "moderate": Scope(api.id, api.stage, route),
        "subtle": Scope(api.id, api.stage),
    }[level]
    return case.incident(
        None,
        scope=(scope,),
        culprits=Culprits(api_key_ids=(key,)) if level == "subtle" else None,
        accept_subtypes=("dead", "unused"),
        accept_causes=("client", "config_change"),
        inventory=declare,
        tell=f"A declared {_DECLARED[level]} that no line of five weeks names, while its neighbours are in use.",
    )
