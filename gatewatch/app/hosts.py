"""Names by which we are asked. A name that is not ours may be an attacker's, whose DNS points here (rebinding)."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from gatewatch.settings import LOOPBACK, Settings


def host_name(value: str) -> str:
    """The name in a Host header, without port, brackets and trailing dot; '' when it is none."""
    try:
        name = urlsplit(f"//{value}").hostname or ""
    except ValueError:
        return ""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.rstrip(".").lower()


class Names:
    """Names of this machine, of public_url, of allowed_hosts; and bare addresses, when we listen on more than loopback.

    An address in a Host header was never looked up, so it cannot have been rebound.
    """

    def __init__(self, settings: Settings) -> None:
        public = host_name(urlsplit(settings.public_url or "").netloc)
        listed = (host_name(name) for name in (*settings.allowed_hosts, settings.host))
        self._names = frozenset({*LOOPBACK, *listed, public} - {""})
        self._addresses = not settings.loopback
        self.detail = "this is not a name of gatewatch: it answers to " + (
            "localhost, 127.0.0.1 and [::1]" if settings.loopback else "its addresses"
        )
        self.detail += ", and to the names in the settings public_url and allowed_hosts"

    def known(self, name: str) -> bool:
        return name in self._names or (self._addresses and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
