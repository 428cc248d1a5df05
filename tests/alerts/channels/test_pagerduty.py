from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from alerts.channels import Attempt
from alerts.channels.pagerduty import PagerDuty
from alerts.outbound import direct
from gatewatch.errors import ChannelError
from gatewatch.records import JSON
from tests.alerts.builders import a_payload
from tests.alerts.hostile import HOSTILE
from tests.receivers import receiver

KEY = "c" * 32


def sent(**changed: JSON) -> Any:
    with receiver(mood="202", answer=lambda _: {"status": "success"}) as events:
        channel = PagerDuty(SecretStr(KEY), events.url, transport=direct)
        channel.send(a_payload(**changed), idempotency_key="k")
    return events.got[0].json


def test_an_alert_is_triggered_acknowledged_and_resolved_under_one_key() -> None:
    first = sent()
    acknowledged = sent(transition="changed", state="acknowledged")
    over = sent(transition="resolved")
    assert [one["event_action"] for one in (first, acknowledged, over)] == ["trigger", "acknowledge", "resolve"]
    assert len({one["dedup_key"] for one in (first, acknowledged, over)}) == 1
    assert first["routing_key"] == KEY


def test_the_event_says_what_how_bad_where_and_since_when() -> None:
    payload = sent()["payload"]
    assert payload["severity"] == "error"
    assert payload["source"] == "orders/prod"
    assert payload["timestamp"] == "2026-06-09T12:34:00Z"
    assert payload["summary"].startswith("[HIGH] auth_failure_spike on orders/prod")
    assert payload["custom_details"]["Observed"] == "418 refused requests/min"
    assert "rate-based WAF rule" in payload["custom_details"]["What to do"]


@pytest.mark.parametrize("value", HOSTILE)
def test_the_event_keeps_the_documented_limits(value: str) -> None:
    event = sent(title=value, api=value, route=value, sentence=value, fingerprint=value[:400], group_id=value[:400])
    assert len(event["payload"]["summary"]) <= 1024
    assert len(event["dedup_key"]) <= 255
    assert "\n" not in event["payload"]["summary"]


def test_the_key_stands_in_no_log_and_no_error() -> None:
    attempt = Attempt()
    with receiver(mood="400", answer=lambda got: got.body) as events, pytest.raises(ChannelError) as caught:
        PagerDuty(SecretStr(KEY), events.url, transport=direct).send(a_payload(), idempotency_key="k", attempt=attempt)
    assert not caught.value.retry
    assert "dedup_key" in str(attempt.wire)
    assert KEY not in str(attempt.wire) + str(caught.value)
