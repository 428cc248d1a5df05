"""Limits: what was throttled, by whom and at whose cost, how much of plans and of the account is left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dashboard.data import Reader
from dashboard.data_apis import known_inventory
from dashboard.inventoried import Inventory, Limit, PlanDoc
from dashboard.names import Names
from dashboard.refusals import SCOPES
from dashboard.scoping import beside, inside
from dashboard.summing import Grid, grid_of, needs, scope_of
from dashboard.view import View, Window
from gatewatch.frames import cause_column, scope_column
from gatewatch.records import THROTTLE_SCOPES, Kind
from gatewatch.store.demand import Period, key_use, keys_of, peaks, plan_use, throttled_callers
from gatewatch.store.findings import FindingFilter, StoredFinding, list_findings
from gatewatch.store.groups import Scope, minute_sums
from gatewatch.store.state import State

QUOTA = "usage plan quota"
MOST_KEYS = 200
MOST_CALLERS = 500
MOST_STAGES = 100
FIRST = 0.25
"""Share of all calls in the throttled minutes from which on one caller of many is who fills a limit."""

AHEAD = 4.0
"""So many times an equal share of the calls it must ask for besides."""

LATELY_HOURS = 24
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_PERIODS = {"DAY": "a day", "WEEK": "a week", "MONTH": "a month"}
ACCOUNT_DEFAULT = Limit(10_000, 5_000)
"""Of AWS, for an account and region (aws-facts.md 9)."""


class Role(StrEnum):
    """own: beyond a limit that is its own. offender: fills a limit that others share. victim: refused by it besides."""

    OWN = "beyond its own limit"
    OFFENDER = "fills a shared limit"
    VICTIM = "victim"


@dataclass(frozen=True, slots=True)
class Throttled:
    """In the throttled minutes of an API and stage. share: of all calls then. peak: most calls in one second."""

    api: str
    stage: str
    client_id: str | None
    role: Role
    asked: int
    refused: int
    quota: int
    peak: int
    share: float
    first_at: datetime
    last_at: datetime
    plan: PlanDoc | None


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key and what it had of its plan in the current period. over: served beyond the quota. runs_out: (from, to)."""

    plan: PlanDoc
    key: str
    name: str | None
    served: int
    throttled: int
    cut_by_quota: int
    since: datetime
    resets: datetime
    hour: float
    runs_out: tuple[datetime, datetime | None] | None
    peak: int

    @property
    def used_share(self) -> float:
        return self.served / self.plan.quota if self.plan.quota else float("nan")

    @property
    def over(self) -> int:
        return max(self.served - self.plan.quota, 0) if self.plan.quota else 0


@dataclass(frozen=True, slots=True)
class StageLine:
    """peak: most calls in one second, and when. limit: what the inventory says of the stage."""

    api: str
    stage: str | None
    n: int
    peak: int
    peak_at: datetime
    p99: int
    limit: Limit


@dataclass(frozen=True, slots=True)
class AccountLine:
    account: str | None
    region: str | None
    peak: int
    peak_at: datetime
    p99: int
    limit: Limit
    read: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """series: which limit -> line. told: whether the logs say which limit it was."""

    window: Window
    grid: Grid
    series: Mapping[str, list[float]]
    total: int
    throttled: int
    quota: int
    offenders: list[Throttled]
    victims: list[Throttled]
    keys: list[KeyLine]
    more_keys: int
    stages: list[StageLine]
    every_stage: int
    accounts: list[AccountLine]
    findings: list[StoredFinding]
    inventory: Inventory
    names: Names
    unknown_who: str | None
    told: bool


def limits(reader: Reader, view: View) -> Limits | None:
    """None: nothing was ever ingested."""
    window = reader.window(view)
    if window is None:
        return None
    state, scope = reader.store(), scope_of(window, view)
    grid = grid_of(state, window)
    columns = {scope_column(name): SCOPES[name] for name in THROTTLE_SCOPES} | {cause_column("quota"): QUOTA}
    buckets = minute_sums(state, scope, (), (*columns, "n", cause_column("throttle")), step=grid.size)
    visible = 0
    for mask in buckets.column("visible").to_pylist():
        visible |= mask or 0
    series = _series(grid, grid.lines(buckets, columns), grid.line(buckets, cause_column("throttle")))
    throttled = int(np.nansum(grid.line(buckets, cause_column("throttle"))))
    quota = int(np.nansum(grid.line(buckets, cause_column("quota"))))
    known = known_inventory(state)
    cut = throttled_of(state, scope, known) if throttled + quota else []
    keys, more = keys_left(reader, view, window, known)
    stages = stages_left(state, scope, known)
    return Limits(
        window=window,
        grid=grid,
        series=series,
        total=int(np.nansum(grid.line(buckets, "n"))),
        throttled=throttled,
        quota=quota,
        offenders=[one for one in cut if one.role is not Role.VICTIM],
        victims=sorted((one for one in cut if one.role is Role.VICTIM), key=lambda one: (-one.refused, one.asked)),
        keys=keys,
        more_keys=more,
        stages=stages[:MOST_STAGES],
        every_stage=len(stages),
        accounts=_accounts(state, window, known),
        findings=reader.all_shown(_findings(state, window, view)),
        inventory=known,
        names=reader.names(),
        unknown_who=needs(0, "api_key_id", "principal", "client_ip")
        if cut and not any(one.client_id for one in cut)
        else None,
        told=any(name not in (SCOPES["unknown"], QUOTA) and np.nansum(line) > 0 for name, line in series.items()),
    )


