"""Lines of execution logs -> EXECUTIONS: what the gateway did with a request, and why it refused it.

A stage with execution logging writes several lines a request, `(REQUEST ID) TEXT`, which mix with those of others; the
group is called `API-Gateway-Execution-Logs_API/STAGE`. Of most requests only who they were is remembered, and of
refused ones the line that tells why. Bodies and headers, which data tracing writes, are not looked at. The texts are
those of aws-facts.md 4.6 and of AWS's articles on 429 and 403; others are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa

from gatewatch.frames import EXECUTIONS
from gatewatch.records import JSON
from ingest.jsonstream import Rejects, records

GROUP = "API-Gateway-Execution-Logs_"
SAID = 300
LINE = 1200
"""Characters of a line that are looked at: the gateway cuts at 1,024 bytes."""

_LINE = re.compile(r"\(([\w=+/.-]{1,128})\) ([\s\S]{1,1200})")
_NAMED = re.compile(rf"(?:^|[/:]){GROUP}([A-Za-z0-9]{{1,32}})/([\w$-]{{1,128}})")
_STAGE = re.compile(r"API Stage:? ([A-Za-z0-9]{1,32})/([\w$.-]{1,128})")
_ARN = re.compile(r"arn:[\w-]+:logs:([\w-]+):(\d{12}):")
_COMPLETED = re.compile(r"Method completed with status: (\d{3})\b")
_AUTHORIZER = re.compile(r"Starting authorizer: ([\w-]{1,64})")

_FAILED = ("Execution failed", "Lambda execution failed")
_KEY = r"(?:API Key[ *\w]{0,200}exceeded (?:throttle|quota) limit for API Stage [^:]{1,200}: )?"
_CAUSES: tuple[tuple[re.Pattern[str], str, str | None], ...] = tuple(
    (re.compile(pattern), cause, scope)
    for pattern, cause, scope in (
        (rf"{_KEY}Key quota exhausted", "quota", None),
        (rf"{_KEY}Key throttle limit exceeded for Usage Plan", "throttle", "plan"),
        (rf"{_KEY}(?:Key )?[Tt]hrottle limit exceeded for [^{{}}]{{0,200}}HttpMethod", "throttle", "method"),
        (rf"{_KEY}(?:Key )?[Tt]hrottle limit exceeded for Account", "throttle", "account"),
        (rf"{_KEY}(?:Key )?[Tt]hrottle limit exceeded for [^{{}}]{{0,200}}Stage", "throttle", "stage"),
        (r"API Key[ *\w]{0,200}exceeded throttle limit", "throttle", "plan"),
        (r"API Key[ *\w]{0,200}exceeded quota limit", "quota", None),
        (r"API Key[ *\w]{0,200}not authorized because", "unknown_key", None),
        (r"(?:The client|User)\b.{0,300}not authorized to perform", "policy_deny", None),
        (r"(?:The client|User)\b.{0,60}not authorized to access", "authorizer_deny", None),
        (r"(?:Lambda e|E)xecution failed.{0,200}(?:TooManyRequestsException|Rate Exceeded)", "throttle", "lambda"),
    )
)
"""Each stands at the begin of its line: what a client wrote stands behind "Method request …" and is never looked at."""

_LATE = re.compile(r"[Tt]ime(?:d)? ?-?out")
_GARBAGE = re.compile(
    r"Malformed Lambda proxy response|customer function error|network error|internal error", re.IGNORECASE
)


@dataclass(slots=True)
class Steps:
    """What became of one request so far. at: its first line, ms."""

    at: int
    last: int
    api: str | None = None
    stage: str | None = None
    extended: str | None = None
    authorizer: str | None = None
    begun: bool = False
    asked: bool = False
    status: int | None = None
    unauthorized: bool = False
    cause: str | None = None
    scope: str | None = None
    said: str | None = None
    account: str | None = None

    def add(self, other: Steps) -> None:
        """What other lines of the same request told."""
        self.at, self.last = min(self.at, other.at), max(self.last, other.last)
        for name in ("api", "stage", "extended", "authorizer", "status", "cause", "scope", "said", "account"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(other, name))
        self.begun, self.asked = self.begun or other.begun, self.asked or other.asked
        self.unauthorized = self.unauthorized or other.unauthorized

    def take(self, at: int, text: str) -> None:
        """One more line of it."""
        self.at, self.last = min(self.at, at), max(self.last, at)
        if text.startswith("Extended Request Id: "):
            self.extended = text[21:].strip()[:128] or None
        elif found := _AUTHORIZER.match(text):
            self.authorizer, self.begun = found[1], True
        elif text.startswith(("Incoming identity", "Endpoint request URI")) and self.begun:
            self.asked = True
        elif text.startswith(("Successfully completed authorizer", "Using valid authorizer policy")):
            self.begun, self.asked = False, True
        elif text.startswith("Unauthorized request"):
            self.unauthorized = True
            self.said = self.said or text[:SAID]
        elif found := _COMPLETED.match(text):
            self.status = int(found[1])
        else:
            if self.api is None and text.startswith("Verifying Usage Plan") and (found := _STAGE.search(text)):
                self.api, self.stage = found[1], found[2]
            if self.cause is None:
                self._judge(text)

    def _judge(self, text: str) -> None:
        for pattern, cause, scope in _CAUSES:
            if pattern.match(text):
                self.cause, self.scope, self.said = cause, scope, text[:SAID]
                return
        if text.startswith(("AuthorizerConfigurationException", "Authorizer error")):
            self.cause, self.said = "authorizer_error", self.said or text[:SAID]
        elif text.startswith(_FAILED):
            self.said = text[:SAID]
            late = _LATE.search(text) is not None
            if self.begun:  # the authorizer has not answered yet: it is what failed
                self.cause = "authorizer_timeout" if late else "authorizer_error"
            elif late:
                self.cause = "backend_timeout"
            elif _GARBAGE.search(text):
                self.cause = "backend_error"
            elif "configuration error" in text:
                self.cause = "config_error"

    @property
    def refused(self) -> str | None:
        """The cause that the lines name; None: they name none, or nothing was refused."""
        if self.cause is None and self.unauthorized and self.authorizer is not None:
            return "authorizer_deny" if self.asked else "missing_credential"
        return self.cause if self.status is None or self.status >= 400 else None


@dataclass(slots=True)
class Executions:
    """Puts lines together by request. rejected: lines that are none of an execution log."""

    api: str | None = None
    stage: str | None = None
    account: str | None = None
    region: str | None = None
    requests: dict[tuple[str | None, str | None, str], Steps] = field(default_factory=dict)
    rejected: int = 0

    def take(
        self, at: int, message: str, where: tuple[str | None, str | None] | None = None, account: str | None = None
    ) -> bool:
        """One line, at ms. where: API and stage by the name of its group. account: where lines are of several."""
        found = _LINE.match(message[:LINE])
        if found is None:
            self.rejected += 1
            return False
        api, stage = where or (self.api, self.stage)
        key = (api, stage, found[1])
        steps = self.requests.get(key)
        if steps is None:
            steps = self.requests[key] = Steps(at, at, api, stage, account=account or self.account)
        steps.take(at, found[2].strip())
        return True

    def add(self, other: Executions) -> None:
        """What another reader of the same logs put together."""
        for key, steps in other.requests.items():
            if (mine := self.requests.get(key)) is not None:
                mine.add(steps)
            else:
                self.requests[key] = replace(steps)

    def after(self, at: int) -> Executions:
        """Those of whom lines came at or after `at` ms: more of them may come."""
        mine = {key: steps for key, steps in self.requests.items() if steps.last >= at}
        return Executions(self.api, self.stage, self.account, self.region, mine)

    @property
    def newest(self) -> int:
        """When the last line was written, ms; 0: there is none."""
        return max((steps.last for steps in self.requests.values()), default=0)

    def table(self, *, since: int | None = None, until: int | None = None) -> pa.Table:
        """EXECUTIONS of the refused requests whose first line is of [since, until) ms, by time."""
        rows = [
            {
                "at": datetime.fromtimestamp(steps.at / 1000, UTC),
                "account": steps.account,
                "region": self.region,
                "api": steps.api,
                "stage": steps.stage,
                "request_id": ident,
                "extended_request_id": steps.extended,
                "reject_cause": cause,
                "throttle_scope": steps.scope if cause == "throttle" else None,
                "authorizer": steps.authorizer,
                "said": steps.said,
            }
            for (_, _, ident), steps in self.requests.items()
            if (since is None or steps.at >= since)
            and (until is None or steps.at < until)
            and (cause := steps.refused) is not None
        ]
        return pa.Table.from_pylist(rows, schema=EXECUTIONS).sort_by([("at", "ascending"), ("request_id", "ascending")])


def place_of(group: str) -> tuple[str, str] | None:
    """API and stage of an execution log's group, by its name or ARN.

    >>> place_of("API-Gateway-Execution-Logs_a1b2c3d4e5/prod")
    ('a1b2c3d4e5', 'prod')
    >>> place_of("/aws/apigateway/orders") is None
    True
    """
    found = _NAMED.search(group)
    return (found[1], found[2]) if found else None


def owner_of(group: str) -> tuple[str | None, str | None]:
    """Account and region of a log group's ARN."""
    found = _ARN.match(group)
    return (found[2], found[1]) if found else (None, None)


