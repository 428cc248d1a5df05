"""A world measured against the figures that docs/simulate.md states."""

from __future__ import annotations

import importlib
import re
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatewatch.simulate import clients, demand, sidelines, tokens
from gatewatch.simulate.archetypes import build
from gatewatch.simulate.background import AUTHORIZER_CACHED, CACHE_HITS, background, load_factor
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.delivery import _arrivals
from gatewatch.simulate.model import DAY_MS, HOUR_MS, MINUTE_MS, Api, Settings, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import V6

DOCUMENT = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text()
FIGURES = re.findall(r"^\| [^|]+ \| ([0-9.]+) \| `(\w+)\.(\w+)(?:\[\"(\w+)\"\])?` \|$", DOCUMENT, re.MULTILINE)
END = int(datetime(2026, 6, 11, tzinfo=UTC).timestamp()) * 1000


@lru_cache(maxsize=4)
def world(days: float = 3, rate: float = 6.0, seed: int = 11, end_ms: int = END) -> World:
    return build(Settings(seed=seed, days=days, apis=13, rate_rps=rate, end_ms=end_ms, plant=False))


def named(name: str) -> Api:
    return next(api for api in world().apis if api.archetype == name)


@lru_cache(maxsize=16)
def calls_of(name: str) -> Calls:
    return joined([background(world(), chunk) for chunk in world().chunks(named(name))])


def on(api: Api, calls: Calls, key: str) -> Any:
    return calls.route == api.route_index(key)


def test_the_document_states_figures_and_they_are_those_of_the_code() -> None:
    assert len(FIGURES) >= 35
    for value, module, name, key in FIGURES:
        found: Any = getattr(importlib.import_module(f"gatewatch.simulate.{module}"), name)
        assert float(value) == pytest.approx(found[key] if key else found), f"{module}.{name}"


@pytest.mark.parametrize("name", ["accounts", "mobile-bff", "webhooks", "legacy-billing", "shop"])
def test_counts_follow_the_demand_and_are_dispersed_as_stated(name: str) -> None:
    api, calls = named(name), calls_of(name)
    ordinary = calls.take((calls.route >= 0) & (calls.route != len(api.routes) - 1))  # the last one is /health
    count = np.bincount((ordinary.at_ms - world().start_ms) // MINUTE_MS, minlength=3 * 1440)
    mean = demand.per_minute(world(), api, world().start_ms, world().end_ms)
    # A share of retries comes on top; monthly routes are closed.
    assert 0.93 < count.sum() / mean.sum() < 1.08
    scaled = mean * count.sum() / mean.sum()
    dispersion = float(((count - scaled) ** 2).sum() / scaled.sum())
    assert dispersion == pytest.approx(api.dispersion, rel=0.15)


def test_a_week_has_its_shape_in_the_apis_own_time_zone() -> None:
    week = world(days=14)
    for api in week.apis:
        mean = demand.per_minute(week, api, week.start_ms, week.end_ms).reshape(-1, 60).sum(axis=1)
        at = week.start_ms + np.arange(len(mean)) * HOUR_MS
        local = demand.local_ms(api.timezone, at)
        hour, day = local % DAY_MS // HOUR_MS, local // DAY_MS
        by_hour = np.array([np.median(mean[hour == number]) for number in range(24)])
        if api.amplitude > 0.5 and api.evening < 0.5:
            assert abs(int(by_hour.argmax()) - api.peak_hour) <= 1.5, api.name
        weekday = np.array([demand.local_date(one).weekday() for one in day.tolist()])
        free = week.holidays[api.country]
        work = np.array([demand.local_date(one) not in free for one in day.tolist()]) & (weekday < 5)
        ratio = mean[weekday >= 5].sum() / (weekday >= 5).sum() / (mean[work].sum() / work.sum())
        assert ratio == pytest.approx(api.weekend, rel=0.25), api.name


def test_clock_changes_move_the_peak_by_an_hour_of_utc() -> None:
    change = int(datetime(2026, 4, 2, tzinfo=UTC).timestamp()) * 1000
    spring = world(days=10, end_ms=change)
    api = next(api for api in spring.apis if api.timezone.startswith("Europe"))
    before = demand.local_ms(api.timezone, np.array([change - 7 * DAY_MS]))[0] - (change - 7 * DAY_MS)
    after = demand.local_ms(api.timezone, np.array([change]))[0] - change
    assert after - before == HOUR_MS


def test_holidays_are_kept() -> None:
    days = demand.holidays_of("DE", date(2026, 3, 1), date(2026, 6, 1), 1)
    assert {date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 14), date(2026, 5, 25)} <= days
    year = demand.holidays_of("JP", date(2027, 1, 1), date(2027, 12, 31), 1)
    assert len(year) > len(demand._FIXED["JP"]) + 10  # and days off that no calendar tells


