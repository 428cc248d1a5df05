"""The stages of an inventory with how they log: the template as it stands there, and the variables in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gatewatch.records import ApiType
from ingest.aws.session import partition
from ingest.formats.template import API_TYPES, VARIABLE, maps, member, string


@dataclass(frozen=True, slots=True)
class StageLog:
    """template None: the stage writes no access log. destination: ARN of its log group or stream, or ""."""

    account: str | None
    region: str | None
    api: str
    name: str
    api_type: ApiType
    stage: str
    template: str | None
    destination: str

    @property
    def variables(self) -> frozenset[str]:
        return template_variables(self.template or "")


def stage_logs(inventory: Mapping[str, object]) -> list[StageLog]:
    """Every stage of the inventory document, in its order."""
    found = []
    for key, kind in API_TYPES.items():
        for api in maps(inventory.get(key)):
            ident = string(api, "id") or string(api, "apiId")
            if ident is None:
                continue
            account, region = (string(api, name) or string(inventory, name) for name in ("accountId", "region"))
            for stage in maps(member(api, "stages")):
                settings = member(stage, "accessLogSettings")
                asked = settings if isinstance(settings, Mapping) else {}
                found.append(
                    StageLog(
                        account,
                        region,
                        ident,
                        string(api, "name") or ident,
                        kind,
                        string(stage, "stageName") or "",
                        string(asked, "format"),
                        string(asked, "destinationArn") or "",
                    )
                )
    return found


def execution_groups(inventory: Mapping[str, object]) -> list[str]:
    """ARNs of the execution logs that stages write: REST and WebSocket APIs have them, where a level is set."""
    found = []
    for key, part, level in (
        ("restApis", "methodSettings", "loggingLevel"),
        ("webSocketApis", "defaultRouteSettings", "loggingLevel"),
    ):
        for api in maps(inventory.get(key)):
            ident = string(api, "id") or string(api, "apiId")
            account, region = (string(api, name) or string(inventory, name) for name in ("accountId", "region"))
            if ident is None or account is None or region is None:
                continue
            for stage in maps(member(api, "stages")):
                told = member(stage, part)
                settings = told.values() if key == "restApis" and isinstance(told, Mapping) else [told]
                if any(isinstance(one, Mapping) and (string(one, level) or "OFF") != "OFF" for one in settings):
                    group = f"API-Gateway-Execution-Logs_{ident}/{string(stage, 'stageName')}"
                    found.append(f"arn:{partition(region)}:logs:{region}:{account}:log-group:{group}")
    return found


def template_variables(template: str) -> frozenset[str]:
    """The `$context` variables of a template, without `$context.`."""
    return frozenset(VARIABLE.findall(re.sub(r"\$\{context\.([^{}]{1,200})\}", r"$context.\1", template)))
