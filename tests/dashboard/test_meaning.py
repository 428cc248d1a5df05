from __future__ import annotations

import re

import pytest

from dashboard import meaning, standout
from detect.saying import CAUSES, odds, times
from gatewatch.records import JSON, REJECT_CAUSES

FOUND: dict[str, JSON] = {
    "ratio": 6375.0,
    "peak_per_minute": 38.0,
    "reject_causes": {"authorizer_deny": 51, "unknown_key": 0},
    "top_share": {"api_key_id": 1.0, "client_ip": 0.503, "principal": 0.0},
    "last_call_minute": 29_000_000,
    "p95_ratio": 6.577,
    "p99_ratio": 3.108,
    "distinct_api_keys": 0,
    "victims": [],
    "in_the_back_end": True,
    "joined": [{"id": "x"}],
    "entered": [{"client_ip": "198.51.0.7", "at": "2026-11-25T17:35:00Z"}, {"principal": "a\x00b", "at": "?"}],
    "networks": [
        {"asn": "AS64509", "name": "Exits", "addresses": 50},
        {"asn": "AS64510", "name": None, "addresses": 1},
    ],
    "most_ms": 60.3,
    "never_heard_of": "a\x00b",
}


def test_facts_are_told_in_words_and_none_is_lost() -> None:
    told = dict(meaning.facts(FOUND))
    assert "6,400 times" not in told.values()  # it stands among what speaks for the finding
    assert told["Refused because"] == "denied by the authorizer 51"
    assert told["From the busiest caller"] == "api key 100 %, ip address 50.3 %"
    assert told["Last call"] == "2025-02-19 21:20 UTC"
    assert [name for name in told if name.startswith("Slower")] == ["Slower at p95", "Slower at p99"]
    assert told["Came in after refusals"] == "198.51.0.7, 2026-11-25 17:35 UTC; a\ufffdb, ?"
    assert told["Networks"] == "Exits (AS64509), 50 addresses; AS64510, 1 address"
    assert told["Route that rose most"] == "60 ms"
    assert told["Never heard of"] == "a\ufffdb"
    assert not {"API keys", "Others who were hit"} & set(told)  # nothing to tell
    assert not any("_" in text or "e+" in text for pair in told.items() for text in pair)


@pytest.mark.parametrize("value", [None, "x", [], {}, -1e308, float("nan"), {"a": [1, {"b": None}]}])
def test_a_fact_of_another_type_than_we_know_is_still_text(value: JSON) -> None:
    for name in meaning.FACTS:
        assert all(isinstance(text, str) for pair in meaning.facts({name: value}) for text in pair)


def test_every_cause_has_words() -> None:
    assert set(REJECT_CAUSES) <= set(CAUSES)


@pytest.mark.parametrize("score", [0.2, 1.0, 3.3, 5.99, 7.0, 12.0, 300.0])
def test_odds_and_multiples_have_no_powers_of_ten(score: float) -> None:
    said = f"{odds(score)} {times(10.0 ** min(score, 9))}"
    assert not re.search(r"\^|e\+", said)


def test_the_dimension_that_moved_most_comes_first_and_its_bar_filters_the_rows() -> None:
    def one(dimension: str, value: str, share: float, before: float) -> dict[str, JSON]:
        return {"dimension": dimension, "value": value, "n": 9, "share": share, "share_before": before}

    found = standout.dimensions(
        [one("route", "GET /a", 0.9, 0.9), one("client_ip", "192.0.2.1", 0.2, 0.0), one("client_ip", "b", 0.9, 0.1)]
    )
    assert [name for name, _ in found] == ["client_ip", "route"]
    assert [value.raw for value in found[0][1]] == ["b", "192.0.2.1"]
    assert standout.sentence(found) == "The largest difference: ip address b, 90 % now and 10 % before."
    assert standout.dimensions("nonsense") == []