def test_calls_by_client_follow_zipfs_law() -> None:
    api, calls = named("mobile-bff"), calls_of("mobile-bff")
    calls = calls.take(calls.principal >= 0)
    count = np.bincount(calls.principal, minlength=api.users)
    rank = np.arange(5, min(200, api.users))
    slope = np.polyfit(np.log(rank), np.log(count[rank - 1]), 1)[0]
    assert slope == pytest.approx(-clients.ZIPF["people"], abs=0.08)


def test_people_live_in_networks_as_stated() -> None:
    user = np.arange(20_000)
    api = named("shop")
    ips = clients.ips_of(world(), api, user, np.full(len(user), END - HOUR_MS))
    homes = (ips >= 0xC6120000) & (ips < 0xC6130000)
    assert homes.mean() == pytest.approx(clients.HOME, abs=0.02)
    assert (ips >= V6).mean() == pytest.approx(clients.SIX, abs=0.01)
    mobile = (ips >= 0xC6130000) & (ips < 0xC6136000)
    assert mobile.mean() == pytest.approx(clients.MOBILE, abs=0.02)
    assert len(np.unique(ips[mobile])) < clients.CARRIER_ADDRESSES  # many share an exit
    later = clients.ips_of(world(), api, user, np.full(len(user), END + 9 * HOUR_MS))
    assert (later[mobile] != ips[mobile]).mean() > 0.9
    assert 0.6 < (later[homes] == ips[homes]).mean() < 0.8  # three in ten have another one tomorrow


def test_tokens_run_out_are_refreshed_and_the_call_is_tried_again() -> None:
    api, calls = named("accounts"), calls_of("accounts")
    expired = np.flatnonzero(calls.outcome == Outcome.TOKEN_EXPIRED)
    users = np.unique(calls.principal[calls.principal >= 0])
    reactive = np.unique(calls.principal[expired])
    assert len(expired) > 500
    assert 0.3 * tokens.REACTIVE < len(reactive) / len(users) <= 1.1 * tokens.REACTIVE
    follows = 0
    for place in expired[:400].tolist():
        same = np.flatnonzero(calls.during(int(calls.at_ms[place]) + 1, int(calls.at_ms[place]) + 2_000))
        same = same[(calls.principal[same] == calls.principal[place]) & (calls.status[same] < 400)]
        follows += bool(len(same))
    assert follows > 380
    refreshed = calls.take(on(api, calls, "POST /session/refresh"))
    assert len(refreshed) > len(expired)


def test_expiries_do_not_know_how_time_was_cut_into_chunks() -> None:
    calls = calls_of("accounts")
    expired = (calls.outcome == Outcome.TOKEN_EXPIRED).astype(float)
    chunk_ms = named("accounts").chunk_minutes * MINUTE_MS
    begin = calls.at_ms % chunk_ms < 15 * MINUTE_MS
    assert expired[begin].mean() == pytest.approx(expired[~begin].mean(), rel=0.3)


def test_passwords_are_mistyped_as_stated() -> None:
    api, calls = named("accounts"), calls_of("accounts")
    login = calls.take(on(api, calls, "POST /session"))
    wrong = (login.status == 401).mean()
    # 6 of 100 are wrong; 0.85 of them are tried again, half of these fail, and so on thrice.
    more = sum(tokens.TRIES_AGAIN ** (n + 1) * 0.5**n for n in range(3))
    again = sum((tokens.TRIES_AGAIN * 0.5) ** (n + 1) for n in range(3))
    stated = tokens.MISTYPED * (1 + again) / (1 + tokens.MISTYPED * more)
    assert wrong == pytest.approx(stated, rel=0.15)


