"""Kinds of gateways that companies run, and a world made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from gatewatch.simulate.demand import chunk_minutes, holidays_of
from gatewatch.simulate.model import DAY_MS, MINUTE_MS, Api, Latency, Plan, Route, Settings, World
from gatewatch.simulate.people import mixed
from gatewatch.simulate.sidelines import DEVICE_SECONDS, ON_SHARE

ACCOUNT = "123456789012"
REGION = "eu-west-1"

SKEW = 1.25
"""Traffic of the i-th busiest API is proportional to i ** -SKEW."""


@dataclass(frozen=True, slots=True)
class Archetype:
    """An API before its name, size and place are drawn. tiny: a factor of its rate (sandboxes, old things).

    users: clients at one call a second. plans: (rate, burst, quota a day) and how many keys have it. more: fields of
    `Api` that it sets.
    """

    name: str
    kind: str
    routes: tuple[Route, ...]
    templates: tuple[str, ...]
    deliveries: tuple[str, ...]
    users: int
    tiny: float = 1.0
    plans: tuple[tuple[float, int, int, int], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


_SHOP = Archetype(
    "shop",
    "rest",
    (
        Route("GET", "/products", 0.34, Latency(38, 0.4, slow_share=0.08, slow_ms=190), cacheable=True,
              bytes_median=6_000, downstream="products-table"),
        Route("GET", "/products/{id}", 0.27, Latency(24, 0.35), cacheable=True, bytes_median=2_100,
              client_errors=0.015, downstream="products-table"),
        Route("GET", "/cart", 0.15, Latency(31, 0.4), auth="lambda", downstream="carts-table"),
        Route("PUT", "/cart/items/{id}", 0.09, Latency(55, 0.45), auth="lambda", downstream="carts-table"),
        Route("GET", "/orders/{id}", 0.07, Latency(72, 0.4, tail_share=0.02), auth="lambda", client_errors=0.02,
              downstream="orders-table"),
        Route("POST", "/orders", 0.035, Latency(210, 0.5, tail_share=0.03, cold_share=0.006), auth="lambda",
              client_errors=0.03, server_errors=0.002, downstream="payments.example"),
        Route("GET", "/search", 0.045, Latency(95, 0.6, slow_share=0.2, slow_ms=420), bytes_median=9_000),
    ),
    ("rest_full_json",),
    ("firehose",),
    6_000,
    more={"waf": True, "cache": True, "tracing": True, "detailed_metrics": True, "amplitude": 0.75, "peak_hour": 13.5,
          "evening": 0.8, "weekend": 1.15, "holiday": 1.2, "trend_week": 0.02, "dispersion": 2.2,
          "stage_rate_rps": 2_000.0},
)  # fmt: skip
_ACCOUNTS = Archetype(
    "accounts",
    "http",
    (
        Route("POST", "/session", 0.13, Latency(130, 0.3, cold_share=0.004), auth="login", bytes_median=1_400),
        Route("POST", "/session/refresh", 0.10, Latency(45, 0.3), bytes_median=1_400),
        Route("GET", "/me", 0.55, Latency(22, 0.4), auth="jwt", downstream="users-table"),
        Route("PUT", "/me/settings", 0.05, Latency(60, 0.4), auth="jwt", client_errors=0.03),
        Route("GET", "/me/sessions", 0.16, Latency(35, 0.4), auth="jwt"),
        Route("POST", "/password/forgot", 0.01, Latency(180, 0.4), client_errors=0.05),
    ),
    ("http_nested_json",),
    ("cloudwatch",),
    5_000,
    more={"amplitude": 0.75, "peak_hour": 12.0, "evening": 0.9, "weekend": 0.95, "holiday": 0.95,
          "trend_week": 0.01, "dispersion": 1.8},
)  # fmt: skip
_PARTNERS = Archetype(
    "partner-orders",
    "rest",
    (
        Route("POST", "/orders", 0.30, Latency(140, 0.4, tail_share=0.02), auth="key", client_errors=0.025),
        Route("GET", "/orders/{id}", 0.45, Latency(48, 0.35), auth="key", client_errors=0.02),
        Route("GET", "/stock", 0.22, Latency(66, 0.5), auth="key", bytes_median=12_000),
        Route("POST", "/export", 0.0, Latency(1_900, 0.5, ms_per_kb=2.0), auth="key", bytes_median=400_000,
              nightly=True),
        Route("GET", "/statements/{id}", 0.03, Latency(350, 0.4), auth="key", monthly=True),
    ),
    ("rest_snake_bare",),
    ("firehose",),
    24,
    plans=((20.0, 40, 0, 16), (5.0, 10, 400_000, 8)),
    more={"audience": "partners", "amplitude": 0.5, "peak_hour": 11.0, "evening": 0.0, "weekend": 0.35,
          "holiday": 0.4, "dispersion": 3.5, "tracing": True, "trend_week": 0.03},
)  # fmt: skip
_CHAT = Archetype(
    "chat",
    "websocket",
    (
        Route("CONNECT", "$connect", 0.08, Latency(35, 0.35), auth="lambda"),
        Route("MESSAGE", "sendMessage", 0.52, Latency(17, 0.35), downstream="messages-table"),
        Route("MESSAGE", "typing", 0.22, Latency(6, 0.3)),
        Route("MESSAGE", "history", 0.10, Latency(58, 0.5, slow_share=0.1, slow_ms=260)),
        Route("DISCONNECT", "$disconnect", 0.08, Latency(9, 0.3)),
    ),
    ("websocket_snake_json",),
    ("cloudwatch",),
    1_500,
    more={"amplitude": 0.8, "peak_hour": 16.0, "evening": 1.2, "weekend": 1.1, "holiday": 1.1, "dispersion": 2.5},
)
_DEVICES = Archetype(
    "meters",
    "http",
    (
        Route("POST", "/readings", 0.80, Latency(19, 0.3, cold_share=0.001), auth="jwt", bytes_median=60),
        Route("GET", "/config/{id}", 0.15, Latency(14, 0.3), auth="jwt", bytes_median=800),
        Route("GET", "/firmware/{id}", 0.05, Latency(160, 0.4, ms_per_kb=0.25), bytes_median=380_000, bytes_sigma=0.5),
    ),
    ("http_bare_json",),
    ("cloudwatch",),
    round(DEVICE_SECONDS / ON_SHARE),
    more={"audience": "devices", "amplitude": 0.06, "peak_hour": 18.0, "evening": 0.0, "weekend": 1.0, "holiday": 1.0,
          "dispersion": 1.05, "token_minutes": 1_440},
)  # fmt: skip
_SEARCH = Archetype(
    "catalog-search",
    "rest",
    (
        Route("GET", "/v2/search", 0.62, Latency(85, 0.5, slow_share=0.25, slow_ms=460, tail_share=0.015),
              cacheable=True, bytes_median=14_000, bytes_sigma=1.1, auth="key"),
        Route("GET", "/v2/suggest", 0.30, Latency(12, 0.3), auth="key", bytes_median=700),
        Route("POST", "/v2/similar", 0.08, Latency(240, 0.5, ms_per_kb=3.0), auth="key", bytes_median=22_000,
              bytes_sigma=1.3),
    ),
    ("rest_nested_json",),
    ("glued", "firehose"),
    900,
    plans=((50.0, 100, 0, 12),),
    more={"cache": True, "amplitude": 0.7, "peak_hour": 15.0, "evening": 0.5, "weekend": 0.9, "holiday": 0.8,
          "dispersion": 2.8, "waf": True, "tracing": True},
)  # fmt: skip
_REPORTS = Archetype(
    "reports",
    "rest",
    (
        Route("GET", "/reports", 0.44, Latency(60, 0.4), auth="iam", hours=(6, 22)),
        Route("GET", "/reports/{id}", 0.40, Latency(130, 0.5, slow_share=0.15, slow_ms=900), auth="iam",
              bytes_median=48_000, bytes_sigma=1.4, hours=(6, 22)),
        Route("POST", "/reports", 0.16, Latency(420, 0.5), auth="iam", hours=(6, 22)),
        Route("POST", "/rebuild", 0.0, Latency(5_200, 0.4, tail_share=0.0), auth="iam", nightly=True),
        Route("POST", "/close-month", 0.004, Latency(7_500, 0.4, tail_share=0.0), auth="iam", monthly=True),
    ),
    ("rest_csv_own",),
    ("s3",),
    60,
    more={"audience": "services", "amplitude": 0.9, "peak_hour": 11.0, "evening": 0.0, "weekend": 0.12,
          "holiday": 0.15, "dispersion": 3.0},
)  # fmt: skip
_MOBILE = Archetype(
    "mobile-bff",
    "http",
    (
        Route("GET", "/home", 0.46, Latency(64, 0.45, slow_share=0.12, slow_ms=310), auth="jwt", bytes_median=18_000),
        Route("GET", "/feed", 0.30, Latency(110, 0.5), auth="jwt", bytes_median=30_000, bytes_sigma=1.0),
        Route("POST", "/events", 0.20, Latency(11, 0.3), auth="jwt", bytes_median=30),
        Route("GET", "/version", 0.04, Latency(4, 0.2), bytes_median=60),
    ),
    ("http_nested_json",),
    ("cloudwatch",),
    4_000,
    more={"amplitude": 0.8, "peak_hour": 12.5, "evening": 1.1, "weekend": 1.2, "holiday": 1.2, "dispersion": 2.0,
          "trend_week": 0.04},
)  # fmt: skip
_WEBHOOKS = Archetype(
    "webhooks",
    "http",
    (
        Route("POST", "/hooks/{id}", 0.93, Latency(26, 0.4, cold_share=0.01), bytes_median=15, client_errors=0.02),
        Route("GET", "/hooks/{id}", 0.07, Latency(18, 0.3)),
    ),
    ("http_clf",),
    ("cloudwatch",),
    12,
    more={
        "audience": "services",
        "amplitude": 0.4,
        "peak_hour": 14.0,
        "evening": 0.2,
        "weekend": 0.8,
        "holiday": 0.8,
        "dispersion": 6.0,
    },
)
_LEGACY = Archetype(
    "legacy-billing",
    "rest",
    (
        Route("GET", "/invoices", 0.55, Latency(75, 0.4)),
        Route("GET", "/invoices/{id}", 0.36, Latency(52, 0.35), client_errors=0.02),
        Route("POST", "/payments", 0.08, Latency(260, 0.45), server_errors=0.003),
        Route("POST", "/invoices/run", 0.01, Latency(3_400, 0.4), monthly=True),
    ),
    ("rest_clf",),
    ("s3",),
    150,
    more={
        "amplitude": 0.85,
        "peak_hour": 11.5,
        "evening": 0.05,
        "weekend": 0.25,
        "holiday": 0.3,
        "dispersion": 1.6,
        "trend_week": -0.02,
    },
)
_UPLOADS = Archetype(
    "uploads",
    "rest",
    (
        Route("POST", "/files", 0.55, Latency(90, 0.4, ms_per_kb=1.2, tail_share=0.02), auth="lambda",
              bytes_median=160_000, bytes_sigma=1.3),
        Route("GET", "/files/{id}", 0.45, Latency(35, 0.4, ms_per_kb=0.4), auth="lambda", bytes_median=160_000,
              bytes_sigma=1.3),
    ),
    ("rest_nested_json",),
    ("firehose",),
    700,
    more={"amplitude": 0.7, "peak_hour": 10.5, "evening": 0.1, "weekend": 0.3, "holiday": 0.35, "dispersion": 2.4,
          "authorizer_ms": 24.0},
)  # fmt: skip
_SANDBOX = Archetype(
    "sandbox",
    "rest",
    (
        Route("GET", "/echo", 0.7, Latency(7, 0.3)),
        Route("POST", "/echo", 0.3, Latency(9, 0.3), client_errors=0.06),
    ),
    ("rest_xml", "rest_csv", "rest_console_json"),
    ("s3",),
    25,
    tiny=0.08,
    more={"amplitude": 0.9, "peak_hour": 15.0, "evening": 0.0, "weekend": 0.1, "holiday": 0.1, "dispersion": 4.0},
)
_SUPPORT = Archetype(
    "support-live",
    "websocket",
    (
        Route("CONNECT", "$connect", 0.12, Latency(30, 0.35)),
        Route("MESSAGE", "$default", 0.76, Latency(21, 0.35)),
        Route("DISCONNECT", "$disconnect", 0.12, Latency(8, 0.3)),
    ),
    ("websocket_csv",),
    ("cloudwatch",),
    200,
    tiny=0.5,
    more={"amplitude": 0.9, "peak_hour": 12.0, "evening": 0.0, "weekend": 0.15, "holiday": 0.1, "dispersion": 2.0},
)

ARCHETYPES: tuple[Archetype, ...] = (
    _SHOP,
    _ACCOUNTS,
    _PARTNERS,
    _MOBILE,
    _DEVICES,
    _SEARCH,
    _CHAT,
    _LEGACY,
    _REPORTS,
    _UPLOADS,
    _WEBHOOKS,
    _SANDBOX,
    _SUPPORT,
)
_PLACES = (
    ("Europe/Berlin", "DE"),
    ("Europe/Madrid", "ES"),
    ("Europe/London", "GB"),
    ("America/New_York", "US"),
    ("Asia/Tokyo", "JP"),
    ("Asia/Kolkata", "IN"),
    ("America/Los_Angeles", "US"),
)


def build(settings: Settings) -> World:
    """The world of these settings. ValueError when they make no sense."""
    if settings.apis < 1 or settings.rate_rps <= 0 or settings.days <= 0:
        raise ValueError("a world needs an API, a rate and a time")
    names = [ARCHETYPES[place % len(ARCHETYPES)] for place in range(settings.apis)]
    order = np.random.default_rng([settings.seed, 0xA90]).permutation(len(names))
    names = sorted((names[place] for place in order.tolist()), key=lambda kind: kind.tiny < 1)
    weights = np.array([(place + 1.0) ** -SKEW * kind.tiny for place, kind in enumerate(names)])
    rates = settings.rate_rps * weights / weights.sum()
    rounds = [names[:place].count(kind) for place, kind in enumerate(names)]
    apis = tuple(_api(settings, place, kind, float(rates[place]), rounds[place]) for place, kind in enumerate(names))
    first = datetime.fromtimestamp(settings.start_ms / 1000, UTC).date() - timedelta(days=2)
    last = datetime.fromtimestamp(settings.end_ms / 1000, UTC).date() + timedelta(days=2)
    holidays = {
        country: holidays_of(country, first, last, settings.seed) for country in sorted({api.country for api in apis})
    }
    return World(settings, ACCOUNT, REGION, apis, holidays)


def _api(settings: Settings, place: int, kind: Archetype, rate: float, round_: int) -> Api:
    rng = np.random.default_rng([settings.seed, 0xA91, place])

    timezone, country = _PLACES[int(rng.integers(0, len(_PLACES))) if place else 0]
    ident = _ident(settings.seed, place)
    keys, key_plan, plans = _plans(kind, ident, rate)
    routes = [_varied(route, rng) for route in kind.routes]
    total = sum(route.weight for route in routes if not route.health)
    routes = [replace(route, weight=route.weight / total) for route in routes]
    if kind.kind != "websocket":
        routes.append(Route("GET", "/health", 0.0, Latency(3.0, 0.2, tail_share=0.0, cold_share=0.0), bytes_median=2.0,
                            bytes_sigma=0.0, client_errors=0.0, health=True))  # fmt: skip
    return Api(
        index=place,
        id=ident,
        name=kind.name if not round_ else f"{kind.name}-{round_ + 1}",
        kind=kind.kind,
        stage="$default" if kind.kind == "http" else ("prod", "live", "v1")[int(rng.integers(0, 3))],
        archetype=kind.name,
        timezone=timezone,
        country=country,
        rate_rps=rate,
        users=max(12, len(keys), _users(kind, rate)),
        routes=tuple(routes),
        template=kind.templates[round_ % len(kind.templates)],
        delivery=kind.deliveries[round_ % len(kind.deliveries)],
        chunk_minutes=chunk_minutes(rate),
        keys=keys,
        key_plan=key_plan,
        plans=plans,
        created_ms=settings.start_ms // MINUTE_MS * MINUTE_MS - int(rng.integers(40, 900)) * DAY_MS,
        **{**kind.more, "amplitude": kind.more["amplitude"] * float(rng.uniform(0.9, 1.0))},
    )


def _users(kind: Archetype, rate: float) -> int:
    """How many clients make that rate (calls a second): devices in proportion to it, others call more where more do."""
    if kind.more.get("audience") == "devices":
        return round(kind.users * rate)
    return round(kind.users * float(max(rate, 0.02) ** 0.8))


def _ident(seed: int, place: int) -> str:
    """Ten lower-case letters and digits, with a letter first and a digit in it."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    value = int(mixed(seed, place, 11))
    body = "".join(letters[value // 36**power % 36] for power in range(8))
    return letters[value % 26] + body + letters[26 + value // 7 % 10]


def _plans(kind: Archetype, ident: str, rate: float) -> tuple[tuple[str, ...], tuple[int, ...], tuple[Plan, ...]]:
    """Keys and plans; a plan's limits grow with the API, so that an ordinary key stays well below."""
    keys: list[str] = []
    of_plan: list[int] = []
    plans = []
    size = max(rate, 0.5)
    for number, (rps, burst, quota, count) in enumerate(kind.plans):
        name = ("standard", "basic")[number % 2]
        plans.append(
            Plan(f"p{ident[1:4]}{number:02d}", f"{kind.name}-{name}", rps * size, round(burst * size), quota and
                 round(quota * size))
        )  # fmt: skip
        for _ in range(count):
            keys.append(f"k{ident[1:6]}{len(keys):04d}")
            of_plan.append(number)
    return tuple(keys), tuple(of_plan), tuple(plans)


def _varied(route: Route, rng: np.random.Generator) -> Route:
    """The route with its own speed: medians differ by up to a third between worlds."""
    factor = float(rng.uniform(0.75, 1.35))
    latency = replace(route.latency, median_ms=route.latency.median_ms * factor, slow_ms=route.latency.slow_ms * factor)
    return replace(route, latency=latency)
