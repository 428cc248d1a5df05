"""`gatewatch routes`: where alerts go."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from gatewatch.cli.choose import instant
from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso

if TYPE_CHECKING:
    from alerts.config import Route
    from alerts.holds import Silence, Subject
    from gatewatch.settings import Settings


@click.group(
    cls=Group,
    examples=(
        "gatewatch routes show",
        "gatewatch routes test --severity critical --api orders --at 2026-06-10T03:00Z",
        "gatewatch routes test --finding 3f1c0e0a8f0b4c589d1e",
    ),
)
def command() -> None:
    """Show the routing tree, or where an alert would go at a chosen time. Nothing is sent."""


@command.command("show", cls=Command, examples=("gatewatch routes show",))
@pass_ui
def show(ui: Ui) -> None:
    """Print the routing tree with what each route takes from its parents."""
    from alerts.channels import configured
    from alerts.config import load_alert_config
    from alerts.routes import named_ways
    from gatewatch.cli.documents import print_table
    from gatewatch.cli.terminal import console

    settings = ui.settings()
    config = load_alert_config(settings)
    found = named_ways(config, configured(settings))
    names: list[tuple[int, str, str]] = []
    _walk(config.route, "route", 0, names)
    rows = [
        (
            "  " * depth + name,
            matched,
            ", ".join(found[name].channels) or "nobody",
            ", ".join(found[name].group_by),
            f"{found[name].group_wait.total_seconds():g} s",
            f"{found[name].repeat.total_seconds():g} s" if found[name].repeat else "never",
        )
        for depth, name, matched in names
    ]
    heads = ("route", "takes", "channels", "grouped by", "waits", "repeats")
    print_table(heads, rows, console(sys.stdout, colour=ui.colour))


def _walk(route: Route, place: str, depth: int, into: list[tuple[int, str, str]]) -> None:
    into.append((depth, route.name or place, str(route.match)))
    for number, child in enumerate(route.routes):
        _walk(child, f"{place}.{number}", depth + 1, into)


@command.command(
    "test", cls=Command, examples=("gatewatch routes test --severity high --kind dead_api --api orders --at 22:30",)
)
@click.option("--finding", metavar="ID", help="A stored finding, with the silences and open findings of the store.")
@click.option("--severity", default=None, help="Label of the alert; so are the next ones.")
@click.option("--kind")
@click.option("--subtype")
@click.option("--cause")
@click.option("--api")
@click.option("--stage")
@click.option("--route")
@click.option("--account")
@click.option("--region")
@click.option("--at", help="The time to take for now: 2026-06-09T12:00Z, or HH:MM of today in UTC.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def test(ui: Ui, finding: str | None, at: str | None, form: str, **labels: str | None) -> None:
    """Say which channels would hear of an alert at a time, in which group, and what would hold it back."""
    from alerts.channels import configured
    from alerts.config import load_alert_config
    from alerts.dryrun import dry_run
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.terminal import console
    from gatewatch.records import Severity

    settings = ui.settings()
    now = _time(at)
    subject, silences, others = _subject(settings, finding, labels, now)
    verdicts = dry_run(
        load_alert_config(settings),
        configured(settings),
        subject,
        now,
        least=Severity(settings.alert_min_severity),
        silences=silences,
        others=others,
    )
    if form == "json":
        ways: list[JSON] = [one.to_json() for one in verdicts]
        document: dict[str, JSON] = {"schema_version": SCHEMA_VERSION, "at": iso(now), "ways": ways}
        sys.stdout.write(json_text(document, pretty=True) + "\n")
        return
    rows = [
        (
            one.way.name,
            ", ".join(one.way.channels) or "nobody",
            ", ".join(f"{name}={value}" for name, value in one.group.items()),
            (one.held + (f", until {iso(one.until)}" if one.until else ""))
            if one.held
            else "goes at once"
            if not one.way.group_wait
            else f"waits {one.way.group_wait.total_seconds():g} s for more",
        )
        for one in verdicts
    ]
    print_table(("route", "channels", "group", f"at {iso(now)}"), rows, console(sys.stdout, colour=ui.colour))


def _time(text: str | None) -> datetime:
    if text is not None and len(text) == 5 and text[2] == ":":
        text = f"{datetime.now(UTC):%Y-%m-%d}T{text}Z"
    return instant(text, name="--at") or datetime.now(UTC)


def _subject(
    settings: Settings, finding: str | None, labels: dict[str, str | None], now: datetime
) -> tuple[Subject, list[Silence], list[Subject]]:
    from alerts.config import load_alert_config
    from alerts.matching import Described, labels_of
    from gatewatch.alerting import open_subjects, silence_of, subject_of
    from gatewatch.cli.opened import opened
    from gatewatch.store.notices import findings_with
    from gatewatch.store.silences import silences

    config = load_alert_config(settings)
    if finding is None:
        from alerts.holds import Subject

        return Subject("", labels_of(Described(labels), config.owners), "new", True), [], []
    with opened(settings) as state, state.read() as session:
        found = findings_with(session, [finding])
        if not found:
            raise UsageError(f"no finding has the id {finding!r}")
        kept = [silence_of(one) for one in silences(session, now)]
        return subject_of(*found[finding], config), kept, open_subjects(session, config)
