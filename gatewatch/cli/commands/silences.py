"""`gatewatch silences`: alerts that are not sent for a while."""

from __future__ import annotations

import sys

import click

from gatewatch.cli.choose import instant, span
from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso


@click.group(
    cls=Group,
    examples=(
        "gatewatch silences add api=orders severity=high,medium --for 2h --reason 'moving the database'",
        "gatewatch silences list",
        "gatewatch silences end 4f2a9c01b7d3",
    ),
)
def command() -> None:
    """Make, list or end silences. What is still open at the end of a silence is told then."""


@command.command("add", cls=Command, examples=("gatewatch silences add 'api=orders*' --for 90m --reason release",))
@click.argument("matchers", nargs=-1, required=True, metavar="LABEL=PATTERN[,PATTERN…]…")
@click.option("--for", "length", default="2h", show_default=True, help="How long: 90m, 2h, 3d.")
@click.option("--from", "begin", help="Since when (default: now).")
@click.option("--reason", required=True, help="Why; it stands in `list` and in the audit log.")
@pass_ui
def add(ui: Ui, matchers: tuple[str, ...], length: str, begin: str | None, reason: str) -> None:
    """Make a silence. All matchers must fit; a pattern may hold *, ? and a leading !."""
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator
    from gatewatch.silencing import add as add_silence

    at = now()
    how_long = span(length)
    starts = instant(begin, now=at, name="--from") or at
    given: dict[str, list[str]] = {}
    for one in matchers:
        label, equals, patterns = one.partition("=")
        if not equals or not patterns:
            raise UsageError(f"{one!r}: write LABEL=PATTERN, such as api=orders")
        given.setdefault(label, []).extend(patterns.split(","))
    with opened(ui.settings(), create=True) as state, state.begin() as session:
        made = add_silence(
            session,
            operator(),
            given,
            reason=reason,
            starts_at=starts,
            ends_at=starts + how_long,
            now=at,
        )
    sys.stdout.write(made.id + "\n")
    ui.say(f"silent from {iso(made.starts_at)} until {iso(made.ends_at)}")


@command.command("list", cls=Command, examples=("gatewatch silences list --all",))
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def list_(ui: Ui, everything: bool, form: str) -> None:
    """Print silences, the last to end first."""
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now
    from gatewatch.cli.terminal import console
    from gatewatch.silencing import to_json
    from gatewatch.store.silences import silences

    at = now()
    with opened(ui.settings()) as state, state.read() as session:
        found = silences(session, None if everything else at)
    if form == "json":
        rows: list[JSON] = [to_json(one, at) for one in found]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "silences": rows}, pretty=True) + "\n")
    elif not found:
        sys.stdout.write("no silences\n")
    else:
        cells = [
            (
                one.id,
                to_json(one, at)["state"],
                " ".join(f"{name}={','.join(patterns)}" for name, patterns in one.matchers.items()),
                iso(one.ends_at),
                one.author,
                one.reason,
            )
            for one in found
        ]
        heads = ("id", "state", "matchers", "ends", "by", "reason")
        print_table(heads, cells, console(sys.stdout, colour=ui.colour))


@command.command("end", cls=Command, examples=("gatewatch silences end 4f2a9c01b7d3",))
@click.argument("silence")
@pass_ui
def end(ui: Ui, silence: str) -> None:
    """End a silence now; one that has not begun is removed."""
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator
    from gatewatch.silencing import end as end_silence

    with opened(ui.settings()) as state, state.begin() as session:
        found = end_silence(session, operator(), silence, now=now())
    if found is None:
        raise UsageError(f"no silence that is not over has the id {silence!r}")
    ui.say("alerts that it held back are told now, if they are still open")
