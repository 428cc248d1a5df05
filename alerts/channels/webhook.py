"""A signed HTTP POST of the whole payload, by the conventions of Standard Webhooks.

`webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`, with `webhook-id` (the idempotency
key: the same at each repeat) and `webhook-timestamp` (seconds). A receiver refuses what is older than five minutes.
Source: the Standard Webhooks specification, "Signature scheme".
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import httpx
from pydantic import Field, SecretStr

from alerts.channels import Attempt, ChannelOptions, channel_kind
from alerts.message import parsed_instant
from alerts.outbound import as_json, post_json, refuse_unless_taken, usable, way_to
from gatewatch.errors import UsageError
from gatewatch.records import JSON
from gatewatch.settings import Settings


class WebhookOptions(ChannelOptions):
    url: SecretStr = Field(description="https address; http only on this machine")
    secret: SecretStr = Field(description="key of the signature: 24 characters at least, or whsec_ and base64")


class Webhook:
    """Posts to `url`, signed with `key`."""

    def __init__(self, url: SecretStr, key: bytes, *, transport: Callable[[], httpx.BaseTransport]) -> None:
        self._url = url
        self._key = key
        self._transport = transport
        if not usable(url.get_secret_value()):
            raise UsageError("url: must be an https:// address (http:// only on this machine)")

    def __repr__(self) -> str:
        return "Webhook(**********)"

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        at = now or parsed_instant(payload.get("detected_at")) or datetime(1970, 1, 1, tzinfo=UTC)
        body: dict[str, JSON] = {
            "type": f"finding.{payload.get('transition') or 'news'}",
            "timestamp": at.astimezone(UTC).isoformat(),
            "data": {**payload},
        }
        stamp = str(int(at.timestamp()))
        headers = {
            "idempotency-key": idempotency_key,
            "webhook-id": idempotency_key,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._key, idempotency_key, stamp, as_json(body)),
        }
        reply = post_json(
            self._url.get_secret_value(),
            body,
            headers=headers,
            name="webhook",
            attempt=attempt,
            transport=self._transport,
        )
        refuse_unless_taken(reply, "webhook")


def signature(key: bytes, identity: str, stamp: str, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = f"{identity}.{stamp}.".encode() + body
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


def key_of(secret: str) -> bytes:
    """The key's bytes; UsageError when it is too short to be one."""
    try:
        key = b64decode(secret[6:], validate=True) if secret.startswith("whsec_") else secret.encode()
    except (Base64Error, ValueError):
        raise UsageError("secret: after whsec_ comes base64") from None
    if len(key) < 24:
        raise UsageError("secret: at least 24 bytes, such as `openssl rand -hex 32` gives")
    return key


@channel_kind("webhook", WebhookOptions, resolved=True)
def webhook(options: WebhookOptions, settings: Settings) -> Webhook:
    return Webhook(options.url, key_of(options.secret.get_secret_value()), transport=way_to(settings))
