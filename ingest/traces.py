"""Traces as people bring them -> SPANS: BatchGetTraces items (X-Ray documents) or spans of `aws/spans`, JSON lines.

A trace counts when a stage of API Gateway is in it: only then is it known whose time it was. Spans of one trace may
stand anywhere in the files; they are kept packed until all are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import orjson
import pyarrow as pa

from gatewatch.errors import UsageError
from gatewatch.frames import SPANS
from gatewatch.records import JSON
from ingest.jsonstream import Rejects, records
from ingest.routes import method_of, normalised
from ingest.spantree import MOST_SPANS, ROOT_ORIGIN, Span, parts

MOST_ROWS = 4_000_000
"""Rows kept, some 70 bytes each. Beyond it every second trace is left out, by its id, then every second of these …"""

_FLUSH = 50_000
_TEXT = 256
_STAGE_ARN = re.compile(r"arn:[\w-]+:apigateway:([\w-]*):(\d*):/(?:restapis|apis)/([^/]+)/stages/([^/]+)")
_OPERATION = re.compile(r"[A-Z]{3,8} /\S*\Z")
_FUNCTION_ARN = re.compile(r":function:([A-Za-z0-9_-]+)")
_REMOTE_KINDS = frozenset({"CLIENT", "PRODUCER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER"})


@dataclass(frozen=True, slots=True)
class _Request:
    """The traced request as its gateway span tells it."""

    span: Span
    account: str | None
    region: str | None
    api: str
    stage: str | None
    route: str | None
    status: int | None


@dataclass(slots=True)
class Traces:
    """table: SPANS, by time and trace. records: traces or spans read; traced: requests in the table.

    thinned: of so many traces one was kept. elsewhere: traces in which no stage of API Gateway is.
    """

    table: pa.Table
    records: int = 0
    traced: int = 0
    elsewhere: int = 0
    thinned: int = 1
    rejects: Rejects = field(default_factory=Rejects)


def read_traces(paths: Iterable[str]) -> Traces:
    """All files together. UsageError: one cannot be read, is empty, or holds not one trace."""
    found, rows = Traces(SPANS.empty_table()), _Rows()
    apart: dict[str, list[bytes]] = {}
    for path in paths:
        before = found.records
        for line, record in records(path, "Traces", found.rejects):
            try:
                _take(record, rows, apart, found)
            except _NoTraceError as error:
                found.rejects.add(path, line, str(error))
        if found.records == before:
            named = [text for text in found.rejects.named if text.startswith(f"{path}: ")]
            raise UsageError(named[0] if named else f"{path}: not one trace")
    return _joined(apart, rows, found)


def _joined(apart: dict[str, list[bytes]], rows: _Rows, found: Traces) -> Traces:
    """With the traces whose spans stood apart."""
    for trace, packed in apart.items():
        if rows.keeps(trace):
            _trace(trace, _spans_of(packed), rows, found)
    found.table, found.thinned = rows.table(), rows.mask + 1
    return found


def traces_of(pulled: Iterable[dict[str, JSON]]) -> Traces:
    """Traces as BatchGetTraces gives them, or spans of `aws/spans`; what is none of them is counted in `rejects`."""
    found, rows = Traces(SPANS.empty_table()), _Rows()
    apart: dict[str, list[bytes]] = {}
    for number, record in enumerate(pulled, 1):
        try:
            _take(record, rows, apart, found)
        except _NoTraceError as error:
            found.rejects.add("X-Ray", number, str(error))
    return _joined(apart, rows, found)


class _NoTraceError(Exception):
    """Why a record is no trace."""


def _take(record: dict[str, JSON], rows: _Rows, apart: dict[str, list[bytes]], found: Traces) -> None:
    segments, trace = record.get("Segments"), record.get("Id")
    if isinstance(trace, str) and isinstance(segments, list):
        spans: list[tuple[Span, _Request | None]] = []
        for segment in segments:
            document = segment.get("Document") if isinstance(segment, dict) else None
            spans += _xray(_document(document), None)
        found.records += 1
        if rows.keeps(trace):
            _trace(trace, spans, rows, found)
        return
    trace = record.get("traceId", record.get("trace_id"))
    if not isinstance(trace, str):
        raise _NoTraceError("no trace (Id with Segments, or a span with traceId)")
    bare = isinstance(record.get("start_time"), int | float)  # an X-Ray document that stands by itself
    read = list(_xray(record, None)) if bare else [_otel(record)]
    found.records += 1
    if not rows.keeps(trace):
        return
    held = apart.setdefault(trace, [])
    if len(held) < MOST_SPANS:
        held += [_packed(span, request) for span, request in read]


def _document(text: JSON) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    if not isinstance(text, str):
        raise _NoTraceError("a segment has no Document")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _NoTraceError(f"a segment's Document is not JSON: {error.msg}") from None
    if not isinstance(document, dict):
        raise _NoTraceError("a segment's Document is no JSON object")
    return document


def _xray(document: dict[str, Any], parent: str | None, depth: int = 0) -> Iterator[tuple[Span, _Request | None]]:
    """The segment and its subsegments; what is still in progress is passed over (it comes again when done)."""
    ident, start, end = document.get("id"), document.get("start_time"), document.get("end_time")
    if isinstance(ident, str) and _real(start) and _real(end) and end >= start:
        aws = document.get("aws")
        aws = aws if isinstance(aws, dict) else {}
        origin = _word(document.get("origin"))
        span = Span(
            ident[:_TEXT],
            _word(document.get("parent_id")) or parent,
            _word(document.get("name")) or "",
            float(start),
            float(end),
            origin,
            document.get("namespace") in ("aws", "remote"),
            _target(document, aws),
        )
        yield span, _request(document, aws, span) if origin == ROOT_ORIGIN else None
    below = document.get("subsegments")
    if isinstance(below, list) and depth < 32:
        for one in below:
            if isinstance(one, dict):
                yield from _xray(one, ident if isinstance(ident, str) else parent, depth + 1)


def _target(document: dict[str, Any], aws: dict[str, Any]) -> str | None:
    """What a subsegment calls: function, else service with its table or queue, else the host of its URL."""
    function = _word(aws.get("function_name"))
    if function is not None:
        return function
    url = _word(_at(document, "http", "request", "url")) or ""
    match = _FUNCTION_ARN.search(url)
    if match:
        return match[1]
    name = _word(document.get("name")) or ""
    thing = _word(aws.get("table_name")) or (_word(aws.get("queue_url")) or "").rsplit("/", 1)[-1]
    if thing:
        return f"{name} {thing}".strip()
    if document.get("namespace") == "remote" and url:
        return urlsplit(url).hostname or name
    return None


def _request(document: dict[str, Any], aws: dict[str, Any], span: Span) -> _Request | None:
    gateway = aws.get("api_gateway")
    gateway = gateway if isinstance(gateway, dict) else {}
    region, account, api, stage = _place(_word(document.get("resource_arn")) or "")
    api = api or _word(gateway.get("rest_api_id")) or _word(_at(document, "annotations", "aws:api_id"))
    stage = stage or _word(gateway.get("stage")) or _word(_at(document, "annotations", "aws:api_stage"))
    if api is None:
        return None
    method, url = _at(document, "http", "request", "method"), _word(_at(document, "http", "request", "url"))
    status = _at(document, "http", "response", "status")
    return _Request(
        span,
        account or _word(gateway.get("account_id")) or _word(aws.get("account_id")),
        region or _word(aws.get("region")),
        api,
        stage,
        _route(_word(method), urlsplit(url).path if url else None, stage),
        _status(status),
    )


def _otel(record: dict[str, Any]) -> tuple[Span, _Request | None]:
    """A span of the log group `aws/spans`, or of OTLP as JSON with plain attributes."""
    start, end = record.get("startTimeUnixNano"), record.get("endTimeUnixNano")
    ident = record.get("spanId", record.get("span_id"))
    try:
        start_s, end_s = int(start) / 1e9, int(end) / 1e9  # type: ignore[arg-type]  # what is no number is said
    except (TypeError, ValueError):
        raise _NoTraceError("a span without startTimeUnixNano and endTimeUnixNano") from None
    if not isinstance(ident, str) or not (_real(start_s) and _real(end_s) and end_s >= start_s):
        raise _NoTraceError("a span without spanId, or with times that cannot be")
    attributes = record.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    resource = _at(record, "resource", "attributes")
    resource = resource if isinstance(resource, dict) else {}
    origin = _word(attributes.get("aws.xray.origin"))
    platform = resource.get("cloud.platform")
    if origin is None and record.get("kind") in ("SERVER", "SPAN_KIND_SERVER"):
        origin = {"aws_api_gateway": ROOT_ORIGIN, "aws_lambda": "AWS::Lambda::Function"}.get(str(platform))
    remote = record.get("kind") in _REMOTE_KINDS
    called = _word(attributes.get("aws.remote.service")) or _word(attributes.get("peer.service"))
    thing = _word(attributes.get("aws.remote.resource.identifier")) or _word(attributes.get("aws.dynamodb.table_names"))
    target = _word(attributes.get("faas.name")) or _word(attributes.get("faas.invoked_name"))
    if target is None and remote:
        target = f"{called} {thing}" if called and thing else called or _word(attributes.get("server.address"))
    if target is None and origin == "AWS::Lambda::Function":
        target = _word(resource.get("faas.name")) or _word(resource.get("service.name"))
    parent = _word(record.get("parentSpanId")) or _word(record.get("parent_span_id"))
    span = Span(ident[:_TEXT], parent, _word(record.get("name")) or "", start_s, end_s, origin, remote, target)
    if origin != ROOT_ORIGIN:
        return span, None
    region, account, api, stage = _place(_word(resource.get("cloud.resource_id")) or "")
    api = api or _word(attributes.get("aws.api_id")) or _word(attributes.get("aws:api_id"))
    if api is None:
        return span, None
    path = _word(attributes.get("url.path")) or _word(attributes.get("http.target"))
    method = _word(attributes.get("http.request.method")) or _word(attributes.get("http.method"))
    operation = _word(attributes.get("aws.local.operation"))
    status = attributes.get("http.response.status_code", attributes.get("http.status_code"))
    told = operation if operation and _OPERATION.match(operation) else None
    route = told or _word(attributes.get("http.route")) or _route(method, path, stage)
    account = account or _word(resource.get("cloud.account.id"))
    region = region or _word(resource.get("cloud.region"))
    return span, _Request(span, account, region, api, stage, route, _status(status))


def _trace(trace: str, spans: list[tuple[Span, _Request | None]], rows: _Rows, found: Traces) -> None:
    requests = [request for _, request in spans if request is not None]
    if not requests:
        found.elsewhere += 1
        return
    # A gateway may call another one's API: each request is a trace of its own, the inner one a downstream of the outer.
    for request in requests:
        found.traced += 1
        rows.add(trace, request, parts(request.span, [span for span, _ in spans]))


def _place(arn: str) -> tuple[str | None, str | None, str | None, str | None]:
    """Region, account, API and stage of a stage's ARN, each None when it does not say."""
    match = _STAGE_ARN.match(arn)
    return (None, None, None, None) if match is None else tuple(part or None for part in match.groups())  # type: ignore[return-value]


