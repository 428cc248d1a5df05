"""Every API and stage that is declared or called: what it is, who answers for it, how it does, and whether it lives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import pyarrow as pa

from dashboard.data import Reader
from dashboard.inventoried import ApiDoc, Inventory, inventory_of
from dashboard.names import Names
from dashboard.scoping import inside
from dashboard.summing import Grid, by_key, grid_of, needs, quantiles_by, scope_of
from dashboard.view import View, Window, window_of
from gatewatch.frames.merge import distinct_estimate
from gatewatch.records import Kind, Severity
from gatewatch.store.coarse import ApiSeen, api_list
from gatewatch.store.findings import FindingFilter
from gatewatch.store.groups import minute_clients, minute_histograms, minute_sums
from gatewatch.store.inventories import current_inventory
from gatewatch.store.opened import Opened, opened
from gatewatch.store.state import State

MOST_ROWS = 500
_POINTS = 3  # a small line needs no more than 40 points


class Life(StrEnum):
    """Whether an API stage is used, by the vocabulary of the dead-API detector (docs/detection.md)."""

    DOWN = "down"
    SHADOW = "shadow"
    ZOMBIE = "zombie"
    DEAD = "dead"
    NEVER = "never called"
    QUIET = "quiet"
    LIVE = "live"


LIVES: dict[Life, str] = {
    Life.DOWN: "An open finding says that it does not answer, or was taken offline.",
    Life.SHADOW: "Called, but not declared in the inventory of its account.",
    Life.ZOMBIE: "Marked deprecated, and still called.",
    Life.DEAD: "An open finding says that nobody calls it any more.",
    Life.NEVER: "Declared, and never called in all logs that were read.",
    Life.QUIET: "No call in this range; there were calls before.",
    Life.LIVE: "Called in this range.",
}

_DEAD = frozenset({"dead", "no_longer_called", "only_health_checks", "only_scanners", "unproven"})
_DOWN = frozenset({"live_outage", "taken_offline"})


@dataclass(frozen=True, slots=True)
class ApiLine:
    """A stage, or an API without one. None and NaN: not known; `callers` and `p95_ms` say why in `unknown`."""

    api: str
    stage: str | None
    account: str | None
    region: str | None
    api_type: str | None
    name: str
    owner: str | None
    auth: tuple[str, ...] | None
    routes_declared: int | None
    routes_called: int
    callers: float
    last_at: datetime | None
    n: int
    refused: int
    failed: int
    p95_ms: float
    requests: tuple[float, ...]
    open_findings: int
    worst: Severity | None
    life: Life
    unknown: dict[str, str]

    @property
    def error_share(self) -> float:
        """5xx; what clients are refused for is no error of the API."""
        return self.failed / self.n if self.n else float("nan")


@dataclass(frozen=True, slots=True)
class Apis:
    """inventory: whether one is known. total: with the rows that did not fit."""

    window: Window
    rows: list[ApiLine]
    inventory: bool
    total: int
    names: Names


def known_inventory(state: State) -> Inventory:
    with state.read() as session:
        return inventory_of(current_inventory(session))


def apis(reader: Reader, view: View, *, most: int = MOST_ROWS) -> Apis | None:
    """None: nothing was ever ingested, and no inventory is known."""
    state = reader.store()
    known = known_inventory(state)
    window = reader.window(view)
    if window is None and not known.known:
        return None
    window = window or window_of(view, None, reader.now())
    ever = {(one.api or "", one.stage): one for one in _merged(api_list(state))}
    rows = [line for line in _lines(state, window, view, known, ever) if _wanted(line, view)]
    rows.sort(key=lambda line: (-(line.worst.rank if line.worst else -1), -line.n, line.name, line.stage or ""))
    return Apis(window, rows[:most], known.known, len(rows), reader.names())


def _wanted(line: ApiLine, view: View) -> bool:
    if not inside(view, line.api, line.stage or "", account=line.account, region=line.region):
        return False
    text = (view.q or "").lower()
    return not text or any(
        text in (one or "").lower() for one in (line.api, line.name, line.stage, line.owner, line.life.value)
    )


def _merged(seen: Iterable[ApiSeen]) -> list[ApiSeen]:
    """One for each API and stage: accounts and types apart would be one row twice."""
    out: dict[tuple[str | None, str | None], ApiSeen] = {}
    for one in seen:
        key = (one.api, one.stage)
        if key not in out or one.last_at > out[key].last_at:
            out[key] = one
    return list(out.values())


def _lines(
    state: State,
    window: Window,
    view: View,
    known: Inventory,
    ever: dict[tuple[str, str | None], ApiSeen],
) -> list[ApiLine]:
    scope = scope_of(window, view)
    keys = ("api", "stage")
    sums = by_key(minute_sums(state, scope, keys, ("n", "s4xx", "s5xx")), keys)
    slow = quantiles_by(minute_histograms(state, scope, keys), keys)
    sketches = minute_clients(state, scope, keys)
    counted = distinct_estimate(sketches.column("clients_k").combine_chunks()).tolist() if len(sketches) else []
    callers = dict(zip(by_key(sketches, keys), counted, strict=True))
    routes = _called_routes(state, view, window)
    grid = grid_of(state, window, coarser=_POINTS)
    small = minute_sums(state, scope, keys, step=grid.size)
    spark = _sparks(small, grid, keys)
    found: dict[tuple[str, str | None], list[Opened]] = defaultdict(list)
    with state.read() as session:
        for one in opened(session, FindingFilter(api=view.api)):
            found[one.api, one.stage].append(one)
    stages = {(one.id, stage.name): one for one in known.apis.values() for stage in one.stages}
    bare = {(one.id, None): one for one in known.apis.values() if not one.stages}
    places: dict[tuple[str, str | None], None] = dict.fromkeys((*ever, *stages, *bare))
    have = {api for api, _ in places}
    places |= dict.fromkeys(key for key in found if key[1] is not None or key[0] not in have)
    out = []
    for key in places:
        api, stage = key
        doc = known.apis.get(api)
        row = sums.get(key, {})
        mine = found.get(key, []) + (found.get((api, None), []) if stage is not None else [])
        n, seen = int(row.get("n") or 0), ever.get(key)
        visible = row.get("visible")
        unknown = {}
        if n and (why := needs(visible, "latency_ms")):
            unknown["p95"] = why
        if n and (why := needs(visible, "api_key_id", "principal", "client_ip")):
            unknown["callers"] = why
        out.append(
            ApiLine(
                api=api,
                stage=stage,
                account=(seen.account if seen else None) or (doc.account if doc else None),
                region=(seen.region if seen else None) or (doc.region if doc else None),
                api_type=doc.api_type if doc else seen.api_type if seen else None,
                name=doc.name if doc else api,
                owner=doc.owner(stage) if doc else None,
                auth=doc.auth if doc and not doc.unread & {"resources", "Routes"} else None,
                routes_declared=len(doc.routes) if doc and not doc.unread & {"resources", "Routes"} else None,
                routes_called=routes.get(key, 0),
                callers=float("nan") if "callers" in unknown else callers.get(key, 0.0),
                last_at=seen.last_at if seen else None,
                n=n,
                refused=int(row.get("s4xx") or 0),
                failed=int(row.get("s5xx") or 0),
                p95_ms=slow.get(key, (float("nan"),))[0],
                requests=spark.get(key, ()),
                open_findings=sum(one.n for one in mine),
                worst=max((one.severity for one in mine), key=lambda one: one.rank, default=None),
                life=life(key, doc, known, seen, n, mine),
                unknown=unknown,
            )
        )
    return out


def _called_routes(state: State, view: View, window: Window) -> dict[tuple[str | None, ...], int]:
    """By stage: routes that answered somebody. What only scanners ask for is no route."""
    names = ("api", "stage", "route")
    found = minute_sums(state, scope_of(window, view), names, ("s1xx", "s2xx", "s3xx"))
    out: dict[tuple[str | None, ...], int] = defaultdict(int)
    for row in found.to_pylist():
        if row["route"] is not None and row["s1xx"] + row["s2xx"] + row["s3xx"] > 0:
            out[row["api"], row["stage"]] += 1
    return out


def _sparks(table: pa.Table, grid: Grid, keys: Sequence[str]) -> dict[tuple[str | None, ...], tuple[float, ...]]:
    groups: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for place, key in enumerate(zip(*(table.column(name).to_pylist() for name in keys), strict=True)):
        groups[key].append(place)
    return {key: tuple(grid.line(table.take(np.array(rows)), "n").tolist()) for key, rows in groups.items()}


def life(
    key: tuple[str, str | None],
    doc: ApiDoc | None,
    known: Inventory,
    seen: ApiSeen | None,
    n: int,
    found: Sequence[Opened],
) -> Life:
    """Whether the stage lives: by open findings first, then by the inventory, then by its calls."""
    said = {one.subtype for one in found if one.kind is Kind.DEAD_API and one.route is None}
    if said & _DOWN:
        return Life.DOWN
    if "shadow" in said or (seen is not None and undeclared(key, doc, known, seen)):
        return Life.SHADOW
    if seen is not None and ("zombie" in said or (doc is not None and doc.deprecated)):
        return Life.ZOMBIE
    if said & _DEAD:
        return Life.DEAD
    if seen is None:
        return Life.NEVER
    return Life.LIVE if n else Life.QUIET


def undeclared(key: tuple[str, str | None], doc: ApiDoc | None, known: Inventory, seen: ApiSeen) -> bool:
    """It is called, and the inventory of its account and region does not have it."""
    if doc is not None:
        return bool(doc.stages) and "stages" not in doc.unread and doc.stage(key[1]) is None and key[1] is not None
    here = {(one.account, one.region) for one in known.apis.values()}
    return seen.account is not None and (seen.account, seen.region) in here


def shown_client(reader: Reader, known: Inventory, client_id: str | None) -> tuple[str, str]:
    """(what kind of identity it is, how it may be shown)."""
    kind, _, value = (client_id or "").partition(":")
    if not value:
        return "", "nobody that the logs name"
    if kind == "key":
        name = known.key_name(value)
        return "API key", f"{name} · {value}" if name else value
    if kind == "principal":
        return "principal", reader.privacy.name(value)
    return "address", reader.privacy.address(value)
