"""What a log format is: data that says where each variable stands in a raw line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gatewatch.records import ApiType
from gatewatch.registry import Registry

Family = Literal["json", "text"]


@dataclass(frozen=True, slots=True)
class Anchored:
    """A JSON template as a text from end to end: whatever a client writes into a value, other keys keep their places.

    pattern: RE2, for the whole line. fields: variable -> group. fixed: variable -> what the template itself says.
    """

    pattern: str
    fields: Mapping[str, str]
    fixed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Format:
    """Where each variable stands in a line. One engine reads blocks with it, one slow reader reads single lines.

    A variable is a `$context` name without the prefix (`requestTimeEpoch`, `identity.sourceIp`, `error.responseType`,
    `authorizer.claims.sub`), or one of FOREIGN for logs that are not API Gateway's.

    fields: variable -> places. json: DuckDB JSON paths such as `$."identity"."sourceIp"`, the first that is not null
      wins. text: exactly one name of a group in `pattern`.
    pattern: text only: an RE2 pattern that must match the whole line, with named groups, all of them named.
    inside: json only: variable -> an RE2 pattern whose group 1 is the variable, within the text at its (only) place;
      for values such as "$context.httpMethod $context.resourcePath".
    quoted: text only: variables whose value may stand in double quotes, with quotes inside it doubled, as CSV has it.
    relaxed: text only: a pattern with the same groups that takes more, for lines that are known to be of this format.
    anchored: json only: how lines that cannot be believed as JSON are read, when the template is known.
    needs: json only: JSON paths that a line must have (not null) to be of this format; empty: any object with a time
      and a status.
    account, region, api, stage, api_type: what the format's origin (a stage of the inventory) tells when the line
      itself does not.
    """

    name: str
    family: Family
    fields: Mapping[str, tuple[str, ...]]
    pattern: str | None = None
    needs: frozenset[str] = field(default_factory=frozenset)
    inside: Mapping[str, str] = field(default_factory=dict)
    quoted: frozenset[str] = field(default_factory=frozenset)
    relaxed: str | None = None
    anchored: Anchored | None = None
    api_type: ApiType | None = None
    account: str | None = None
    region: str | None = None
    api: str | None = None
    stage: str | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The pattern's groups in their order: DuckDB's regexp_extract binds the names it is given by position."""
        return tuple(_GROUP.findall(self.pattern or ""))


_GROUP = re.compile(r"\(\?P<(\w+)>")

FOREIGN: Mapping[str, str] = {
    "x.time": "any time: epoch s or ms (integer or decimal), CLF, or ISO 8601",
    "x.duration_s": "whole duration in seconds, decimal",
    "x.integration_s": "time of the back end in seconds, decimal",
    "x.forwarded": "X-Forwarded-For or a peer list: the first address is the client",
    "x.request": "the request line: METHOD target PROTOCOL",
    "x.url": "an absolute URL or a path with query: host and path are taken from it",
    "x.api": "what stands for the API: a virtual host, a load balancer's name",
    "x.api_type": "REST, HTTP or WEBSOCKET in any case",
    "x.region": "an AWS region",
    "x.delivered": "time of delivery, same shapes as x.time",
    "x.event_id": "CloudWatch Logs event id: the line's identity",
    "x.trace": "a trace id that is not called xrayTraceId",
    "x.client_port": "an address with a port: IP:PORT",
    "x.before_s": "seconds before the back end got the request, decimal; -1 is unknown",
    "x.after_s": "seconds from the back end's answer to the client, decimal; -1 is unknown",
}
"""Variables that AWS's `$context` does not have. A duration that is given as x.before_s, x.integration_s and x.after_s
is their sum."""

FORMATS: Registry[Format] = Registry("ingest.formats")
log_format = FORMATS.register
