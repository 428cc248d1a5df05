"""The change that doctor prints, read by what will read it: cfn-lint, Amazon's models of its calls, JavaScript.

Terraform reads it in test_terraform.py.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from cfnlint.api import ManualArgs, lint

from detect.logformat import recommended
from gatewatch.patches import patch
from gatewatch.records import ApiType
from ingest.stagelogs import StageLog

GROUP = "arn:aws:logs:eu-west-1:123456789012:log-group:/apis/own"
AWKWARD = """<a b="$context.path">it's ${context.x} \\ `$context.status` %{x} é</a>"""
"""A format with everything that a language might take for its own."""

CASES = [
    (kind, where, template)
    for kind in (ApiType.REST, ApiType.HTTP, ApiType.WEBSOCKET)
    for where, template in ((GROUP, recommended(kind)), ("", AWKWARD))
]
cases = pytest.mark.parametrize(("kind", "where", "template"), CASES, ids=lambda value: str(value)[:10])


def stage(kind: ApiType, where: str) -> StageLog:
    return StageLog("123456789012", "eu-west-1", "a1b2c3d4e5", "orders", kind, "prod", None, where)


def destination(where: str) -> str:
    return where or "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/apigateway/access"


def test_cfn_lint_finds_nothing_in_the_cloudformation_patches() -> None:
    resources: dict[str, Any] = {}
    for number, (kind, where, template) in enumerate(CASES):
        (one,) = json.loads(patch("cloudformation", stage(kind, where), template))["Resources"].values()
        resources[f"Stage{number}"] = one
        one["Properties"]["StageName"] += str(number)  # of one template no two may be the same
        given = one["Properties"]["AccessLogSetting" if kind is ApiType.REST else "AccessLogSettings"]
        assert given == {"DestinationArn": destination(where), "Format": template}
    found = lint(json.dumps({"Resources": resources}), config=ManualArgs(regions=["eu-west-1"], include_checks=["I"]))
    assert [str(one) for one in found if one.rule.id[0] in "EW"] == []


@cases
def test_the_command_is_a_call_as_the_service_takes_it(kind: ApiType, where: str, template: str) -> None:
    words = shlex.split(patch("cli", stage(kind, where), template))
    assert words[:3] == ["aws", "apigateway" if kind is ApiType.REST else "apigatewayv2", "update-stage"]
    model = botocore.session.get_session().get_service_model(words[1])
    names = {
        re.sub(r"[^a-z]", "", name.lower()): name for name in model.operation_model("UpdateStage").input_shape.members
    }
    asked: dict[str, Any] = {}
    for option, value in zip(words[3::2], words[4::2], strict=True):
        if option != "--region":  # the others are parameters of the call, and JSON where they are no words
            asked[names[re.sub(r"[^a-z]", "", option)]] = json.loads(value) if value[0] in "[{" else value
    report = ParamValidator().validate(asked, model.operation_model("UpdateStage").input_shape)
    assert not report.has_errors(), report.generate_report()
    if kind is ApiType.REST:
        told = {one["path"]: one["value"] for one in asked["patchOperations"]}
        assert told["/accessLogSettings/format"] == template
        assert told.get("/accessLogSettings/destinationArn") == (None if where else destination(where))
    else:
        assert asked["AccessLogSettings"] == {"DestinationArn": destination(where), "Format": template}


@cases
def test_the_cdk_patch_runs_and_sets_the_construct(kind: ApiType, where: str, template: str) -> None:
    if shutil.which("node") is None:
        pytest.skip("the CDK patch was NOT RUN: node is not on the PATH")
    text = patch("cdk", stage(kind, where), template)
    name = "apigateway" if kind is ApiType.REST else "apigatewayv2"
    plain, types = re.subn(rf" as {name}\.CfnStage\)", ")", text)  # the one thing of TypeScript's in it
    assert types == 1
    script = f"'use strict'; const stage = {{node: {{defaultChild: {{}}}}}};\n{plain}\n"
    done = subprocess.run(
        ["node", "-"],
        input=f"{script}console.log(JSON.stringify(stage.node.defaultChild))",
        capture_output=True,
        text=True,
        check=True,
    )
    made = json.loads(done.stdout)
    assert made == {
        "accessLogSetting" if kind is ApiType.REST else "accessLogSettings": {
            "destinationArn": destination(where),
            "format": template,
        }
    }
