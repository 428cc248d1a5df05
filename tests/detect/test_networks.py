"""Networks: the most specific one, for callers only, and what joins a campaign that changes its addresses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest

from detect.correlate import correlate
from detect.networks import networks_of, placed
from gatewatch.records import Cause, Entities, Finding, Kind
from tests.store.builders import a_finding

START = datetime(2026, 6, 9, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    network: IPv4Network | IPv6Network
    asn: str
    name: str | None = None


NETWORKS = networks_of(
    [
        Row(ip_network("198.51.0.0/16"), "AS64500", "Example Hosting"),
        Row(ip_network("198.51.100.0/24"), "AS64501"),
        Row(ip_network("198.51.100.0/24"), "AS64999"),  # the first row of a network counts
        Row(ip_network("2001:db8::/32"), "AS64502", "Sample Six"),
    ]
)


def attack(*ips: str, hours: float = 0.0, agent: str = "tool/1", **more: object) -> Finding:
    made = a_finding(
        f"attack {ips} {hours}",
        START + timedelta(hours=hours),
        end=START + timedelta(hours=hours, minutes=30),
        kind=Kind.AUTH_FAILURE_SPIKE,
        subtype="distributed",
        cause=Cause.CLIENT,
        api="a1",
        stage="prod",
    )
    return replace(made, entities=Entities(ips=ips, user_agents=(agent,)), **more)  # type: ignore[arg-type]  # fields


@pytest.mark.parametrize(
    ("address", "asn"),
    [
        ("198.51.100.7", "AS64501"),
        ("198.51.7.7", "AS64500"),
        ("203.0.113.9", None),
        ("2001:db8:1::9", "AS64502"),
        ("2001:db9::9", None),
        ("not an address", None),
        ("198.51.100.7, 198.51.7.7", None),
    ],
)
def test_an_address_is_in_the_most_specific_network(address: str, asn: str | None) -> None:
    found = NETWORKS.of(address)
    assert (None if found is None else found[0]) == asn


def test_the_networks_of_most_addresses_are_named_and_no_stray_one() -> None:
    found = placed(attack(*(f"198.51.7.{n}" for n in range(8)), "198.51.100.7", "203.0.113.9"), NETWORKS)
    assert found.entities.asns == ("AS64500",)
    assert found.evidence.facts["networks"] == [{"asn": "AS64500", "name": "Example Hosting", "addresses": 8}]


def test_only_callers_have_networks_and_only_when_somebody_brought_them() -> None:
    one = attack("198.51.7.1")
    assert placed(one, networks_of(None)) is one
    locked_out = replace(one, cause=Cause.CONFIG_CHANGE)
    assert placed(locked_out, NETWORKS) is locked_out
    slow = replace(one, kind=Kind.LATENCY_OUTLIER)
    assert placed(slow, NETWORKS) is slow


def test_a_campaign_that_goes_on_from_other_addresses_of_one_network_is_one() -> None:
    first, second = (placed(attack(*ips, hours=h), NETWORKS) for ips, h in ((["198.51.7.1"], 0), (["198.51.8.2"], 3)))
    (whole,) = correlate([first, second])
    assert whole.entities.ips == ("198.51.7.1", "198.51.8.2")
    assert whole.entities.asns == ("AS64500",)
    other_tool = placed(attack("198.51.8.2", hours=3, agent="tool/2"), NETWORKS)
    elsewhere = placed(attack("198.51.100.2", hours=3), NETWORKS)
    for other in (other_tool, elsewhere):
        assert len(correlate([first, other])) == 2
