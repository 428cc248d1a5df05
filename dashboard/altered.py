"""What people and tools changed, as the Changes page shows it: a timeline, what was before, and who suspects it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dashboard.view import View, Window
from detect.asked import effect_of
from detect.changes import class_of
from detect.configuration import UNKNOWN, Subject, Unknown, Value, Version, before
from detect.resources import Links, links
from detect.risks import Before, risk_of
from detect.tools import tool_of
from gatewatch.errors import UsageError
from gatewatch.inventory_diff import differences
from gatewatch.privacy import Privacy
from gatewatch.records import ChangeEvent, Finding, Severity
from gatewatch.store.changes import changes
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.inventories import Snapshot, current_inventory, snapshot_document, snapshots
from gatewatch.store.state import Session, State
from gatewatch.surroundings import settings_versions
from gatewatch.where import Grammar, Term, Type, parse

KNOWN_BEFORE = timedelta(days=30)
"""How far back a value is looked for in earlier changes."""

SUSPECTS = timedelta(days=7)
MOST_EVENTS = 2000
MOST_FINDINGS = 300
MOST_DRIFT = 60
NO_RISK = "none"

FIELDS = ("actor", "tool", "type", "risk", "resource", "service", "account", "region")
GRAMMAR = Grammar(dict.fromkeys(FIELDS, Type.TEXT), {})


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that a change gave another value. risk None: none that we know of."""

    subject: Subject
    name: str
    before: Before
    after: Value
    risk: Severity | None


@dataclass(frozen=True, slots=True)
class Altered:
    """A change. type: detect.changes.class_of. suspects: findings that name it as a candidate cause."""

    event: ChangeEvent
    type: str
    tool: str
    settings: tuple[Setting, ...] = ()
    suspects: tuple[Finding, ...] = ()

    @property
    def risk(self) -> Severity | None:
        return max((one.risk for one in self.settings if one.risk), key=lambda risk: risk.rank, default=None)

    def value(self, name: str) -> str:
        """Of a field that can be filtered."""
        change, event = self.event.change, self.event
        return {
            "actor": change.actor,
            "tool": self.tool,
            "type": self.type,
            "risk": self.risk.value if self.risk else NO_RISK,
            "resource": change.resource,
            "service": event.service,
            "account": event.account or "",
            "region": event.region or "",
        }[name]


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs between two versions of an inventory, one line each."""

    old: Snapshot
    new: Snapshot
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """changes: those that are shown, newest first. facets: values of a field with how many changes have them."""

    window: Window
    changes: list[Altered]
    total: int
    facets: Mapping[str, list[tuple[str, int]]]
    chosen: Altered | None
    drift: list[Drift]
    wrong: list[str] = field(default_factory=list)


def altered(state: State, view: View, window: Window, privacy: Privacy, *, most: int = MOST_EVENTS) -> Changes:
    """The changes of the view's time, API and conditions (`f`, and `q` in any of their texts); sel: one of them."""
    terms, wrong = _terms(view)
    with state.read() as session:
        events = changes(session, window.since - KNOWN_BEFORE, window.until)
        linked = links(current_inventory(session))
        versions = settings_versions(session, window.since - KNOWN_BEFORE, window.until)
        found = _findings(session, window)
        drift = _drift(session)
    everything = _judged(events, versions, window)
    mine = [one for one in everything if _scoped(one.event, view, linked)]
    shown = [_seen(_suspected(one, found), privacy) for one in mine]
    kept = [one for one in shown if all(_fits(one, term) for term in terms) and _says(one, view.q)]
    kept.reverse()
    return Changes(
        window=window,
        changes=kept[:most],
        total=len(kept),
        facets={name: Counter(one.value(name) for one in kept).most_common(12) for name in FIELDS[:5]},
        chosen=next((one for one in shown if one.event.id == view.sel), None) if view.sel else None,
        drift=drift,
        wrong=wrong,
    )


def _terms(view: View) -> tuple[list[Term], list[str]]:
    terms, wrong = [], []
    for text in view.f:
        try:
            terms.append(parse(text, GRAMMAR))
        except UsageError:
            wrong.append(text)
    return terms, wrong


