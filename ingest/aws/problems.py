"""What AWS refuses, in one line for the person who has to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gatewatch.errors import GatewatchError, SourceError

DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized"}
)
_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "RequestThrottled",
    }
)
_SKEWED = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
_UNSIGNED = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature"})
"""Also said of a wrong clock, then with words about time."""

_ELSEWHERE = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_UNKNOWN_KEY = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure", "OptInRequired"}
)
_GONE = frozenset(
    {
        "NotFoundException",
        "ResourceNotFoundException",
        "NoSuchKey",
        "NoSuchBucket",
        "NotFound",
        "ResourceNotDiscoveredException",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
    }
)
_NO_RECORDER = frozenset({"NoAvailableConfigurationRecorderException", "NoAvailableConfigurationRecorder"})
_OTHER_CLASS = re.compile(r"(?i)infrequent.access|\blog.(?:group.)?class\b")
_DISABLED = frozenset({"CloudTrailAccessNotEnabledException", "UnsupportedOperationException"})


class Denied(SourceError):
    """We are not allowed this call. action: as IAM names it, when AWS says which."""

    def __init__(self, message: str, action: str | None = None) -> None:
        super().__init__(message)
        self.action = action


class Gone(SourceError):
    """What was asked for is not there (any more)."""


class NotRecorded(SourceError):
    """AWS keeps no such record, because somebody has to turn it on first."""


class Unreachable(SourceError):
    """No answer at all."""


def code_of(error: Any) -> str:
    """AWS's code of a ClientError, without what some services put before or after it."""
    code = str((error.response.get("Error") or {}).get("Code") or "")
    return code.rsplit("#", 1)[-1].split(":", 1)[0]


@contextmanager
def explained(where: str, *, service: str = "") -> Iterator[None]:
    """botocore's errors as SourceErrors of one line: where, what, and how to mend it. Ours pass as they are."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except GatewatchError:
        raise
    except ClientError as error:
        raise _refused(where, error) from error
    except BotoCoreError as error:
        raise _unsent(where, service, error) from error
    except ResponseParserError as error:
        at = f"AWS {where}: {service}" if service else f"AWS {where}"
        raise Unreachable(f"{at}: the answer is none of AWS; look at the proxy or endpoint in between") from error


def _refused(where: str, error: Any) -> SourceError:
    code, call = code_of(error), str(error.operation_name)
    said = " ".join(str((error.response.get("Error") or {}).get("Message") or "").split())[:300].removesuffix(".")
    at = f"AWS {where}: {call}"
    status = (error.response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    if code in _SKEWED or (code in _UNSIGNED and ("expired" in said or "not yet current" in said.lower())):
        return SourceError(f"{at}: this machine's clock is wrong by minutes; set it by NTP ({said})")
    if code in _UNSIGNED:
        return SourceError(f"{at}: the secret key does not fit its id ({code}); check the credentials")
    if code in _EXPIRED:
        return SourceError(f"{at}: the credentials have expired; renew them (aws sso login, or a new session)")
    if code in _UNKNOWN_KEY:
        return SourceError(
            f"{at}: AWS does not know these credentials here ({code}); check them, and that the region is enabled "
            "for the account"
        )
    if code in DENIED:
        return Denied(
            f"{at} is denied; `gatewatch iam-policy` prints the policy that allows it ({said})", _action(said)
        )
    if code in _THROTTLED or status == 429:
        return SourceError(
            f"{at}: AWS throttles us ({code}) in spite of retries; lower aws_rates for this service, or see what else "
            "calls it"
        )
    if code in _ELSEWHERE or status == 301:
        return SourceError(f"{at}: it is in another region; name that one with --region ({said or code})")
    if code in _GONE or status == 404:
        return Gone(f"{at}: not there (any more): {said or code}; check its name, the region and the account")
    if code in _NO_RECORDER:
        return NotRecorded(f"{at}: AWS Config records nothing here; turn on its recorder")
    if code in _DISABLED:
        return NotRecorded(f"{at}: not turned on here ({code}): {said}; turn it on, or leave this source out")
    if call.endswith("LogEvents") and _OTHER_CLASS.search(said):
        return SourceError(
            f"{at}: the log group is of a class that can be queried and not read ({said}); a class cannot be changed: "
            "let the stage log to a group of class STANDARD, or to Firehose"
        )
    return SourceError(f"{at}: {code or status}: {said}")


def _unsent(where: str, service: str, error: Any) -> SourceError:
    name = type(error).__name__
    at = f"AWS {where}: {service}" if service else f"AWS {where}"
    if name in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}:
        return SourceError(
            f"{at}: no credentials; give AWS_PROFILE, AWS_ACCESS_KEY_ID or a role to this machine (`aws sts "
            "get-caller-identity` must work)"
        )
    if name == "ProfileNotFound":
        return SourceError(f"{at}: {error}; `aws configure list-profiles` shows those there are")
    if name in {"TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError", "SSOError"}:
        return SourceError(f"{at}: the login has expired; run `aws sso login`")
    if name in {"EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"}:
        return Unreachable(f"{at}: no answer; check the region's name and the way to it (proxy, VPC endpoint): {error}")
    if name in {"InvalidRegionError", "NoRegionError", "UnknownRegionError"}:
        return SourceError(f"{at}: {error}")
    return SourceError(f"{at}: {name}: {' '.join(str(error).split())[:300]}")


def _action(said: str) -> str | None:
    """`apigateway:GET` in "User: … is not authorized to perform: apigateway:GET on resource: …"."""
    _, found, rest = said.partition("to perform: ")
    return rest.split(" ", 1)[0].rstrip(".,") if found and rest else None
