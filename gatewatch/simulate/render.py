"""Calls as the text that API Gateway would log: each variable of a template as a column, pasted into the template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.simulate.calls import Calls
from gatewatch.simulate.model import Api, Mask, World
from gatewatch.simulate.outcomes import LOOKS, Outcome
from gatewatch.simulate.people import AGENTS, METHODS, PROBES, ip_texts, principal_texts
from gatewatch.simulate.templates import pieces

Bits = npt.NDArray[np.uint64]

_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], dtype="S2")
_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", dtype=np.uint8)
_LOOKS = [LOOKS[outcome] for outcome in Outcome]


def identities(world: World, api: Api, number: int, n: int) -> Bits:
    """Random bits of the request ids of a chunk's calls: (n, 5) words, in the order of the calls."""
    return world.rng("identities", api.index, number).integers(0, 1 << 64, (n, 5), dtype=np.uint64)


@dataclass(slots=True)
class Lines:
    """Columns of text for calls; each is made when it is asked for. null: the variable is absent."""

    world: World
    api: Api
    calls: Calls
    bits: Bits
    _made: dict[str, pa.Array] = field(default_factory=dict)

    def text(self) -> pa.Array:
        """One line a call, without its end."""
        texts, names = pieces(self.api.template)
        parts: list[object] = [texts[0]]
        for name, text in zip(names, texts[1:], strict=True):
            parts += [self[name], text]
        if not len(self.calls):
            return pa.array([], pa.string())
        return pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="-")

    def __getitem__(self, name: str) -> pa.Array:
        """The column of a `$context` variable; KeyError for one that no template of ours has."""
        if name not in self._made:
            self._made[name] = _COLUMNS[name](self)
        return self._made[name]

    @property
    def rest(self) -> bool:
        return self.api.kind == "rest"

    def reached(self) -> Mask:
        """Which calls got past everything to the integration (or its cache)."""
        found: Mask = self.calls.integration_ms >= 0
        return found

    def look(self, attribute: str) -> pa.Array:
        """An attribute of the outcome's look; '-' becomes null."""
        if attribute in ("type", "message"):
            words = [getattr(look.of(self.api.kind), attribute) for look in _LOOKS]
        else:
            words = [getattr(look, attribute) for look in _LOOKS]
        table = pa.array([None if word == "-" else word for word in words], pa.string())
        return table.take(pa.array(self.calls.outcome))

    def constant(self, value: str | None) -> pa.Array:
        return pa.repeat(pa.scalar(value, pa.string()), len(self.calls))


def _numbers(values: npt.NDArray[np.signedinteger], absent: Mask | None = None) -> pa.Array:
    hidden = values < 0 if absent is None else absent
    return pc.cast(pa.array(values, mask=hidden), pa.string())


def _table(values: list[str], places: npt.NDArray[np.signedinteger]) -> pa.Array:
    """values[place] for each place; null for negative ones."""
    return pa.array(values, pa.string()).take(pa.array(places, mask=places < 0))


def uuids(bits: Bits) -> pa.Array:
    """Version-4 UUIDs of two words a row."""
    raw = bits[:, :2].copy().view(np.uint8).reshape(-1, 16)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    out = np.full((len(raw), 36), ord("-"), dtype=np.uint8)
    digits = _HEX[raw].view(np.uint8).reshape(-1, 32)
    for target, begin, end in ((0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)):
        out[:, target : target + end - begin] = digits[:, begin:end]
    return fixed(out)


def base64_ids(bits: Bits) -> pa.Array:
    """Sixteen characters as API Gateway's extended request ids: `Qx0yFHzToAMEVkw=`."""
    words = bits[:, 2:4]
    out = np.full((len(bits), 16), ord("="), dtype=np.uint8)
    for place in range(15):
        word = words[:, 0] if place < 10 else words[:, 1]
        out[:, place] = _BASE64[(word >> np.uint64(6 * (place % 10)) & np.uint64(63)).astype(np.int64)]
    return fixed(out)


def hexes(words: Bits, digits: int) -> pa.Array:
    """The first digits of each word in hexadecimal, at most 16."""
    raw = words.astype(">u8").view(np.uint8).reshape(-1, 8)
    return fixed(_HEX[raw].view(np.uint8).reshape(-1, 16)[:, :digits])


def fixed(characters: npt.NDArray[np.uint8]) -> pa.Array:
    """Rows of ASCII characters as strings."""
    n, width = characters.shape
    offsets = np.arange(n + 1, dtype=np.int32) * width
    data = np.ascontiguousarray(characters)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data))


