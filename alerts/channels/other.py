"""Everything else through Apprise: Telegram, Discord, Matrix, Opsgenie, ntfy and a hundred more.

Apprise makes its calls by itself. So the host is looked up and checked before each, like that of any other call; that
it leads elsewhere a moment later cannot be excluded here.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection, Mapping
from datetime import datetime

import httpcore
from pydantic import Field, SecretStr

from alerts.channels import Attempt, ChannelOptions, channel_kind
from alerts.destinations import inside, look_up
from alerts.letter import letter_text
from alerts.message import read
from alerts.outbound import CONNECT_S
from alerts.render.mail import mail_header
from gatewatch.errors import ChannelError, UsageError
from gatewatch.records import JSON
from gatewatch.settings import LOOPBACK, Settings


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
        self._check()
        title, body = mail_header(message.headline), letter_text(message)
        kind = apprise.NotifyType.SUCCESS if message.over else apprise.NotifyType.WARNING
        if message.severity in ("critical", "high") and not message.over:
            kind = apprise.NotifyType.FAILURE
        hub = apprise.Apprise()
        hub.add(self._service)
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its log holds addresses, which are secrets
        try:
            taken = bool(hub.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT))
        except (OSError, TypeError, ValueError) as error:
            taken, why = False, type(error).__name__
        else:
            why = "the service did not take it"
        if attempt is not None:
            name = str(self._service.service_name or "service")
            request: JSON = {"title": title, "body": body, "type": str(kind.value), "key": idempotency_key}
            attempt.note(f"Apprise: {name}", request, "taken" if taken else why)
        if not taken:
            raise ChannelError(f"apprise: {why}", retry=True)

    def _check(self) -> None:
        host = str(getattr(self._service, "host", "") or "").lower()
        if not host or host in LOOPBACK or host in self._allow or "." not in host:
            return
        try:
            found = look_up(host, 443, CONNECT_S)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            return  # what stands there is a name within the service, or it cannot be reached anyway
        if any(inside(ipaddress.ip_address(one.split("%")[0])) for one in found):
            raise ChannelError(
                "apprise: the address leads into a private network; outbound_allow can let it", retry=True
            )


@channel_kind("apprise", AppriseOptions)
def other(options: AppriseOptions, settings: Settings) -> Other:
    return Other(options.url, settings.outbound_allow)
