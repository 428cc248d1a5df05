"""`gatewatch explain`: why nothing was raised at a moment, detector by detector."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gatewatch.cli.choose import instant
from gatewatch.cli.inputs import document_options, read_beside
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.records import iso

if TYPE_CHECKING:
    from detect.explain import Explanation


@click.command(
    cls=Command,
    examples=(
        "gatewatch explain --at 2026-06-09T12:34Z --api a1b2c3d4e5",
        "gatewatch explain --at 2026-06-09T12:34Z --api a1b2c3d4e5 --stage prod --route 'GET /pets/{id}'",
        "gatewatch explain --at 2026-06-09T12:34Z --api a1b2c3d4e5 --logs logs/    # files instead of the store",
    ),
)
@click.option("--at", required=True, help="The moment: 2026-06-09T12:34Z, or 90m for 90 minutes ago.")
@click.option("--api", required=True, help="The API's id.")
@click.option("--stage", help="Only this stage.")
@click.option("--route", help="The route, for what is judged by route.")
@click.option("--logs", metavar="PATH", multiple=True, help="Log files or folders to look at instead of the store.")
@click.option("--log-format", metavar="FORMAT", help="With --logs: a $context template or a format's name.")
@document_options
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="On stdout.")
@pass_ui
def command(
    ui: Ui,
    at: str,
    api: str,
    stage: str | None,
    route: str | None,
    logs: tuple[str, ...],
    log_format: str | None,
    form: str,
    **options: Any,
) -> None:
    """Say for each detector why it raised nothing (or what it raised) at a moment.

    Below the threshold and by how much, warming up, blind for which field, held back for which reason, or folded into
    which finding. The detectors run as ever up to the moment, over the store or over files; nothing is written.
    """

    moment = instant(at, name="--at")
    assert moment is not None  # required
    moment = moment.replace(second=0, microsecond=0)
    beside = read_beside(options)
    settings = ui.settings()
    context = beside.context(settings)
    if logs:
        found = _over_files(ui, context, logs, log_format, [*beside.files], moment, api, stage, route)
    else:
        from gatewatch.cli.opened import opened
        from gatewatch.explaining import explain_stored

        with opened(settings) as state:
            found = explain_stored(state, context, moment, api, stage=stage, route=route)
    _print(ui, found, form)


def _over_files(
    ui: Ui,
    context: Any,
    logs: tuple[str, ...],
    log_format: str | None,
    exclude: list[str],
    at: Any,
    api: str,
    stage: str | None,
    route: str | None,
) -> Explanation:
    import secrets
    from dataclasses import replace
    from datetime import timedelta

    import pyarrow.compute as pc

    from detect.explain import closing, explain
    from detect.meter import name_left
    from detect.model import epoch_minute
    from detect.run import cut, frames_of
    from ingest.scan import scan_paths

    settings = context.settings
    key = settings.hash_key.get_secret_value().encode() if settings.hash_key else secrets.token_bytes(16)
    with ui.reporter("scan") as progress:
        scanned = scan_paths(
            logs,
            log_format=log_format,
            inventory=context.inventory,
            workers=settings.workers,
            hash_key=key,
            progress=progress,
            exclude=exclude,
        )
    for text in scanned.errors:
        ui.warn(text)
    if not scanned.minutes.num_rows:
        return explain([], context, at, api, stage=stage, route=route)
    if context.metrics is not None:
        apis = {str(one) for one in scanned.minutes.column("api").unique().to_pylist()}
        context = replace(context, metrics=name_left(context.metrics, context.inventory, apis))
    span = pc.min_max(scanned.minutes.column("minute")).as_py()
    last = min(span["max"] + timedelta(minutes=1), closing(at))
    first = epoch_minute(span["min"])
    block = frames_of(scanned.minutes, scanned.clients, scanned.coverage, first, max(epoch_minute(last), first))
    return explain(cut(block), context, at, api, stage=stage, route=route)


_WORDS = {
    "raised": "raised",
    "folded": "part of another",
    "held_back": "held back",
    "below": "below",
    "quiet": "quiet",
    "warming_up": "warming up",
    "blind": "blind",
    "no_data": "no data",
    "not_seen": "not seen",
}


def _print(ui: Ui, found: Explanation, form: str) -> None:
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, place, print_table
    from gatewatch.cli.terminal import console

    if form == "json":
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, **found.to_json()}, pretty=True) + "\n")
        return
    screen = console(sys.stdout, colour=ui.colour)
    head = f"{place(None, found.api, found.stage, found.route)} at {iso(found.at)}"
    if found.coverage is not None:
        head += f"; {found.coverage:.1f} % of its requests are in the logs"
    screen.print(head, markup=False, highlight=False)
    # Series of which the same is said stand in one row.
    together: dict[tuple[str, str, str, str], list[str]] = {}
    for answer in found.answers:
        text = answer.sentence
        if answer.missing:
            text += f" Missing: {', '.join(answer.missing)}."
        key = (answer.kind.value, answer.stage or "", _WORDS[answer.state], text)
        together.setdefault(key, []).append(answer.series)
    rows = [(kind, stage, ", ".join(names), word, text) for (kind, stage, word, text), names in together.items()]
    print_table(("detector", "stage", "series", "", "why"), rows, screen)
    ui.hint("gatewatch detectors explain KIND  says how each decides")
