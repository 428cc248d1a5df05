"""`gatewatch alerts`: channels, test messages, and what became of deliveries."""

from __future__ import annotations

import sys

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import ChannelError, UsageError
from gatewatch.records import JSON, iso


@click.group(
    cls=Group,
    examples=(
        "gatewatch alerts channels",
        "gatewatch alerts test slack                      # sends, shows the payload and the reply",
        "gatewatch alerts log --channel slack",
        "gatewatch alerts retry --all",
    ),
)
def command() -> None:
    """Look at channels and deliveries, send a test, or try again what was given up."""


@command.command("channels", cls=Command, examples=("gatewatch alerts channels",))
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def channels(ui: Ui, form: str) -> None:
    """Print the channels that are configured, and how sending goes."""
    from alerts.channels import configured
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.terminal import console
    from gatewatch.store.breakers import healths

    settings = ui.settings()
    found = configured(settings)
    with opened(settings, create=True) as state, state.read() as session:
        health = healths(session)
    rows = []
    for name, one in found.items():
        known = health.get(name)
        sent = iso(known.sent_at) if known and known.sent_at else None
        error = known.error if known else None
        rows.append((name, one.kind, one.fallback, sent, known.failures if known else 0, error))
    if form == "json":
        keys = ("name", "kind", "fallback", "sent_at", "failures", "error")
        listed: list[JSON] = [dict(zip(keys, row, strict=True)) for row in rows]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "channels": listed}, pretty=True) + "\n")
    elif not rows:
        sys.stdout.write("no channels; set smtp_url and email_to, slack_webhook_url, or alerts_file\n")
    else:
        heads = ("name", "kind", "fallback", "last sent", "failures in a row", "last error")
        cells = [tuple("" if cell is None else cell for cell in row) for row in rows]
        print_table(heads, cells, console(sys.stdout, colour=ui.colour))


@command.command("test", cls=Command, examples=("gatewatch alerts test slack", "gatewatch alerts test mail --resolved"))
@click.argument("channel")
@click.option("--resolved", is_flag=True, help="As if it were over.")
@pass_ui
def test(ui: Ui, channel: str, resolved: bool) -> int:
    """Send a made-up finding through CHANNEL now; print exactly what went out and what came back.

    Exit 3 when it did not get through.
    """
    from alerts.channels import Attempt, configured
    from alerts.sample import sample_payload
    from gatewatch.cli.people import now

    settings = ui.settings()
    found = configured(settings)
    if channel not in found:
        raise UsageError(f"no channel is called {channel!r}; there are: {', '.join(found) or 'none'}")
    at, attempt = now(), Attempt()
    payload = sample_payload(settings, at, reason="resolved" if resolved else "new")
    problem = None
    try:
        found[channel].channel.send(payload, idempotency_key=f"test-{at:%Y%m%dT%H%M%S}", now=at, attempt=attempt)
    except ChannelError as error:
        problem = error
    for one in attempt.wire:
        assert isinstance(one, dict)
        request, reply = one["request"], one["reply"]
        sys.stdout.write(f"--> {one['what']}\n")
        sys.stdout.write(_shown(request) + "\n")
        status = f"status {one['status']}, " if one["status"] is not None else ""
        sys.stdout.write(f"<-- {status}{_shown(reply)}\n")
    if problem is not None:
        ui.warn(str(problem))
        return problem.exit_code
    ui.say(f"{channel} took it")
    return 0


def _shown(value: JSON) -> str:
    from gatewatch.cli.documents import json_text
    from gatewatch.cli.terminal import safe

    if isinstance(value, str):
        return "\n".join(safe(line) for line in value.splitlines())
    return json_text(value, pretty=True)


@command.command("log", cls=Command, examples=("gatewatch alerts log --channel slack --limit 5 --format json",))
@click.option("--channel", metavar="NAME", help="Only this channel.")
@click.option("--finding", metavar="ID", help="Only alerts that tell of this finding.")
@click.option("--limit", type=click.IntRange(1, 1000), default=30, show_default=True)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def log(ui: Ui, channel: str | None, finding: str | None, limit: int, form: str) -> None:
    """Print the latest attempts to deliver, newest first; JSON has what went out and came back."""
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.terminal import console
    from gatewatch.store.outbox import deliveries, delivery_json

    with opened(ui.settings()) as state, state.read() as session:
        found = deliveries(session, limit, channel=channel, finding_id=finding)
    if form == "json":
        rows: list[JSON] = [delivery_json(one) for one in found]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "deliveries": rows}, pretty=True) + "\n")
    elif not found:
        sys.stdout.write("no deliveries\n")
    else:
        cells = [
            (iso(one.at), one.channel, one.outcome, one.attempt, one.transition, one.finding_id, one.error or "")
            for one in found
        ]
        heads = ("at", "channel", "outcome", "attempt", "what", "finding", "error")
        print_table(heads, cells, console(sys.stdout, colour=ui.colour))


@command.command("retry", cls=Command, examples=("gatewatch alerts retry --all",))
@click.argument("alerts", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@pass_ui
def retry(ui: Ui, alerts: tuple[str, ...], everything: bool) -> None:
    """Try alerts that were given up again for another day; the worker sends them."""
    from gatewatch.cli.opened import opened
    from gatewatch.store.outbox import dead_items, requeue

    if bool(alerts) == everything:
        raise UsageError("name alerts by their ids, or say --all")
    with opened(ui.settings()) as state, state.begin() as session:
        wanted = dead_items(session) if everything else list(alerts)
        done = sum(requeue(session, one) for one in wanted)
    ui.say(f"{done:,} alerts are tried again")
    if done < len(wanted):
        raise UsageError(f"{len(wanted) - done:,} of these are no alerts that were given up")
