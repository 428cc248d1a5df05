"""CloudTrail records of configuration changes: what CloudTrail writes to S3, one JSON line each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from gatewatch.records import JSON, iso
from gatewatch.simulate.model import World
from gatewatch.simulate.people import mixed

DEPLOYER = "release-pipeline"


def record(
    world: World,
    at_ms: int,
    event: str,
    parameters: Mapping[str, JSON],
    *,
    source: str = "apigateway",
    actor: str = DEPLOYER,
    response: Mapping[str, JSON] | None = None,
    read_only: bool = False,
    error: str | None = None,
) -> dict[str, JSON]:
    """A management event, e.g. `record(world, at, "UpdateStage", {"restApiId": …, "stageName": …, …})`.

    source: the service without `.amazonaws.com`. actor: role session name. error: errorCode of a call that failed.
    """
    salt = [mixed(world.seed, at_ms, sum(map(ord, event)), number) for number in (1, 2)]
    ident = UUID(int=(int(salt[0]) << 64 | int(salt[1])) & ((1 << 128) - 1), version=4)
    principal = "AROAEXAMPLEROLE000001"
    out: dict[str, JSON] = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"{principal}:{actor}",
            "arn": f"arn:aws:sts::{world.account}:assumed-role/deploy/{actor}",
            "accountId": world.account,
        },
        "eventTime": iso(datetime.fromtimestamp(at_ms // 1000, UTC)),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": event,
        "awsRegion": world.region,
        "sourceIPAddress": "198.19.97.10",
        "userAgent": "aws-cli/2.31",
        "requestParameters": dict(parameters),
        "responseElements": None if response is None else dict(response),
        "eventID": str(ident),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": world.account,
        "eventCategory": "Management",
    }
    if error is not None:
        out["errorCode"] = error
    return out
