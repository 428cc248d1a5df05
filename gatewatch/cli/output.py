"""Where results go: standard output, or files that appear complete or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gatewatch.cli.documents import SUFFIXES, TEXT_FORMATS, Report, as_table
from gatewatch.cli.terminal import console
from gatewatch.errors import UsageError

FILE_WIDTH = 120


def format_of(path: Path) -> str:
    """The format that a file's suffix stands for; UsageError names the suffixes there are."""
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"{path}: the suffix says no format; use one of {', '.join(SUFFIXES)}") from None


def check_target(path: Path, *, inputs: Sequence[str] = ()) -> None:
    """UsageError before any work when a result could not be written there, or would overwrite an input."""
    if path.exists() and any(os.path.exists(name) and os.path.samefile(path, name) for name in inputs):
        raise UsageError(f"{path}: is an input; write the result somewhere else")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: the folder {path.absolute().parent} does not exist")
    if not os.access(path if path.exists() and not path.is_file() else path.absolute().parent, os.W_OK):
        raise UsageError(f"{path}: cannot be written (no permission in {path.absolute().parent})")


def write_report(report: Report, name: str, path: Path | None, *, colour: str) -> None:
    """Write in format `name` to a file, or to standard output when path is None."""
    if path is None:
        if name == "table":
            as_table(report, console(sys.stdout, colour=colour))
        else:
            sys.stdout.write(TEXT_FORMATS[name](report))
        return
    with whole_file(path) as out:
        if name == "table":
            out.write(_table_text(report).encode())
        else:
            out.write(TEXT_FORMATS[name](report).encode())


def _table_text(report: Report) -> str:
    from io import StringIO

    buffer = StringIO()
    as_table(report, console(buffer, colour="never"))
    return buffer.getvalue()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces `path` when the block ends well; after an error nothing has changed there."""
    if path.exists() and not path.is_file():  # /dev/stdout, a named pipe: cannot be replaced
        with path.open("wb") as out:
            yield out
        return
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def binary_target(path: str) -> Iterator[BinaryIO]:
    """Standard output for `-`, else a whole file."""
    if path == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    check_target(Path(path))
    with whole_file(Path(path)) as out:
        yield out


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
