"""`gatewatch findings`: what the store knows is wrong."""

from __future__ import annotations

import sys
from typing import Any

import click

from gatewatch.cli.choose import filter_options, wanted
from gatewatch.cli.findings_acts import register
from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import State, iso


@click.group(
    cls=Group,
    examples=(
        "gatewatch findings list --severity high,critical --since 24h",
        "gatewatch findings show 3f1c0e0a8f0b4c589d1e",
        "gatewatch findings ack 3f1c0e0a8f0b4c589d1e --note 'looking at it'",
        "gatewatch findings suppress --where 'api = load-test' --why planned --note 'every Friday'",
    ),
)
def command() -> None:
    """List stored findings, show one, or say what is done about them."""


register(command)


@command.command("list", cls=Command, examples=("gatewatch findings list --since 7d --format csv",))
@filter_options
@click.option("--state", "states", multiple=True, type=click.Choice([s.value for s in State]), help="Only these.")
@click.option("--where", multiple=True, help="Only what fits, e.g. 'severity >= high' (repeatable: all must hold).")
@click.option("--show-suppressed", is_flag=True, help="Also those that are suppressed.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many, newest first.")
@click.option("--format", "form", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table")
@pass_ui
def list_(
    ui: Ui,
    states: tuple[str, ...],
    where: tuple[str, ...],
    show_suppressed: bool,
    limit: int,
    form: str,
    **options: Any,
) -> None:
    """Print stored findings, newest first; what is suppressed only when asked for."""
    from gatewatch.cli.documents import SCHEMA_VERSION, csv_line, json_text, place, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.terminal import console
    from gatewatch.exporting import COLUMNS, all_findings, row, to_json
    from gatewatch.store.findings import FindingFilter
    from gatewatch.where import parse_all

    wish = wanted(options)
    hidden = "all" if show_suppressed or State.SUPPRESSED in states else None
    asked = FindingFilter(state=hidden, since=wish.since, until=wish.until, where=parse_all(where))
    found = []
    with opened(ui.settings()) as state:
        for stored in all_findings(state, asked):
            if wish.keeps(stored.finding) and (not states or stored.state.value in states):
                found.append(stored)
            if len(found) >= limit:
                break
    if form == "json":
        rows = [to_json(stored) for stored in found]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "findings": [*rows]}, pretty=True) + "\n")
    elif form == "jsonl":
        sys.stdout.writelines(json_text(to_json(stored)) + "\n" for stored in found)
    elif form == "csv":
        sys.stdout.write(csv_line(COLUMNS) + "".join(csv_line(row(stored)) for stored in found))
    elif not found:
        sys.stdout.write("no findings\n")
    else:
        cells = [
            (
                stored.finding.severity.value.upper(),
                iso(stored.finding.start),
                place(None, stored.finding.api, stored.finding.stage, stored.finding.route),
                stored.finding.title,
                stored.state.value,
                stored.finding.id,
            )
            for stored in found
        ]
        heads = ("severity", "start", "where", "what", "state", "id")
        print_table(heads, cells, console(sys.stdout, colour=ui.colour))
        ui.hint(f"gatewatch findings show {found[0].finding.id}")


@command.command("show", cls=Command, examples=("gatewatch findings show 3f1c0e0a8f0b4c589d1e --format json",))
@click.argument("finding")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def show(ui: Ui, finding: str, form: str) -> None:
    """Print one finding by its id."""
    from gatewatch.cli.documents import json_text, print_finding, print_pairs
    from gatewatch.cli.opened import opened
    from gatewatch.cli.terminal import console
    from gatewatch.exporting import to_json
    from gatewatch.store.finding_events import finding_events
    from gatewatch.store.findings import get_finding

    with opened(ui.settings()) as state, state.read() as session:
        stored = get_finding(session, finding)
        events = finding_events(session, finding)
    if stored is None:
        raise UsageError(f"no finding has the id {finding!r}")
    if form == "json":
        sys.stdout.write(json_text(to_json(stored), pretty=True) + "\n")
        return
    screen = console(sys.stdout, colour=ui.colour)
    print_finding(stored.finding, screen)
    facts = [(name, str(value)) for name, value in stored.finding.evidence.facts.items()]
    times = f"first seen {iso(stored.first_seen_at)}, updated {iso(stored.updated_at)}"
    print_pairs([("state", f"{stored.state.value}; {times}"), ("assignee", stored.assignee or "-"), *facts], screen)
    print_pairs([(iso(one.at), f"{one.transition} by {one.actor} {one.note}".rstrip()) for one in events], screen)
