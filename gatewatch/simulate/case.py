"""One scenario about to happen: what every scenario file needs to make its label and its edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewatch.records import JSON
from gatewatch.simulate.blocks import Edit, InBlocks
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.labels import Benign, Culprits, Incident, Scope
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.people import NETWORKS
from gatewatch.simulate.render import Lines
from gatewatch.simulate.scenarios import SCENARIOS, Hold, Planted, Unfit, unchanged
from gatewatch.simulate.templates import variables


@dataclass(slots=True)
class Case:
    """A scenario at work on an API in [start_ms, end_ms); past the world's end it goes on. Unfit: begins then."""

    name: str
    world: World
    api: Api
    level: str
    start_ms: int
    end_ms: int
    rng: np.random.Generator
    salt: int = field(init=False)

    def __post_init__(self) -> None:
        if self.start_ms > self.world.end_ms - MINUTE_MS:
            raise Unfit("the world is over by then")
        self.salt = int(self.rng.integers(1 << 62))

    @property
    def until_ms(self) -> int:
        """Where it ends in this world."""
        return min(self.end_ms, self.world.end_ms)

    @property
    def ended_ms(self) -> int | None:
        """When it ended; None when it still goes on."""
        return None if self.end_ms >= self.world.end_ms else self.end_ms

    @property
    def minutes(self) -> tuple[int, int]:
        """The whole minutes [from, to) in which it is at work."""
        return self.start_ms // MINUTE_MS * MINUTE_MS, -(-self.until_ms // MINUTE_MS) * MINUTE_MS

    def by_level(self, blatant: float, moderate: float, subtle: float) -> float:
        return {"blatant": blatant, "moderate": moderate, "subtle": subtle}[self.level]

    def before_start(self, least_s: float = 20, most_s: float = 110) -> int:
        """When the change was made that starts it: shortly before."""
        return self.start_ms - int(self.rng.uniform(least_s, most_s) * 1000)

    def incident(
        self,
        edit: Edit | None,
        *,
        tell: str,
        route: str | None = None,
        scope: Sequence[Scope] = (),
        culprits: Culprits | None = None,
        cause: str | None = None,
        subtype: str | None = None,
        accept_subtypes: tuple[str, ...] = (),
        accept_causes: tuple[str, ...] = (),
        layer: str | None = None,
        changes: Sequence[Mapping[str, JSON]] = (),
        inventory: Callable[[dict[str, Any]], None] | None = None,
        until_ms: int | None = None,
    ) -> Planted:
        """The incident with its label. edit None: it touches no call. until_ms: end of an aftermath behind its end."""
        known = SCENARIOS[self.name]
        label = Incident(
            id=f"{self.name}-{self.api.id}-{self.start_ms // MINUTE_MS}",
            scenario=self.name,
            kind=known.kind,
            subtype=subtype or known.subtype,
            level=self.level,
            traffic="busy" if self.api.busy else "quiet",
            scope=tuple(scope) or (Scope(self.api.id, self.api.stage, route),),
            start_ms=self.start_ms,
            end_ms=self.ended_ms,
            cause=cause or known.cause,
            tell=tell,
            accept_subtypes=accept_subtypes,
            accept_causes=accept_causes,
            culprits=culprits or Culprits(),
            layer=layer,
        )
        return self._planted(label, edit, changes, (), inventory, until_ms)

    def benign(
        self,
        edit: Edit | None,
        *,
        why: str,
        route: str | None = None,
        changes: Sequence[Mapping[str, JSON]] = (),
        holds: Sequence[Hold] = (),
        inventory: Callable[[dict[str, Any]], None] | None = None,
        until_ms: int | None = None,
    ) -> Planted:
        """The temptation with its label; edit None: it touches no call."""
        label = Benign(
            id=f"{self.name}-{self.api.id}-{self.start_ms // MINUTE_MS}",
            scenario=self.name,
            scope=Scope(self.api.id, self.api.stage, route),
            start_ms=self.start_ms,
            end_ms=self.ended_ms,
            why=why,
        )
        return self._planted(label, edit, changes, holds, inventory, until_ms)

    def _planted(
        self,
        label: Incident | Benign,
        edit: Edit | None,
        changes: Sequence[Mapping[str, JSON]],
        holds: Sequence[Hold],
        inventory: Callable[[dict[str, Any]], None] | None,
        until_ms: int | None,
    ) -> Planted:
        until = min(max(until_ms or 0, self.until_ms), self.world.end_ms)
        apply = unchanged if edit is None else InBlocks(self.salt, self.start_ms, until, edit)
        last = None if until >= self.world.end_ms else until
        return Planted(
            label, apply, self.start_ms, last, frozenset({self.api.id}), tuple(changes), tuple(holds), inventory
        )

    def shown(self, calls: Calls, *, agents: bool = False, network: bool = False) -> Culprits:
        """Who made these calls, as far as lines of this API show it. agents, network: name those, too."""
        return shown(self.world, self.api, calls, agents=agents, network=network)


def shows(api: Api, *names: str) -> bool:
    """Whether the API's log lines show all of these `$context` variables."""
    return set(names) <= set(variables(api.template))


def shows_any(api: Api, *names: str) -> bool:
    return not set(names).isdisjoint(variables(api.template))


def shown(world: World, api: Api, calls: Calls, *, agents: bool = False, network: bool = False) -> Culprits:
    """The distinct callers of these calls in the words of the API's log lines, in order of appearance.

    agents: name their user agents, too; network: name the autonomous system, if all of them are in one.
    """
    lines = Lines(world, api, calls, np.zeros((len(calls), 5), dtype=np.uint64))

    def column(*names: str) -> tuple[str, ...]:
        for name in names:
            if shows(api, name):
                texts = dict.fromkeys(text for text in lines[name].to_pylist() if text is not None)
                return tuple(texts)
        return ()

    return Culprits(
        ips=column("identity.sourceIp"),
        api_key_ids=column("identity.apiKeyId"),
        principals=column("authorizer.principalId", "authorizer.claims.sub", "identity.user"),
        user_agents=column("identity.userAgent") if agents else (),
        asns=_one_network(calls) if network and shows(api, "identity.sourceIp") else (),
    )


def _one_network(calls: Calls) -> tuple[str, ...]:
    """The number of the autonomous system that all of the calls come from, if it is one."""
    for net in NETWORKS:
        if len(calls) and ((calls.ip >= net.first) & (calls.ip < net.first + net.size)).all():
            return (str(net.asn),)
    return ()
