"""What a detector claims: findings as `gatewatch scan --format json|jsonl` prints them, or anybody's in that shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gatewatch.errors import UsageError
from gatewatch.evaluation.labels import Place
from gatewatch.evaluation.people import People, read_people
from gatewatch.evaluation.reading import Node, nodes
from gatewatch.records import Severity

_ADVICE = "give what `gatewatch scan --format json` prints"
NOTE = Severity.INFO.value


@dataclass(frozen=True, slots=True)
class Claim:
    """One finding. place None: it names no API. end None: open. severity "info" is a note, nobody is alerted by it.

    score: how sure, on the detector's own scale; ranks findings in power curves, decides nothing here.
    """

    id: str
    kind: str
    place: Place | None
    start: float
    end: float | None
    detected: float
    subtype: str | None = None
    cause: str | None = None
    layer: str | None = None
    severity: str = "medium"
    people: People = field(default_factory=People)
    score: float = 0.0

    @property
    def note(self) -> bool:
        return self.severity == NOTE


def read_claims(records: Sequence[Any], name: str) -> list[Claim]:
    """Findings of parsed JSON; UsageError names the first that is wrong."""
    return [_claim(node) for node in nodes(records, f"{name}: findings", _ADVICE)]


def findings_in(document: Any, name: str) -> list[Any]:
    """The list of findings in a whole document `{findings: [...]}`, or the document itself when it is a list."""
    found = document.get("findings") if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise UsageError(f"{name}: findings: {'is missing' if found is None else 'must be a list'}; {_ADVICE}")
    return found


def _claim(node: Node) -> Claim:
    api = node.optional_text("api_id")
    start = node.moment("start")
    end = node.optional_moment("end")
    if end is not None and end < start:
        raise node.wrong("end", "is before start")
    severity = node.optional_text("severity") or "medium"
    if severity not in [one.value for one in Severity]:
        raise node.wrong("severity", f"{severity[:40]!r} is none of {', '.join(Severity)}")
    return Claim(
        id=node.optional_text("id") or node.where.rsplit("[", 1)[-1].rstrip("]"),
        kind=node.text("kind"),
        place=None if api is None else Place(api, node.optional_text("stage"), node.optional_text("route")),
        start=start,
        end=end,
        detected=node.moment("detected_at"),
        subtype=node.optional_text("subtype"),
        cause=node.optional_text("cause"),
        layer=node.optional_text("layer"),
        severity=severity,
        people=read_people(node.child("entities")),
        score=node.number("score"),
    )
