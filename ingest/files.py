"""From paths that people name to pieces of work: which files, which byte ranges, in which order."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from gatewatch.errors import SourceError
from ingest.hints import Hint, Known, hint_of, undated

BLOCK_BYTES = 64 << 20
"""Bytes of text that one block holds: the unit of parsing, and what a batch's memory is made of."""

MAPPED_BYTES = 12 << 20
"""A plain file of this size or more is mapped instead of read."""

HEAD = 1 << 16
"""Bytes at the beginning of a file that tell what it is."""

_ROW_BYTES = 256  # lines of JSON are longer
_GZIP_RATIO = 14  # the most that access logs shrink; only used to plan, never trusted

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a RIFF file (WebP, WAV or AVI)"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"7z\xbc\xaf", "a 7z archive"),
)
_NONE: Mapping[str, Known] = MappingProxyType({})
_TEXT = frozenset({"plain", "gzip", "zstd", "utf-16"})


@dataclass(frozen=True, slots=True)
class LogFile:
    """One input file. kind: plain, gzip, zstd or utf-16. hint: what its path tells about its API.

    name: what it is called to people and in the accounting: its path, but for standard input. line_bytes: about how
    long its first lines are (0: not known).
    """

    path: str
    size: int
    mtime_ns: int
    kind: str
    name: str
    hint: Hint = field(default_factory=Hint)
    line_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A whole file, or a byte range of a plain one. `last`: no further piece of the file follows.

    offset and end are bytes of the raw file; ranges begin behind a newline. end None: to the end. skip: bytes of the
    text of a packed file that were read before.
    """

    file: LogFile
    offset: int = 0
    end: int | None = None
    last: bool = True
    skip: int = 0


def expand(paths: Sequence[str], *, exclude: Iterable[str] = ()) -> tuple[list[str], list[SourceError]]:
    """Files named by paths (files, folders, globs), sorted, each once; what cannot be found comes as errors.

    Hidden files and folders inside a named folder are passed over, and so are the files in `exclude`.
    """
    passed_over = {_identity(path) for path in exclude} - {None}
    found: dict[str, None] = {}
    errors: list[SourceError] = []
    for path in paths:
        if path.startswith("s3://"):
            why = "`gatewatch scan` reads it once, `gatewatch sources add NAME` again and again"
            errors.append(SourceError(f"{path}: s3:// is not read here; {why}"))
            continue
        matches = [path] if os.path.lexists(path) else sorted(glob.glob(path, recursive=True))
        if not matches:
            errors.append(SourceError(f"{path}: no such file or folder"))
        for match in matches:
            before = len(errors)
            names = list(_walk(match, errors)) if os.path.isdir(match) else [match]
            if os.path.isdir(match) and not names and len(errors) == before:
                errors.append(SourceError(f"{match}: the folder holds no files"))
            for name in names:
                if not passed_over or _identity(name) not in passed_over:
                    found[name] = None
    return list(found), errors


def _identity(path: str) -> tuple[int, int] | None:
    """What a file is however it is reached; None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _walk(top: str, errors: list[SourceError]) -> Iterator[str]:
    def failed(error: OSError) -> None:
        errors.append(SourceError(f"{error.filename}: {error.strerror}"))

    for folder, folders, files in os.walk(top, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield os.path.join(folder, name)


class NoText(SourceError):
    """A file that holds a picture, an archive or other bytes that are no text."""


def inspect(path: str, apis: Mapping[str, Known] = _NONE) -> tuple[LogFile, bytes]:
    """A file's size, time and kind, told by its first bytes whatever its name, and these bytes.

    Raises SourceError when it cannot be read, NoText when it is no text.
    """
    try:
        status = os.stat(path)
        if not os.path.isfile(path):
            raise SourceError(f"{path}: not a regular file")
        with open(path, "rb") as handle:
            head = handle.read(HEAD)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from None
    kind = next((kind for magic, kind in _MAGIC if head.startswith(magic)), "plain")
    if kind not in _TEXT:
        raise NoText(f"{path}: not a log but {kind}")
    if kind == "plain" and b"\0" in head[:4096]:
        raise NoText(f"{path}: not a log but binary data")
    line_bytes = len(head) // max(head.count(b"\n"), 1) if kind == "plain" else 0
    return LogFile(path, status.st_size, status.st_mtime_ns, kind, path, hint_of(path, apis), line_bytes), head


def split(file: LogFile, *, start: int = 0, growing: bool = False) -> Iterator[Piece]:
    """A plain file as ranges of about BLOCK_BYTES (less of short lines) that end behind a newline; any other as one.

    start: bytes of the text that were read before. growing: leave a JSON object at the end that is not closed yet to a
    later time.
    """
    if file.kind != "plain":
        yield Piece(file, skip=start)
        return
    end = _whole_end(file) if growing else None
    size = file.size if end is None else end
    most = int(BLOCK_BYTES / _crowd(file))
    if size - start <= most * 5 // 4:
        if size > start or not file.size:
            yield Piece(file, start, end)
        return
    with open(file.path, "rb") as handle:
        while size - start > most * 5 // 4:
            cut = _behind_newline(handle.fileno(), start + most, size)
            if cut >= size:
                break
            yield Piece(file, start, cut, last=False)
            start = cut
    yield Piece(file, start, end)


def _whole_end(file: LogFile) -> int | None:
    """Where the last whole line ends, when an unfinished object stands behind it; None: read to the end."""
    with open(file.path, "rb") as handle:
        begin = max(file.size - (1 << 20), 0)
        handle.seek(begin)
        text = handle.read(file.size - begin)
    tail = text[text.rfind(b"\n") + 1 :].strip()
    if not tail.startswith(b"{") or tail.endswith(b"}"):
        return None
    return begin + text.rfind(b"\n") + 1


def _behind_newline(descriptor: int, position: int, size: int) -> int:
    while position < size:
        chunk = os.pread(descriptor, 1 << 16, position)
        if not chunk:
            break
        at = chunk.find(b"\n")
        if at >= 0:
            return position + at + 1
        position += len(chunk)
    return size


def group(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Neighbouring small files of one folder and hint together, about a block's worth; big ones alone.

    Folders that only date what is in them (Firehose makes one an hour) count as the folder above them.
    """
    together: list[Piece] = []
    weight = 0.0
    for piece in pieces:
        mine = _weight(piece)
        if together and (weight + mine > BLOCK_BYTES or _place(piece) != _place(together[0]) or len(together) >= 4096):
            yield together
            together, weight = [], 0.0
        together.append(piece)
        weight += mine
    if together:
        yield together


def _place(piece: Piece) -> tuple[tuple[str, ...], Hint]:
    return undated(Path(piece.file.path).parent), piece.file.hint


def _weight(piece: Piece) -> float:
    size = (piece.file.size if piece.end is None else piece.end) - piece.offset
    return size * _GZIP_RATIO if piece.file.kind in {"gzip", "zstd"} else size * _crowd(piece.file)


def _crowd(file: LogFile) -> float:
    """How much more of short lines a block would hold: memory goes by rows as well as by bytes."""
    return min(max(_ROW_BYTES / file.line_bytes, 1.0), 4.0) if file.line_bytes else 1.0
