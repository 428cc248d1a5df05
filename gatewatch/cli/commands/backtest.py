"""`gatewatch backtest`: what the detectors would have said over a stored range, and with other settings."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewatch.cli.choose import kinds, window
from gatewatch.cli.inputs import document_options, read_beside
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import JSON, Finding, iso

if TYPE_CHECKING:
    from gatewatch.backtesting import Backtest, Difference
    from gatewatch.settings import Settings


@click.command(
    cls=Command,
    examples=(
        "gatewatch backtest --since 7d                                  # what is stored beside what is said now",
        "gatewatch backtest --since 30d --set false_alarms_per_week=1   # what another budget would have raised",
        "gatewatch backtest --since 7d --detector latency_outlier --format json -o diff.json",
    ),
)
@click.option("--since", help="Begin of the range: 2026-06-09T12:00Z, 2026-06-09 or 7d (default: all that is stored).")
@click.option("--until", help="End of the range.")
@click.option("--set", "sets", metavar="KEY=VALUE", multiple=True, help="A setting to try (repeatable).")
@click.option("--detector", multiple=True, help="Only these kinds, e.g. dead_api (repeatable).")
@document_options
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="On stdout.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the JSON to a file, whole or not at all.")
@pass_ui
def command(
    ui: Ui,
    since: str | None,
    until: str | None,
    sets: tuple[str, ...],
    detector: tuple[str, ...],
    form: str,
    output: Path | None,
    **options: Any,
) -> None:
    """Replay a stored range with the detectors as they are, and say what differs.

    Without --set the findings are compared with those in the store; with it those of the settings in force with those
    of the changed ones. Weeks before the range are replayed, too: baselines are as old as they would have been.
    Nothing is written to the store; Ctrl-C leaves nothing behind.
    """
    from gatewatch.backtested import document, stored_findings
    from gatewatch.backtesting import backtest, difference, minutes_to_replay, range_of
    from gatewatch.cli.documents import SCHEMA_VERSION
    from gatewatch.cli.opened import opened
    from gatewatch.cli.output import check_target
    from gatewatch.settings import with_set

    if output is not None:
        check_target(output)
    only = sorted(kinds(detector)) or None
    settings = ui.settings()
    tried = with_set(settings, sets)
    beside = read_beside(options)
    with opened(settings) as state:
        known = range_of(state)
        if known is None:
            raise UsageError("the store is empty: nothing to replay")
        asked = window(since, until)
        start, end = max(asked[0] or known[0], known[0]), min(asked[1] or known[1], known[1])
        if start >= end:
            raise UsageError(f"nothing is stored between {iso(start)} and {iso(end)}")
        contexts = [_context(one, beside) for one in ([settings, tried] if sets else [settings])]
        with ui.reporter("backtest") as progress:
            progress.total(minutes_to_replay(state, contexts, start, end))
            found = backtest(
                state,
                contexts,
                start,
                end,
                only=only,
                told=lambda minutes, requests: progress.advance(minutes, requests, requests),
            )
        before = found.runs[0].findings if sets else stored_findings(state, found, only)
    told = difference(before, found.runs[-1].findings)
    names = [text.partition("=")[0].strip() for text in sets]
    whole = document(found, told, before, settings=settings, tried=tried, names=names)
    whole = {"schema_version": SCHEMA_VERSION, **whole}
    _print(ui, whole, found, told, before, form=form, output=output)


def _context(settings: Settings, beside: Any) -> Any:

    return beside.context(settings)


def _print(
    ui: Ui,
    document: dict[str, JSON],
    found: Backtest,
    told: Difference,
    before: list[Finding],
    *,
    form: str,
    output: Path | None,
) -> None:
    from gatewatch.backtesting import by_kind
    from gatewatch.cli.documents import json_text, place, print_table
    from gatewatch.cli.output import whole_file
    from gatewatch.cli.terminal import console

    text = json_text(document, pretty=True) + "\n"
    if output is not None:
        with whole_file(output) as out:
            out.write(text.encode())
    ui.say(f"{len(told.new)} new, {len(told.gone)} gone, {len(told.changed)} changed, {len(told.same)} the same")
    if form == "json":
        sys.stdout.write(text)
        return
    screen = console(sys.stdout, colour=ui.colour)
    head = f"{iso(found.since)} to {iso(found.until)}: {found.requests:,} requests of {found.apis} APIs"
    screen.print(head, markup=False, highlight=False)
    was, now = by_kind(before), by_kind(found.runs[-1].findings)
    rows = [(kind.value, was[kind], now[kind]) for kind in was if was[kind] or now[kind]]
    if rows:
        print_table(("kind", "before", "after"), rows, screen)
    lines = [("new", one, "") for one in told.new] + [("gone", one, "") for one in told.gone]
    lines += [("changed", one.after, _differs(one.before, one.after, one.fields)) for one in told.changed]
    cells = [
        (word, one.severity.value, iso(one.start), place(None, one.api, one.stage, one.route), one.title, more)
        for word, one, more in lines
    ]
    if cells:
        print_table(("", "severity", "start", "where", "what", "differs"), cells, screen)


def _differs(before: Finding, after: Finding, fields: tuple[str, ...]) -> str:
    return "; ".join(f"{name} {_word(getattr(before, name))} -> {_word(getattr(after, name))}" for name in fields)


def _word(value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return "none" if value is None else str(getattr(value, "value", value))
