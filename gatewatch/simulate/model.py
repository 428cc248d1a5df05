"""A simulated world: its gateways with their routes, and the pieces of time in which their calls are drawn.

Everything is a closed function of the world's settings. Calls are drawn a chunk at a time (one API, a few minutes to a
day) by generators seeded with (seed, API, chunk, purpose), so that neither the number of workers nor the order in which
chunks are drawn changes a byte.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the integration of a route takes: log-normal, with a second mode, a Pareto tail and cold starts.

    median_ms, sigma: of the body, sigma on the log scale. slow_share, slow_ms: share of calls in the second mode (a
    cache miss inside the back end, a big tenant) and its median. tail_share, tail_alpha: share of calls whose time is
    multiplied by a Pareto variate of that index. cold_share, cold_ms: share of calls that wait for a Lambda to start at
    ordinary traffic, and the median of that wait. ms_per_kb: what a KB of payload adds.
    """

    median_ms: float
    sigma: float = 0.35
    slow_share: float = 0.0
    slow_ms: float = 0.0
    tail_share: float = 0.01
    tail_alpha: float = 2.2
    cold_share: float = 0.0015
    cold_ms: float = 900.0
    ms_per_kb: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """One route of an API.

    method, resource: `GET` and `/pets/{id}`; on WebSocket APIs the event type (CONNECT, MESSAGE, DISCONNECT) and the
    route key. weight: share of ordinary calls (an API's weights add up to 1). bytes_median, bytes_sigma: size of the
    answer. auth: none, login (the back end checks a password), jwt, lambda (authorizer), iam or key (usage plan).
    client_errors, server_errors: shares of calls that the back end answers with 4xx and 5xx on an ordinary day.
    hours: local hours [from, to) in which it is called at all. monthly: only on the first day of a month. nightly: only
    by the nightly batch. health: only by health checks. downstream: what the function calls in turn; traces name it.
    """

    method: str
    resource: str
    weight: float
    latency: Latency
    auth: str = "none"
    bytes_median: float = 900.0
    bytes_sigma: float = 0.8
    client_errors: float = 0.01
    server_errors: float = 0.0008
    cacheable: bool = False
    hours: tuple[int, int] = (0, 24)
    monthly: bool = False
    nightly: bool = False
    health: bool = False
    downstream: str | None = None

    @property
    def key(self) -> str:
        """`GET /pets/{id}`; the route key of a WebSocket route."""
        websocket = self.method in ("CONNECT", "MESSAGE", "DISCONNECT")
        return self.resource if websocket else f"{self.method} {self.resource}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A usage plan: rate and burst in requests a second for each key of it, quota in requests a day (0: none)."""

    id: str
    name: str
    rate: float
    burst: int
    quota_day: int = 0


@dataclass(frozen=True, slots=True)
class Api:
    """One gateway with one stage.

    index: its place in `World.apis`. kind: rest, http or websocket. rate_rps: mean calls a second over an ordinary
    week, before incidents. users: how many clients it has. keys, key_plan: ids of its API keys, and the plan (index in
    `plans`) of each. stage_rate_rps: the stage's throttle. template: a name in `templates.TEMPLATES`. delivery:
    firehose, glued, s3 or cloudwatch (see delivery.py). chunk_minutes: how much of its time is drawn at once.
    Shape: amplitude 0 to 1 of the daily wave, peak_hour local, evening 0 to 1 (a second peak), weekend and holiday:
    factors of the rate on such days, trend_week: growth a week, dispersion: variance of a minute's count over its
    mean at one call a second and more (counts are gamma-Poisson). audience: people, partners, devices or services.
    """

    index: int
    id: str
    name: str
    kind: str
    stage: str
    archetype: str
    timezone: str
    country: str
    rate_rps: float
    users: int
    routes: tuple[Route, ...]
    template: str
    delivery: str
    chunk_minutes: int
    keys: tuple[str, ...] = ()
    key_plan: tuple[int, ...] = ()
    plans: tuple[Plan, ...] = ()
    stage_rate_rps: float = 10_000.0
    stage_burst: int = 5_000
    amplitude: float = 0.6
    peak_hour: float = 14.0
    evening: float = 0.3
    weekend: float = 0.7
    holiday: float = 0.6
    trend_week: float = 0.0
    dispersion: float = 2.0
    audience: str = "people"
    waf: bool = False
    cache: bool = False
    tracing: bool = False
    detailed_metrics: bool = False
    token_minutes: int = 60
    authorizer_ms: float = 18.0
    created_ms: int = 0

    @property
    def busy(self) -> bool:
        """Whether it counts as busy: 2 calls a second or more on average (else quiet)."""
        return self.rate_rps >= 2.0

    @property
    def authorizer(self) -> str | None:
        """The kind of authorizer that its routes share: lambda, jwt or None."""
        kinds = {route.auth for route in self.routes}
        return "lambda" if "lambda" in kinds else "jwt" if "jwt" in kinds else None

    def route_index(self, key: str) -> int:
        """Place of a route by its key; ValueError when there is none."""
        return [route.key for route in self.routes].index(key)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The calls of one API that begin in [start_ms, end_ms): the unit of drawing, editing and writing.

    Starts and ends on whole minutes of the world; number counts chunks of the API from the epoch on.
    """

    api: Api
    number: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Lines of calls that begin in [start_ms, end_ms) leave API `api_id` only at until_ms, or never (None)."""

    api_id: str
    start_ms: int
    end_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a world is made of. end_ms: UTC epoch, exclusive, on a whole minute. scenarios: names, () for all.

    ongoing: let an incident of each kind still go on at the end.
    """

    seed: int
    days: float
    apis: int
    rate_rps: float
    end_ms: int
    scenarios: tuple[str, ...] = ()
    plant: bool = True
    ongoing: bool = False

    @property
    def start_ms(self) -> int:
        return self.end_ms - round(self.days * 1440) * MINUTE_MS


@dataclass(frozen=True, slots=True)
class World:
    """All that follows from the settings, without the incidents (see `planting`). apis: the busiest first.

    holidays: by country, local dates on which people stay at home.
    """

    settings: Settings
    account: str
    region: str
    apis: tuple[Api, ...]
    holidays: dict[str, frozenset[date]] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.settings.seed

    @property
    def start_ms(self) -> int:
        return self.settings.start_ms

    @property
    def end_ms(self) -> int:
        return self.settings.end_ms

    def rng(self, purpose: str, *places: int) -> np.random.Generator:
        """A generator of its own for a purpose and place, e.g. `rng("calls", api.index, chunk.number)`."""
        return np.random.default_rng([self.settings.seed, zlib.crc32(purpose.encode()), *places])

    def chunks(self, api: Api) -> Iterator[Chunk]:
        """The API's chunks in order; together they are [start_ms, end_ms)."""
        step = api.chunk_minutes * MINUTE_MS
        for number in range(self.start_ms // step, -(-self.end_ms // step)):
            yield Chunk(api, number, max(number * step, self.start_ms), min((number + 1) * step, self.end_ms))

    def api(self, ident: str) -> Api:
        """An API by its id; KeyError when there is none."""
        for api in self.apis:
            if api.id == ident:
                return api
        raise KeyError(ident)
