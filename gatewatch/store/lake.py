"""The lake: append-only Parquet segments, written beside, synced, and renamed into place.

A file is `<kind>/date=YYYY-MM-DD/hour=HH/<batch>-<n>.parquet` below the root; date and hour (UTC) are those of its
first row. Before that it is in `.tmp`, which other engines that read the lake pass over. What counts is said by the
manifest (models.SegmentRow), never by a listing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from gatewatch.errors import StoreError
from gatewatch.store.packed import SHAPES

KINDS: tuple[str, ...] = ("requests", "minutes", "clients", "metrics", "spans", "executions")

_BATCH = re.compile(r"[0-9a-z]{8,64}")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SYNCED: set[Path] = set()  # directories whose own entry this process has synced, up to the root


@dataclass(frozen=True, slots=True)
class Segment:
    """One published file. path is relative to the lake's root; min_at and max_at are of its first and last row.

    token: 32 hex digits that stand for what is in it; those of segments that became one add up to its token, so that
    who has seen the parts knows the whole (`added`).
    """

    kind: str
    path: str
    rows: int
    bytes: int
    min_at: datetime
    max_at: datetime
    sha256: str
    token: str = ""


def token_of(path: str, sha256: str) -> str:
    """The token of a segment that was written with new rows."""
    return hashlib.blake2b(f"{path} {sha256}".encode(), digest_size=16).hexdigest()


def added(tokens: Iterable[str]) -> str:
    """The token of all of these together, in whatever order and however joined."""
    return f"{sum(int(token, 16) for token in tokens) % (1 << 128):032x}"


def check_batch_id(batch_id: str) -> str:
    """The id as it is, fit for a file name; ValueError otherwise."""
    if not _BATCH.fullmatch(batch_id):
        raise ValueError(f"batch id {batch_id[:80]!r} is not 8 to 64 of the characters 0-9 and a-z")
    return batch_id


class Lake:
    """The folder of all segments; needs no SQL, so worker processes can use it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def new_segment(self, kind: str, batch_id: str, n: int, min_at: datetime) -> tuple[Path, str]:
        """Where to write the n-th segment of a batch, and the path (relative to the root) to publish it under."""
        if kind not in KINDS:
            raise ValueError(f"the lake has no kind {kind!r}")
        name = f"{check_batch_id(batch_id)}-{n:d}.parquet"
        if min_at.tzinfo is None:
            raise ValueError("a naive datetime has no place in the lake")
        relative = min_at.astimezone(UTC).strftime(f"{kind}/date=%Y-%m-%d/hour=%H/{name}")
        temporary = self.root / ".tmp" / f"{batch_id}-{kind}-{n:d}.parquet"
        with self.writing():
            temporary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return temporary, relative

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turns what a full or broken disk makes writers raise into a StoreError that names the lake's folder."""
        try:
            yield
        except OSError as error:  # pyarrow raises these too
            raise self._refused(error.errno, error.strerror or str(error)) from error
        except duckdb.IOException as error:
            text = str(error)
            full = any(os.strerror(number).lower() in text.lower() for number in _FULL)
            raise self._refused(errno.ENOSPC if full else errno.EIO, text.splitlines()[0]) from error

    def _refused(self, number: int | None, text: str) -> StoreError:
        if number in _FULL:
            return StoreError(f"{self.root}: the disk is full ({text}); make room, then run the same again")
        return StoreError(f"{self.root}: cannot write: {text}")

    def publish(self, temporary: Path, relative: str) -> None:
        """Make a written file durable under its final name: fsync, rename, fsync of the directory."""
        final = self.path(relative)
        with self.writing():
            os.chmod(temporary, 0o600)
            _sync(temporary)
            self._directory(final.parent)
            if final.exists():
                raise StoreError(f"{final} is there already: a segment is never written twice")
            os.rename(temporary, final)
            _sync(final.parent)

    def _directory(self, directory: Path) -> None:
        """Make a directory of the lake, each new name synced into its parent."""
        if directory in _SYNCED and directory.is_dir():
            return
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for child in (directory, *directory.parents):
            if child == self.root.parent:
                break
            # Whoever made it, its name must be durable before a manifest row names a file in it.
            _sync(child.parent)
        _SYNCED.add(directory)

    def path(self, relative: str) -> Path:
        """Where a segment of the manifest is. StoreError when the name leads out of the lake."""
        parts = relative.split("/")
        if len(parts) < 2 or parts[0] not in KINDS or any(part in {"", ".", ".."} or "\\" in part for part in parts):
            raise StoreError(f"{self.root}: the manifest names {relative[:200]!r}, which is not in the lake")
        return self.root / relative

    def sha256(self, path: Path) -> str:
        """Hex digest of a file."""
        with self.writing(), open(path, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()

    def remove(self, relative: str) -> None:
        """Unlink one segment; gone already is fine. Its manifest row must be gone, or never have been."""
        with self.writing():
            self.path(relative).unlink(missing_ok=True)

    def remove_batches(self, batch_ids: Collection[str]) -> int:
        """Unlink all files, finished or not, whose names begin with one of these ids; how many there were."""
        wanted, removed = frozenset(batch_ids), 0
        with self.writing():
            for folder in (self.root / ".tmp", *(self.root / kind for kind in KINDS)):
                for path in folder.rglob("*.parquet"):
                    if path.name.partition("-")[0] in wanted:
                        path.unlink(missing_ok=True)
                        removed += 1
        return removed


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_segment(
    root: Path, kind: str, batch_id: str, n: int, table: pa.Table, min_at: datetime, max_at: datetime
) -> Segment:
    """Write a table as the n-th segment of its kind in a leased batch. Usable in any process."""
    lake = Lake(root)
    temporary, relative = lake.new_segment(kind, batch_id, n, min_at)
    with lake.writing():
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=1,  # half the time of level 3 for two bytes an event
            row_group_size=65536,
            use_dictionary=[name for name in table.column_names if name not in _UNIQUE | _ENCODED.keys()],
            column_encoding={name: _ENCODED[name] for name in table.column_names if name in _ENCODED},
            store_schema=False,  # a dictionary is how a column is stored, not what it is
        )
    size, digest = temporary.stat().st_size, lake.sha256(temporary)
    lake.publish(temporary, relative)
    return Segment(kind, relative, table.num_rows, size, min_at, max_at, digest, token_of(relative, digest))


_UNIQUE = frozenset(
    {"at", "path", "request_id", "extended_request_id", "trace_id", *(shape.packed for shape in SHAPES)}
)
_ENCODED = {
    "at": "DELTA_BINARY_PACKED",
    "trace_id_lead": "DELTA_BINARY_PACKED",
}
