"""Labels, and findings made of them: an oracle and some cheats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.labels import Benign, Incident, Labels, Place
from gatewatch.evaluation.match import KINDS
from gatewatch.evaluation.people import People
from gatewatch.records import iso

START = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
DAY = 86_400.0
HOUR = 3_600.0


def at(hours: float) -> float:
    return START + hours * HOUR


def an_incident(ident: str = "i1", *, hours: float = 100.0, lasts: float | None = 2.0, **changes: Any) -> Incident:
    place = Place(changes.pop("api", "api1"), "prod", changes.pop("route", None))
    made: dict[str, Any] = {
        "id": ident,
        "scenario": "brute_force",
        "kind": "auth_failure_spike",
        "subtypes": ("brute_force", "password_spray"),
        "level": "moderate",
        "traffic": "busy",
        "place": place,
        "scope": (place,),
        "start": at(hours),
        "end": None if lasts is None else at(hours + lasts),
        "causes": ("client",),
        "people": People({"ips": ("203.0.113.7",)}),
    }
    return Incident(**{**made, **changes})


def labels(*incidents: Incident, days: float = 14.0, apis: int = 2, benign: tuple[Benign, ...] = ()) -> Labels:
    names = tuple(f"api{number + 1}" for number in range(apis))
    return Labels(START, START + days * DAY, names, incidents, benign)


def a_claim(incident: Incident, *, delay: float = 0.0, **changes: Any) -> Claim:
    """What an oracle says about an incident, `delay` seconds late."""
    made = Claim(
        id=f"f-{incident.id}",
        kind=incident.kind,
        place=incident.place,
        start=incident.start,
        end=incident.end,
        detected=incident.start + delay,
        subtype=incident.subtypes[0],
        cause=incident.causes[0] if incident.causes else None,
        layer=incident.layer,
        severity="high",
        people=incident.people,
    )
    return replace(made, **changes)


def oracle(truth: Labels) -> list[Claim]:
    return [a_claim(incident) for incident in truth.incidents]


def flood(truth: Labels, every: float) -> Iterator[Claim]:
    """A finding of each kind on each API every so many seconds, never open for longer."""
    for api in truth.apis:
        for kind in KINDS:
            moment, number = truth.start, 0
            while moment < truth.end:
                place = Place(api, "prod")
                yield Claim(f"{api} {kind} {number}", kind, place, moment, moment + every, moment, severity="high")
                moment, number = moment + every, number + 1


def labels_document(truth: Labels) -> dict[str, Any]:
    """As `gatewatch simulate` writes them."""

    def place(one: Place) -> dict[str, Any]:
        return {"api_id": one.api, "stage": one.stage, "route": one.route}

    incidents = [
        {
            "id": one.id,
            "scenario": one.scenario,
            "kind": one.kind,
            "subtype": one.subtypes[0],
            "accept_subtypes": list(one.subtypes[1:]),
            "level": one.level,
            "traffic": one.traffic,
            **place(one.place),
            "scope": [place(row) for row in one.scope],
            "start": moment(one.start),
            "end": None if one.end is None else moment(one.end),
            "entities": {name: list(values) for name, values in one.people.names.items()},
            "cause": one.causes[0],
            "accept_causes": list(one.causes[1:]),
            "layer": one.layer,
            "tell": "",
        }
        for one in truth.incidents
    ]
    benign = [
        {
            "id": one.id,
            "scenario": one.scenario,
            **place(one.place),
            "start": moment(one.start),
            "end": None if one.end is None else moment(one.end),
            "why": "",
        }
        for one in truth.benign
    ]
    return {
        "schema_version": 1,
        "seed": 1,
        "settings": {},
        "start": moment(truth.start),
        "end": moment(truth.end),
        "apis": [{"api_id": api} for api in truth.apis],
        "incidents": incidents,
        "benign": benign,
    }


def finding_document(claim: Claim) -> dict[str, Any]:
    """As `gatewatch scan --format json` prints it, as far as it is looked at."""
    place = claim.place
    return {
        "id": claim.id,
        "kind": claim.kind,
        "subtype": claim.subtype,
        "severity": claim.severity,
        "api_id": None if place is None else place.api,
        "stage": None if place is None else place.stage,
        "route": None if place is None else place.route,
        "start": moment(claim.start),
        "end": None if claim.end is None else moment(claim.end),
        "detected_at": moment(claim.detected),
        "entities": {name: list(values) for name, values in claim.people.names.items()},
        "cause": claim.cause,
    }


def moment(seconds: float) -> str:
    return iso(datetime.fromtimestamp(seconds, UTC))