def _series(grid: Grid, lines: Mapping[str, list[float]], throttled: Any) -> dict[str, list[float]]:
    """What has no scope in the minutes is of a limit that is not told."""
    named = np.nansum([line for name, line in lines.items() if name != QUOTA], axis=0)
    rest = np.where(np.isnan(throttled), np.nan, np.maximum(np.nan_to_num(throttled) - named, 0))
    unknown = SCOPES["unknown"]
    out = dict(lines)
    out[unknown] = (np.nan_to_num(np.array(lines[unknown])) + rest).tolist()
    assert len(out[unknown]) == len(grid.at)
    return out


def throttled_of(state: State, scope: Scope, known: Inventory, *, most: int = MOST_CALLERS) -> list[Throttled]:
    """Who was refused by a limit, most refused first."""
    out = []
    for row in throttled_callers(state, scope, limit=most).to_pylist():
        if not row["refused"]:
            continue
        kind, _, value = (row["client_id"] or "").partition(":")
        plan = known.plan_of(value, row["api"], row["stage"]) if kind == "key" else None
        out.append(
            Throttled(
                api=row["api"],
                stage=row["stage"],
                client_id=row["client_id"],
                role=role(row, plan),
                asked=row["asked"],
                refused=row["refused"],
                quota=row["quota"],
                peak=row["peak"],
                share=row["asked"] / row["whole"],
                first_at=row["first"],
                last_at=row["last"],
                plan=plan,
            )
        )
    return sorted(out, key=lambda one: (-one.refused, one.api, one.client_id or ""))


def role(row: Mapping[str, Any], plan: PlanDoc | None) -> Role:
    """Of a caller that was refused: whose limit it was, as far as demand and plans tell."""
    if row["quota"] * 2 >= row["refused"]:
        return Role.OWN
    if plan is not None and plan.limit.rate is not None and row["peak"] > plan.limit.rate:
        return Role.OWN
    if row["callers"] == 1:
        return Role.OWN
    share = row["asked"] / row["whole"]
    return Role.OFFENDER if share >= FIRST and share >= min(AHEAD / row["callers"], 0.5) else Role.VICTIM