def test_health_is_checked_and_scanners_come_as_often_as_stated() -> None:
    api, calls = named("shop"), calls_of("shop")
    checks = calls.take(on(api, calls, "GET /health"))
    assert len(checks) == pytest.approx(3 * 1440 * sidelines.CHECKERS * 60 / sidelines.CHECK_SECONDS, rel=0.01)
    probes = sum(
        int(np.count_nonzero(calls_of(api.archetype).route < 0)) for api in world().apis if api.kind != "websocket"
    )
    apis = sum(api.kind != "websocket" for api in world().apis)
    a_day = sidelines.DRIZZLE_A_DAY + sidelines.SCANS_A_DAY * sum(sidelines.SCAN_PROBES) / 2
    assert probes / apis / 3 == pytest.approx(a_day, rel=0.35)


def test_the_batch_comes_every_night_at_the_same_local_time() -> None:
    api, calls = named("reports"), calls_of("reports")
    batch = calls.take(on(api, calls, "POST /rebuild"))
    local = demand.local_ms(api.timezone, batch.at_ms)
    begins = [int(local[local // DAY_MS == day].min() % DAY_MS // MINUTE_MS) for day in np.unique(local // DAY_MS)]
    assert len(begins) == 3
    assert max(begins) - min(begins) <= 1
    assert begins[0] == sidelines.batch_start(world(), api)


@pytest.mark.parametrize("name", ["accounts", "mobile-bff", "uploads", "chat", "catalog-search"])
def test_latencies_have_the_stated_median_and_tail(name: str) -> None:
    api, calls = named(name), calls_of(name)
    factor = load_factor(world(), api, calls.at_ms)
    for place, route in enumerate(api.routes):
        mine = (calls.route == place) & (calls.integration_ms >= 0) & (calls.cold_ms == 0)
        latency = route.latency
        if mine.sum() < 400 or latency.slow_share or latency.median_ms < 10:  # whole ms are too coarse there
            continue
        plain = calls.integration_ms[mine] - latency.ms_per_kb * calls.bytes[mine] / 1024
        relative = plain / (latency.median_ms * factor[mine])
        # Whole milliseconds and half of the tail pull at the median.
        assert np.median(relative) == pytest.approx(1.0, abs=0.05 + 0.8 / latency.median_ms), route.key
        spread = np.percentile(np.log(np.maximum(relative, 0.01)), [16, 84])
        assert (spread[1] - spread[0]) / 2 == pytest.approx(latency.sigma, rel=0.2), route.key
        far = (relative > np.exp(5 * latency.sigma)).mean()
        assert far < latency.tail_share


def test_a_second_mode_shows_where_a_route_has_one() -> None:
    api, calls = named("catalog-search"), calls_of("catalog-search")
    mine = on(api, calls, "GET /v2/search") & (calls.integration_ms >= 0)
    latency = api.routes[api.route_index("GET /v2/search")].latency
    middle = np.sqrt(latency.median_ms * latency.slow_ms)
    assert (calls.integration_ms[mine] > middle).mean() == pytest.approx(latency.slow_share, abs=0.06)


def test_caches_answer_as_often_as_stated() -> None:
    api, calls = named("shop"), calls_of("shop")
    cacheable = np.array([route.cacheable for route in api.routes])[calls.route] & (calls.route >= 0)
    assert calls.cached[cacheable].mean() == pytest.approx(CACHE_HITS, abs=0.03)
    assert not calls.cached[~cacheable].any()
    asked = calls.authorizer_ms[(calls.authorizer_ms >= 0) & (calls.outcome == Outcome.ANSWERED)]
    assert (asked == 0).mean() == pytest.approx(AUTHORIZER_CACHED, abs=0.03)


def test_lines_come_late_and_out_of_order() -> None:
    calls = calls_of("accounts")
    arrival = _arrivals(calls, np.random.default_rng(1))
    lag = arrival - calls.at_ms - calls.latency_ms
    assert np.median(lag) == pytest.approx(4_300, rel=0.05)
    assert (lag > 30_000).mean() == pytest.approx(0.007, abs=0.003)  # the stated 0.4 %, and the tail of the others
    assert (np.diff(arrival) < 0).mean() > 0.2


def test_quiet_apis_get_most_minutes_without_any_call() -> None:
    calls = calls_of("sandbox")
    ordinary = calls.take(calls.route >= 0)
    minutes = np.unique((ordinary.at_ms - world().start_ms) // MINUTE_MS)
    assert 50 < len(minutes) < 0.5 * 3 * 1440
