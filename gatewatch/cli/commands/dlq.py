"""`gatewatch dlq`: the lines that were rejected."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.records import JSON, iso

if TYPE_CHECKING:
    from gatewatch.store.letters import StoredLetter

SHOWN = 80


@click.group(
    cls=Group,
    examples=(
        "gatewatch dlq list                               # rejected lines and their reasons",
        "gatewatch dlq export -o rejected.jsonl",
        "gatewatch dlq retry --log-format '$context…'     # read them again with another format",
    ),
)
def command() -> None:
    """List, export or retry rejected lines (at most 4 KiB of each are kept)."""


@command.command("list", cls=Command, examples=("gatewatch dlq list --source files --limit 20",))
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@pass_ui
def list_(ui: Ui, source: str | None, limit: int) -> None:
    """Print rejected lines with file, line and reason."""
    from gatewatch.cli.documents import print_table
    from gatewatch.cli.letters import letters
    from gatewatch.cli.opened import opened
    from gatewatch.cli.terminal import console

    with opened(ui.settings()) as state:
        rows = [
            (
                stored.source,
                stored.letter.file,
                stored.letter.line,
                stored.letter.reason,
                _text(stored.letter.body)[:SHOWN],
            )
            for stored in letters(state, source, limit)
        ]
    if not rows:
        sys.stdout.write("no rejected lines\n")
        return
    print_table(("source", "file", "line", "reason", "text"), rows, console(sys.stdout, colour=ui.colour))


@command.command("export", cls=Command, examples=("gatewatch dlq export -o rejected.jsonl",))
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option("-o", "--output", metavar="FILE", default="-", show_default=True, help="Where to; - is stdout.")
@pass_ui
def export(ui: Ui, source: str | None, output: str) -> None:
    """Write every kept rejected line as one JSON object; bytes that are no UTF-8 come as base64."""
    from gatewatch.cli.documents import json_text
    from gatewatch.cli.letters import letters
    from gatewatch.cli.opened import opened
    from gatewatch.cli.output import binary_target

    count = 0
    with opened(ui.settings()) as state, binary_target(output) as out:
        for letter in letters(state, source):
            out.write(json_text(_json(letter)).encode() + b"\n")
            count += 1
    ui.say(f"{count:,} rejected lines")


@command.command("retry", cls=Command, examples=("gatewatch dlq retry --source files",))
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option("--log-format", metavar="FORMAT", help="A $context template or a format's name (default: found out).")
@pass_ui
def retry(ui: Ui, source: str | None, log_format: str | None) -> int:
    """Read the rejected lines again; those that can be read now are ingested and leave the list.

    The rest stays as it was. Exit 3 when a line that was cut at 4 KiB cannot be retried.
    """
    from gatewatch.cli.letters import retry_letters
    from gatewatch.cli.opened import opened

    with opened(ui.settings()) as state:
        result = retry_letters(state, source, log_format)
    ui.say(
        f"{result.read:,} lines were read now, {result.kept:,} still cannot be, {result.cut:,} were kept only in part"
    )
    for error in result.errors:
        ui.warn(error)
    return 3 if result.cut or result.errors else 0


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _json(stored: StoredLetter) -> dict[str, JSON]:
    letter = stored.letter
    try:
        body: dict[str, JSON] = {"body": letter.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(letter.body).decode()}
    return {
        "id": stored.id,
        "source": stored.source,
        "file": letter.file,
        "line": letter.line,
        "offset": letter.offset,
        "length": letter.length,
        "reason": letter.reason,
        "sha256": letter.sha256,
        "created_at": iso(stored.created_at),
        **body,
    }
