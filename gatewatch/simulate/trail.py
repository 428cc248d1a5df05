"""Configuration changes that scenarios leave in CloudTrail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewatch.records import JSON
from gatewatch.simulate.case import Case
from gatewatch.simulate.changes import record
from gatewatch.simulate.inventory import function_name
from gatewatch.simulate.model import Route


def api_ids(case: Case, *, stage: bool = True) -> dict[str, Any]:
    """How requests name the API: restApiId for REST, apiId for the others."""
    key = "restApiId" if case.api.kind == "rest" else "apiId"
    return {key: case.api.id, "stageName": case.api.stage} if stage else {key: case.api.id}


def patched(case: Case, at_ms: int, event: str, patches: Mapping[str, str], **ids: JSON) -> dict[str, JSON]:
    """An Update call: patch operations for REST APIs, the fields themselves for the others."""
    inner: dict[str, Any] = {**api_ids(case, stage=event == "UpdateStage"), **ids}
    if case.api.kind == "rest":
        operations = [{"op": "replace", "path": path, "value": value} for path, value in patches.items()]
        inner[f"{event[0].lower()}{event[1:]}Input"] = {"patchOperations": operations}
    else:
        inner.update({path.strip("/"): value for path, value in patches.items()})
    return record(case.world, at_ms, event, inner)


def function_update(case: Case, at_ms: int, function: str, **parameters: JSON) -> dict[str, JSON]:
    """New settings of a Lambda function."""
    return record(
        case.world, at_ms, "UpdateFunctionConfiguration20150331v2", {"functionName": function, **parameters},
        source="lambda",
    )  # fmt: skip


def new_code(case: Case, at_ms: int, function: str) -> dict[str, JSON]:
    """New code of a Lambda function."""
    return record(
        case.world, at_ms, "UpdateFunctionCode20150331v2", {"functionName": function, "publish": True}, source="lambda"
    )


def deployment(case: Case, at_ms: int) -> dict[str, JSON]:
    """A deployment to the API's stage."""
    api = case.api
    parameters: dict[str, Any] = (
        {"restApiId": api.id, "createDeploymentInput": {"stageName": api.stage, "description": "release"}}
        if api.kind == "rest"
        else {**api_ids(case), "description": "release"}
    )
    return record(case.world, at_ms, "CreateDeployment", parameters, response={"id": f"d{case.salt % 10**8:08d}"})


def release(case: Case, route: Route | None = None) -> list[dict[str, JSON]]:
    """A release shortly before the start: new code behind the route (default: the first), then a deployment."""
    at_ms = case.before_start()
    return [
        new_code(case, at_ms, function_name(case.api, route or case.api.routes[0])),
        deployment(case, at_ms + 4_000),
    ]


def stage_arn(case: Case) -> str:
    return f"arn:aws:apigateway:{case.world.region}::/restapis/{case.api.id}/stages/{case.api.stage}"


def web_acl(case: Case, at_ms: int, event: str) -> dict[str, JSON]:
    """AssociateWebACL or UpdateWebACL, of the ACL before the API's stage."""
    arn = f"arn:aws:wafv2:{case.world.region}:{case.world.account}:regional/webacl/edge/0f3c"
    parameters: dict[str, Any] = (
        {"webACLArn": arn, "resourceArn": stage_arn(case)}
        if event == "AssociateWebACL"
        else {"name": "edge", "scope": "REGIONAL", "id": "0f3c", "rules": [{"name": "body-size", "priority": 3}]}
    )
    return record(case.world, at_ms, event, parameters, source="wafv2")
