"""Passwords that others have lost: looked up in a file that the operator brings, and nowhere else.

The file is what haveibeenpwned.com gives away: SHA-1 in hex, one a line, sorted, perhaps `:count` behind it. It may
have gigabytes: a few dozen lines of it are read.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from gatewatch.errors import UsageError

_LINE = 512
"""Bytes in which a whole line is found, wherever one begins to read."""


def breached(path: Path, password: str) -> bool:
    """Whether the file has it. UsageError when it cannot be read: then no password can be called good."""
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    try:
        with path.open("rb") as file:
            return _has(file, wanted)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"passwords cannot be looked up in breached_passwords: {reason}") from None


def _has(file: BinaryIO, wanted: bytes) -> bool:
    """Halves the bytes in which the line may begin."""
    low, high = 0, os.fstat(file.fileno()).st_size
    while low < high:
        middle = (low + high) // 2
        begin, found = _line_from(file, middle)
        if found is None or found > wanted:
            high = middle
        elif found == wanted:
            return True
        else:
            low = begin + 1
    return False


def _line_from(file: BinaryIO, at: int) -> tuple[int, bytes | None]:
    """(where it begins, the hash) of the first line that begins at or after `at`; None behind the last."""
    file.seek(max(0, at - 1))
    if at:
        skipped = file.readline(_LINE)
        if not skipped.endswith(b"\n"):
            return at, None
        at = at - 1 + len(skipped)
    text = file.readline(_LINE)
    return at, text.strip()[:40].upper() or None


def check_breached_file(path: Path) -> None:
    """UsageError unless the file looks like one."""
    try:
        with path.open("rb") as file:
            first = file.readline(_LINE).strip()
    except OSError as error:
        raise UsageError(f"breached_passwords: {path} cannot be read: {error.strerror or error}") from None
    digest, _, _ = first.partition(b":")
    try:
        good = len(digest) == 40 and len(bytes.fromhex(digest.decode("ascii"))) == 20
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"breached_passwords: {path} has no SHA-1 in hex in its first line")
