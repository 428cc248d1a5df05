"""Customers with API keys, and what their usage plans let through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewatch.simulate.background import fill
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.clients import show_clients
from gatewatch.simulate.crowds import one_user, weights
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.labels import Culprits
from gatewatch.simulate.model import Api, Ints, Mask, Plan, World


@dataclass(frozen=True, slots=True)
class Customer:
    """A client with an API key. user: its number among the API's users; key: place in api.keys."""

    user: int
    key: int
    plan: Plan
    route: int

    def calls(self, world: World, api: Api, at_ms: Ints, rng: np.random.Generator) -> Calls:
        """Its calls at these times, all answered."""
        calls = Calls.blank(at_ms)
        calls.route[:] = self.route
        show_clients(world, api, calls, np.full(len(at_ms), self.user))
        calls.path[:] = rng.integers(1, 9_974, len(at_ms))
        fill(world, api, calls, rng, refused_too=False)
        return calls

    def shown(self, case: Case, at_ms: Ints) -> Culprits:
        """The customer in the words of the log lines, with the addresses it has at these times."""
        return case.shown(self.calls(case.world, case.api, at_ms, np.random.default_rng(0)))


def has_plans(api: Api) -> bool:
    """Whether customers with keys call it, and its lines show which key."""
    keyed = any(route.auth == "key" and route.weight > 0 for route in api.routes)
    return bool(api.plans and api.keys) and keyed and shows_any(api, "identity.apiKeyId")


def customers(api: Api, rng: np.random.Generator) -> list[Customer]:
    """Every customer in random order, but those of plans with small buckets first; each calls one route."""
    keyed = [place for place, route in enumerate(api.routes) if route.auth == "key" and route.weight > 0]
    order = sorted(rng.permutation(len(api.keys)).tolist(), key=lambda key: api.plans[api.key_plan[key]].burst)
    weights = np.array([api.routes[place].weight for place in keyed])
    routes = rng.choice(keyed, len(order), p=weights / weights.sum()).tolist()
    return [Customer(key, key, api.plans[api.key_plan[key]], route) for key, route in zip(order, routes, strict=True)]


def within_plan(plan: Plan, at_ms: Ints) -> Mask:
    """Which calls of one key the plan's token bucket lets through; it is full at the first of them."""
    passed = np.zeros(len(at_ms), dtype=np.bool_)
    tokens, last = float(plan.burst), int(at_ms[0]) if len(at_ms) else 0
    for place, at in enumerate(at_ms.tolist()):
        tokens = min(float(plan.burst), tokens + plan.rate * (at - last) / 1000)
        last = at
        if tokens >= 1:
            tokens -= 1
            passed[place] = True
    return passed


def key_share(api: Api, key: int) -> float:
    """Share of the API's ordinary calls that carry this key; users with it are those congruent to its place."""
    found = weights(api)
    keyed = sum(route.weight for route in api.routes if route.auth == "key")
    return float(found[np.arange(api.users) % len(api.keys) == key].sum()) * keyed


def limited(api: Api) -> bool:
    """Whether some client can have a limit of its own: by a usage plan, or as the main caller of a small stage."""
    return has_plans(api) or (not api.plans and any(route.weight > 0.1 for route in api.routes))


def any_customer(world: World, api: Api, rng: np.random.Generator) -> Customer:
    """A customer with a key, or a user of an API without keys.

    The latter's plan stands for the throttle of the stage: three times the busiest ordinary minute.
    """
    if has_plans(api):
        return customers(api, rng)[0]
    routes = [place for place, route in enumerate(api.routes) if route.weight > 0.1]
    rate = float(per_minute(world, api, world.start_ms, world.end_ms).max()) / 60 * 3
    plan = Plan("", "", max(rate, 1.0), max(round(2 * rate), 2))
    return Customer(one_user(api, rng), -1, plan, int(rng.choice(routes)))
