"""Uploads that are not whole yet: files of parts in a folder, bounded in size, number and age.

A browser that is closed leaves one behind. So at most MOST lie here, those that are being read among them, with at most
MOST_BYTES in all: who needs the place gets that of the one that has been quiet longest, if that is longer than QUIET_S.
What is older than FORGOTTEN_S is swept with each part, and by housekeeping where no part ever comes again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from gatewatch.errors import StoreError, UsageError

MOST_FILE = 64 << 20
"""Bytes of a file; what is larger is read with `gatewatch ingest`."""

MOST = 8
MOST_BYTES = 256 << 20

WHOLE = ".whole"

QUIET_S = 120
"""An upload without a new part for so long gives its place to another."""

FORGOTTEN_S = 3600

ID = re.compile(r"^[0-9a-f]{32}$")
"""Becomes a file's name, so it is anchored: a pattern without ends would be looked for anywhere in the text."""


class Crowded(UsageError):
    """As much is being uploaded as may be; later there may be room."""


class TooLong(UsageError):
    """The file is larger than an upload may be; its parts are gone."""


class Unknown(UsageError):
    """No upload with this id is under way."""


class Unfinished:
    """The uploads of a data directory. Safe for threads; other processes may look at the same folder."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = data_dir / "uploads"
        self._clock = clock
        self._lock = Lock()

    def add(self, upload: str, data: bytes, *, first: bool) -> int:
        """One part more; the bytes there are now. Crowded, TooLong, Unknown; StoreError when it cannot be written."""
        with self._lock:
            try:
                return self._add(self.path(upload), data, first)
            except OSError as error:
                with suppress(OSError):  # half a part is worse than none
                    self.path(upload).unlink(missing_ok=True)
                raise StoreError(f"the upload cannot be kept: {error.strerror or error}") from error

    def _add(self, path: Path, data: bytes, first: bool) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sweep()
        if not first and not path.is_file():
            raise Unknown("upload: there is none under way with this id; begin again")
        size = (path.stat().st_size if path.exists() else 0) + len(data)
        if size > MOST_FILE:
            path.unlink(missing_ok=True)
            raise TooLong(f"a file has at most {MOST_FILE >> 20} MiB here; read it with `gatewatch ingest`")
        self._make_room(path, len(data))
        with open(path, "ab") as out:
            out.write(data)
        return size

    def _make_room(self, path: Path, more: int) -> None:
        listed = self._listed()
        held = sum(size for _, _, size in listed)
        number = sum(one != path for one, _, _ in listed)
        quiet = sorted(
            (at, size, one)
            for one, at, size in listed
            if one != path and one.suffix != WHOLE and self._clock() - at > QUIET_S
        )
        while number >= MOST or held + more > MOST_BYTES:
            if not quiet:
                raise Crowded(f"{number} other files are being uploaded; try again in a minute")
            _, size, oldest = quiet.pop(0)
            oldest.unlink(missing_ok=True)
            held, number = held - size, number - 1

    def whole(self, upload: str) -> Path:
        """The file of all parts, which from now on takes none and gives no place away; who reads it deletes it.

        Unknown: it is gone, or being read.
        """
        path = self.path(upload)
        with self._lock, suppress(FileNotFoundError):
            return path.rename(path.with_suffix(WHOLE))
        raise Unknown("upload: there is none under way with this id; begin again")

    def path(self, upload: str) -> Path:
        """Where the parts of an upload lie; nothing but an id of ours leads anywhere (Unknown)."""
        if not ID.fullmatch(upload):
            raise Unknown("upload: not what the first part was answered")
        return self._folder / upload

    def sweep(self) -> int:
        """Delete what nobody went on with; how many."""
        gone = 0
        for path, at, _ in self._listed():
            if self._clock() - at > FORGOTTEN_S:
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _listed(self) -> list[tuple[Path, float, int]]:
        """(file, time of its last part, bytes)"""
        out = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            with suppress(FileNotFoundError):  # another process has just read it
                found = path.stat()
                out.append((path, found.st_mtime, found.st_size))
        return out