def _fits(one: Altered, term: Term) -> bool:
    value, wanted = one.value(term.field), [str(text) for text in term.values]
    if term.op == "is":
        return (value == "") == (wanted[0] == "empty")
    if term.op in ("~", "!~"):
        return (wanted[0].lower() in value.lower()) != (term.op == "!~")
    return (value in wanted) != (term.op in ("!=", "not in"))


def _says(one: Altered, text: str | None) -> bool:
    if not text:
        return True
    change = one.event.change
    return any(text.lower() in said.lower() for said in (change.what, change.actor, change.resource))


def _scoped(event: ChangeEvent, view: View, linked: Links) -> bool:
    """Whether the change lies in the scope; one whose account or region is not known is not kept out by them."""
    if view.api is not None and not _touches(event, view.api, linked):
        return False
    if (view.account and event.account not in (None, view.account)) or (
        view.region and event.region not in (None, view.region)
    ):
        return False
    if view.places is None:
        return True
    return any(_touches(event, api, linked) for api in {one.partition("/")[0] for one in view.places})


def _touches(event: ChangeEvent, api: str, linked: Links) -> bool:
    resource = event.change.resource
    return api in resource.split("/") or any(name == api for name, _ in linked.places(resource))


def _judged(events: Sequence[ChangeEvent], versions: Sequence[Version], window: Window) -> list[Altered]:
    """The events of the window with what each setting was before: by an earlier event or an inventory, if newer."""
    known: dict[Subject, tuple[datetime, Value]] = {}
    out = []
    for event in events:
        settings = []
        for asked in effect_of(event).asked:
            subject, at = asked.subject, event.change.at
            version = before(versions, subject.account, subject.region, at)
            said = known.get(subject)
            old: Before = UNKNOWN if version is None else version.value(subject)
            if said is not None and (version is None or version.at is None or said[0] >= version.at):
                old = said[1]
            old = asked.before if isinstance(old, Unknown) else old
            risk = risk_of(subject.what, old, asked.value, made=asked.made)
            name = (version.names.get(f"{subject.api}/{subject.name.partition('/')[0]}") if version else None) or ""
            settings.append(
                Setting(subject, name or subject.name, old, asked.value, None if risk is None else risk.severity)
            )
            known[subject] = (at, asked.value)
        if window.since <= event.change.at:
            change = event.change
            out.append(Altered(event, class_of(change.what), tool_of(event.user_agent, change.actor), tuple(settings)))
    return out


def _findings(session: Session, window: Window) -> list[Finding]:
    wish = FindingFilter(since=window.since, until=window.until + SUSPECTS)
    listed = list_findings(session, wish, limit=MOST_FINDINGS, series=False).items
    return [one.finding for one in listed if one.finding.changes]


def _suspected(one: Altered, found: Sequence[Finding]) -> Altered:
    change = one.event.change
    mine = tuple(
        finding
        for finding in found
        if any(
            (other.at, other.what, other.resource) == (change.at, change.what, change.resource)
            for other in finding.changes
        )
    )
    return replace(one, suspects=mine) if mine else one


def _seen(one: Altered, privacy: Privacy) -> Altered:
    """With of people what may be seen."""
    if not privacy.on:
        return one
    change = one.event.change
    masked = replace(change, what=privacy.text(change.what) or "", actor=privacy.text(change.actor) or "")
    return replace(one, event=replace(one.event, change=masked, user_agent=None, detail=None))


def _drift(session: Session) -> list[Drift]:
    """The last change of each account's and region's inventory, whoever made it."""
    chains: dict[tuple[str | None, str | None], list[Snapshot]] = {}
    for one in snapshots(session):
        chains.setdefault((one.account, one.region), []).append(one)
    out = []
    for chain in chains.values():
        if len(chain) > 1:
            old, new = chain[-2:]
            before_, after = (snapshot_document(session, one.id) for one in (old, new))
            lines = []
            for line in differences(before_, after):
                lines.append(line)
                if len(lines) > MOST_DRIFT:
                    break
            out.append(Drift(old, new, lines))
    return sorted(out, key=lambda one: one.new.taken_at, reverse=True)


def unknown(value: Before) -> bool:
    return isinstance(value, Unknown)
