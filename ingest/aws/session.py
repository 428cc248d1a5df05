"""A connection to AWS: whose credentials, which regions, and one hook through which every call passes.

The hook stands where botocore makes each request, retries included: it waits for the call's turn, pays for it, and only
then lets it be signed. So no reader can call faster or spend more than was allowed, whatever it does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from gatewatch.errors import SourceError, UsageError
from ingest.aws import prices
from ingest.aws.pace import Pace
from ingest.aws.problems import code_of, explained
from ingest.aws.spending import Till

log = logging.getLogger(__name__)

ATTEMPTS = 8
"""Tries of one call: with two of five refused for their rate, seven of ten thousand calls still fail."""

CONNECT_S, READ_S = 5, 60
ROLE_SECONDS = 3600
"""Life of a role's session: the longest that a chain of roles allows. botocore renews it ahead of its end."""

_PARTITIONS = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))


@dataclass(frozen=True, slots=True)
class Connection:
    """What is needed to call AWS for one account. Without a profile the standard chain says who we are.

    regions: empty means the region that the profile or the environment names. external_id: sent whenever the role is
    assumed. endpoint_url: of an AWS double.
    """

    name: str
    regions: tuple[str, ...] = ()
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    endpoint_url: str | None = None


class Aws:
    """Clients of one connection. Share it between threads; they are made once for each service and region."""

    def __init__(self, connection: Connection, till: Till, pace: Pace) -> None:
        self.connection = connection
        self._till = till
        self._pace = pace
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._session: Any = None
        self._account: str | None = None

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions to look at. UsageError: nobody names one."""
        if self.connection.regions:
            return self.connection.regions
        with explained(self.connection.name):
            region = self._ours().get_config_variable("region")
        if not region:
            raise UsageError(
                f"AWS connection {self.connection.name}: no region; name one with --region or AWS_DEFAULT_REGION"
            )
        return (str(region),)

    @property
    def account(self) -> str:
        """The account whose things we see."""
        with self._lock:
            if self._account is None:
                with self.asking("sts", self.regions[0]) as sts:
                    self._account = str(sts.get_caller_identity()["Account"])
            return self._account

    def client(self, service: str, region: str) -> Any:
        """A boto3 client, bound to the hook. Errors that it raises are botocore's: see `asking`."""
        with self._lock:
            made = self._clients.get((service, region))
            if made is None:
                made = self._clients[service, region] = _client(
                    self._session_of_role(), service, region, self.connection
                )
            return made

    @contextmanager
    def asking(self, service: str, region: str) -> Iterator[Any]:
        """The client, and whatever AWS answers that is no answer as one SourceError which says what to do."""
        with explained(f"{self.connection.name} {region}", service=service):
            yield self.client(service, region)

    def _session_of_role(self) -> Any:
        if self._session is None:
            ours = self._ours()
            role = self.connection.role_arn
            self._session = ours if role is None else self._assumed(ours, role)
        return self._session

    def _ours(self) -> Any:
        """A session with the credentials that we have without any role."""
        from botocore.session import Session

        session = Session(profile=self.connection.profile)
        session.register_component("data_loader", _models())
        session.user_agent_extra = "gatewatch"
        session.register("before-parameter-build", self._priced, unique_id="gatewatch-price")
        session.get_component("event_emitter").register_first("request-created", self._admitted)
        session.register("after-call", self._answered, unique_id="gatewatch-answer")
        return session

    def _assumed(self, ours: Any, role: str) -> Any:
        from botocore.credentials import (
            AssumeRoleCredentialFetcher,
            DeferredRefreshableCredentials,
        )

        external_id = self.connection.external_id
        if not external_id:
            raise UsageError(f"AWS connection {self.connection.name}: a role needs an external id; connect it again")
        region = self.regions[0]
        sts = _client(ours, "sts", region, self.connection)
        with explained(f"{self.connection.name} {region}", service="sts"):
            refuse_open_role(sts, role)

        def sts_client(service: str, **given: Any) -> Any:
            return _client(ours, service, region, self.connection, **given)

        fetcher = AssumeRoleCredentialFetcher(
            client_creator=sts_client,
            source_credentials=ours.get_credentials(),
            role_arn=role,
            extra_args={
                "ExternalId": external_id,
                "RoleSessionName": f"gatewatch-{self.connection.name}"[:64],
                "DurationSeconds": ROLE_SECONDS,
            },
        )
        session = self._ours()
        session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
        return session

    def _priced(self, params: Mapping[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        service = str(model.service_model.service_name)
        context["gatewatch"] = (service, model.name, prices.before(service, model.name, params))

    def _admitted(self, request: Any, **_: Any) -> None:
        service, operation, nanos = request.context["gatewatch"]
        region = str(request.context.get("client_region") or "")
        who = self._account or self.connection.name
        self._till.pay(who, service, operation, nanos)
        self._pace.wait(who, region, service)

    def _answered(self, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: Any) -> None:
        service, operation, _paid = context["gatewatch"]
        nanos = prices.after(service, operation, parsed)
        if nanos:
            self._till.add(self._account or self.connection.name, service, operation, nanos)


def refuse_open_role(sts: Any, role: str) -> None:
    """SourceError when the role lets us in without an external id: then it would let in anybody who can use us."""
    from botocore.exceptions import ClientError

    try:
        sts.assume_role(RoleArn=role, RoleSessionName="gatewatch-without-id", DurationSeconds=900)
    except ClientError as error:
        if code_of(error) in {"AccessDenied", "AccessDeniedException"}:
            return
        raise
    raise SourceError(
        f"role {role} can be assumed without the external id; add the condition "
        "StringEquals sts:ExternalId to its trust policy"
    )


@cache
def _models() -> Any:
    """botocore's descriptions of the services, which every session would read anew."""
    from botocore.session import get_session

    return get_session().get_component("data_loader")


def _client(session: Any, service: str, region: str, connection: Connection, **given: Any) -> Any:
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        # An address in the place of a bucket's name, and no prefix before a host: a double has one name.
        s3={"addressing_style": "path"} if connection.endpoint_url else None,
        inject_host_prefix=not connection.endpoint_url,
    )
    return session.create_client(
        service, region_name=region, endpoint_url=connection.endpoint_url, config=config, **given
    )


def partition(region: str) -> str:
    """The partition of a region: `aws`, `aws-cn` or `aws-us-gov`.

    >>> partition("eu-west-1")
    'aws'
    """
    return next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")


Opener = Callable[[Connection], Aws]
"""Makes what a source needs from its connection; a test gives one that knows a double."""
