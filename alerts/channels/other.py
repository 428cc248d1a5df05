"""Everything else through Apprise: Telegram, Discord, Matrix, Opsgenie, ntfy and a hundred more.

Apprise makes its calls by itself. So whatever it looks up meanwhile is checked like the host of any other call, and a
redirect, or a name that leads elsewhere a moment later, does not lead inside either.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime

from pydantic import Field, SecretStr

from alerts.channels import Attempt, ChannelOptions, channel_kind
from alerts.destinations import only_outside
from alerts.letter import letter_text
from alerts.message import read
from alerts.render.mail import mail_header
from gatewatch.errors import ChannelError, UsageError
from gatewatch.records import JSON
from gatewatch.settings import Settings


class AppriseOptions(ChannelOptions):
    url: SecretStr = Field(description="address in Apprise's spelling, such as tgram://TOKEN/CHAT")


class Other:
    """Sends through the service at `url`. allow: hosts on private networks that may be called."""

    def __init__(self, url: SecretStr, allow: Collection[str] = ()) -> None:
        import apprise  # takes a while, and only those need it who use it

        service = apprise.Apprise.instantiate(url.get_secret_value(), suppress_exceptions=True)
        if service is None:
            raise UsageError("url: not an address that Apprise knows")
        self._service = service
        self._allow = frozenset(allow)

    def __repr__(self) -> str:
        return "Other(**********)"

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,  # noqa: ARG002  the service dates the message
        attempt: Attempt | None = None,
    ) -> None:
        import apprise

        message = read(payload)
        title, body = mail_header(message.headline), letter_text(message)
        kind = apprise.NotifyType.SUCCESS if message.over else apprise.NotifyType.WARNING
        if message.severity in ("critical", "high") and not message.over:
            kind = apprise.NotifyType.FAILURE
        hub = apprise.Apprise()
        hub.add(self._service)
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its log holds addresses, which are secrets
        why = "the service did not take it"
        with only_outside(self._allow) as watch:
            try:
                taken = bool(
                    hub.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
                )
            except (OSError, TypeError, ValueError) as error:
                taken, why = False, type(error).__name__
        if watch.refused:
            why = "the address leads into a private network; outbound_allow can let it"
        if attempt is not None:
            name = str(self._service.service_name or "service")
            request: JSON = {"title": title, "body": body, "type": str(kind.value), "key": idempotency_key}
            attempt.note(f"Apprise: {name}", request, "taken" if taken else why)
        if not taken:
            raise ChannelError(f"apprise: {why}", retry=True)


@channel_kind("apprise", AppriseOptions)
def other(options: AppriseOptions, settings: Settings) -> Other:
    return Other(options.url, settings.outbound_allow)
