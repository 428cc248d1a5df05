"""A stage's access-log settings as what people change stages with: CLI, Terraform, CloudFormation, CDK."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from gatewatch.records import ApiType

if TYPE_CHECKING:
    from ingest.stagelogs import StageLog

FORMS = ("cli", "terraform", "cloudformation", "cdk")
LOG_GROUP = "arn:aws:logs:REGION:ACCOUNT:log-group:/aws/apigateway/access"
"""Where a stage that logs nowhere yet could log to: REGION and ACCOUNT are filled in where they are known."""


def patch(form: str, stage: StageLog, template: str) -> str:
    """The change that gives the stage this template, in one of FORMS; nothing else about the stage changes."""
    where = stage.destination or LOG_GROUP.replace("REGION", stage.region or "REGION").replace(
        "ACCOUNT", stage.account or "ACCOUNT"
    )
    rest = stage.api_type is ApiType.REST
    return {"cli": _cli, "terraform": _terraform, "cloudformation": _cloudformation, "cdk": _cdk}[form](
        stage, where, template, rest
    )


def _cli(stage: StageLog, where: str, template: str, rest: bool) -> str:
    region = ["--region", stage.region] if stage.region else []
    if rest:
        operations = [{"op": "replace", "path": "/accessLogSettings/format", "value": template}]
        if not stage.destination:
            operations.insert(0, {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": where})
        words = ["aws", "apigateway", "update-stage", *region, "--rest-api-id", stage.api, "--stage-name", stage.stage]
        return shlex.join([*words, "--patch-operations", json.dumps(operations)])
    words = ["aws", "apigatewayv2", "update-stage", *region, "--api-id", stage.api, "--stage-name", stage.stage]
    return shlex.join([*words, "--access-log-settings", json.dumps({"DestinationArn": where, "Format": template})])


def _terraform(stage: StageLog, where: str, template: str, rest: bool) -> str:
    kind = "aws_api_gateway_stage" if rest else "aws_apigatewayv2_stage"
    # In a Terraform string only ${ and %{ mean something, and a template has neither.
    return "\n".join(
        (
            f"# in the resource of stage {stage.stage} of {stage.api}:",
            f'resource "{kind}" "stage" {{',
            "  access_log_settings {",
            f"    destination_arn = {json.dumps(where)}",
            f"    format          = {json.dumps(template)}",
            "  }",
            "}",
        )
    )


def _cloudformation(stage: StageLog, where: str, template: str, rest: bool) -> str:
    kind, name = (
        ("AWS::ApiGateway::Stage", "AccessLogSetting") if rest else ("AWS::ApiGatewayV2::Stage", "AccessLogSettings")
    )
    api = "RestApiId" if rest else "ApiId"
    properties = {api: stage.api, "StageName": stage.stage, name: {"DestinationArn": where, "Format": template}}
    return json.dumps({"Resources": {"Stage": {"Type": kind, "Properties": properties}}}, indent=2)


def _cdk(stage: StageLog, where: str, template: str, rest: bool) -> str:
    made = "apigateway.CfnStage" if rest else "apigatewayv2.CfnStage"
    name = "accessLogSetting" if rest else "accessLogSettings"
    return "\n".join(
        (
            f"// stage: the construct of stage {stage.stage} of {stage.api}",
            f"(stage.node.defaultChild as {made}).{name} = {{",
            f"  destinationArn: {json.dumps(where)},",
            f"  format: {json.dumps(template)},",
            "};",
        )
    )
