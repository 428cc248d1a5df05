"""JSON records from files of any size, a line at a time: what is no record is counted and named, the others go on."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import orjson
import pyarrow as pa

from gatewatch.errors import UsageError
from gatewatch.records import JSON

LINE_BYTES = 64 << 20
"""Longest line: a page of a paginated answer on one line is long, a trace is at most 500 KB."""

DOCUMENT_BYTES = 256 << 20
"""Longest document that goes over several lines: it is read whole."""

NAMED = 5
"""Rejected records that are named one by one; the others are only counted."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(slots=True)
class Rejects:
    """What could not be used: how many, and the first few as `FILE: line N: why`."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, path: str, line: int, why: str) -> None:
        self.count += 1
        if len(self.named) < NAMED:
            self.named.append(f"{path}: line {line}: {why}")


def records(path: str, wrapper: str, rejects: Rejects) -> Iterator[tuple[int, dict[str, JSON]]]:
    """(line, object) of JSON lines, of a JSON list, or of documents `{wrapper: [...]}`, one a line or one a file.

    What is none goes to `rejects`. UsageError: the file cannot be read, or is empty.
    """
    number, seen = 0, False
    with _opened(path) as stream:
        while raw := _line(stream, path):
            number += 1
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            text = raw.strip()
            if not text:
                continue
            if not seen and text in (b"[", b"{"):
                yield from _document(path, text + stream.read(DOCUMENT_BYTES + 1), wrapper, rejects, number)
                return
            first, seen = not seen, True
            value, why = _parsed(text)
            if why is not None and first and text[:1] in b"[{":
                # A document over several lines whose first line is more than a bracket.
                rest = stream.read(DOCUMENT_BYTES + 1)
                if _parsed(text + b"\n" + rest)[1] is None:
                    yield from _document(path, text + b"\n" + rest, wrapper, rejects, number)
                    return
                rejects.add(path, number, why)
                for line in rest.splitlines():
                    number += 1
                    if line.strip():
                        yield from _unwrapped(path, *_parsed(line), wrapper, rejects, number)
                return
            yield from _unwrapped(path, value, why, wrapper, rejects, number)
    if not seen:
        raise UsageError(f"{path}: the file is empty")


def _document(
    path: str, raw: bytes, wrapper: str, rejects: Rejects, line: int
) -> Iterator[tuple[int, dict[str, JSON]]]:
    if len(raw) > DOCUMENT_BYTES:
        raise UsageError(f"{path}: a document of more than {DOCUMENT_BYTES >> 20} MiB; write one record a line")
    yield from _unwrapped(path, *_parsed(raw), wrapper, rejects, line)


def _unwrapped(
    path: str, value: JSON, why: str | None, wrapper: str, rejects: Rejects, line: int
) -> Iterator[tuple[int, dict[str, JSON]]]:
    if why is not None:
        rejects.add(path, line, why)
        return
    held = value.get(wrapper, [value]) if isinstance(value, dict) else value
    if not isinstance(held, list):
        what = f"{wrapper} is no list" if isinstance(value, dict) else "no JSON object"
        rejects.add(path, line, what)
        return
    for one in held:
        if isinstance(one, dict):
            yield line, one
        else:
            rejects.add(path, line, "no JSON object")


def _parsed(raw: bytes) -> tuple[JSON, str | None]:
    """(value, None), or (None, why it is no JSON)."""
    try:
        return cast(JSON, orjson.loads(raw)), None
    except orjson.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} (column {error.colno})"


def _line(stream: BinaryIO, path: str) -> bytes:
    try:
        raw = stream.readline(LINE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > LINE_BYTES:
        raise UsageError(f"{path}: a line of more than {LINE_BYTES >> 20} MiB")
    return raw


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked when it begins like gzip or zstd."""
    try:
        with open(path, "rb") as handle:
            head = handle.read(4)
            handle.seek(0)
            if head.startswith(_GZIP):
                with gzip.open(handle) as unpacked:
                    yield cast(BinaryIO, unpacked)
            elif head == _ZSTD:
                with pa.input_stream(path, compression="zstd") as unpacked:
                    yield cast(BinaryIO, io.BufferedReader(unpacked))
            else:
                yield handle
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
