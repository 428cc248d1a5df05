"""Asks every AWS connection for what is due: inventory, changes, metrics, traces. One that fails stops no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from gatewatch.connecting import Accounts
from gatewatch.errors import GatewatchError, mistake
from gatewatch.records import JSON
from gatewatch.store.connections import AwsConnection, connections, note_poll, poll_of
from gatewatch.store.state import State
from gatewatch.surroundings import Kept, keep, known_inventory
from ingest.aws.alarms import pull_alarms
from ingest.aws.config import pull_config, recorded
from ingest.aws.inventory import pull_inventory
from ingest.aws.metrics import USAGE, pull_metrics
from ingest.aws.pace import Ended
from ingest.aws.session import Aws
from ingest.aws.spending import on_behalf_of
from ingest.aws.trail import pull_changes
from ingest.aws.xray import pull_traces
from ingest.inputs import apis_of
from ingest.traces import traces_of

log = logging.getLogger(__name__)

EVERY: Mapping[str, timedelta] = {
    "inventory": timedelta(hours=1),
    "changes": timedelta(minutes=2),
    "metrics": timedelta(minutes=5),
    "traces": timedelta(minutes=5),
    "alarms": timedelta(minutes=5),
    "config": timedelta(hours=1),
    "usage": timedelta(hours=1),
}
"""Sources of a connection, in the order in which they are asked, and how often."""


PAYS: Mapping[str, str] = {"alarms": "changes", "config": "changes", "usage": "metrics"}
"""In whose name a source pays and pauses; the others in their own."""


@dataclass(frozen=True, slots=True)
class Polled:
    """One source of one connection in one region. error: one line, None when it went well."""

    connection: str
    region: str
    source: str
    kept: Kept | None
    error: str | None


SLOW = ("inventory", "config")
"""Many calls: minutes for an account of hundreds of APIs. Apart from the others, which must not wait for them."""

SLACK = timedelta(seconds=15)
"""What is due within it is asked now: the next turn is a minute away."""


def poll(
    state: State, accounts: Accounts, now: datetime, *, force: bool = False, slow: bool | None = None
) -> list[Polled]:
    """Ask what is due (force: everything that is switched on), and keep it. Nothing is raised for a source.

    slow: only what takes long, or only the rest. The first inventory of a region is of the rest, which build upon it.
    """
    with state.read() as session:
        known = connections(session)
    done = []
    for one in known:
        aws = accounts.open(one)
        try:
            regions = aws.regions
        except GatewatchError as error:
            done.append(Polled(one.name, "", "", None, str(error)))
            continue
        for region in regions:
            first = "inventory" in one.sources and not _tried(state, one.name, region, "inventory")
            for source in EVERY:
                mine = slow is None or slow == (source in SLOW and not first)
                if source in one.sources and mine:
                    result = _due(state, aws, one, region, source, now, force=force)
                    done += [] if result is None else [result]
    accounts.ledger.flush()
    return done


def _tried(state: State, connection: str, region: str, source: str) -> bool:
    with state.read() as session:
        return poll_of(session, connection, region, source) is not None


def _due(
    state: State, aws: Aws, one: AwsConnection, region: str, source: str, now: datetime, *, force: bool
) -> Polled | None:
    with state.read() as session:
        before = poll_of(session, one.name, region, source)
    if before is not None and not force and now - before.tried_at < EVERY[source] - SLACK:
        return None
    cursor = cast("Mapping[str, Any] | None", None if before is None else before.cursor)
    try:
        with on_behalf_of(PAYS.get(source, source)):
            with suppress(GatewatchError):  # then each call says what is wrong
                _ = aws.account  # whose calls share one pace: known before the first of them
            kept, after = _PULLS[source](state, aws, one, region, cursor, now)
    except Ended:  # not tried, so that the next start asks at once
        return None
    except Exception as error:  # the edge of a source: the others go on, whatever is wrong with this one
        said = str(error) if isinstance(error, GatewatchError) else mistake(error)
        if not isinstance(error, GatewatchError):
            log.exception("an AWS source broke", extra={"source": f"{one.name} {region} {source}"})
        state.run(lambda session: note_poll(session, one.name, region, source, now=now, error=said))
        log.warning("an AWS source failed", extra={"source": f"{one.name} {region} {source}", "reason": said})
        return Polled(one.name, region, source, None, said)
    state.run(lambda session: note_poll(session, one.name, region, source, now=now, cursor=after))
    return Polled(one.name, region, source, kept, None)


def _inventory(
    state: State,
    aws: Aws,
    one: AwsConnection,
    region: str,
    cursor: Mapping[str, Any] | None,  # noqa: ARG001  all is read each time
    now: datetime,
) -> tuple[Kept, JSON]:
    pulled = pull_inventory(aws, region, now, keys="keys" in one.sources)
    kept = keep(state, now=now, source=f"aws {one.name}", inventory=pulled.document)
    return kept, {"denied": cast(JSON, dict(pulled.denied))}


def _changes(
    state: State, aws: Aws, one: AwsConnection, region: str, cursor: Mapping[str, Any] | None, now: datetime
) -> tuple[Kept, JSON]:
    until = None if not cursor else datetime.fromisoformat(cursor["until"])
    events = pull_changes(aws, region, until, now)
    return keep(state, now=now, source=f"aws {one.name}", events=events), {"until": now.isoformat()}


def _metrics(
    state: State, aws: Aws, one: AwsConnection, region: str, cursor: Mapping[str, Any] | None, now: datetime
) -> tuple[Kept, JSON]:
    pulled = pull_metrics(aws, region, cursor, now, related=_related(known_inventory(state)))
    if pulled is None:
        return Kept(), None
    return keep(state, now=now, source=f"aws {one.name}", points=pulled.points), pulled.cursor


def _traces(
    state: State, aws: Aws, one: AwsConnection, region: str, cursor: Mapping[str, Any] | None, now: datetime
) -> tuple[Kept, JSON]:
    pulled = pull_traces(aws, region, cursor, now)
    if pulled is None:
        return Kept(), None
    spans = traces_of(pulled.traces).table
    return keep(state, now=now, source=f"aws {one.name}", spans=spans), pulled.cursor


def _alarms(
    state: State, aws: Aws, one: AwsConnection, region: str, cursor: Mapping[str, Any] | None, now: datetime
) -> tuple[Kept, JSON]:
    until = None if not cursor else datetime.fromisoformat(cursor["until"])
    names = {name: known.api for name, known in apis_of(known_inventory(state)).items()}
    events = pull_alarms(aws, region, until, now, names)
    return keep(state, now=now, source=f"aws {one.name}", events=events), {"until": now.isoformat()}


def _config(
    state: State, aws: Aws, one: AwsConnection, region: str, cursor: Mapping[str, Any] | None, now: datetime
) -> tuple[Kept, JSON]:
    until = None if not cursor else datetime.fromisoformat(cursor["until"])
    events = pull_config(aws, region, recorded(known_inventory(state), region), until, now)
    return keep(state, now=now, source=f"aws {one.name}", events=events), {"until": now.isoformat()}


def _usage(
    state: State, aws: Aws, one: AwsConnection, region: str, cursor: Mapping[str, Any] | None, now: datetime
) -> tuple[Kept, JSON]:
    pulled = pull_metrics(aws, region, cursor, now, namespaces=USAGE)
    if pulled is None:
        return Kept(), None
    return keep(state, now=now, source=f"aws {one.name}", points=pulled.points), pulled.cursor


_Pull = Callable[[State, Aws, AwsConnection, str, "Mapping[str, Any] | None", datetime], tuple[Kept, JSON]]
_PULLS: Mapping[str, _Pull] = {
    "inventory": _inventory,
    "changes": _changes,
    "metrics": _metrics,
    "traces": _traces,
    "alarms": _alarms,
    "config": _config,
    "usage": _usage,
}


def _related(inventory: Mapping[str, Any] | None) -> frozenset[str]:
    """Names of the functions, ACLs and pools that serve the APIs of the inventory."""
    known = inventory or {}
    functions = {str(one["functionArn"]).split(":function:")[-1].split(":")[0] for one in known.get("functions", ())}
    acls = {str(one["name"]) for one in known.get("webAcls", ())}
    return frozenset(functions | acls | {str(one["Id"]) for one in known.get("userPools", ())})
