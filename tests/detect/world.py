"""Made-up traffic with known truth: rollup tables as ingest would give them, incidents and benign look-alikes.

Seeds 1-99 are for tuning, 100-199 for checking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatewatch.frames import CLIENTS, COVERAGE, MINUTE_COUNTS, MINUTES, visible_mask
from gatewatch.records import REJECT_CAUSES, THROTTLE_SCOPES, Cause, Change, Kind

Array = npt.NDArray[np.float64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALL_COLUMNS = (
    "at", "api", "stage", "route", "status", "latency_ms", "integration_latency_ms", "authorizer_latency_ms",
    "integration_status", "response_bytes", "client_ip", "principal", "api_key_id", "user_agent", "error_type",
)  # fmt: skip
_LN = np.log(1.02)
SAMPLES = 40


@dataclass
class Truth:
    kind: Kind
    subtypes: frozenset[str]
    cause: frozenset[Cause]
    api: str
    start: int
    end: int
    size: str
    ips: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    layer: str | None = None


@dataclass
class Api:
    """Arrays are (routes, minutes)."""

    name: str
    rng: np.random.Generator
    start: int
    minutes: int
    rate: float
    n: Array = field(init=False)
    causes: dict[str, Array] = field(default_factory=dict)
    scopes: dict[str, Array] = field(default_factory=dict)
    s5xx: Array = field(init=False)
    client_rows: list[tuple[Any, ...]] = field(default_factory=list)
    routes: list[str] = field(init=False)
    truths: list[Truth] = field(default_factory=list)
    benign: list[tuple[str, int, int]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    visible: int = visible_mask(ALL_COLUMNS)

    def __post_init__(self) -> None:
        rng, minutes = self.rng, self.minutes
        routes = int(rng.integers(2, 5))
        self.routes = [f"GET /r{i}" for i in range(routes)]
        share = np.sort(rng.dirichlet(np.full(routes, 2.0)))[::-1]
        t = np.arange(self.start, self.start + minutes)
        hour = t / 60 % 24
        day = (t // 1440 + 4) % 7
        amplitude, peak = rng.uniform(0.2, 0.8), rng.uniform(10, 20)
        shape = 1 + amplitude * np.cos((hour - peak) / 24 * 2 * np.pi)
        weekend = rng.uniform(0.3, 1.0)
        shape = shape * np.where((day == 0) | (day == 6), weekend, 1.0)
        shape = shape * np.exp(rng.normal(0, 0.05, minutes // 60 + 1))[(np.arange(minutes)) // 60]
        self.mean = self.rate * share[:, None] * shape
        self.phi = float(rng.uniform(1, 5))
        self.n = self.draw(self.mean)
        self.s5xx = np.zeros_like(self.n)
        fail = rng.uniform(0.004, 0.03) if self.rate < 300 else rng.uniform(0.0005, 0.003)
        self.fail = float(fail)
        pool = [f"198.51.{i // 250}.{i % 250}" for i in rng.permutation(2000)[: max(20, int(self.rate))]]
        for cause, part in (("expired_credential", 0.5), ("missing_credential", 0.3), ("authorizer_deny", 0.2)):
            extra = self.rng.poisson(self.n * fail * part).astype(float)
            self.refuse(cause, extra, pool, principals=cause != "missing_credential")
        self.s5xx += rng.binomial(self.n.astype(int), 0.002)
        self.base_ms = rng.uniform(20, 300, routes)
        self.sigma = rng.uniform(0.3, 0.7, routes)
        ones = np.ones_like(self.n)
        self.wander = np.exp(rng.normal(0, 0.03, (routes, minutes // 30 + 1)))[:, np.arange(minutes) // 30]
        self.integration = ones.copy()
        self.tail = np.zeros_like(self.n)
        self.tail_by = ones * 4
        self.timeouts = np.zeros_like(self.n)
        self.gateway_ms = ones * rng.uniform(3, 12)
        self.authorizer_ms = ones * rng.uniform(5, 25)
        self.waf_ms: Array | None = None
        """Time in WAF of each request, where the logs tell it."""
        self.bytes = ones * rng.uniform(300, 5000)

    def draw(self, mean: Array) -> Array:
        r = np.maximum(mean, 1e-9) / max(self.phi - 1, 1e-3)
        return self.rng.poisson(self.rng.gamma(np.maximum(r, 1e-9), mean / np.maximum(r, 1e-9))).astype(float)

    def refuse(
        self,
        cause: str,
        extra: Array,
        ips: list[str],
        *,
        principals: bool = False,
        principal_pool: list[str] | None = None,
        keys: list[str] | None = None,
        agents: list[str] | None = None,
        scope: str | None = None,
        weights: Array | None = None,
        added: bool = True,
    ) -> None:
        """Add refusals (routes, minutes), one client row for each (or for each n of one client)."""
        rng = self.rng
        into = self.causes.setdefault(cause, np.zeros_like(self.n))
        into += extra
        if added:
            self.n += extra
        if scope is not None:
            self.scopes.setdefault(scope, np.zeros_like(self.n))
            self.scopes[scope] += extra
        agents = agents or [f"browser/{i}" for i in range(30)]
        r, m = np.nonzero(extra)
        count = extra[r, m].astype(int)
        big = len(ips) == 1 and count.sum() > 20_000
        if not big:
            r, m, count = np.repeat(r, count), np.repeat(m, count), np.ones(int(count.sum()), int)
        size = len(r)
        who = rng.choice(len(ips), size, p=weights)
        names = rng.integers(len(principal_pool or ips), size=size) if principal_pool else who
        self.client_rows.append(
            (
                m, r, cause, scope, np.array(ips, object)[who],
                np.array(principal_pool or [f"user-{ip}" for ip in ips], object)[names] if principals else None,
                np.array(keys, object)[who % len(keys)] if keys else None,
                np.array(agents, object)[rng.integers(len(agents), size=size) if len(agents) != len(ips) else who],
                count,
            )
        )  # fmt: skip

    def window(self, minutes: int) -> tuple[int, int]:
        """A free stretch in the last part of the data, away from the others."""
        taken = [(t.start, t.end) for t in self.truths] + [(a, b) for _, a, b in self.benign]
        for _ in range(200):
            low = min(3 * 1440, self.minutes // 3)
            a = int(self.rng.integers(low, max(low + 1, self.minutes - minutes - 180)))
            b = a + minutes
            if all(b + 240 < s or a - 240 > e for s, e in taken):
                return a, b
        raise ValueError("no room")

    def level(self, a: int, b: int) -> float:
        return float(self.mean[:, a:b].sum(axis=0).mean())

    def truth(self, kind: Kind, subtypes: str, cause: str, a: int, b: int, size: str, **more: Any) -> None:
        self.truths.append(
            Truth(
                kind,
                frozenset(subtypes.split()),
                frozenset(Cause(c) for c in cause.split()),
                self.name,
                a,
                b,
                size,
                **more,
            )
        )

    def ips(self, count: int) -> list[str]:
        return [f"203.0.{i // 250}.{i % 250}" for i in self.rng.permutation(5000)[:count]]

    def change(self, a: int, what: str) -> None:
        at = EPOCH + timedelta(minutes=self.start + a - 2)
        self.changes.append(Change(at, what, "arn:aws:iam::123456789012:user/ops", f"{self.name}/prod"))


Incident = Callable[[Api, str], None]
SIZES = {"blatant": 2, "moderate": 1, "subtle": 0}


def _pulse(api: Api, a: int, b: int, per_minute: float, ramp: bool = False) -> Array:
    out = np.zeros_like(api.n)
    rate = np.full(b - a, per_minute)
    if ramp:
        rate = per_minute * 2 * np.linspace(0.02, 1, b - a)
    out[0, a:b] = api.rng.poisson(rate)
    return out


def brute_force(api: Api, size: str) -> None:
    a, b = api.window([120, 60, 40][SIZES[size]])
    ips = api.ips(1)
    api.refuse(
        "authorizer_deny",
        _pulse(api, a, b, [1.5, 8, 60][SIZES[size]]),
        ips,
        principals=True,
        principal_pool=["admin"],
        agents=["tool/1"],
    )
    api.truth(Kind.AUTH_FAILURE_SPIKE, "brute_force", "client", a, b, size, ips=frozenset(ips))


def password_spray(api: Api, size: str) -> None:
    a, b = api.window([180, 90, 40][SIZES[size]])
    ips = api.ips(1)
    rate = [1.2, 5, 25][SIZES[size]]
    pool = [f"victim{i}" for i in range(max(40, int(rate * (b - a) / 2)))]
    api.refuse("backend_refused", _pulse(api, a, b, rate), ips, principals=True, principal_pool=pool, agents=["tool/2"])
    api.truth(Kind.AUTH_FAILURE_SPIKE, "password_spray", "client", a, b, size, ips=frozenset(ips))


def credential_stuffing(api: Api, size: str) -> None:
    a, b = api.window([120, 60, 40][SIZES[size]])
    ips = api.ips([300, 200, 400][SIZES[size]])
    rate = max([5, 25, 150][SIZES[size]], [0.004, 0.02, 0.2][SIZES[size]] * api.rate)
    pool = [f"leak{i}" for i in range(int(rate * (b - a)))]
    api.refuse("authorizer_deny", _pulse(api, a, b, rate), ips, principals=True, principal_pool=pool, agents=["bot/3"])
    api.truth(Kind.AUTH_FAILURE_SPIKE, "credential_stuffing distributed", "client", a, b, size, ips=frozenset(ips))


def api_key_probing(api: Api, size: str) -> None:
    a, b = api.window([120, 60, 30][SIZES[size]])
    ips = api.ips(2)
    api.refuse("unknown_key", _pulse(api, a, b, [1.5, 8, 60][SIZES[size]]), ips, agents=["curl/8"])
    api.truth(Kind.AUTH_FAILURE_SPIKE, "api_key_probing", "client", a, b, size, ips=frozenset(ips))


def expired_token_loop(api: Api, size: str) -> None:
    a, b = api.window([240, 120, 60][SIZES[size]])
    ips = api.ips(1)
    api.refuse(
        "expired_credential",
        _pulse(api, a, b, [1, 4, 30][SIZES[size]]),
        ips,
        principals=True,
        principal_pool=["svc-7"],
        agents=["sdk/9"],
    )
    api.truth(Kind.AUTH_FAILURE_SPIKE, "expired_token_loop", "client", a, b, size, ips=frozenset(ips))


def signing_key_rotation(api: Api, size: str) -> None:
    a, b = api.window([45, 60, 90][SIZES[size]])
    share = [0.5, 0.7, 0.95][SIZES[size]]
    extra = np.zeros_like(api.n)
    decay = share * np.exp(-np.arange(b - a) / (0.5 * (b - a)))
    extra[:, a:b] = api.rng.binomial(api.n[:, a:b].astype(int), decay[None, :])
    pool = api.ips(max(30, min(int(api.rate * 2), 2000)))
    api.refuse("bad_signature", extra, pool, added=False)
    api.change(a, "UpdateAuthorizer")
    api.truth(Kind.AUTH_FAILURE_SPIKE, "signing_key_rotation misconfiguration", "config_change", a, b, size)


def authorizer_outage(api: Api, size: str) -> None:
    a, b = api.window([20, 40, 60][SIZES[size]])
    extra = np.zeros_like(api.n)
    extra[:, a:b] = api.rng.binomial(api.n[:, a:b].astype(int), [0.3, 0.6, 1.0][SIZES[size]])
    api.s5xx += extra
    api.refuse("authorizer_error", extra, api.ips(max(30, min(int(api.rate * 2), 2000))), added=False)
    api.truth(Kind.AUTH_FAILURE_SPIKE, "authorizer_outage", "gateway config_change integration", a, b, size)


def waf_surge(api: Api, size: str) -> None:
    a, b = api.window([60, 60, 40][SIZES[size]])
    ips = api.ips([1, 5, 200][SIZES[size]])
    api.refuse("waf_block", _pulse(api, a, b, [6, 25, 200][SIZES[size]]), ips, agents=["sqlmap/1"])
    api.truth(Kind.AUTH_FAILURE_SPIKE, "waf_block_surge", "client", a, b, size, ips=frozenset(ips))


def over_plan(api: Api, size: str) -> None:
    a, b = api.window([120, 90, 60][SIZES[size]])
    key = [f"key{api.rng.integers(1000)}"]
    ips = api.ips(1)
    api.refuse("throttle", _pulse(api, a, b, [3, 15, 120][SIZES[size]]), ips, keys=key, agents=["sdk/2"], scope="plan")
    api.truth(
        Kind.THROTTLING_ABUSE, "over_plan retry_storm", "client", a, b, size, ips=frozenset(ips), keys=frozenset(key)
    )


def quota_exhausted(api: Api, size: str) -> None:
    a, b = api.window([180, 120, 120][SIZES[size]])
    key = [f"key{api.rng.integers(1000)}"]
    ips = api.ips(1)
    api.refuse("quota", _pulse(api, a, b, [2, 10, 60][SIZES[size]]), ips, keys=key, agents=["sdk/2"], scope="plan")
    api.truth(Kind.THROTTLING_ABUSE, "quota_exhausted", "client", a, b, size, ips=frozenset(ips), keys=frozenset(key))


def noisy_neighbour(api: Api, size: str) -> None:
    a, b = api.window([60, 60, 45][SIZES[size]])
    keys = [f"key{i}" for i in range(12)]
    ips = api.ips(12)
    weights = np.array([0.72] + [0.28 / 11] * 11)
    api.refuse(
        "throttle",
        _pulse(api, a, b, [8, 30, 200][SIZES[size]]),
        ips,
        keys=keys,
        agents=["a/1"],
        scope="stage",
        weights=weights,
    )
    api.truth(
        Kind.THROTTLING_ABUSE, "noisy_neighbour", "client", a, b, size, ips=frozenset(ips[:1]), keys=frozenset(keys[:1])
    )


def address_rotation(api: Api, size: str) -> None:
    a, b = api.window([90, 60, 45][SIZES[size]])
    ips = api.ips(80)
    api.refuse("throttle", _pulse(api, a, b, [6, 25, 150][SIZES[size]]), ips, agents=["scrapy/2"], scope="stage")
    api.truth(Kind.THROTTLING_ABUSE, "address_rotation", "client", a, b, size, ips=frozenset(ips))


def slow_ramp(api: Api, size: str) -> None:
    a, b = api.window([300, 300, 240][SIZES[size]])
    key = ["keyramp"]
    ips = api.ips(1)
    api.refuse(
        "throttle", _pulse(api, a, b, [2, 8, 60][SIZES[size]], ramp=True), ips, keys=key, agents=["sdk/2"], scope="plan"
    )
    api.truth(
        Kind.THROTTLING_ABUSE, "slow_ramp over_plan", "client", a, b, size, ips=frozenset(ips), keys=frozenset(key)
    )


def shared_limit(api: Api, size: str) -> None:
    a, b = api.window([90, 90, 60][SIZES[size]])
    keys = [f"key{i}" for i in range(40)]
    extra = np.zeros_like(api.n)
    extra[:, a:b] = api.rng.binomial(api.n[:, a:b].astype(int), [0.15, 0.35, 0.7][SIZES[size]])
    api.refuse("throttle", extra, api.ips(40), keys=keys, scope="stage", added=False)
    api.change(a, "UpdateStage replace /*/*/throttling/rateLimit 10")
    api.truth(Kind.THROTTLING_ABUSE, "shared_limit", "config_change", a, b, size)


def _silence(api: Api, a: int, b: int, keep: float = 0.0) -> None:
    for array in (api.n, api.s5xx, *api.causes.values(), *api.scopes.values()):
        array[:, a:b] = np.floor(array[:, a:b] * keep)
    api.client_rows = [
        (m[ok], r[ok], c, s, *(None if v is None else v[ok] for v in rest))
        for m, r, c, s, *rest in api.client_rows
        for ok in [(m < a) | (m >= b)]
    ]


def live_outage(api: Api, size: str) -> None:
    length = int(np.clip([40, 90, 240][SIZES[size]] / max(api.rate, 0.01), [30, 45, 60][SIZES[size]], 2000))
    a, b = api.window(length)
    _silence(api, a, b)
    api.truth(Kind.DEAD_API, "live_outage", "integration gateway unknown config_change", a, b, size)


def all_5xx(api: Api, size: str) -> None:
    length = int(np.clip([40, 90, 240][SIZES[size]] / max(api.rate, 0.01), [20, 30, 60][SIZES[size]], 2000))
    a, b = api.window(length)
    _silence(api, a, b)
    api.n[:, a:b] = api.draw(api.mean[:, a:b])
    api.s5xx[:, a:b] = api.n[:, a:b]
    extra = np.zeros_like(api.n)
    extra[:, a:b] = api.n[:, a:b]
    api.refuse("backend_error", extra, api.ips(40), added=False)
    api.truth(Kind.DEAD_API, "live_outage", "integration", a, b, size)


def taken_offline(api: Api, size: str) -> None:
    if api.truths:
        raise ValueError("no room")
    a, _ = api.window(1700)
    _silence(api, a, api.minutes)
    api.change(a, "DeleteStage")
    api.truth(Kind.DEAD_API, "taken_offline live_outage", "config_change", a, api.minutes, size)


def step_latency(api: Api, size: str) -> None:
    a, b = api.window([240, 120, 60][SIZES[size]])
    api.integration[0, a:b] *= [1.5, 2.5, 6][SIZES[size]]
    api.truth(Kind.LATENCY_OUTLIER, "step integration", "integration", a, b, size, layer="integration")


def step_all(api: Api, size: str) -> None:
    a, b = api.window([240, 120, 60][SIZES[size]])
    api.integration[:, a:b] *= [1.4, 2, 5][SIZES[size]]
    api.truth(Kind.LATENCY_OUTLIER, "step integration", "integration", a, b, size, layer="integration")


def creep(api: Api, size: str) -> None:
    a, b = api.window(1440)
    api.integration[:, a:b] *= np.linspace(1, [1.6, 2.2, 4][SIZES[size]], b - a)
    api.truth(Kind.LATENCY_OUTLIER, "creep step", "integration", a, b, size, layer="integration")


def timeouts(api: Api, size: str) -> None:
    a, b = api.window([90, 60, 45][SIZES[size]])
    api.timeouts[:, a:b] = [0.04, 0.12, 0.5][SIZES[size]]
    api.truth(Kind.LATENCY_OUTLIER, "timeout_29s", "integration", a, b, size, layer="integration")


def tail_only(api: Api, size: str) -> None:
    a, b = api.window([180, 120, 60][SIZES[size]])
    api.tail[:, a:b] = [0.08, 0.12, 0.2][SIZES[size]]
    api.tail_by[:, a:b] = [4, 6, 12][SIZES[size]]
    api.truth(Kind.LATENCY_OUTLIER, "tail_only", "integration", a, b, size, layer="integration")


def slow_authorizer(api: Api, size: str) -> None:
    a, b = api.window([180, 120, 60][SIZES[size]])
    api.authorizer_ms[:, a:b] += [0.5, 1, 4][SIZES[size]] * float(api.base_ms.max())
    api.truth(Kind.LATENCY_OUTLIER, "authorizer", "gateway", a, b, size, layer="authorizer")


def slow_gateway(api: Api, size: str) -> None:
    a, b = api.window([180, 120, 60][SIZES[size]])
    api.gateway_ms[:, a:b] += [0.5, 1, 4][SIZES[size]] * float(api.base_ms.max())
    api.truth(Kind.LATENCY_OUTLIER, "gateway", "gateway", a, b, size, layer="gateway")


INCIDENTS: dict[str, tuple[float, Incident]] = {
    "brute_force": (0.1, brute_force),
    "password_spray": (0.1, password_spray),
    "credential_stuffing": (0.1, credential_stuffing),
    "api_key_probing": (0.1, api_key_probing),
    "expired_token_loop": (0.1, expired_token_loop),
    "signing_key_rotation": (3, signing_key_rotation),
    "authorizer_outage": (3, authorizer_outage),
    "waf_surge": (0.1, waf_surge),
    "over_plan": (0.1, over_plan),
    "quota_exhausted": (0.1, quota_exhausted),
    "noisy_neighbour": (0.1, noisy_neighbour),
    "address_rotation": (0.1, address_rotation),
    "slow_ramp": (0.1, slow_ramp),
    "shared_limit": (5, shared_limit),
    "live_outage": (0.1, live_outage),
    "all_5xx": (0.1, all_5xx),
    "taken_offline": (0.1, taken_offline),
    "step_latency": (3, step_latency),
    "step_all": (3, step_all),
    "creep": (3, creep),
    "timeouts": (4, timeouts),
    "tail_only": (15, tail_only),
    "slow_authorizer": (3, slow_authorizer),
    "slow_gateway": (3, slow_gateway),
}
"""name -> (least requests a minute at which it can be told, how)."""


def _note(api: Api, name: str, a: int, b: int) -> None:
    api.benign.append((name, a, b))


def flash_crowd(api: Api) -> None:
    a, b = api.window(60)
    more = api.draw(api.mean[:, a:b] * api.rng.uniform(2, 7))
    api.n[:, a:b] += more
    extra = np.zeros_like(api.n)
    extra[:, a:b] = api.rng.binomial(more.astype(int), 1.5 * api.fail)
    api.refuse("authorizer_deny", extra, api.ips(500), principals=True, added=False)
    _note(api, "flash_crowd", a, b)


def nightly_batch(api: Api) -> None:
    offset = int(api.rng.integers(0, 1440))
    for day in range(api.minutes // 1440):
        a = day * 1440 + offset
        api.n[0, a : a + 30] += api.rng.poisson(4 * api.rate + 2, len(api.n[0, a : a + 30]))


def expiry_wave(api: Api) -> None:
    a, b = api.window(12)
    clients = max(20, min(int(api.rate), 400))
    extra = np.zeros_like(api.n)
    extra[0, a:b] = api.rng.poisson(clients * 1.2 * np.exp(-np.arange(12) / 3) / 3)
    api.refuse("expired_credential", extra, api.ips(clients), principals=True)
    _note(api, "expiry_wave", a, b)


def nat_wave(api: Api) -> None:
    a, b = api.window(40)
    extra = np.zeros_like(api.n)
    extra[0, a:b] = api.rng.poisson(2.5, 40)
    api.n[0, a:b] += api.rng.poisson(15, 40)
    pool = [f"staff{i}" for i in range(60)]
    api.refuse(
        "authorizer_deny",
        extra,
        api.ips(1),
        principals=True,
        principal_pool=pool,
        agents=[f"browser/{i}" for i in range(25)],
    )
    _note(api, "nat_wave", a, b)


def mistyped(api: Api) -> None:
    a, b = api.window(8)
    extra = np.zeros_like(api.n)
    extra[0, a:b] = api.rng.poisson(1.5, 8)
    api.refuse("authorizer_deny", extra, api.ips(1), principals=True, principal_pool=["tired"])
    _note(api, "mistyped", a, b)


def scanner(api: Api) -> None:
    a, b = api.window(20)
    api.refuse("path_probing", _pulse(api, a, b, 10), api.ips(1), agents=["nikto"])
    _note(api, "scanner", a, b)


def larger_payloads(api: Api) -> None:
    a, b = api.window(240)
    api.bytes[:, a:b] *= 3
    api.integration[:, a:b] *= 1.7
    _note(api, "larger_payloads", a, b)


def canary(api: Api) -> None:
    a, b = api.window(240)
    api.tail[:, a:b] = 0.05
    api.tail_by[:, a:b] = 1.5
    _note(api, "canary", a, b)


def backs_off(api: Api) -> None:
    a, b = api.window(12)
    extra = np.zeros_like(api.n)
    extra[0, a:b] = api.rng.poisson(50 * 0.5 ** np.arange(12))
    api.refuse("throttle", extra, api.ips(1), keys=["polite"], scope="plan", agents=["sdk/4"])
    _note(api, "backs_off", a, b)


def faster(api: Api) -> None:
    a, b = api.window(600)
    api.integration[:, a:b] *= 0.5
    _note(api, "faster", a, b)


BENIGN: dict[str, Callable[[Api], None]] = {
    "flash_crowd": flash_crowd,
    "nightly_batch": nightly_batch,
    "expiry_wave": expiry_wave,
    "nat_wave": nat_wave,
    "mistyped": mistyped,
    "scanner": scanner,
    "larger_payloads": larger_payloads,
    "canary": canary,
    "backs_off": backs_off,
    "faster": faster,
}


@dataclass
class World:
    minutes: pa.Table
    clients: pa.Table
    coverage: pa.Table
    truths: list[Truth]
    changes: list[Change]
    apis: list[Api]
    start: int

    @property
    def api_weeks(self) -> float:
        return sum(api.minutes for api in self.apis) / 10080


def a_world(
    seed: int,
    *,
    apis: int = 4,
    days: int = 10,
    incidents: bool = True,
    only: list[str] | None = None,
    benign: bool = True,
    gap: bool = True,
    highest: float = 1000.0,
) -> World:
    rng = np.random.default_rng(seed)
    start = 29_000_000 + int(rng.integers(0, 7)) * 1440 + int(rng.integers(0, 1440))
    minutes = days * 1440
    names = list(only or INCIDENTS)
    made = []
    for number in range(apis):
        rate = float(10 ** rng.uniform(-1, np.log10(highest)))
        api = Api(f"api{seed:04d}{number:03d}", np.random.default_rng([seed, number]), start, minutes, rate)
        if benign:
            for name in rng.permutation(list(BENIGN))[: int(rng.integers(1, 4))]:
                BENIGN[str(name)](api)
        if incidents:
            for _ in range(int(rng.integers(1, 3))):
                possible = [name for name in names if INCIDENTS[name][0] <= rate]
                if not possible:
                    continue
                name = possible[int(rng.integers(len(possible)))]
                size = ("subtle", "moderate", "blatant")[int(rng.integers(3))]
                try:
                    INCIDENTS[name][1](api, size)
                except ValueError:
                    continue
                if name == "taken_offline":
                    break
        made.append(api)
    hole = None
    if gap and rng.random() < 0.5:
        a = int(rng.integers(1440, minutes - 1440))
        hole = (a, a + int(rng.integers(60, 600)))
        taken = [(t.start - 60, t.end + 60) for api in made for t in api.truths]
        if any(s < hole[1] and hole[0] < e for s, e in taken):
            hole = None
    for api in made:
        if hole:
            _silence(api, *hole)
    tables = [tables_of(api) for api in made]
    edges = [(0, minutes)] if hole is None else [(0, hole[0]), (hole[1], minutes)]
    coverage = pa.table(
        {
            "source": ["made"] * len(edges),
            "start": [EPOCH + timedelta(minutes=start + a) for a, _ in edges],
            "end": [EPOCH + timedelta(minutes=start + b, seconds=-1) for _, b in edges],
        },
        schema=COVERAGE,
    )
    return World(
        pa.concat_tables([m for m, _ in tables]),
        pa.concat_tables([c for _, c in tables]),
        coverage,
        [t for api in made for t in api.truths],
        [c for api in made for c in api.changes],
        made,
        start,
    )


def _micros(minute: npt.NDArray[Any]) -> pa.Array:
    return pa.array(minute.astype(np.int64) * 60_000_000, pa.timestamp("us", tz="UTC"))


def tables_of(api: Api) -> tuple[pa.Table, pa.Table]:
    """MINUTES and CLIENTS of an API; latencies are sampled at most SAMPLES times a row."""
    rng = api.rng
    r, m = np.nonzero(api.n)
    n = api.n[r, m].astype(np.int64)
    k = np.minimum(n, SAMPLES)
    owner = np.repeat(np.arange(len(n)), k)
    rr, mm = r[owner], m[owner]
    integration = (
        api.base_ms[rr]
        * api.wander[rr, mm]
        * api.integration[rr, mm]
        * np.exp(rng.normal(0, 1, len(owner)) * api.sigma[rr])
    )
    slow = rng.random(len(owner)) < api.tail[rr, mm]
    integration = np.where(slow, integration * api.tail_by[rr, mm], integration)
    over = rng.random(len(owner)) < api.timeouts[rr, mm]
    integration = np.where(over, 29_000.0, integration)
    authorizer = api.authorizer_ms[rr, mm] * np.exp(rng.normal(0, 0.3, len(owner)))
    gateway = api.gateway_ms[rr, mm] * np.exp(rng.normal(0, 0.3, len(owner)))
    waf = np.zeros(len(owner)) if api.waf_ms is None else api.waf_ms[rr, mm]
    parts = {
        "latency": integration + authorizer + gateway + waf,
        "integration": integration,
        "authorizer": authorizer,
        "gateway": gateway,
    }
    scale = n / k
    columns: dict[str, Any] = {}
    for name, values in parts.items():
        bucket = np.where(values < 1, -1, np.floor(np.log(np.maximum(values, 1)) / _LN)).astype(np.int64)
        code = np.sort(owner * 2048 + bucket + 1)
        first = np.flatnonzero(np.concatenate([[True], code[1:] != code[:-1]])) if len(code) else np.zeros(0, int)
        runs = np.diff(np.append(first, len(code)))
        code = code[first]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(code // 2048, minlength=len(n)))]).astype(np.int32)
        columns[f"{name}_b"] = pa.ListArray.from_arrays(pa.array(offsets), pa.array((code % 2048 - 1).astype(np.int16)))
        columns[f"{name}_c"] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(runs.astype(np.int32)))
        columns[f"{name}_us"] = (np.bincount(owner, values, len(n)) * 1000).astype(np.int64)
    counts = {name: np.zeros(len(n), dtype=np.int64) for name in MINUTE_COUNTS}
    refused = np.zeros(len(n), dtype=np.int64)
    for cause, array in api.causes.items():
        counts[f"c_{cause}"] = array[r, m].astype(np.int64)
        if cause not in {"backend_error", "authorizer_error"}:
            refused += counts[f"c_{cause}"]
    for scope, array in api.scopes.items():
        counts[f"t_{scope}"] = array[r, m].astype(np.int64)
    assert set(api.causes) <= set(REJECT_CAUSES)
    assert set(api.scopes) <= set(THROTTLE_SCOPES)
    counts["n"] = n
    counts["s5xx"] = np.minimum(api.s5xx[r, m].astype(np.int64), n)
    counts["s4xx"] = refused
    counts["s2xx"] = np.maximum(n - counts["s4xx"] - counts["s5xx"], 0)
    counts["backend_5xx"] = counts["s5xx"]
    counts["response_bytes"] = (n * api.bytes[r, m]).astype(np.int64)
    counts["over_28s"] = np.rint(np.bincount(owner, over, len(n)) * scale).astype(np.int64)
    for name in parts:
        counts[f"{name}_us"] = columns.pop(f"{name}_us")
    if api.waf_ms is not None:
        counts["waf_us"] = (np.bincount(owner, waf, len(n)) * 1000).astype(np.int64)
        counts["waf_n"] = k
    size = len(n)
    table = (
        pa.table(
            {
                "minute": _micros(m + api.start),
                "account": ["123456789012"] * size,
                "region": ["eu-west-1"] * size,
                "api": [api.name] * size,
                "api_type": ["rest"] * size,
                "stage": ["prod"] * size,
                "route": np.array(api.routes, object)[r],
                **counts,
                **columns,
                "clients_k": pa.array([[1]] * size, pa.list_(pa.uint32())),
                "visible": np.full(size, api.visible, np.uint64),
                "available_at": pa.nulls(size, pa.timestamp("us", tz="UTC")),
            }
        )
        .select(MINUTES.names)
        .cast(MINUTES)
    )
    return table, _clients(api)


def _clients(api: Api) -> pa.Table:
    made = []
    for m, r, cause, scope, ip, principal, key, agent, count in api.client_rows:
        size = len(m)
        if not size:
            continue
        none = [None] * size
        made.append(
            pa.table(
                {
                    "minute": _micros(m + api.start),
                    "account": ["123456789012"] * size,
                    "region": ["eu-west-1"] * size,
                    "api": [api.name] * size,
                    "api_type": ["rest"] * size,
                    "stage": ["prod"] * size,
                    "route": np.array(api.routes, object)[r],
                    "reject_cause": [cause] * size,
                    "throttle_scope": [scope] * size,
                    "client_ip": ip,
                    "principal": none if principal is None else principal,
                    "api_key_id": none if key is None else key,
                    "user_agent": agent,
                    "n": count,
                    "seconds": none,
                }
            ).cast(CLIENTS)
        )
    return pa.concat_tables(made) if made else CLIENTS.empty_table()