def trace_ids(calls: Calls, bits: Bits) -> pa.Array:
    """X-Ray ids: `1-`, the second in hexadecimal, `-`, 96 random bits."""
    seconds = (calls.at_ms // 1000).astype(np.uint64) << np.uint64(32)
    return pc.binary_join_element_wise("1-", hexes(seconds, 8), "-", hexes(bits[:, 4], 16), hexes(bits[:, 3], 8), "")


def _request_time(lines: Lines) -> pa.Array:
    seconds, places = np.unique(lines.calls.at_ms // 1000, return_inverse=True)
    return _table([clf_time(second) for second in seconds.tolist()], places)


@lru_cache(maxsize=4096)
def clf_time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def paths(lines: Lines) -> pa.Array:
    """What was asked for, with the stage in front (except on $default), numbers in place of parameters."""
    calls, api = lines.calls, lines.api
    prefix = "" if api.stage == "$default" else f"/{api.stage}"
    heads, tails, numbered = [], [], []
    for route in api.routes:
        head, brace, tail = route.resource.partition("{id}")
        heads.append(prefix + head)
        tails.append(tail)
        numbered.append(bool(brace))
    probes = pa.array([prefix + probe for probe in PROBES]).take(
        pa.array(np.where(calls.route < 0, calls.path % len(PROBES), 0))
    )
    number = pc.cast(pa.array(calls.path), pa.string())
    with_number = np.array(numbered)[calls.route] & (calls.route >= 0)
    middle = pc.if_else(pa.array(with_number), number, "")
    known = pc.binary_join_element_wise(_table(heads, calls.route), middle, _table(tails, calls.route), "")
    return pc.if_else(pa.array(calls.route < 0), probes, known)


def _method(lines: Lines) -> pa.Array:
    names = [route.method for route in lines.api.routes] + list(METHODS)
    places = np.where(lines.calls.route < 0, len(lines.api.routes) + lines.calls.method, lines.calls.route)
    return _table(names, places)


def _agent(lines: Lines) -> pa.Array:
    """REST APIs escape quotes and backslashes in agents, the others paste them as they are (aws-facts 1.4)."""
    texts = [text.replace("\\", "\\\\").replace('"', '\\"') if lines.rest else text for text in AGENTS]
    return _table(texts, lines.calls.agent)


def _service_status(lines: Lines) -> pa.Array:
    """Of the Lambda service: 200 whenever the function answered, whatever it answered."""
    return pc.if_else(pa.array(lines.calls.integration_status >= 0), "200", lines.look("service_status"))


def _authorizer_status(lines: Lines) -> pa.Array:
    asked = (lines.calls.authorizer_ms >= 0) & (lines.calls.outcome == Outcome.ANSWERED)
    return pc.if_else(pa.array(asked), "200", lines.look("authorizer_status"))


def _waf_status(lines: Lines) -> pa.Array:
    passed = (lines.calls.waf_ms >= 0) & (lines.calls.outcome != Outcome.WAF_BLOCK)
    return pc.if_else(pa.array(passed), "200", lines.look("waf_status"))


_SAYS_WHO = (Outcome.ANSWERED, Outcome.AUTHORIZER_DENY, Outcome.TOKEN_SCOPE, Outcome.THROTTLED, Outcome.QUOTA,
             Outcome.BAD_BODY, Outcome.BAD_PARAMETERS, Outcome.INTEGRATION_TIMEOUT, Outcome.INTEGRATION_FAILED,
             Outcome.INTEGRATION_FORBIDDEN, Outcome.LAMBDA_THROTTLED, Outcome.MALFORMED_ANSWER)  # fmt: skip


def _principal(lines: Lines) -> pa.Array:
    """The authorizer's name for the caller: known once it took the token, or denied it by policy."""
    authorized = np.array([route.auth in ("lambda", "jwt") for route in lines.api.routes])[lines.calls.route]
    shown = authorized & (lines.calls.route >= 0) & np.isin(lines.calls.outcome, _SAYS_WHO)
    if lines.api.kind == "websocket":  # the authorizer ran at $connect, its context stays with the connection
        shown = np.isin(lines.calls.outcome, _SAYS_WHO) & (lines.calls.principal >= 0)
    return principal_texts(np.where(shown, lines.calls.principal, -1))


def _subject(lines: Lines) -> pa.Array:
    """A JWT's claim is known only when the token was good."""
    bad = (Outcome.AUTHORIZER_DENY, Outcome.TOKEN_MISSING, Outcome.TOKEN_MALFORMED, Outcome.TOKEN_EXPIRED,
           Outcome.TOKEN_SIGNATURE)  # fmt: skip
    jwt = np.array([route.auth == "jwt" for route in lines.api.routes])[lines.calls.route] & (lines.calls.route >= 0)
    return principal_texts(np.where(jwt & ~np.isin(lines.calls.outcome, bad), lines.calls.principal, -1))


def _caller(lines: Lines) -> pa.Array:
    """IAM callers; nobody else has one."""
    signed = np.array([route.auth == "iam" for route in lines.api.routes])[lines.calls.route] & (lines.calls.route >= 0)
    signed &= np.isin(lines.calls.outcome, _SAYS_WHO)
    names = principal_texts(np.where(signed, lines.calls.principal, -1))
    return pc.binary_join_element_wise("AROAEXAMPLEROLE000002:", names, "")


def _key(lines: Lines) -> pa.Array:
    """The key's id is known when the key is; an unknown one has none."""
    known = lines.calls.outcome != Outcome.KEY_UNKNOWN
    keyed = np.array([route.auth == "key" for route in lines.api.routes])[lines.calls.route] & (lines.calls.route >= 0)
    return _table(list(lines.api.keys) or ["-"], np.where(known & keyed, lines.calls.key, -1))


def _connection(lines: Lines) -> pa.Array:
    words = np.stack([lines.calls.connection.astype(np.uint64)] * 4, axis=1)
    ids = pc.replace_substring(pc.replace_substring(base64_ids(words), "/", "_"), "+", "-")  # they stand in paths
    return pc.if_else(pa.array(lines.calls.connection >= 0), ids, pa.scalar(None, pa.string()))


def _route_key(lines: Lines) -> pa.Array:
    return _table([route.key for route in lines.api.routes], lines.calls.route)


def _resource(lines: Lines) -> pa.Array:
    """The template; for what is not there REST APIs show the nearest parent, mostly the root."""
    places = np.where(lines.calls.route < 0, len(lines.api.routes), lines.calls.route)
    return _table([route.resource for route in lines.api.routes] + ["/"], places)


_COLUMNS: dict[str, Callable[[Lines], pa.Array]] = {
    "requestId": lambda lines: uuids(lines.bits) if lines.rest else lines["extendedRequestId"],
    "extendedRequestId": lambda lines: base64_ids(lines.bits),
    "accountId": lambda lines: lines.constant(lines.world.account),
    "apiId": lambda lines: lines.constant(lines.api.id),
    "stage": lambda lines: lines.constant(lines.api.stage),
    "domainName": lambda lines: lines.constant(host(lines.world, lines.api)),
    "requestTime": _request_time,
    "requestTimeEpoch": lambda lines: _numbers(lines.calls.at_ms),
    "httpMethod": _method,
    "path": paths,
    "resourcePath": _resource,
    "routeKey": _route_key,
    "protocol": lambda lines: lines.constant("HTTP/1.1"),
    "xrayTraceId": lambda lines: trace_ids(lines.calls, lines.bits) if lines.api.tracing else lines.constant(None),
    "eventType": lambda lines: _table([route.method for route in lines.api.routes], lines.calls.route),
    "connectionId": _connection,
    "status": lambda lines: _numbers(lines.calls.status),
    "responseLength": lambda lines: _numbers(lines.calls.bytes),
    "responseLatency": lambda lines: _numbers(lines.calls.latency_ms),
    "integration.latency": lambda lines: _numbers(lines.calls.integration_ms),
    "integration.status": lambda lines: _numbers(lines.calls.integration_status),
    "integration.integrationStatus": _service_status,
    "integration.error": lambda lines: lines.look("integration_error"),
    "authorizer.status": _authorizer_status,
    "authorizer.latency": lambda lines: _numbers(lines.calls.authorizer_ms),
    "authorizer.error": lambda lines: lines.look("authorizer_error"),
    "authorizer.principalId": _principal,
    "authorizer.claims.sub": _subject,
    "authorize.status": lambda lines: lines.look("authorize_status"),
    "authenticate.status": lambda lines: lines.look("authenticate_status"),
    "waf.status": _waf_status,
    "waf.latency": lambda lines: _numbers(lines.calls.waf_ms),
    "identity.sourceIp": lambda lines: ip_texts(lines.calls.ip),
    "identity.userAgent": _agent,
    "identity.apiKeyId": _key,
    "identity.caller": _caller,
    "identity.user": _caller,
    "error.responseType": lambda lines: lines.look("type"),
    "error.message": lambda lines: lines.look("message"),
}


def host(world: World, api: Api) -> str:
    return f"{api.id}.execute-api.{world.region}.amazonaws.com"
