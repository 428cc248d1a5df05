"""The command line: parse, call one function, print.

Each module in `gatewatch/cli/commands` is one command (or group) and is found by walking; it imports the heavy rooms
only when it runs, so that `gatewatch version` answers at once.

Exit codes: 0 nothing at or above --fail-on, 1 findings at or above it, 2 usage or configuration, 3 a source failed or
data are partial, 4 coverage below --min-coverage, 130 interrupted. Where several apply the order is 130, 2, 3, 4, 1.
A reader that closes the pipe ends us with 141, as SIGPIPE does to any tool.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

from gatewatch.cli.root import root
from gatewatch.cli.terminal import safe
from gatewatch.errors import GatewatchError

OK = 0
FINDINGS = 1
USAGE = 2
PARTIAL = 3
COVERAGE = 4
INTERRUPTED = 130
PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An error a person can act on is one line; a bug is a traceback."""
    if arguments is None:
        _buffer_stdout()
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _abandon_stdout()
        return PIPE_CLOSED
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", INTERRUPTED)
    except click.ClickException as error:
        return _fail(_usage(error), error.exit_code if isinstance(error, click.UsageError) else USAGE)
    except GatewatchError as error:
        return _fail(str(error), error.exit_code)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error), PARTIAL)


def _run(arguments: list[str]) -> int:
    """click's own `main` would answer interrupts and closed pipes in its way; so the context is made here."""
    wanted = os.environ.get("_GATEWATCH_COMPLETE")
    if wanted:
        return shell_complete(root, {}, "gatewatch", "_GATEWATCH_COMPLETE", wanted)
    try:
        with root.make_context("gatewatch", arguments) as context:
            result = root.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    return result if isinstance(result, int) else OK


def _buffer_stdout() -> None:
    """Undo PYTHONUNBUFFERED: a raw stdout writes a part when its reader goes away, and says nothing of the rest."""
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding=sys.stdout.encoding, errors=sys.stdout.errors, newline="\n"
        )


def _usage(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{text} (see `{context.command_path} --help`)" if context is not None else text


def _fail(text: str, code: int) -> int:
    try:
        print(f"gatewatch: {safe(' '.join(text.split()))}", file=sys.stderr, flush=True)
        sys.stdout.flush()
    except OSError:
        _abandon_stdout()
    return code


def _abandon_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush has nobody to complain to."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # not a real file: a test's buffer
        return
