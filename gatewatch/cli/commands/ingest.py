"""`gatewatch ingest`: log files, and what is known beside them, into the store, exactly once."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import click

from gatewatch.cli.choose import partial
from gatewatch.cli.inputs import keep_beside, kept_options, read_beside, tell_passed_over
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError


@click.command(
    cls=Command,
    examples=(
        "gatewatch ingest logs/                           # every file once; run it again for what is new",
        "gatewatch ingest logs/ --follow                  # ... and let the worker look for new files",
        "gatewatch ingest 'archive/*.gz' --source shop    # under a name of its own",
        "gatewatch ingest --inventory apis.json --changes cloudtrail.json   # what detectors look at beside the logs",
    ),
)
@click.argument("paths", metavar="[PATH…]", nargs=-1)
@click.option(
    "--source", metavar="NAME", default="files", show_default=True, help="Name that the lines are kept under."
)
@click.option("--follow", is_flag=True, help="Register the folders: the worker ingests what appears in them.")
@kept_options
@click.option("--log-format", metavar="FORMAT", help="A $context template or a format's name (default: found out).")
@click.option("--workers", type=click.IntRange(0, 256), default=0, help="Processes (default: one a core).")
@pass_ui
def command(
    ui: Ui,
    paths: tuple[str, ...],
    source: str,
    follow: bool,
    log_format: str | None,
    workers: int,
    **options: Any,
) -> int:
    """Read access logs into the data directory. Files that were read before are passed over; grown ones go on.

    The inventory, changes, metrics and traces are kept beside them for every later evaluation; the same again changes
    nothing. A newer inventory of the same account and region replaces the one before.

    It may be stopped or killed at any moment and run again: nothing is lost and nothing counts twice. Exit 3 when a
    file could not be read or more than 1 % of the lines were rejected.
    """
    from gatewatch.cli.documents import accounting_line
    from gatewatch.cli.opened import opened
    from gatewatch.ingesting import ingest_paths
    from gatewatch.surroundings import known_inventory

    if follow:
        _check_follow(paths, log_format)
    settings = ui.settings()
    beside = read_beside(options)
    if not paths and not beside.files:
        raise UsageError(
            "nothing to read: name logs, or a document with --inventory, --changes, --metrics, --traces or --executions"
        )
    with opened(settings, create=True) as state:
        if beside.files:
            kept = keep_beside(state, beside, source=source, now=datetime.now(UTC))
            for text in beside.notes:
                ui.say(text)
            ui.say(f"kept: {kept}")
        if follow:
            from gatewatch.store.sources import register_source

            for number, path in enumerate(paths):
                name = source if number == 0 else f"{source}-{number + 1}"
                register_source(state, name, "files", os.path.abspath(path), follow=True)
        with ui.reporter("ingest") as progress:
            result = ingest_paths(
                state,
                paths,
                source=source,
                log_format=log_format,
                inventory=known_inventory(state),
                workers=workers,
                progress=progress,
                exclude=beside.files,
            )
    accounting = result.accounting.to_json()
    for text in result.guessed:
        ui.say(f"format: {text}")
    if result.executions:
        ui.say(f"execution logs: {result.executions:,} refused requests with a cause")
    tell_passed_over(ui, result.no_logs)
    errors = [*result.errors, *beside.errors]
    for text in errors:
        ui.warn(text)
    passed = f"; {result.passed_over:,} files were read before" if result.passed_over else ""
    if paths:
        ui.say(f"{accounting_line(accounting)}; {result.batches:,} batches{passed}")
    if result.accounting.rejected:
        ui.hint("gatewatch dlq list  shows rejected lines with their reasons")
    ui.hint("gatewatch tick  looks for findings; gatewatch serve  does so every minute and shows them")
    nothing_new = not paths or (result.passed_over and not result.accounting.files)
    why = partial(accounting, errors) if errors or not nothing_new else None
    if why is not None:
        ui.warn(f"the data are partial: {why}")
        return 3
    return 0


def _check_follow(paths: tuple[str, ...], log_format: str | None) -> None:
    if log_format is not None:
        raise UsageError("--follow finds formats out by itself; --log-format does not go with it")
    if not paths:
        raise UsageError("--follow: name a folder")
    for path in paths:
        if not os.path.isdir(path):
            raise UsageError(f"--follow: {path} is no folder")
