"""`gatewatch init`: from nothing to a running set-up, asked step by step or by options alone."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from gatewatch.cli.commands.accounts import SOURCES, keep_connection
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.cli.terminal import safe
from gatewatch.errors import GatewatchError, UsageError

if TYPE_CHECKING:
    from gatewatch.connecting import Accounts
    from gatewatch.store.connections import AwsConnection
    from gatewatch.store.state import State
    from ingest.stagelogs import StageLog

_GROUP = re.compile(r"arn:[\w-]+:logs:[\w-]*:\d*:log-group:[^:]+")


@click.command(
    cls=Command,
    examples=(
        "gatewatch init                                                    # asks what it needs to know",
        "gatewatch init --yes --region eu-west-1                           # with the credentials of this machine",
        "gatewatch init --yes --role-arn arn:aws:iam::123456789012:role/gatewatch --region eu-west-1",
        "gatewatch init --yes --no-aws --logs-from /var/log/apigw          # a folder, no AWS",
    ),
)
@click.option("--name", default="main", show_default=True, help="Name of the AWS connection.")
@click.option("--aws/--no-aws", default=None, help="Connect an AWS account (default: ask; with --yes: yes).")
@click.option("--region", "regions", multiple=True, help="May be repeated; default: the profile's or environment's.")
@click.option("--profile", help="Profile of the AWS configuration.")
@click.option("--role-arn", help="Role to assume; an external id is made and printed.")
@click.option("--source", "sources", multiple=True, type=click.Choice(SOURCES), help="What to ask the account for.")
@click.option("--log-groups/--no-log-groups", default=None, help="Follow the log groups of its stages.")
@click.option("--execution-logs/--no-execution-logs", default=None, help="Follow execution logs where they are on.")
@click.option("--spans/--no-spans", default=None, help="Follow the traces of Transaction Search where it is on.")
@click.option("--logs-from", metavar="FOLDER", multiple=True, help="Follow a folder of logs (repeatable).")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: options and defaults decide.")
@pass_ui
def command(
    ui: Ui,
    name: str,
    aws: bool | None,
    regions: tuple[str, ...],
    profile: str | None,
    role_arn: str | None,
    sources: tuple[str, ...],
    log_groups: bool | None,
    execution_logs: bool | None,
    spans: bool | None,
    logs_from: tuple[str, ...],
    yes: bool,
) -> int:
    """Make the store, connect an AWS account, try its rights, and follow the logs of its stages.

    May be run again: what is there stays. Exit 3 when something was refused; it says what to do, and the rest is done.
    """
    from gatewatch.cli.opened import opened
    from gatewatch.connecting import Accounts

    ask = not yes and sys.stdin.isatty()
    if not yes and not ask and aws is None:
        raise UsageError("nobody is there to ask: give --yes with --aws or --no-aws")
    settings = ui.settings()
    failed = False
    with opened(settings, create=True) as state:
        click.echo(safe(f"store: {settings.data_dir if settings.database_url is None else 'the database'}"))
        for folder in logs_from:
            _folder(state, folder)
        wanted = aws if aws is not None else (click.confirm("Connect an AWS account?", default=True) if ask else True)
        if wanted:
            if ask and not regions:
                told = click.prompt("Region (empty: as the AWS configuration says)", default="", show_default=False)
                regions = tuple(told.split())
            if ask and role_arn is None:
                role_arn = click.prompt("Role to assume (empty: none)", default="", show_default=False) or None
            accounts = Accounts(state, settings)
            one = _connection(ui, state, name, regions, profile, role_arn, sources)
            failed = not _rights(accounts, one)
            if not failed:
                stages = _stages(state, accounts, one)
                follow = log_groups if log_groups is not None else not ask or _wish(stages)
                _logs(ui, state, one, stages, follow=follow)
                _offer(ui, state, one, "execution log", _execution_logs(state), wanted=execution_logs, ask=ask)
                _offer(ui, state, one, "spans", _spans(accounts, one), wanted=spans, ask=ask)
            accounts.ledger.flush()
    if failed:
        ui.hint("gatewatch iam-policy prints the rights that are missing; then run gatewatch init again")
        return 3
    ui.hint("gatewatch serve   opens the dashboard and keeps asking; gatewatch doctor  says how everything stands")
    return 0


def _folder(state: State, folder: str) -> None:
    import os

    from gatewatch.store.sources import register_source

    if not os.path.isdir(folder):
        raise UsageError(f"--logs-from {folder}: there is no such folder")
    path = os.path.abspath(folder)
    register_source(state, os.path.basename(path) or "logs", "files", path, True, {})
    click.echo(safe(f"source: {os.path.basename(path) or 'logs'} follows {path}"))


def _connection(
    ui: Ui,
    state: State,
    name: str,
    regions: tuple[str, ...],
    profile: str | None,
    role_arn: str | None,
    sources: tuple[str, ...],
) -> AwsConnection:
    """The one of this name, as it is; else a new one."""
    from gatewatch.store.connections import connections

    with state.read() as session:
        known = {one.name: one for one in connections(session)}
    if name in known:
        click.echo(safe(f"AWS: the connection {name} is there already"))
        return known[name]
    made = keep_connection(ui, state, name, regions, profile, role_arn, sources)
    click.echo(safe(f"AWS: connection {name}, {', '.join(made.sources)}"))
    return made


def _rights(accounts: Accounts, one: AwsConnection) -> bool:
    """Try what the connection needs, and say what is missing."""
    from ingest.aws.trial import try_rights

    try:
        aws = accounts.open(one)
        click.echo(safe(f"AWS: account {aws.account}, {', '.join(aws.regions)}"))
        missing = [
            right
            for region in aws.regions
            for right in try_rights(aws, region, one.sources, datetime.now(UTC))
            if right.said
        ]
    except GatewatchError as error:
        click.echo(safe(f"AWS: {error}"))
        return False
    for right in missing:
        click.echo(safe(f"AWS: {right.source}: {right.action}: {right.said}"))
    return not missing


def _stages(state: State, accounts: Accounts, one: AwsConnection) -> list[StageLog]:
    """Ask the account for everything once; its stages."""
    from gatewatch.polling import poll
    from gatewatch.surroundings import known_inventory
    from ingest.stagelogs import stage_logs

    for done in poll(state, accounts, datetime.now(UTC), force=True):
        if done.connection == one.name:
            click.echo(safe(f"AWS: {done.region} {done.source}: {done.error or done.kept}"))
    stages = stage_logs(known_inventory(state) or {})
    logged = [log for log in stages if log.template is not None]
    click.echo(f"stages: {len(stages)}, of which {len(logged)} write access logs")
    return stages


def _wish(stages: list[StageLog]) -> bool:
    groups = {log.destination for log in stages if _GROUP.match(log.destination)}
    return bool(groups) and click.confirm(f"Follow the {len(groups)} log groups of these stages?", default=True)


def _logs(ui: Ui, state: State, one: AwsConnection, stages: list[StageLog], *, follow: bool) -> None:
    """Register the log groups, and say what cannot be followed without more being known."""
    from datetime import timedelta

    from gatewatch.store.sources import register_source
    from ingest.aws.estimate import estimate_logs

    groups = sorted({found[0] for log in stages if (found := _GROUP.match(log.destination))})
    for arn in groups if follow else ():
        name = arn.partition(":log-group:")[2].strip("/").replace("/", ".")[:200]
        register_source(state, name, "cloudwatch_logs", arn, True, {"connection": one.name})
        click.echo(safe(f"source: {name} follows {arn}"))
    if groups and follow:
        ui.say(str(estimate_logs("cloudwatch_logs", timedelta(seconds=ui.settings().follow_seconds))))
    for log in stages:
        if log.template is None:
            ui.hint(f"gatewatch doctor --stage {log.api}/{log.stage} --patch cli   switches its access log on")
        elif ":firehose:" in log.destination:
            stream = log.destination.rsplit("/", 1)[-1]
            ui.hint(f"{stream} goes to Firehose: gatewatch sources add {stream} s3://BUCKET/PREFIX, or push it to us")


def _execution_logs(state: State) -> list[str]:
    """Groups of the stages that write one."""
    from gatewatch.surroundings import known_inventory
    from ingest.stagelogs import execution_groups

    return execution_groups(known_inventory(state) or {})


def _spans(accounts: Accounts, one: AwsConnection) -> list[str]:
    """The group of Transaction Search in each region where it is on."""
    from ingest.aws.session import partition
    from ingest.aws.trial import transaction_search
    from ingest.sources.gathered import SPANS_GROUP

    aws, found = accounts.open(one), []
    for region in aws.regions if "traces" in one.sources else ():
        with aws.asking("xray", region) as client:
            if transaction_search(client.get_trace_segment_destination()):
                found.append(f"arn:{partition(region)}:logs:{region}:{aws.account}:log-group:{SPANS_GROUP}")
    return found


def _offer(
    ui: Ui, state: State, one: AwsConnection, what: str, groups: list[str], *, wanted: bool | None, ask: bool
) -> None:
    """Log groups that tell more of requests. They may be large, so that somebody has to want them."""
    from gatewatch.store.sources import register_source

    if groups and wanted is None and ask:
        text = f"Follow {len(groups)} more log groups ({what}), which tell why requests were refused or slow?"
        wanted = click.confirm(text, default=False)
    for arn in groups:
        name = arn.partition(":log-group:")[2].replace("/", ".")[:200]
        if wanted:
            register_source(state, name, "cloudwatch_logs", arn, True, {"connection": one.name})
            click.echo(safe(f"source: {name} follows {arn}"))
        elif wanted is None:
            ui.hint(f"gatewatch sources add {name} '{arn}' --connection {one.name}   follows its {what}")
