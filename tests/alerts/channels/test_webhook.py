from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from alerts.channels import Attempt
from alerts.channels.webhook import Webhook, WebhookOptions, key_of, webhook
from alerts.outbound import direct
from gatewatch.errors import ChannelError, UsageError
from gatewatch.settings import Settings
from tests.alerts.builders import a_payload
from tests.receivers import Got, receiver

SECRET = "whsec_" + b64encode(b"0123456789abcdef0123456789abcdef").decode()
NOW = datetime(2026, 6, 9, 12, 41, 7, tzinfo=UTC)


def channel(url: str) -> Webhook:
    return Webhook(SecretStr(url), key_of(SECRET), transport=direct)


def verified(got: Got) -> bool:
    """As a receiver checks it that was written by somebody else."""
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    made = hmac.new(b64decode(SECRET[6:]), signed, "sha256").digest()
    return hmac.compare_digest(got.headers["webhook-signature"], "v1," + b64encode(made).decode())


def test_the_receiver_can_check_who_wrote_it_and_when() -> None:
    with receiver() as hook:
        channel(hook.url).send(a_payload(), idempotency_key="k1", now=NOW)
    [got] = hook.got
    assert verified(got)
    assert int(got.headers["webhook-timestamp"]) == NOW.timestamp()
    assert got.headers["webhook-id"] == got.headers["idempotency-key"] == "k1"
    assert got.json["type"] == "finding.new"
    assert got.json["data"]["finding_id"] == a_payload()["finding_id"]


def test_a_changed_body_or_another_key_is_not_ours() -> None:
    with receiver() as hook:
        channel(hook.url).send(a_payload(), idempotency_key="k1", now=NOW)
    [got] = hook.got
    assert not verified(Got(got.path, got.headers, got.body + b" "))
    assert not verified(Got(got.path, {**got.headers, "webhook-id": "k2"}, got.body))


@pytest.mark.parametrize(("mood", "retry"), [("500", True), ("429", True), ("410", False), ("drop", True)])
def test_it_says_whether_trying_again_can_help(mood: str, retry: bool) -> None:
    with receiver(mood=mood) as hook, pytest.raises(ChannelError) as caught:
        channel(hook.url + "/secret").send(a_payload(), idempotency_key="k", attempt=(attempt := Attempt()))
    assert caught.value.retry is retry
    assert "secret" not in str(caught.value)
    assert "/secret" not in str(attempt.wire)


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("http://example.com/", SECRET, "https"),
        ("https://example.com/", "short", "24 bytes"),
        ("https://example.com/", "whsec_%%%", "base64"),
    ],
)
def test_what_is_unsafe_is_refused_at_the_start(url: str, secret: str, said: str) -> None:
    options = WebhookOptions(type="webhook", url=SecretStr(url), secret=SecretStr(secret))
    with pytest.raises(UsageError, match=said):
        webhook(options, Settings())