def _route(method: str | None, path: str | None, stage: str | None) -> str | None:
    if method is None or path is None:
        return None
    return f"{method_of(method)} {normalised(path, stage)}"


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _word(value: object) -> str | None:
    return value[:_TEXT] if isinstance(value, str) and value else None


def _status(value: object) -> int | None:
    return value if isinstance(value, int) and 100 <= value < 1000 else None


def _real(value: object) -> TypeGuard[float]:
    """A time in seconds since the epoch, before 2100."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 4_102_444_800


def _packed(span: Span, request: _Request | None) -> bytes:
    """As bytes: a third of what the objects take while the rest of the trace is awaited."""
    told = (
        None
        if request is None
        else [request.account, request.region, request.api, request.stage, request.route, request.status]
    )
    fields = [span.ident, span.parent, span.name, span.start_s, span.end_s, span.origin, span.remote, span.target, told]
    return orjson.dumps(fields)


def _spans_of(packed: list[bytes]) -> list[tuple[Span, _Request | None]]:
    out: list[tuple[Span, _Request | None]] = []
    for raw in packed:
        *fields, told = orjson.loads(raw)
        span = Span(*fields)
        out.append((span, None if told is None else _Request(span, *told)))
    return out


class _Rows:
    """Rows of SPANS, turned into Arrow as they grow; see MOST_ROWS for what happens to too many."""

    def __init__(self) -> None:
        self.mask = 0
        self.waiting: list[tuple[Any, ...]] = []
        self.tables: list[pa.Table] = []
        self.kept = 0

    def keeps(self, trace: str) -> bool:
        return not self.mask or _digest(trace) & self.mask == 0

    def add(self, trace: str, request: _Request, found: list[tuple[str, str | None, float]]) -> None:
        at = int(request.span.start_s * 1_000_000)
        total = (request.span.end_s - request.span.start_s) * 1000.0
        place = (request.account, request.region, request.api, request.stage, request.route, trace[:_TEXT])
        self.waiting += [(at, *place, part, name, ms, total, request.status) for part, name, ms in found]
        if len(self.waiting) >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        if not self.waiting:
            return
        columns = zip(*self.waiting, strict=True)
        arrays = []
        for given, column in zip(SPANS, columns, strict=True):
            plain = given.type.value_type if pa.types.is_dictionary(given.type) else given.type
            number = pa.int64() if pa.types.is_timestamp(plain) else plain
            arrays.append(pa.array(column, number).cast(plain).cast(given.type))
        self.tables.append(pa.table(arrays, schema=SPANS))
        self.kept += len(self.waiting)
        self.waiting = []
        while self.kept > MOST_ROWS:
            self.mask = self.mask * 2 + 1
            self.tables = [_thinned(table, self.mask) for table in self.tables]
            self.kept = sum(len(table) for table in self.tables)

    def table(self) -> pa.Table:
        self._flush()
        whole = pa.concat_tables(self.tables) if self.tables else SPANS.empty_table()
        return whole.unify_dictionaries().sort_by([("at", "ascending"), ("trace_id", "ascending")])


def _thinned(table: pa.Table, mask: int) -> pa.Table:
    return table.filter(
        pa.array([_digest(trace) & mask == 0 for trace in table.column("trace_id").to_pylist()], pa.bool_())
    )


def _digest(trace: str) -> int:
    return int.from_bytes(blake2b(trace.encode(errors="replace"), digest_size=4).digest(), "little")
