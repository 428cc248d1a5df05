"""The same e-mail through Amazon SES (API v2), for those without a mail server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import Any

from pydantic import Field

from alerts.channels import Attempt, channel_kind
from alerts.channels.aws import AwsOptions, called, client_of
from alerts.channels.email import address_of
from alerts.letter import letter
from alerts.message import parsed_instant, read
from gatewatch.records import JSON
from gatewatch.settings import Settings


class SesOptions(AwsOptions):
    to: tuple[str, ...] = Field(min_length=1)
    sender: str = Field(description="a verified identity")
    configuration_set: str | None = None


class Ses:
    """client: makes the SES client, with credentials that are good now."""

    def __init__(
        self, client: Callable[[], Any], sender: Address, to: Sequence[Address], configuration_set: str | None
    ) -> None:
        self._client = client
        self._sender = sender
        self._to = tuple(to)
        self._set = configuration_set

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        date = now or parsed_instant(payload.get("detected_at")) or datetime(1970, 1, 1, tzinfo=UTC)
        # SES writes a Message-ID of its own over ours; the thread still holds by References.
        mail = letter(read(payload), key=idempotency_key, sender=self._sender, to=self._to, date=date)
        given: dict[str, Any] = {
            "FromEmailAddress": str(self._sender),
            "Destination": {"ToAddresses": [str(one) for one in self._to]},
            "Content": {"Raw": {"Data": mail.as_bytes()}},
        }
        if self._set is not None:
            given["ConfigurationSetName"] = self._set
        called("ses", "SES SendEmail", mail.as_string(), attempt, lambda: self._client().send_email(**given))


@channel_kind("ses", SesOptions)
def ses(options: SesOptions, settings: Settings) -> Ses:
    return Ses(
        lambda: client_of("sesv2", options, settings),
        address_of(options.sender, "sender"),
        [address_of(one, "to") for one in options.to],
        options.configuration_set,
    )
