"""Who calls: networks and their addresses, agents, names of users and strangers, paths that scanners try.

Nobody is real: addresses are those set aside for documentation and benchmarks (RFC 5737, RFC 2544, RFC 3849), AS
numbers those for documentation (RFC 5398). Texts are made for whole columns at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.simulate.model import Ints

V6 = 1 << 32
"""From here on `Calls.ip` is an IPv6 address, 2001:db8:AAAA:BBBB::1 with the 32 bits AAAABBBB."""

STRANGER = 1 << 40
"""From here on `Calls.principal` is a stranger's name (an attacked account), below 2**32 a user of the API."""

METHODS: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")


@dataclass(frozen=True, slots=True)
class Network:
    """An autonomous system with one network. use: home, mobile, office, hosting (clouds) or proxy (rented exits)."""

    cidr: str
    asn: int
    name: str
    use: str

    @property
    def first(self) -> int:
        """Its first address as a number."""
        return int(ip_network(self.cidr).network_address)

    @property
    def size(self) -> int:
        return int(ip_network(self.cidr).num_addresses)


NETWORKS: tuple[Network, ...] = (
    Network("198.18.0.0/17", 64500, "Example Broadband", "home"),
    Network("198.18.128.0/18", 64501, "Sample Cable", "home"),
    Network("198.18.192.0/18", 64502, "Fibra Modelo", "home"),
    Network("198.19.0.0/18", 64503, "Example Mobile", "mobile"),
    Network("198.19.64.0/19", 64504, "Muster Mobilfunk", "mobile"),
    Network("198.19.96.0/20", 64505, "Example Business Access", "office"),
    Network("198.19.112.0/20", 64506, "Campus Network", "office"),
    Network("198.19.128.0/18", 64507, "Example Cloud", "hosting"),
    Network("198.19.192.0/19", 64508, "Budget Servers", "hosting"),
    Network("198.19.224.0/19", 64509, "Residential Exits", "proxy"),
    Network("192.0.2.0/24", 64496, "Documentation One", "hosting"),
    Network("198.51.100.0/24", 64497, "Documentation Two", "hosting"),
    Network("203.0.113.0/24", 64498, "Documentation Three", "hosting"),
)
IPV6_NETWORK = ("2001:db8::/32", 64510, "Example Sixnet")

AGENTS: tuple[str, ...] = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.2 Safari/605.1.15",  # noqa: E501
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.2 Mobile/15E148 Safari/604.1",  # noqa: E501
    "Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0",
    "shop-ios/7.12.1 (iPhone17,2; iOS 19.2)",
    "shop-android/7.12.0 (Pixel 10; Android 16)",
    "okhttp/5.1.0",
    "Dart/3.9 (dart:io)",
    "partner-sync/2.8",
    "axios/1.11.0",
    "Java-http-client/25",
    "aws-sdk-python/1.43 botocore/1.43",
    "meter-fw/1.9.4",
    "meter-fw/2.0.1",
    "node-fetch/3.4",
    "nightly-export/1.4",
    "Amazon-Route53-Health-Check-Service (ref 4d1f7b2c; report http://amzn.to/1vsZADi)",
    "ELB-HealthChecker/2.0",
    "UptimeProbe/3.2",
    "python-requests/2.32.4",
    "Go-http-client/2.0",
    "curl/8.14.1",
    "sqlmap/1.9.6#stable (https://sqlmap.org)",
    "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
    "zgrab/0.x",
    "Mozilla/5.0 (compatible; ScanBot/1.1; +https://scan.example/about)",
    "OpenBullet/1.4",
    "Hydra/9.6",
    "PostmanRuntime/7.45.0",
    'Mozilla/5.0 "quoted" \\ odd',
)
PEOPLE_AGENTS = (0, 1, 2, 3, 4, 5, 6)
PARTNER_AGENTS = (9, 10, 11, 15, 20, 21)
SERVICE_AGENTS = (12, 11, 21)
DEVICE_AGENTS = (13, 14)

PROBES: tuple[str, ...] = (
    "/.env", "/.git/config", "/wp-login.php", "/admin", "/actuator/health", "/phpmyadmin/index.php", "/api/v1/users",
    "/.aws/credentials", "/server-status", "/cgi-bin/luci", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/console", "/login.action", "/solr/admin/info/system", "/config.json", "/swagger.json", "/graphql", "/debug/pprof",
    "/backup.sql", "/.well-known/security.txt", "/robots.txt", "/owa/auth/logon.aspx", "/boaform/admin/formLogin",
    "/v2/_catalog", "/metrics", "/internal/tokens", "/%2e%2e/%2e%2e/etc/passwd", "/?q=<script>alert(1)</script>",
)  # fmt: skip

