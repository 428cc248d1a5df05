"""`gatewatch accounts`: the AWS accounts that gatewatch may read."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.cli.terminal import safe
from gatewatch.errors import UsageError

if TYPE_CHECKING:
    from gatewatch.store.connections import AwsConnection
    from gatewatch.store.state import State

SOURCES = ("inventory", "changes", "metrics", "traces", "keys", "alarms", "config", "usage")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}\Z")


@click.group(
    cls=Group,
    examples=(
        "gatewatch accounts connect main --region eu-west-1                  # with the credentials of this machine",
        "gatewatch accounts connect shop --role-arn arn:aws:iam::123456789012:role/gatewatch --region eu-west-1",
        "gatewatch accounts poll                                             # ask now, and say what came",
        "gatewatch accounts cost                                             # calls and dollars of the last days",
    ),
)
def command() -> None:
    """Connect, list, ask or remove AWS accounts; the worker asks them by itself."""


@command.command("connect", cls=Command, examples=("gatewatch accounts connect main --region eu-west-1",))
@click.argument("name")
@click.option("--region", "regions", multiple=True, help="May be repeated; default: the profile's or environment's.")
@click.option("--profile", help="Profile of the AWS configuration; default: the standard chain.")
@click.option("--role-arn", help="Role to assume; its trust policy must ask for the external id that is printed.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Choice(SOURCES),
    help="May be repeated. Default: inventory, changes, metrics, traces. keys: ids and last use of API keys. alarms: "
    "CloudWatch's and their history. config: what AWS Config recorded. usage: calls to API Gateway's management.",
)
@pass_ui
def connect(
    ui: Ui, name: str, regions: tuple[str, ...], profile: str | None, role_arn: str | None, sources: tuple[str, ...]
) -> None:
    """Keep a connection. For a role an external id is made, and shown this once; it is always sent."""
    from gatewatch.cli.opened import opened

    with opened(ui.settings(), create=True) as state:
        keep_connection(ui, state, name, regions, profile, role_arn, sources)
    ui.hint("gatewatch accounts poll")


def keep_connection(
    ui: Ui,
    state: State,
    name: str,
    regions: tuple[str, ...],
    profile: str | None,
    role_arn: str | None,
    sources: tuple[str, ...],
) -> AwsConnection:
    """Check and keep a new connection; say its external id, or else what it will cost."""
    from gatewatch.store.connections import AwsConnection, connections, save_connection

    if not re.fullmatch(r"[\w.-]{1,40}", name):
        raise UsageError("a connection's name has 1 to 40 letters, digits, dots, hyphens and underscores")
    if role_arn is not None and not _ROLE.match(role_arn):
        raise UsageError(f"--role-arn {role_arn!r} is no ARN of an IAM role")
    external_id = None if role_arn is None else f"gatewatch-{secrets.token_hex(16)}"
    with state.read() as session:
        if any(one.name == name for one in connections(session)):
            raise UsageError(f"there is a connection {name}; `gatewatch accounts remove {name}` first")
    made = AwsConnection(name, profile, role_arn, external_id, regions, sources or SOURCES[:4], datetime.now(UTC))
    state.run(lambda session: save_connection(session, made))
    if external_id is None:  # else nobody lets us in before the role knows the id
        _tell_estimate(ui, state, made)
        return made
    click.echo(external_id)
    ui.say("the external id above is not shown again: put it into the role's trust policy (sts:ExternalId)")
    ui.hint(f"gatewatch accounts estimate {name}   says what it will cost, once the role lets us in")
    return made


def _tell_estimate(ui: Ui, state: State, one: AwsConnection) -> None:
    """On stderr: what the sources of a connection will cost a month at list price."""
    from gatewatch.connecting import Accounts
    from gatewatch.costing import estimated

    accounts = Accounts(state, ui.settings())
    found = estimated(accounts.open(one), one.sources)
    accounts.ledger.flush()
    for text in found.unknown:
        ui.warn(text)
    if not found.parts:
        return
    for part in found.parts:
        ui.say(str(part))
    budget = ui.settings().aws_hard_dollars_per_day
    ui.say(
        f"{one.name}: about ${found.dollars:,.2f} a month at list price, ${30 * budget:,.0f} can never be passed "
        "(aws_hard_dollars_per_day)"
    )


@command.command("estimate", cls=Command, examples=("gatewatch accounts estimate main",))
@click.argument("name")
@pass_ui
def estimate(ui: Ui, name: str) -> None:
    """Say what a connection will cost a month, by what there is in its account: calls and list price by source."""
    from gatewatch.cli.opened import opened
    from gatewatch.store.connections import connections

    with opened(ui.settings()) as state:
        with state.read() as session:
            known = {one.name: one for one in connections(session)}
        if name not in known:
            raise UsageError(f"there is no connection {name}; `gatewatch accounts list` shows them")
        _tell_estimate(ui, state, known[name])


@command.command("list", cls=Command, examples=("gatewatch accounts list",))
@pass_ui
def list_(ui: Ui) -> None:
    """Print the connections, and how each of their sources stands."""
    from gatewatch.cli.opened import opened
    from gatewatch.store.connections import connections, polls

    with opened(ui.settings()) as state, state.read() as session:
        known, stands = connections(session), polls(session)
    for one in known:
        who = one.role_arn or (f"profile {one.profile}" if one.profile else "credentials of this machine")
        click.echo(safe(f"{one.name}: {who}; {', '.join(one.regions) or 'default region'}; {', '.join(one.sources)}"))
        for poll in stands:
            if poll.connection == one.name:
                good = f"{poll.ok_at:%Y-%m-%d %H:%M} UTC" if poll.ok_at else "never"
                click.echo(
                    safe(f"  {poll.region} {poll.source}: last good {good}{f'; {poll.error}' if poll.error else ''}")
                )


@command.command("remove", cls=Command, examples=("gatewatch accounts remove shop",))
@click.argument("name")
@pass_ui
def remove(ui: Ui, name: str) -> None:
    """Forget a connection; what it brought stays."""
    from gatewatch.cli.opened import opened
    from gatewatch.store.connections import remove_connection

    with opened(ui.settings()) as state:
        if not state.run(lambda session: remove_connection(session, name)):
            raise UsageError(f"there is no connection {name}")


@command.command("poll", cls=Command, examples=("gatewatch accounts poll",))
@pass_ui
def poll_(ui: Ui) -> int:
    """Ask all connections now. Exit 3 when a source failed; the others go on."""
    from gatewatch.cli.opened import opened
    from gatewatch.connecting import Accounts
    from gatewatch.polling import poll

    settings = ui.settings()
    with opened(settings, create=True) as state:
        done = poll(state, Accounts(state, settings), datetime.now(UTC), force=True)
    for one in done:
        click.echo(safe(f"{one.connection} {one.region} {one.source}: {one.error or one.kept}"))
    return 3 if any(one.error for one in done) else 0


@command.command("cost", cls=Command, examples=("gatewatch accounts cost --days 7",))
@click.option("--days", type=click.IntRange(1, 400), default=7, show_default=True)
@pass_ui
def cost(ui: Ui, days: int) -> None:
    """Print calls and their list price by day, account and source, what a month will cost, and who pauses now."""
    from collections import defaultdict
    from datetime import timedelta

    from gatewatch.cli.opened import opened
    from gatewatch.connecting import budget_of
    from gatewatch.costing import forecast
    from gatewatch.store.spending import ledger

    settings = ui.settings()
    today = datetime.now(UTC).date()
    with opened(settings) as state, state.read() as session:
        spent = ledger(session, today - timedelta(days=days - 1), today)
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in spent:
        row = sums[one.day.isoformat(), one.account, one.source]
        row[0] += one.calls
        row[1] += one.nanos
    for (day, account, source), (calls, nanos) in sorted(sums.items()):
        click.echo(safe(f"{day}  {account}  {source:<10} {calls:>8,} calls  ${nanos / 1e9:.4f}"))
    now = datetime.now(UTC)
    share = (now - datetime(now.year, now.month, now.day, tzinfo=UTC)) / timedelta(days=1)
    for ahead in forecast(spent, today, share):
        rests = f"{ahead.days} whole days" if ahead.days else "today so far"
        click.echo(
            safe(
                f"a month  {ahead.account}  {ahead.source:<10} {ahead.calls:>8,} calls  ${ahead.dollars:.2f}  "
                f"(by {rests})"
            )
        )
    budget = budget_of(settings)
    nanos, calls = (sum(getattr(one, field) for one in spent if one.day == today) for field in ("nanos", "calls"))
    paused = budget.paused(nanos, calls)
    click.echo(
        f"today: ${nanos / 1e9:.4f}, soft cap ${budget.soft_dollars:g}, hard cap ${budget.hard_dollars:g}; "
        f"{calls:,} calls, hard cap {budget.hard_calls:,}; "
        f"order {', '.join(budget.order)}; paused: {', '.join(paused) or 'nobody'}"
    )
