"""Files that people bring beside the logs and that are read whole: inventory, networks. Errors name file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import cast

from gatewatch.errors import UsageError
from gatewatch.records import JSON

MAX_BYTES = 1 << 30
"""Largest document read whole, after decompression."""

_GZIP = b"\x1f\x8b"
_INVENTORY_KEYS = ("restApis", "httpApis", "webSocketApis")


@dataclass(frozen=True, slots=True)
class Network:
    """One row of the networks file: which autonomous system announces a network."""

    network: IPv4Network | IPv6Network
    asn: str
    name: str | None = None


def read_text(path: str) -> str:
    """The whole text of a plain or gzip file; UsageError names the file and what is wrong."""
    try:
        with open(path, "rb") as handle:
            head = handle.read(2)
            handle.seek(0)
            if head == _GZIP:
                with gzip.open(handle) as stream:
                    raw = stream.read(MAX_BYTES + 1)
            else:
                raw = handle.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}: line {line}: not UTF-8 text") from None


def json_records(path: str, wrapper: str) -> Iterator[tuple[int, dict[str, JSON]]]:
    """(line, object) of a JSON-lines file, a JSON list, or a JSON document `{wrapper: [...]}`.

    The line of a record inside a list or document is that of the document's start, 1.
    """
    text = read_text(path)
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise UsageError(f"{path}: the file is empty")
    whole = _whole(path, text, first, wrapper)
    if whole is not None:
        for number, item in enumerate(whole):
            if not isinstance(item, dict):
                raise UsageError(f"{path}: record {number + 1} is no JSON object")
            yield 1, item
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            value = _parse(path, line, number)
            if not isinstance(value, dict):
                raise UsageError(f"{path}: line {number}: no JSON object")
            yield number, value


def _whole(path: str, text: str, first: str, wrapper: str) -> list[JSON] | None:
    """The records when the file is one document; None when it is JSON lines."""
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        if first.strip() not in {"[", "{"} and not _is_json(text):
            return None  # JSON lines with a bad first one: the caller names it
    else:
        if isinstance(value, dict) and wrapper not in value:
            return None
    document = _parse(path, text, 1)
    records = document.get(wrapper, [document]) if isinstance(document, dict) else document
    if not isinstance(records, list):
        raise UsageError(f"{path}: {wrapper} is no list")
    return records


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _parse(path: str, text: str, line: int) -> JSON:
    try:
        return cast(JSON, json.loads(text))
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path}: line {line + error.lineno - 1}: not JSON: {error.msg} (column {error.colno})"
        ) from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: line {line}: not JSON that can be read (too deep, or a number too long)") from None


def read_inventory(path: str) -> Mapping[str, JSON]:
    """The inventory document of design.md 4: one JSON object with restApis, httpApis or webSocketApis."""
    document = _parse(path, read_text(path), 1)
    if not isinstance(document, dict):
        raise UsageError(f"{path}: line 1: an inventory is one JSON object")
    if not any(key in document for key in _INVENTORY_KEYS):
        raise UsageError(f"{path}: no inventory: it has none of {', '.join(_INVENTORY_KEYS)}")
    for key in _INVENTORY_KEYS:
        listed = document.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            raise UsageError(f"{path}: {key} is no list of objects")
    return document


def read_networks(path: str) -> list[Network]:
    """CSV rows `network,asn[,name]`, with or without a head line."""
    rows: list[Network] = []
    reader = csv.reader(io.StringIO(read_text(path)))
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not rows and cells[0].lower() in {"network", "prefix", "cidr"}:
                continue
            if len(cells) < 2 or not cells[1]:
                raise UsageError(f"{path}: line {reader.line_num}: a row is network,asn[,name]")
            try:
                network = ip_network(cells[0], strict=False)
            except ValueError:
                raise UsageError(f"{path}: line {reader.line_num}: {cells[0]!r} is no network") from None
            asn = cells[1].upper().removeprefix("AS")
            if not asn.isdigit():
                raise UsageError(f"{path}: line {reader.line_num}: {cells[1]!r} is no AS number")
            rows.append(Network(network, f"AS{asn}", cells[2] if len(cells) > 2 and cells[2] else None))
    except csv.Error as error:
        raise UsageError(f"{path}: line {reader.line_num}: {error}") from None
    return rows
