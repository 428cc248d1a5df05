from __future__ import annotations

import json
from datetime import UTC, datetime
from email.headerregistry import Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.blocks import slack_message
from alerts.letter import letter
from alerts.message import Message, parsed_instant, quantity, read
from gatewatch.records import JSON
from tests.alerts.builders import NOW, a_payload
from tests.alerts.hostile import HOSTILE

VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(HOSTILE[:-6]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(changed=st.dictionaries(st.sampled_from(sorted(a_payload())), VALUES))
def test_whatever_was_stored_becomes_a_message(changed: dict[str, JSON]) -> None:
    message = read({**a_payload(), **changed})

    letter(message, key="k", sender=Address("", "a", "b"), to=[Address("", "a", "b")], date=NOW).as_bytes()
    json.dumps(slack_message(message), allow_nan=False)


def test_an_empty_payload_is_still_a_message() -> None:
    message = read({})

    assert message.severity == "medium"
    assert message.link == ""
    assert slack_message(message)["blocks"]


def test_the_headline_says_how_bad_what_and_where() -> None:
    assert read(a_payload(title="t")).headline == "[HIGH] auth_failure_spike on orders/prod: t"
    assert read(a_payload(title="t", stage=None)).headline == "[HIGH] auth_failure_spike on orders: t"
    assert read(a_payload(title="orders/prod is slow")).headline == "[HIGH] orders/prod is slow"
    assert read(a_payload(title="shop/prod is slow", api_name="shop")).headline == "[HIGH] shop/prod is slow"
    assert read(a_payload(title="t", transition="resolved")).headline.startswith("[RESOLVED] ")


@pytest.mark.parametrize(
    ("state", "line"), [("ongoing", "high: orders is slow"), ("resolved", "high: orders is slow (resolved)")]
)
def test_what_is_over_in_a_group_is_said_to_be(state: str, line: str) -> None:
    one: dict[str, JSON] = {"title": "orders is slow", "severity": "high", "state": state, "link": ""}
    message = read(a_payload(group={"findings": [one, one], "count": 2, "open": 1}))
    assert [one.line for one in message.findings] == [line, line]
    assert line in str(slack_message(message))


def test_an_environment_without_a_team_is_no_owner() -> None:
    assert dict(read(a_payload(team=None, environment="prod")).facts)["Environment"] == "prod"
    assert dict(read(a_payload(team="shop", environment="prod")).facts)["Owner"] == "shop / prod"


def test_facts_that_are_not_known_are_left_out() -> None:
    def labels(message: Message) -> list[str]:
        return [label for label, _ in message.facts]

    assert "Observed" in labels(read(a_payload()))
    assert "Observed" not in labels(read(a_payload(observed=None)))
    assert "Route" not in labels(read(a_payload(route=None)))
    assert "Caused by" not in labels(read(a_payload(cause="unknown")))
    assert ("Caused by", "the backend behind it (lambda)") in read(a_payload(cause="integration", layer="lambda")).facts


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 ms"), (41.237, "41.2 ms"), (0.03125, "0.0312 ms"), (12, "12 ms"), (123456.7, "123,457 ms"), (None, "")],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert quantity(value, "ms") == text


def test_instants_are_utc_or_none() -> None:
    assert parsed_instant("2026-06-09T14:34:00+02:00") == datetime(2026, 6, 9, 12, 34, tzinfo=UTC)
    for bad in ("2026-06-09T14:34:00", "yesterday", None, "0001-01-01T00:00:00+14:00", "9" * 1000):
        assert parsed_instant(bad) is None
