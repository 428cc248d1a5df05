"""A file on this machine: one JSON line a message, for programs that follow files, and for trying routes out.

Each line is written whole and flushed to disk before it counts as sent. A message that is repeated after a crash stands
twice, with the same key.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from alerts.channels import Attempt, ChannelOptions, channel_kind
from alerts.message import parsed_instant
from gatewatch.errors import ChannelError, UsageError
from gatewatch.records import JSON, iso
from gatewatch.settings import Settings


class FileOptions(ChannelOptions):
    path: Path = Field(description="file that lines are added to; its folder must be there")


class File:
    """Adds lines to the file at `path`, which only its owner may read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        at = now or parsed_instant(payload.get("detected_at")) or datetime(1970, 1, 1, tzinfo=UTC)
        body: dict[str, JSON] = {"at": iso(at), "key": idempotency_key, **payload}
        line = json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        try:
            # One write to a file that is opened for appending: lines of two workers do not mix.
            place = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                _append(place, line)
                os.fsync(place)
            finally:
                os.close(place)
        except OSError as error:
            said = error.strerror or type(error).__name__
            if attempt is not None:
                attempt.note("append a line", body, said)
            raise ChannelError(f"file: {said}", retry=True) from error
        if attempt is not None:
            attempt.note("append a line", body, f"{len(line)} bytes written")


def _append(place: int, line: bytes) -> None:
    """OSError when it was not written whole; the part that a full disk left is a line of its own then."""
    size = os.fstat(place).st_size
    begun = size > 0 and os.pread(place, 1, size - 1) != b"\n"
    whole = b"\n" + line if begun else line
    if os.write(place, whole) < len(whole):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@channel_kind("file", FileOptions, resolved=True)
def file(options: FileOptions, settings: Settings) -> File:  # noqa: ARG001
    if not options.path.is_absolute():
        raise UsageError("path: must be absolute, as gatewatch runs in more than one folder")
    return File(options.path)
