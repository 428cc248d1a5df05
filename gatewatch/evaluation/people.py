"""Who did it: the named entities of an incident or a finding, and how well one names the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from gatewatch.evaluation.reading import Node

WHO = ("ips", "apiKeyIds", "principals")
"""What names a caller. A culprit is judged by these where a label has any, else by what is left."""

ABOUT = ("userAgents", "asns")

CAP = 50
"""A finding need not list more of a kind than this (`gatewatch.records.Entities`)."""


@dataclass(frozen=True, slots=True)
class People:
    """Names by type, in the order given. In a label an empty type means: cannot be told."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, kind: str) -> tuple[str, ...]:
        return self.names.get(kind, ())

    def judged(self) -> tuple[str, ...]:
        """The types by which a culprit is judged; empty when nobody can be told."""
        return tuple(kind for kind in WHO if self.of(kind)) or tuple(kind for kind in ABOUT if self.of(kind))

    def names_anybody(self) -> bool:
        return any(self.of(kind) for kind in WHO)

    def shares(self, other: People) -> bool:
        return any(set(self.of(kind)) & set(other.of(kind)) for kind in (*WHO, *ABOUT))


def read_people(node: Node) -> People:
    made = {kind: tuple(dict.fromkeys(_plain(kind, one) for one in node.texts(kind))) for kind in (*WHO, *ABOUT)}
    return People({kind: names for kind, names in made.items() if names})


def _plain(kind: str, name: str) -> str:
    """One spelling for one entity: `AS64500` and `64500`, `2001:DB8::0` and `2001:db8::`."""
    if kind == "asns":
        return name.upper().removeprefix("AS")
    if kind == "ips":
        try:
            return str(ip_address(name))
        except ValueError:
            return name
    return name


@dataclass(frozen=True, slots=True)
class Named:
    """How well a finding names the culprits: shares of 1. top: is the first named one of them?"""

    precision: float
    recall: float
    top: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def named(right: People, said: People, kind: str) -> Named:
    """One type. Whoever names everybody is precise by accident only, whoever names nobody has named nobody right."""
    truth, names = set(right.of(kind)), said.of(kind)
    hits = len(truth.intersection(names))
    if not names or not truth:
        return Named(0.0, 0.0, 0.0)
    return Named(hits / len(names), min(1.0, hits / min(len(truth), CAP)), float(names[0] in truth))


def culprits(right: People, said: People) -> Named | None:
    """The mean over the types that judge; None when nobody can be told."""
    each = [named(right, said, kind) for kind in right.judged()]
    if not each:
        return None
    return Named(
        sum(one.precision for one in each) / len(each),
        sum(one.recall for one in each) / len(each),
        sum(one.top for one in each) / len(each),
    )
