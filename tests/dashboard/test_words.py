from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dashboard import words
from dashboard.view import view_of
from dashboard.when import typed
from gatewatch.records import Cause, Kind, Severity, State


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0, "0"),
        (7, "7"),
        (2.137, "2.14"),
        (999.6, "1,000"),
        (12345, "12,345"),
        (1_234_567, "1.23 M"),
        (5.5e9, "5.5 G"),
    ],
)
def test_counts(value: float | None, text: str) -> None:
    assert words.count(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.00001, "< 0.01 %"),
        (0.0123, "1.2 %"),
        (0.5, "50 %"),
        (0.9876, "98.8 %"),
        (0.99999, "> 99.9 %"),
        (1, "100 %"),
        (math.nan, "–"),
    ],
)
def test_what_is_not_all_is_never_written_as_100_percent(share: float, text: str) -> None:
    assert words.percent(share) == text


def test_latencies_keep_their_unit() -> None:
    assert [words.millis(v) for v in (0.42, 12.4, 1560, 29_000, math.nan)] == [
        "0.4 ms",
        "12 ms",
        "1,560 ms",
        "29.0 s",
        "–",
    ]
    assert words.quantity(0.02, "share") == "2 %"
    assert words.quantity(41.0, "429/min") == "41 429/min"
    assert words.quantity(None, "429/min") == "–"


def test_times_are_utc_and_say_so() -> None:
    moment = datetime(2026, 6, 9, 14, 5, 6, 789000, tzinfo=timezone(timedelta(hours=2)))
    assert words.at(moment) == "2026-06-09 12:05 UTC"
    assert words.second(moment) == "2026-06-09 12:05:06.789 UTC"
    assert words.at(None) == words.second(None) == "–"
    assert words.at(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02 00:00 UTC"


def test_durations_have_their_two_largest_units() -> None:
    cases = {40: "40 s", 60: "1 min", 3900: "1 h 5 min", 3600: "1 h", 183_600: "2 d 3 h", 86_460: "1 d", -5: "0 s"}
    assert {n: words.duration(timedelta(seconds=n)) for n in cases} == cases


def test_every_name_has_a_word() -> None:
    assert set(words.KINDS) == set(Kind)
    assert set(words.SEVERITIES) == set(Severity)
    assert set(words.STATES) == set(State)
    assert set(words.CAUSES) == set(Cause)


def test_one_of_a_thing_is_no_plural() -> None:
    assert words.quantity(1, "settings") == "1 setting"
    assert words.quantity(1, "requests answered 429") == "1 request answered 429"
    assert words.quantity(2, "settings") == "2 settings"
    assert words.quantity(1, "addresses") == "1 address"
    assert words.spaced("51% have 1 principals, 1 addresses, 21 requests and 1,001 requests; 50%off") == (
        "51 % have 1 principal, 1 address, 21 requests and 1,001 requests; 50%off"
    )


def test_layers_have_their_names() -> None:
    assert words.layer("waf") == "WAF"
    assert words.layer("cold_start") == "cold start"


def test_small_sums_of_money_are_no_powers_of_ten() -> None:
    assert [words.money(value) for value in (None, 0.0, 0.000052, 0.0012, 0.12, 1234.5)] == [
        words.NONE, "$0.00", "< $0.0001", "$0.0012", "$0.12", "$1,234.50",
    ]  # fmt: skip


def test_times_are_written_by_the_clock_that_was_chosen_and_name_it() -> None:
    summer, winter = datetime(2026, 6, 9, 22, 30, tzinfo=UTC), datetime(2026, 12, 9, 22, 30, tzinfo=UTC)
    with words.clock("Europe/Berlin"):
        assert [words.at(one) for one in (summer, winter)] == ["2026-06-10 00:30 CEST", "2026-12-09 23:30 CET"]
        assert words.bare(summer) == "2026-06-10 00:30"
        assert words.axis(summer) == "2026-06-10T00:30:00"
        assert words.zoned("Time (UTC)") == "Time (Europe/Berlin)"
        assert typed("2026-06-10 00:15", summer) == ("2026-06-09T22:15Z", "now")
        assert typed("yesterday", summer) == ("2026-06-08T22:00Z", "2026-06-09T22:00Z")
        assert typed("2026-10-25", winter) == ("2026-10-24T22:00Z", "2026-10-25T23:00Z")  # clocks go back: 25 h
    with words.clock("America/Sao_Paulo"):
        assert words.second(summer) == "2026-06-09 19:30:00.000 UTC-03"
    for wrong in (None, "", "Nowhere/Land", "../../etc/passwd", "/etc/localtime", "x" * 500):
        with words.clock(wrong):
            assert words.at(summer) == "2026-06-09 22:30 UTC"
    assert words.zone_name() == "UTC"
    assert view_of("?tz=Europe/Berlin").kept().search() == "?tz=Europe%2FBerlin"
    assert view_of("?tz=../x").tz is None
