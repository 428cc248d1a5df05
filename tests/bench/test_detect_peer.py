"""The peers behave as what they stand for: m of n, two-week bands, and the delays that burn-rate arithmetic gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.detect_minutes import Floats, Stage
from bench.detect_peer import ERRORS, LATE_S, band, burn_rate, cloudwatch, static, told_apart
from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.labels import Place
from tests.evaluation.builders import a_claim, an_incident, at, labels

DAY = 1440
FIRST = 29_654_640 // 5 * 5


def a_stage(days: int = 21, per_minute: float = 100.0, **series: Any) -> Stage:
    count = days * DAY
    zero = np.zeros(count)
    made: dict[str, Any] = {
        "n": np.full(count, per_minute),
        "errors_4xx": zero,
        "errors_5xx": zero,
        "throttled": zero,
        "covered": np.ones(count, bool),
        "p99_ms": np.full(count // 5, 300.0),
    }
    return Stage("api1", "prod", FIRST, **{**made, **series})


def during(first: int, last: int, value: float, days: int = 21, base: float = 0.0) -> Floats:
    out = np.full(days * DAY, base)
    out[first:last] = value
    return out


def minute(seconds: float) -> float:
    return seconds / 60 - FIRST


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        ({"errors_4xx": during(10_000, 10_060, 20)}, ERRORS),
        ({"errors_5xx": during(10_000, 10_060, 20)}, ERRORS),
        ({"throttled": during(10_000, 10_060, 20)}, "throttling_abuse"),
        ({"n": during(10_000, 10_060, 0, base=100.0)}, "dead_api"),
        ({"p99_ms": np.where(during(10_000, 10_060, 1)[::5] > 0, 3000.0, 300.0)}, "latency_outlier"),
    ],
)
def test_a_threshold_fires_once_after_three_periods_and_resets_at_the_first_good_one(
    series: dict[str, Any], kind: str
) -> None:
    (claim,) = static(a_stage(**series))
    assert claim.kind == kind
    assert minute(claim.detected) == 10_015 + LATE_S / 60
    assert claim.end is not None
    assert minute(claim.end) == 10_065
    assert claim.place == Place("api1", "prod")


def test_two_bad_periods_are_not_enough_and_three_must_follow_each_other() -> None:
    assert not list(static(a_stage(errors_5xx=during(10_000, 10_010, 50))))
    apart = during(10_000, 10_010, 50) + during(10_015, 10_025, 50)
    assert not list(static(a_stage(errors_5xx=apart)))
    assert len(list(static(a_stage(errors_5xx=during(10_000, 10_015, 50))))) == 1


def test_a_threshold_is_raised_above_what_the_first_days_had() -> None:
    usual = during(2000, 2060, 20)
    assert not list(static(a_stage(errors_5xx=usual + during(20_000, 20_060, 21))))
    (claim,) = static(a_stage(errors_5xx=usual + during(20_000, 20_060, 23)))
    assert minute(claim.start) == 20_000


def test_a_quiet_stage_gets_no_alarm_on_its_count() -> None:
    sparse = during(0, 1, 1, base=0.0)
    assert not list(static(a_stage(n=sparse)))


def test_what_was_not_delivered_is_passed_over() -> None:
    gap = during(10_000, 12_000, 0, base=100.0)
    covered = np.ones(21 * DAY, bool)
    covered[10_000:12_000] = False
    assert not list(cloudwatch(a_stage(n=gap, covered=covered)))
    assert list(cloudwatch(a_stage(n=gap)))


def test_a_band_follows_the_hour_of_the_week_and_two_deviations_break_it() -> None:
    rng = np.random.default_rng(1)
    hours = np.arange(21 * DAY) / 60 % 24
    n = rng.poisson(100 * (1.5 + np.cos(hours / 24 * 2 * np.pi))).astype(float)
    calm = [claim for claim in band(a_stage(n=n)) if claim.kind == "dead_api"]
    assert len(calm) < 60
    n[28_000:28_060] = 0
    found = [
        claim for claim in band(a_stage(n=n)) if claim.kind == "dead_api" and 28_000 < minute(claim.detected) < 28_030
    ]
    assert len(found) == 1
    assert found[0].score > 3


def test_a_constant_past_breaks_at_the_first_change() -> None:
    (claim,) = band(a_stage(throttled=during(20_000, 20_015, 1)))
    assert claim.score > 100


def test_there_is_no_band_in_the_first_day() -> None:
    assert not list(band(a_stage(days=1, throttled=during(1000, 1100, 50, days=1))))


@pytest.mark.parametrize(
    ("share", "minutes"),
    [(1.0, 0.9), (0.1, 8.6), (0.05, 17.3), (0.02, 43.2), (0.01, 216.0), (0.005, 14.4 * 60)],
)
def test_burn_rate_alerts_come_when_the_arithmetic_says(share: float, minutes: float) -> None:
    """detection.md 4: (1 - objective) / share × window × burn rate, for an objective of 99.9 %."""
    stage = a_stage(per_minute=1000.0, errors_5xx=during(10_000, 21 * DAY, 1000.0 * share))
    (claim,) = burn_rate(stage)
    assert minute(claim.detected) - 10_000 - LATE_S / 60 == pytest.approx(minutes, abs=1.5)


def test_burn_rate_alerts_reset_with_their_short_window() -> None:
    (claim,) = burn_rate(a_stage(per_minute=1000.0, errors_5xx=during(10_000, 10_020, 1000.0)))
    assert claim.end is not None
    # the ticket rule (3 days, 6 hours) holds it: 6 hours must pass until no error is in its short window
    assert minute(claim.end) - 10_020 == pytest.approx(360, abs=2)


def test_an_alarm_on_errors_takes_the_kind_of_the_incident_it_falls_into() -> None:
    one = an_incident(kind="latency_outlier")
    alarm = Claim("a", ERRORS, Place("api1", "prod"), one.start, None, one.start + 300)
    (inside,) = told_apart([alarm], labels(one))
    (outside,) = told_apart([replace(alarm, detected=at(300))], labels(one))
    assert inside.kind == "latency_outlier"
    assert outside.kind == "auth_failure_spike"
    kept = a_claim(one, kind="dead_api")
    assert told_apart([kept], labels(one)) == [kept]