@dataclass(slots=True)
class Read:
    """What files said. records: lines of execution logs; refused: requests in the table."""

    table: pa.Table
    records: int = 0
    rejects: Rejects = field(default_factory=Rejects)

    @property
    def refused(self) -> int:
        return int(self.table.num_rows)


def read_executions(paths: Iterable[str]) -> Read:
    """Files as CloudWatch Logs gives them: events of `filter-log-events`, or envelopes of a subscription, as JSON.

    The group's name is taken from an envelope's `logGroup`, an event's `logGroupName`, or the file's own name.
    """
    found = Read(EXECUTIONS.empty_table())
    gathered: list[pa.Table] = []
    for path in paths:
        together = Executions()
        for line, record in records(path, "events", found.rejects):
            for at, message, where in _events(record, path):
                if at is None:
                    found.rejects.add(path, line, "no timestamp or message")
                elif together.take(at, message, where):
                    found.records += 1
                else:
                    found.rejects.add(path, line, "no line of an execution log")
        gathered.append(together.table())
    found.table = pa.concat_tables(gathered).sort_by("at") if gathered else found.table
    return found


def _events(
    record: dict[str, JSON], path: str
) -> Iterator[tuple[int | None, str, tuple[str | None, str | None] | None]]:
    if record.get("messageType") == "CONTROL_MESSAGE":
        return
    named = record.get("logGroup") or record.get("logGroupName") or path.replace("__", "/")
    where = place_of(str(named))
    inner = record.get("logEvents")
    events: Sequence[JSON] = inner if isinstance(inner, list) else [record]
    for event in events:
        at, message = (event.get("timestamp"), event.get("message")) if isinstance(event, dict) else (None, None)
        good = isinstance(at, int) and not isinstance(at, bool) and 0 < at < 1 << 43 and isinstance(message, str)
        yield (at if good else None, str(message), where)  # type: ignore[misc]  # `good` says that it is an int
