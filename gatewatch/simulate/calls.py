"""Calls as columns, and the edits that incidents are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewatch.simulate.model import Api, Floats, Ints, Mask
from gatewatch.simulate.outcomes import LOOKS, Outcome

TIMEOUT_MS = 29_000
"""Where API Gateway gives up on an integration."""

_TYPES: dict[str, Any] = {
    "at_ms": np.int64,
    "route": np.int16,
    "path": np.int64,
    "method": np.int8,
    "status": np.int16,
    "outcome": np.int16,
    "integration_status": np.int16,
    "latency_ms": np.int32,
    "integration_ms": np.int32,
    "authorizer_ms": np.int32,
    "waf_ms": np.int32,
    "cold_ms": np.int32,
    "downstream_ms": np.int32,
    "bytes": np.int64,
    "ip": np.int64,
    "principal": np.int64,
    "key": np.int32,
    "agent": np.int16,
    "connection": np.int64,
    "cached": np.bool_,
    "incident": np.int32,
}
_FAILING_MS = {Outcome.INTEGRATION_TIMEOUT: (TIMEOUT_MS, TIMEOUT_MS + 9), Outcome.INTEGRATION_FAILED: (2, 60)}
_START: dict[str, int] = {
    "integration_status": -1,
    "integration_ms": -1,
    "authorizer_ms": -1,
    "waf_ms": -1,
    "downstream_ms": -1,
    "principal": -1,
    "key": -1,
    "connection": -1,
    "incident": -1,
}


@dataclass(slots=True)
class Calls:
    """One element a call, in no order until written. A scenario owns the calls that it is handed: edit in place.

    at_ms: begin, UTC epoch ms. route: place in api.routes, -1 when nothing answers to the path. path: number put into
    the template's parameters, or for route -1 the place in `people.PROBES`. method: place in `people.METHODS`, used
    for route -1 only. status: sent to the client. outcome: an `Outcome`; who refused and with which words.
    integration_status: what the back end answered, -1 when it was not asked or gave no answer.
    latency_ms: the whole. integration_ms, authorizer_ms, waf_ms: parts of it, -1 when the layer took no part (0: the
    authorizer's answer came from its cache); what is left is the gateway's own. cold_ms (0: none) and downstream_ms
    (-1: nothing called) are inside of integration_ms and show in traces only.
    bytes: of the answer. ip: IPv4 as a number; from 2**32 on an IPv6 address (people.ip_texts). principal: a user of
    the API (below 2**32), a stranger's name (people.STRANGER and above), -1 unknown. key: place in api.keys, -1 none.
    agent: place in `people.AGENTS`. connection: of a WebSocket, -1 else. cached: answered by the stage's cache.
    incident: number of the planted incident that made or changed the call, -1: none; never written out.
    """

    at_ms: Ints
    route: npt.NDArray[np.int16]
    path: Ints
    method: npt.NDArray[np.int8]
    status: npt.NDArray[np.int16]
    outcome: npt.NDArray[np.int16]
    integration_status: npt.NDArray[np.int16]
    latency_ms: npt.NDArray[np.int32]
    integration_ms: npt.NDArray[np.int32]
    authorizer_ms: npt.NDArray[np.int32]
    waf_ms: npt.NDArray[np.int32]
    cold_ms: npt.NDArray[np.int32]
    downstream_ms: npt.NDArray[np.int32]
    bytes: Ints
    ip: Ints
    principal: Ints
    key: npt.NDArray[np.int32]
    agent: npt.NDArray[np.int16]
    connection: Ints
    cached: Mask
    incident: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.at_ms)

    @classmethod
    def blank(cls, at_ms: Ints) -> Calls:
        """Calls at these times that reached nothing yet: status 200, every layer absent."""
        n = len(at_ms)
        columns = {name: np.full(n, _START.get(name, 0), dtype=kind) for name, kind in _TYPES.items()}
        columns["at_ms"] = at_ms.astype(np.int64)
        columns["status"][:] = 200
        return cls(**columns)

    def take(self, chosen: Mask | Ints) -> Calls:
        """A copy of the calls where the mask is set, or at these places (which may repeat)."""
        return Calls(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def before(self, at_ms: int) -> Mask:
        return self.at_ms < at_ms

    def during(self, start_ms: int, end_ms: int) -> Mask:
        """Which calls begin in [start_ms, end_ms)."""
        return (self.at_ms >= start_ms) & (self.at_ms < end_ms)

    def in_order(self) -> Calls:
        """By time; calls of the same millisecond keep their order."""
        return self.take(np.argsort(self.at_ms, kind="stable"))


def joined(parts: Sequence[Calls]) -> Calls:
    """All calls of the parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    return Calls(*(np.concatenate([getattr(part, name) for part in parts]) for name in _TYPES))


def refuse(api: Api, calls: Calls, where: Mask, outcome: Outcome, rng: np.random.Generator) -> None:
    """These calls end with this outcome instead: status, layers and latency follow from who refused.

    The gateway refuses within a few ms; a refusing authorizer takes the API's usual time for it; integration failures
    take what their kind takes (INTEGRATION_TIMEOUT 29 s).
    """
    n = int(np.count_nonzero(where))
    if not n:
        return
    look = LOOKS[outcome]
    own = rng.integers(1, 6, n)
    authorizer = np.full(n, -1, dtype=np.int64)
    if look.layer == "authorizer":
        authorizer = np.maximum(rng.lognormal(np.log(max(api.authorizer_ms, 1.0)), 0.4, n), 1).astype(np.int64)
        if outcome is Outcome.AUTHORIZER_TIMEOUT:
            authorizer = 10_000 + rng.integers(0, 40, n)
    integration = np.full(n, -1, dtype=np.int64)
    if look.layer == "integration":
        low, high = _FAILING_MS.get(outcome, (4, 25))
        integration = rng.integers(low, high, n)
        authorizer = calls.authorizer_ms[where].astype(np.int64)
    waf = calls.waf_ms[where].astype(np.int64)
    calls.outcome[where] = outcome
    calls.status[where] = look.of(api.kind).status
    calls.integration_status[where] = -1
    calls.integration_ms[where] = integration
    calls.authorizer_ms[where] = authorizer
    calls.cold_ms[where] = 0
    calls.downstream_ms[where] = -1
    calls.cached[where] = False
    calls.bytes[where] = len(look.of(api.kind).message) + 14
    calls.latency_ms[where] = own + np.maximum(authorizer, 0) + np.maximum(waf, 0) + np.maximum(integration, 0)


def answer(calls: Calls, where: Mask, status: int) -> None:
    """The back end itself answers these calls with this status; the times stay as they are."""
    reached = where & (calls.integration_ms >= 0)
    calls.outcome[reached] = Outcome.ANSWERED
    calls.status[reached] = status
    calls.integration_status[reached] = status
    if status >= 400:
        calls.bytes[reached] = 40 + calls.path[reached] % 90


def slow(calls: Calls, where: Mask, layer: str, extra_ms: Floats | Ints | float) -> None:
    """Add time (an element a call set in `where`, or one number) to a layer and hence to the whole.

    layer: gateway, waf, authorizer, integration, cold or downstream (the last two lie inside of the integration). Calls
    in which the layer took no part are left alone. An integration that would pass 29 s times out (REST and HTTP alike).
    """
    extra = np.zeros(len(calls), dtype=np.int64)
    extra[where] = np.rint(extra_ms).astype(np.int64)
    column = {"gateway": None, "waf": "waf_ms", "authorizer": "authorizer_ms"}.get(layer, "integration_ms")
    if column is not None:
        part = getattr(calls, column)
        extra[part < 0] = 0
        part += extra.astype(np.int32)
    if layer == "cold":
        calls.cold_ms += extra.astype(np.int32)
    elif layer == "downstream":
        touched = extra > 0
        calls.downstream_ms[touched] = np.maximum(calls.downstream_ms[touched], 0) + extra[touched]
    calls.latency_ms += extra.astype(np.int32)
    late = calls.integration_ms > TIMEOUT_MS
    over = calls.integration_ms[late] - TIMEOUT_MS
    calls.integration_ms[late] -= over
    calls.latency_ms[late] -= over
    inside = np.maximum(calls.integration_ms, 0)  # a negative extra makes what lies inside shorter, too
    np.minimum(calls.cold_ms, inside, out=calls.cold_ms)
    np.minimum(calls.downstream_ms, inside, out=calls.downstream_ms)
    calls.outcome[late] = Outcome.INTEGRATION_TIMEOUT
    calls.integration_status[late] = -1
    calls.status[late] = 504
    calls.bytes[late] = 38
