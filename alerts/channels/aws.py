"""What the channels to AWS share: a client with short time-outs, and what its errors mean for another try.

boto3 tries nothing again here: the outbox does, with the same key.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import Field

from alerts.channels import Attempt, ChannelOptions
from alerts.outbound import CONNECT_S, TOTAL_S
from gatewatch.errors import ChannelError
from gatewatch.records import JSON
from gatewatch.settings import Settings

T = TypeVar("T")

_AGAIN = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "InternalError",
        "InternalException",
        "InternalFailure",
        "ServiceUnavailable",
        "RequestTimeout",
        "ExpiredToken",
        "ExpiredTokenException",
        "KMSThrottling",
    }
)


class AwsOptions(ChannelOptions):
    region: str | None = Field(default=None, description="default: as boto3 finds it")
    profile: str | None = Field(default=None, description="profile of the AWS configuration")
    role_arn: str | None = Field(default=None, description="role to take on")


@cache
def _models() -> Any:
    """botocore's descriptions of the services; each session of its own would read them anew, for each alert."""
    from botocore.session import get_session

    return get_session().get_component("data_loader")


def client_of(service: str, options: AwsOptions, settings: Settings) -> Any:
    """A client for a service. Credentials come from where boto3 finds them."""
    import boto3  # takes a while, and only those need it who use it
    from botocore.config import Config
    from botocore.session import get_session

    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=TOTAL_S,
        retries={"total_max_attempts": 1},
        user_agent_extra="gatewatch",
    )
    where: dict[str, Any] = {"config": config, "endpoint_url": settings.aws_endpoint_url}
    ours = get_session()
    ours.register_component("data_loader", _models())
    session = boto3.Session(profile_name=options.profile, region_name=options.region, botocore_session=ours)
    if options.role_arn is not None:
        given = session.client("sts", **where).assume_role(RoleArn=options.role_arn, RoleSessionName="gatewatch-alerts")
        keys = given["Credentials"]
        where |= {
            "aws_access_key_id": keys["AccessKeyId"],
            "aws_secret_access_key": keys["SecretAccessKey"],
            "aws_session_token": keys["SessionToken"],
        }
    return session.client(service, **where)


def called(name: str, what: str, request: JSON, attempt: Attempt | None, call: Callable[[], Any]) -> Any:
    """The reply of a call, noted in the delivery log; ChannelError says if trying again can help."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        reply = call()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))[:80]
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        problem = ChannelError(f"{name}: {code} (status {status})", retry=status >= 500 or code in _AGAIN)
    except (BotoCoreError, ResponseParserError) as error:  # the latter is none of the former
        problem = ChannelError(f"{name}: {type(error).__name__}", retry=True)
    else:
        if attempt is not None:
            meta = reply.get("ResponseMetadata", {})
            said = {key: str(value) for key, value in reply.items() if key != "ResponseMetadata"}
            attempt.note(what, request, str(said), meta.get("HTTPStatusCode"))
        return reply
    if attempt is not None:
        attempt.note(what, request, str(problem))
    # Raised out here, so that the library's error, which may hold the request, does not hang on it.
    raise problem
