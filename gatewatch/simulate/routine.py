"""Changes that go on in every account and do no harm: deployments in working hours, tags, reviews, a refused call."""

from __future__ import annotations

import numpy as np

from gatewatch.records import JSON
from gatewatch.simulate.changes import record
from gatewatch.simulate.demand import local_date, local_ms
from gatewatch.simulate.inventory import function_name
from gatewatch.simulate.model import DAY_MS, HOUR_MS, MINUTE_MS, Api, Ints, World
from gatewatch.simulate.people import mixed, uniform

DEPLOYMENTS_A_WEEK = 2.0
"""Of each API, on working days between nine and five local time."""

OTHERS_A_WEEK = 3.0
"""Of each API: things that touch no API's behaviour."""


def routine(world: World) -> list[dict[str, JSON]]:
    """CloudTrail records of the whole world, in no order."""
    found: list[dict[str, JSON]] = []
    for api in world.apis:
        for at in _working_times(world, api, 81, DEPLOYMENTS_A_WEEK):
            found += _deployment(world, api, at)
        for at in _working_times(world, api, 82, OTHERS_A_WEEK):
            found.append(_other(world, api, at))
    return found


def _working_times(world: World, api: Api, purpose: int, a_week: float) -> list[int]:
    """Times in working hours of working days, so many a week on average."""
    days = np.arange(world.start_ms // DAY_MS - 1, world.end_ms // DAY_MS + 1, dtype=np.int64)
    chosen = days[uniform(world.seed, api.index, purpose, days) < a_week / 5]
    within: Ints = chosen * DAY_MS + 9 * HOUR_MS + mixed(world.seed, api.index, purpose, 1, chosen) % (8 * HOUR_MS)
    offset = local_ms(api.timezone, within) - within
    holidays = world.holidays.get(api.country, frozenset())
    found = []
    for at, day, shift in zip(within.tolist(), chosen.tolist(), offset.tolist(), strict=True):
        date = local_date(day)
        if date.weekday() < 5 and date not in holidays and world.start_ms <= at - shift < world.end_ms:
            found.append((at - shift) // 1000 * 1000)
    return found


def _deployment(world: World, api: Api, at_ms: int) -> list[dict[str, JSON]]:
    """New code of one function, then a deployment of the API, as a pipeline makes them."""
    route = api.routes[int(mixed(world.seed, api.index, 83, at_ms)) % len(api.routes)]
    code = record(
        world,
        at_ms,
        "UpdateFunctionCode20150331v2",
        {"functionName": function_name(api, route), "s3Bucket": "releases", "publish": True, "dryRun": False},
        source="lambda",
    )
    if api.kind == "rest":
        asked: dict[str, JSON] = {"restApiId": api.id, "createDeploymentInput": {"stageName": api.stage}}
    else:
        asked = {"apiId": api.id, "stageName": api.stage}
    return [code, record(world, at_ms + MINUTE_MS, "CreateDeployment", asked)]


def _other(world: World, api: Api, at_ms: int) -> dict[str, JSON]:
    choice = int(mixed(world.seed, api.index, 84, at_ms)) % 5
    if choice == 0:
        return record(world, at_ms, "GetRestApis", {"limit": 500}, actor="auditor", read_only=True)
    if choice == 1:
        policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"
        asked: dict[str, JSON] = {"roleName": f"{api.name}-reports", "policyArn": policy}
        return record(world, at_ms, "AttachRolePolicy", asked, source="iam", actor="ops")
    if choice == 2:
        asked = {"resourceArn": f"arn:aws:apigateway:{world.region}::/restapis/{api.id}", "tags": {"owner": api.name}}
        return record(world, at_ms, "TagResource", asked, actor="ops")
    if choice == 3:
        asked = {"restApiId": api.id, "stageName": api.stage}
        return record(world, at_ms, "UpdateStage", asked, actor="intern", error="AccessDenied")
    asked = {"functionName": f"{api.name}-nightly-report", "description": "housekeeping"}
    return record(world, at_ms, "UpdateFunctionConfiguration20150331v2", asked, source="lambda", actor="ops")
