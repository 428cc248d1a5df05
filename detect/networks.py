"""Whose network an address is in, by the list that somebody brought (`--asn`); the most specific network wins.

Attackers take addresses by the dozen from one provider: the network is what their addresses have in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, cast

from gatewatch.records import JSON, Cause, Finding, Kind

LEAST_SHARE = 0.2
"""Share of the named addresses from which a network is named."""

_WHO = frozenset({Kind.AUTH_FAILURE_SPIKE, Kind.THROTTLING_ABUSE})


@dataclass(frozen=True, slots=True)
class Networks:
    """by_length: (IP version, prefix length) -> first bits -> (ASN, name of whom it belongs to), the longest first."""

    by_length: dict[tuple[int, int], dict[int, tuple[str, str | None]]] = field(default_factory=dict)

    def of(self, address: str) -> tuple[str, str | None] | None:
        """ASN and name; None: no address, or in none of the networks."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return None
        for (version, length), listed in self.by_length.items():
            if version == parsed.version and (found := listed.get(int(parsed) >> (parsed.max_prefixlen - length))):
                return found
        return None


def networks_of(rows: Sequence[Any] | None) -> Networks:
    """rows: with `network`, `asn` and `name`."""
    found: dict[tuple[int, int], dict[int, tuple[str, str | None]]] = {}
    for row in rows or ():
        net = row.network
        bits = int(net.network_address) >> (net.max_prefixlen - net.prefixlen)
        found.setdefault((net.version, net.prefixlen), {}).setdefault(bits, (row.asn, row.name))
    return Networks(dict(sorted(found.items(), key=lambda item: -item[0][1])))


def placed(finding: Finding, networks: Networks) -> Finding:
    """A finding about callers with the networks that hold a fifth or more of the addresses it names."""
    ips = finding.entities.ips
    if finding.kind not in _WHO or finding.cause is not Cause.CLIENT or not ips or not networks.by_length:
        return finding
    counts = Counter(found for ip in ips if (found := networks.of(ip)) is not None)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0][0]))
    named = [(asn, name, n) for (asn, name), n in ranked if n >= LEAST_SHARE * len(ips)]
    if not named:
        return finding
    listed = cast(JSON, [{"asn": asn, "name": name, "addresses": n} for asn, name, n in named])
    evidence = replace(finding.evidence, facts={**finding.evidence.facts, "networks": listed})
    return replace(
        finding, entities=replace(finding.entities, asns=tuple(asn for asn, _, _ in named)), evidence=evidence
    )
