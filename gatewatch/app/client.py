"""Where a request comes from: the peer, or what a proxy that we trust says about it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import Scope

from gatewatch.settings import Settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_of(scope: Scope, headers: Headers, settings: Settings) -> str:
    """The client's address. X-Forwarded-For counts only from trusted proxies, and only what they themselves added."""
    peer = scope.get("client")
    address = _plain(str(peer[0])) if peer else ""
    trusted = networks(settings.trusted_proxies)
    if not trusted or not _within(address, trusted):
        return address
    hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
    for hop in reversed(hops[-20:]):
        address = _plain(hop) or address
        if not _plain(hop) or not _within(address, trusted):
            break
    return address


@lru_cache
def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """ValueError names the text that is no address and no network."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def _within(address: str, trusted: tuple[Network, ...]) -> bool:
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(one in network for network in trusted)


def _plain(text: str) -> str:
    """One spelling for an address; '' when it is none."""
    try:
        one = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return ""
    mapped = getattr(one, "ipv4_mapped", None)
    return str(mapped or one)