def period_of(plan: PlanDoc, now: datetime) -> tuple[datetime, datetime]:
    """Begin and end of the quota's period at a time, in UTC. AWS does not say when a week begins: on Monday here."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if plan.period == "MONTH":
        first = day.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    if plan.period == "WEEK":
        first = day - timedelta(days=day.weekday())
        return first, first + timedelta(days=7)
    return day, day + _DAY


def keys_left(
    reader: Reader, view: View, window: Window, known: Inventory, *, most: int = MOST_KEYS
) -> tuple[list[KeyLine], int]:
    """Every key of every plan in scope, those that have least left first."""
    plans = [
        one
        for one in known.plans
        if (view.api is None and view.places is None) or any(inside(view, api, stage) for api, stage in one.stages)
    ]
    if not plans:
        return [], 0
    state, until = reader.store(), window.until
    begin = min([window.since, *(period_of(one, until)[0] for one in plans if one.quota)])
    told = [sorted(one.keys) for one in plans if one.keys is not None]
    only = sorted({key for keys in told for key in keys}) if len(told) == len(plans) else None
    scope = scope_of(window, view, route=None)
    used = key_use(state, replace(scope, since=begin), keys=only)
    peak: dict[str, int] = {}
    for row in peaks(state, scope, ("api_key_id",), keys=only).to_pylist():
        if row["api_key_id"]:
            peak[row["api_key_id"]] = row["peak"]
    by_id = {plan.id: plan for plan in plans}
    since = {plan.id: period_of(plan, until - _MINUTE)[0] if plan.quota else window.since for plan in plans}
    counted = []
    for row in keys_of(used):
        api, stage, key = row["api"], row["stage"], row["api_key_id"]
        plan = known.plan_of(key, api, stage)
        if plan is not None and plan.id in by_id and (api, stage) in plan.stages:
            counted.append(Period(plan.id, api, stage, key, since[plan.id]))
    told_of = plan_use(used, counted, window.since, until)
    rows = told_of.select([name for name in told_of.column_names if name != "lately"]).to_pylist()
    lately = lately_of(told_of, until)
    found = {(row["plan"], row["api_key_id"]): (place, row) for place, row in enumerate(rows)}
    every = dict.fromkeys([*((plan.id, key) for plan in plans for key in plan.keys or ()), *found])

    def left(one: tuple[str, str]) -> tuple[float, float, int, str]:
        served = found[one][1]["served"] if one in found else 0
        return _least_left(by_id[one[0]], one[1], served, peak.get(one[1], 0))

    lines = []
    for one in sorted(every, key=left)[:most]:
        plan, key = by_id[one[0]], one[1]
        place, row = found.get(one, (None, None))
        hours = [0] * LATELY_HOURS if place is None else lately[place].tolist()
        lines.append(_key_line(plan, key, known.key_name(key), row, hours, window, peak.get(key, 0)))
    return lines, max(len(every) - most, 0)


def _least_left(plan: PlanDoc, key: str, served: int, peak: int) -> tuple[float, float, int, str]:
    used = served / plan.quota if plan.quota else -1.0
    busy = peak / plan.limit.rate if plan.limit.rate else 0.0
    return (-used, -busy, -served, key)


def _key_line(
    plan: PlanDoc,
    key: str,
    name: str | None,
    used: Mapping[str, Any] | None,
    lately: Sequence[int],
    window: Window,
    peak: int,
) -> KeyLine:
    since, resets = period_of(plan, window.until - _MINUTE) if plan.quota else (window.since, window.until)
    told: Mapping[str, Any] = used or {"served": 0, "throttled": 0, "quota": 0}
    return KeyLine(
        plan=plan,
        key=key,
        name=name,
        served=told["served"],
        throttled=told["throttled"],
        cut_by_quota=told["quota"],
        since=since,
        resets=resets,
        hour=sum(lately) / len(lately),
        runs_out=runs_out(plan.quota - told["served"], lately, window.until, resets) if plan.quota else None,
        peak=peak,
    )


def lately_of(told: pa.Table, until: datetime) -> npt.NDArray[np.int64]:
    """Served in each of the last 24 whole hours, the last one first, of each row of `plan_use`: (rows, 24)."""
    sums = np.zeros((told.num_rows, LATELY_HOURS), dtype=np.int64)
    if not told.num_rows:
        return sums
    lists = told.column("lately").combine_chunks()
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    hour, served = (pc.struct_field(lists.flatten(), name) for name in ("hour", "served"))
    last = int(until.replace(minute=0, second=0, microsecond=0).timestamp()) // 3600
    back = last - hour.cast(pa.timestamp("s", "UTC")).cast(pa.int64()).to_numpy() // 3600 - 1
    rows, inside = np.repeat(np.arange(told.num_rows), lengths), (back >= 0) & (back < LATELY_HOURS)
    np.add.at(sums, (rows[inside], back[inside]), served.to_numpy()[inside])
    return sums


def runs_out(
    left: int, lately: Sequence[int], now: datetime, resets: datetime
) -> tuple[datetime, datetime | None] | None:
    """When nothing is left if the next hours are like the last ones: the earliest and the latest probable time.

    The pace is the mean of these hours, give or take two standard errors. None: not before the period ends. The second
    is None when it may also last until then.
    """
    if left <= 0:
        return now, now
    mean = sum(lately) / len(lately)
    error = math.sqrt(sum((one - mean) ** 2 for one in lately) / max(len(lately) - 1, 1) / len(lately))
    fast, slow = mean + 2 * error, mean - 2 * error
    if fast <= 0:
        return None
    early = now + timedelta(hours=min(left / fast, 24 * 400))
    late = now + timedelta(hours=min(left / slow, 24 * 400)) if slow > 0 else None
    if early >= resets:
        return None
    return early, late if late is not None and late < resets else None


def stages_left(state: State, scope: Scope, known: Inventory) -> list[StageLine]:
    out = []
    for row in peaks(state, scope, ("api", "stage")).to_pylist():
        doc = known.apis.get(row["api"] or "")
        stage = doc.stage(row["stage"]) if doc else None
        limit = stage.limit if stage else Limit()
        out.append(StageLine(row["api"] or "", row["stage"], row["n"], row["peak"], row["peak_at"], row["p99"], limit))
    return sorted(out, key=lambda one: (-(one.peak / one.limit.rate if one.limit.rate else 0), -one.peak))


def _accounts(state: State, window: Window, known: Inventory) -> list[AccountLine]:
    """The whole account's peak, whatever API is chosen: they share its limit."""
    rows = peaks(state, Scope(window.since, window.until), ("account", "region")).to_pylist()
    one = len(rows) == 1 and known.account.set
    return [
        AccountLine(
            row["account"],
            row["region"],
            row["peak"],
            row["peak_at"],
            row["p99"],
            known.account if one else ACCOUNT_DEFAULT,
            one,
        )
        for row in rows[:20]
    ]


def _findings(state: State, window: Window, view: View) -> list[StoredFinding]:
    wish = FindingFilter(
        kind=Kind.THROTTLING_ABUSE.value,
        api=view.api,
        stage=view.stage,
        since=window.since,
        until=window.until,
        where=beside(view),
    )
    with state.read() as session:
        return list_findings(session, wish, limit=50, series=False).items


def period_name(plan: PlanDoc) -> str:
    return _PERIODS.get(plan.period or "", "a period")
