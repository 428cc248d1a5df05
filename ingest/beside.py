"""What stands beside the logs of a tree and is none: documents told by their content, pictures, prose.

A log must never be taken for such a document, whatever its callers write into it: every record at the head of a file
has to look like one, and a file whose lines can be read as access logs is one.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterable
from ipaddress import ip_network
from json import JSONDecodeError
from pathlib import PurePath

from ingest.files import HEAD
from ingest.formats.infer import TIMES, infer
from ingest.jsonline import Tree, decode

_RECORDS = 20
_SHOWN = 4096
_KEY = re.compile(r'"((?:[^"\\]|\\.){1,64})"\s*:')
_INVENTORY = "an inventory; --inventory takes it"
_CHANGES = "CloudTrail records; `scan --changes` takes them"
_METRICS = "CloudWatch metrics; `scan --metrics` takes them"
_TRACES = "traces; `scan --traces` takes them"
_NETWORKS = "a list of networks; `scan --asn` takes it"
_OWN = ("findings that gatewatch wrote", "what `gatewatch parse` wrote", "what `gatewatch export` wrote")
_KINDS: tuple[tuple[tuple[frozenset[str], ...], str], ...] = tuple(
    (tuple(frozenset(keys.split()) for keys in several), kind)
    for several, kind in (
        (("restApis", "httpApis", "webSocketApis"), _INVENTORY),
        (("eventName eventSource eventTime", "CloudTrailEvent", "detail detail-type"), _CHANGES),
        (("MetricName Namespace", "Timestamps Values", "metric_name namespace", "MetricDataResults"), _METRICS),
        (("Id Segments", "Traces", "traceId spanId", "trace_id span_id", "resourceSpans"), _TRACES),
        (("schema_version findings", "schema_version fingerprint"), _OWN[0]),
        (("file line outcome reason",), _OWN[1]),
        (("at source batch",), _OWN[2]),
    )
)
_SIGNS = tuple(tuple(f'"{key}"' for key in sorted(keys)) for several, _ in _KINDS for keys in several)
_WRAPPED = ("Records", "Events")

_NO_LOG_NAMES = frozenset(
    ".bmp .db .doc .docx .exe .gif .ico .jar .jpeg .jpg .parquet .pdf .png .pptx .pyc .so .sqlite .sqlite3 .svg .tar"
    " .webp .whl .xlsx .zip .7z".split()
)
_LOG_NAMES = frozenset(".log .clf .access .ndjson".split())
_PACKED = frozenset(".gz .zst .zstd".split())

_TIMED = re.compile(rb"[0-9]:[0-5][0-9]:[0-5][0-9]|(?<![0-9])1[0-9]{9}(?:[0-9]{3})?(?:\.[0-9]+)?(?![0-9])")
_STATUS = re.compile(rb"(?<![\w./+-])(?<![0-9]:)[1-5][0-9]{2}(?![\w.:/+-])")


def document(head: bytes, kind: str, *, whole: bool) -> str | None:
    """What the file is when it is a document that people keep beside logs; None when it may be a log.

    head: its first bytes; only files of `kind` plain and gzip are looked into. whole: they are all there is.
    """
    if kind == "gzip":
        head, whole = _inflated(head)
    elif kind != "plain":
        return None
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    return _json_document(text, whole=whole) if text[:1] in ("{", "[") else _networks(text, whole=whole)


def _inflated(packed: bytes) -> tuple[bytes, bool]:
    inflate = zlib.decompressobj(31)
    try:
        return inflate.decompress(packed, HEAD), inflate.eof
    except zlib.error:  # said when it is read
        return b"", False


def _json_document(text: str, *, whole: bool) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and not whole:
        lines.pop()  # cut off
        whole = True
    # A tree may hold 100,000 logs: what has no such key in its first record is not worth decoding.
    one = whole and "}{" not in lines[0]
    first = text[: max(_SHOWN, len(lines[0]) if one else 0)]
    if not any(all(sign in first for sign in signs) for signs in _SIGNS):
        return None
    trees = [_tree(line) for line in lines[:_RECORDS]]
    if isinstance(trees[0], dict | list) and all(isinstance(tree, dict | list) for tree in trees):
        found = {_kind(_keys_of(tree)) for tree in trees}
    else:
        found = {_kind(_KEY.findall(text[:_SHOWN]))}  # one document over many lines, or a line longer than the head
    if len(found) != 1 or (kind := found.pop()) is None:
        return None
    return None if kind not in _OWN and _access_logs(lines[:_RECORDS]) else kind


def _access_logs(lines: list[str]) -> bool:
    """Whether the lines hold a time and a status: keys that a caller smuggled into them make no document of them."""
    return any(not TIMES.isdisjoint(found.fields) for found in infer(lines))


def _tree(line: str) -> Tree:
    try:
        tree, end = decode(line.strip())
    except (JSONDecodeError, RecursionError):
        return None
    return tree if not line.strip()[end:] else None


def _keys_of(tree: Tree) -> Iterable[str]:
    """The keys of an object, of the first one in a list, or of the first record that a document wraps."""
    if isinstance(tree, list):
        return _keys_of(tree[0]) if tree and isinstance(tree[0], dict) else ()
    if not isinstance(tree, dict):
        return ()
    for name in _WRAPPED:
        if isinstance(inner := tree.get(name), list):
            return _keys_of(inner)
    return tree


def _kind(keys: Iterable[str]) -> str | None:
    have = frozenset(keys)
    return next((kind for several, kind in _KINDS if any(signs <= have for signs in several)), None)


def _networks(text: str, *, whole: bool) -> str | None:
    """Rows of network,asn: the first ones all say so."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    lines = lines[:_RECORDS] if whole else lines[:-1][:_RECORDS]
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    except csv.Error:
        return None
    if rows and rows[0][0].lower() in {"network", "prefix", "cidr"}:
        rows = rows[1:] or rows
    return _NETWORKS if rows and all(_is_network(row) for row in rows) else None


def _is_network(cells: list[str]) -> bool:
    if not 2 <= len(cells) <= 3 or not re.fullmatch(r"(?i)(?:as)?[0-9]{1,10}", cells[1]):
        return False
    try:
        ip_network(cells[0], strict=False)
    except ValueError:
        return False
    return True


def named_no_log(path: str) -> bool:
    """Whether the file's name says itself that it is a picture, an archive or the like."""
    return PurePath(path).suffix.lower() in _NO_LOG_NAMES


def no_access_log(path: str, lines: Iterable[bytes]) -> str | None:
    """Why a file of which nothing could be read is no failure: nothing in it looks like a line of an access log.

    None where the name says that it is a log, or a line holds a time and what may be an HTTP status.
    """
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes]
    if any(suffix in _LOG_NAMES for suffix in suffixes) or (suffixes and suffixes[-1] in _PACKED):
        return None
    if any(_TIMED.search(line) and _STATUS.search(line) for line in lines):
        return None
    return "no access log: no line has a time and an HTTP status"
