"""A scanner goes through a list of paths that do not exist here."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.people import PROBES, addresses, agent
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import PROBE_DISPERSION, extra_counts, probes


def _fits(api: Api) -> bool:
    return api.kind == "http" or (api.kind == "rest" and shows_any(api, "error.responseType"))


@scenario(
    "path_probing",
    kind="auth_failure_spike",
    subtype="path_probing",
    cause="client",
    minutes={"blatant": 20, "moderate": 45, "subtle": 120},
    fits=_fits,
)
def path_probing(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """REST answers 403 MISSING_AUTHENTICATION_TOKEN, HTTP APIs 404; no route of the API is ever named."""
    case = Case("path_probing", world, api, level, start_ms, end_ms, rng)
    least = case.by_level(6_000, 2_000, 900)
    begin, end = case.minutes
    rate = extra_counts(probes(api, (end - begin) // 60_000), PROBE_DISPERSION, level, rng, least=least)
    attempts = stream(case.start_ms, case.until_ms, rate, rng, least=round(least))
    sources = addresses("hosting", int(rng.integers(1, 4)), rng)
    tool = agent("Nuclei")

    def probe(at_ms: Ints, number: Ints, rng: np.random.Generator) -> Calls:
        calls = visits(world, api, -1, at_ms, sources[number % len(sources)], number * 0 - 1, tool, rng)
        calls.path[:] = number % len(PROBES)
        calls.method[:] = np.where(number % 17 == 0, 1, 0)
        return calls

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return joined([calls, made(probe(*attempts.of(block, rng), rng))])

    some = np.arange(min(attempts.total, 300), dtype=np.int64)
    return case.incident(
        edit,
        culprits=case.shown(probe(np.full(len(some), case.start_ms), some, rng), agents=True),
        tell="Thousands of requests for paths that do not exist, from one to three addresses: scanning, no log-in.",
    )
