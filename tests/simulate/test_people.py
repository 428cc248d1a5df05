"""Addresses and names: who is made up, and that nobody is somebody else."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import numpy as np

from gatewatch.simulate.people import (
    NETWORKS,
    STRANGER,
    V6,
    addresses,
    agent,
    ip_text,
    ip_texts,
    mixed,
    principal_texts,
    uniform,
    user_addresses,
)

_SET_ASIDE = [ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15")]


def test_every_network_is_set_aside_and_none_overlaps_another() -> None:
    nets = [ip_network(net.cidr) for net in NETWORKS]
    assert all(any(net.subnet_of(wide) for wide in _SET_ASIDE) for net in nets)  # type: ignore[arg-type]
    assert not any(a.overlaps(b) for i, a in enumerate(nets) for b in nets[:i])


def test_texts_of_addresses_are_those_of_the_standard_library() -> None:
    ips = np.array([0, 1, 0xC0000201, 0xFFFFFFFF, V6 + 0x12ABCD, V6], dtype=np.int64)
    assert [ip_address(text) for text in ip_texts(ips).to_pylist()] == [
        ip_address("0.0.0.0"),
        ip_address("0.0.0.1"),
        ip_address("192.0.2.1"),
        ip_address("255.255.255.255"),
        ip_address("2001:db8:12:abcd::1"),
        ip_address("2001:db8:0:0::1"),
    ]
    assert ip_text(0xC0000201) == "192.0.2.1"


def test_planted_addresses_are_never_those_of_users() -> None:
    rng = np.random.default_rng(1)
    for use in ("home", "mobile", "office", "hosting", "proxy"):
        users = set(user_addresses(use, np.arange(60_000)).tolist())
        planted = addresses(use, 500, rng).tolist()
        assert len(set(planted)) == 500
        assert not users.intersection(planted)
        nets = [net for net in NETWORKS if net.use == use]
        assert all(any(net.first <= ip < net.first + net.size for net in nets) for ip in planted)


def test_names_of_users_and_strangers_differ_and_unknown_is_null() -> None:
    names = principal_texts(np.concatenate([[-1], np.arange(3000), STRANGER + np.arange(3000)])).to_pylist()
    assert names[0] is None
    assert len(set(names)) == 6001


def test_hashes_are_even_and_depend_on_every_number() -> None:
    values = uniform(7, np.arange(20_000))
    assert abs(values.mean() - 0.5) < 0.01
    assert np.histogram(values, 10, (0, 1))[0].min() > 1800
    assert (mixed(1, 2) != mixed(2, 1)).all()


def test_agents_are_found_by_their_start() -> None:
    assert agent("curl/") != agent("python-requests")
