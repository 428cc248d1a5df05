"""From a piece to text: opens, decompresses within a budget, and cuts at line ends."""

from __future__ import annotations

import codecs
import mmap
import os
import zlib
from collections.abc import Iterator
from typing import cast

import pyarrow as pa
from isal import isal_zlib

from gatewatch.errors import SourceError
from ingest.block import Text
from ingest.files import BLOCK_BYTES, MAPPED_BYTES, LogFile, Piece

EXPANDED_LIMIT = 4 << 30
"""Most bytes that one compressed object may expand to."""

RATIO_LIMIT = 400
"""Most bytes out of one compressed byte in, looked at once 64 MiB have come out: logs reach 30, bombs 1,000."""

_CHUNK = 1 << 20
_GZIP_CHUNK = 8 << 20  # most objects in one go: what comes out is one text, which nobody has to put together
_INFLATE_ERRORS = (cast("type[Exception]", isal_zlib.error), zlib.error)
_NESTING = 3


def texts(piece: Piece) -> Iterator[Text]:
    """The piece's text in blocks of about BLOCK_BYTES, each ending behind a newline (but for the last).

    Raises SourceError naming the file when it cannot be read, is cut off, or expands beyond the budget.
    """
    path, name = piece.file.path, piece.file.name
    try:
        if piece.file.kind == "plain":
            with open(path, "rb") as handle:
                # Never beyond what the file was when it was looked at: what came since is read the next time.
                end = piece.file.size if piece.end is None else piece.end
                if piece.offset == 0 and piece.end is None and end > MAPPED_BYTES:
                    yield mmap.mmap(handle.fileno(), end, access=mmap.ACCESS_READ)
                    return
                handle.seek(piece.offset)
                yield handle.read(end - piece.offset)
            return
        yield from _at_line_ends(_behind(unpacked(piece.file), piece.skip))
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror or error}") from None
    except ValueError as error:  # a map of what is no longer there
        raise SourceError(f"{name}: became shorter while it was read ({error})") from None


def unpacked(file: LogFile) -> Iterator[bytes]:
    """The text of a packed file; errors as of `texts`."""
    return _unpacked(_STORED[file.kind](file.path, file.name), file.name)


def beginning(file: LogFile, size: int) -> bytes:
    """The first bytes of a packed file's text, with no more unpacked than these; errors as of `texts`."""
    if file.kind == "gzip":
        with open(file.path, "rb") as handle:
            try:
                return zlib.decompressobj(31).decompress(handle.read(_CHUNK >> 4), size)
            except zlib.error as error:
                raise SourceError(f"{file.name}: broken gzip data ({error}); nothing of this file was kept") from None
    return next(unpacked(file), b"")[:size]


def _behind(chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[skip:]
        skip = max(skip - len(chunk), 0)


def _gunzip_file(path: str, name: str) -> Iterator[bytes]:
    with open(path, "rb") as handle:
        yield from _gunzip(iter(lambda: handle.read(_GZIP_CHUNK), b""), name)


def _utf16_file(path: str, name: str) -> Iterator[bytes]:
    """What PowerShell writes into a file, as UTF-8; stray bytes become U+FFFD."""
    del name
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    with open(path, "rb") as handle:
        while chunk := handle.read(_CHUNK):
            yield decoder.decode(chunk).encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _gunzip(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Inflate any number of concatenated gzip members; zero padding behind the last one is passed over."""
    budget = _Budget(name)
    inflate = None
    try:
        for arrived in chunks:
            chunk = arrived
            while chunk:
                if inflate is None:
                    chunk = chunk.lstrip(b"\0") if budget.out else chunk
                    if not chunk:
                        break
                    inflate = isal_zlib.decompressobj(wbits=31)
                before = len(chunk)
                out = inflate.decompress(chunk, BLOCK_BYTES)
                while True:
                    budget.count(before, len(out))
                    before = 0
                    if out:
                        yield out
                    rest = inflate.unconsumed_tail
                    if inflate.eof or not (rest or len(out) == BLOCK_BYTES):
                        break
                    out = inflate.decompress(rest, BLOCK_BYTES)
                    if not out and inflate.unconsumed_tail == rest:
                        break
                chunk = b""
                if inflate.eof:
                    chunk = inflate.unused_data
                    inflate = None
    except _INFLATE_ERRORS as error:
        raise SourceError(f"{name}: broken gzip data ({error}); nothing of this file was kept") from None
    if inflate is not None:
        raise SourceError(f"{name}: the gzip file is cut off; nothing of this file was kept")


def _unzstd_file(path: str, name: str) -> Iterator[bytes]:
    budget = _Budget(name)
    size = os.stat(path).st_size
    try:
        with pa.input_stream(path, compression="zstd") as stream:
            while chunk := stream.read(_CHUNK * 8):
                budget.count(size if not budget.out else 0, len(chunk))
                yield chunk
    except OSError as error:
        if error.errno is not None:
            raise
        raise SourceError(f"{name}: broken zstd data ({error}); nothing of this file was kept") from None


_STORED = {"gzip": _gunzip_file, "zstd": _unzstd_file, "utf-16": _utf16_file}


class _Budget:
    def __init__(self, name: str) -> None:
        self.name = name
        self.into = 0
        self.out = 0

    def count(self, into: int, out: int) -> None:
        self.into += into
        self.out += out
        if self.out > EXPANDED_LIMIT:
            raise SourceError(f"{self.name}: expands to more than {EXPANDED_LIMIT >> 30} GiB; nothing of it was kept")
        if self.out > 64 << 20 and self.out > RATIO_LIMIT * max(self.into, 1):
            raise SourceError(
                f"{self.name}: expands more than {RATIO_LIMIT} times (a decompression bomb?); nothing of it was kept"
            )


def _unpacked(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Undo gzip inside gzip (Firehose compressing what a subscription had compressed), to a bounded depth."""
    for _ in range(_NESTING):
        first = next(chunks, b"")
        chunks = _chain(first, chunks)
        if not first.startswith(b"\x1f\x8b"):
            return chunks
        chunks = _gunzip(chunks, name)
    raise SourceError(f"{name}: gzip nested more than {_NESTING} deep")


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _at_line_ends(chunks: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        while size > BLOCK_BYTES:
            text = b"".join(held)
            # Firehose glues records without a newline: then a record's end is the only place to cut.
            cut = text.rfind(b"\n", 0, BLOCK_BYTES) + 1 or text.rfind(b"}{", 0, BLOCK_BYTES) + 1 or len(text)
            yield text[:cut]
            held, size = [text[cut:]], len(text) - cut
    if size:
        yield b"".join(held)
