"""Does a finding point at the place where an incident is?"""

from __future__ import annotations

from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.labels import Benign, Incident, Place
from gatewatch.records import Kind

DEAD = Kind.DEAD_API.value


def agrees(claim: Claim, incident: Incident) -> bool:
    """True when the finding's API, stage and route are among those that the incident touches.

    A finding may name less than the incident (a stage where one route is hit) or more (one route of a stage that is
    hit), but never another stage or route. Only "dead" must name the very thing: an API is not dead because a route is.
    """
    if claim.place is None or not any(_inside(claim.place, row) for row in (*incident.scope, incident.place)):
        return False
    if incident.kind != DEAD or claim.kind != DEAD or incident.place.route is None:
        keys = incident.people.of("apiKeyIds") if incident.kind == DEAD and claim.kind == DEAD else ()
        return not keys or bool(set(keys) & set(claim.people.of("apiKeyIds")))
    return claim.place.route is not None


def tempted(claim: Claim, benign: Benign) -> bool:
    """The same for a window that must not be alarmed."""
    return claim.place is not None and _inside(claim.place, benign.place)


def _inside(place: Place, row: Place) -> bool:
    return (
        place.api == row.api
        and (place.stage is None or row.stage is None or place.stage == row.stage)
        and (place.route is None or row.route is None or place.route == row.route)
    )