_FIRST = ("maria", "jan", "wei", "fatima", "lucas", "sofia", "amir", "emma", "noah", "aiko", "ivan", "chloe", "omar",
          "lena", "diego", "anna", "peter", "nina", "tom", "zoe", "karl", "ines", "raj", "eva", "leo", "mona", "ben",
          "yuki", "paul", "lara", "max", "ada")  # fmt: skip
_LAST = ("garcia", "mueller", "chen", "khan", "silva", "rossi", "haddad", "smith", "dubois", "tanaka", "petrov",
         "novak", "costa", "berg", "lopez", "kim", "wagner", "moreau", "patel", "jensen", "kowalski", "santos", "ito",
         "weber", "ricci", "olsen", "popov", "martin", "sato", "vidal", "fischer", "lind")  # fmt: skip


def agent(text: str) -> int:
    """Place of an agent by the start of its text: `agent("curl/")`. ValueError when there is none."""
    for place, known in enumerate(AGENTS):
        if known.startswith(text):
            return place
    raise ValueError(f"no agent starts with {text!r}")


def addresses(use: str, count: int, rng: np.random.Generator) -> Ints:
    """This many different addresses of the networks of that use; they belong to nobody in particular.

    Users of the APIs live in the same networks, in the lower three quarters of each (`user_addresses`); these are of
    the upper quarter, so that a planted culprit is never by chance an innocent user. ValueError when there are fewer.
    """
    pool = np.concatenate(
        [np.arange(net.first + net.size * 3 // 4, net.first + net.size - 1) for net in NETWORKS if net.use == use]
    )
    if count > len(pool):
        raise ValueError(f"{use} networks have only {len(pool)} such addresses")
    chosen: Ints = rng.choice(pool, count, replace=False)
    return chosen


def user_addresses(use: str, draw: Ints) -> Ints:
    """The address that each number (any non-negative integer, e.g. a hash) stands for in the networks of that use."""
    nets = [net for net in NETWORKS if net.use == use and net.size > 256]
    sizes = np.array([net.size * 3 // 4 - 2 for net in nets])
    firsts = np.array([net.first + 1 for net in nets])
    place = draw % int(sizes.sum())
    which = np.searchsorted(np.cumsum(sizes), place, side="right")
    before = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    found: Ints = firsts[which] + (place - before[which])
    return found


def mixed(*numbers: Ints | int) -> Ints:
    """A non-negative 62-bit hash of the numbers, element by element: what replaces state that would cross chunks.

    The finaliser of splitmix64 (Steele, Lea, Flood 2014).
    """
    value: Any = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        for number in numbers:
            value = (np.asarray(number).astype(np.uint64) ^ value) + np.uint64(0x9E3779B97F4A7C15)
            value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            value = value ^ (value >> np.uint64(31))
    out: Ints = (value >> np.uint64(2)).astype(np.int64)
    return out


def uniform(*numbers: Ints | int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each row of numbers, always the same for the same ones."""
    out: npt.NDArray[np.float64] = mixed(*numbers) / float(1 << 62)
    return out


_OCTETS = pa.array([str(number) for number in range(256)])
_QUADS = pa.array([f"{number:x}" for number in range(65536)])


def ip_texts(ips: Ints) -> pa.Array:
    """Addresses as text."""
    unique, places = np.unique(ips, return_inverse=True)
    four = unique < V6
    low = np.where(four, unique, 0)
    dotted = pc.binary_join_element_wise(*(_OCTETS.take(pa.array(low >> shift & 255)) for shift in (24, 16, 8, 0)), ".")
    if not four.all():
        bits = np.where(four, 0, unique - V6)
        quads = [_QUADS.take(pa.array(bits >> shift & 65535)) for shift in (16, 0)]
        six = pc.binary_join_element_wise("2001:db8", *quads, ":1", ":")
        dotted = pc.if_else(pa.array(four), dotted, six)
    return dotted.take(pa.array(places))


def ip_text(ip: int) -> str:
    """One address as text."""
    return str(ip_texts(np.array([ip], dtype=np.int64))[0])


def principal_texts(principals: Ints) -> pa.Array:
    """Names as text: `u-0004217` for users, mail addresses for strangers, null for -1."""
    unique, places = np.unique(principals, return_inverse=True)
    return pa.array([principal_text(one) for one in unique.tolist()], pa.string()).take(pa.array(places))


def principal_text(principal: int) -> str | None:
    """One name as text."""
    if principal < 0:
        return None
    if principal < STRANGER:
        return f"u-{principal:07d}"
    number = principal - STRANGER
    first, last = _FIRST[number % 32], _LAST[number // 32 % 32]
    return f"{first}.{last}{number // 1024 or ''}@mail.example"
