"""`gatewatch sources`: where logs come from by themselves."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso

if TYPE_CHECKING:
    from gatewatch.store.sources import Source


@click.group(
    cls=Group,
    examples=(
        "gatewatch sources add orders s3://my-logs/apigw/",
        "gatewatch sources add pets /aws/apigateway/pets --region eu-west-1",
        "gatewatch sources list",
    ),
)
def command() -> None:
    """Register places that the worker looks at every `follow_seconds`: folders, S3 prefixes, log groups."""


@command.command(
    "add",
    cls=Command,
    examples=(
        "gatewatch sources add archive /var/log/apigw",
        "gatewatch sources add orders s3://my-logs/apigw/ --queue https://sqs.eu-west-1.amazonaws.com/123456789012/new",
        "gatewatch sources add pets arn:aws:logs:eu-west-1:123456789012:log-group:/aws/apigateway/pets",
    ),
)
@click.argument("name")
@click.argument("location")
@click.option("--kind", help="files, s3, cloudwatch_logs (default: by the location), cloudtrail, or eventbridge.")
@click.option("--queue", metavar="URL", help="s3: SQS queue that is told of new objects, instead of listings.")
@click.option("--region", help="AWS region (default: that of the ARN, the connection or the environment).")
@click.option("--connection", metavar="NAME", help="AWS connection (default: the standard chain of credentials).")
@click.option("--late-minutes", type=click.IntRange(1, 1440), help="cloudwatch_logs: how late events may come (15).")
@click.option("--since-hours", type=click.IntRange(1, 8760), help="cloudwatch_logs: how far the first look goes (24).")
@pass_ui
def add(ui: Ui, name: str, location: str, kind: str | None, **given: Any) -> None:
    """Register a source, or change the one of this NAME.

    LOCATION: a folder, s3://BUCKET/PREFIX, or a CloudWatch log group by name or ARN.
    """
    from gatewatch.cli.opened import opened
    from gatewatch.following import FILES, make
    from gatewatch.store.sources import register_source

    kind = kind or _kind_of(location)
    options: dict[str, JSON] = {key: value for key, value in given.items() if value is not None}
    if kind == FILES:
        if options:
            raise UsageError(f"a folder takes no {next(iter(options))}")
        if not os.path.isdir(location):
            raise UsageError(f"{location} is no folder")
        location = os.path.abspath(location)
    else:
        make(kind, _nobody, location, options)
    with opened(ui.settings(), create=True) as state:
        register_source(state, name, kind, location, True, options)
    ui.say(f"{name}: {kind} {location}")
    if kind != FILES:
        from datetime import timedelta

        from ingest.aws.estimate import estimate_logs

        every = timedelta(seconds=ui.settings().follow_seconds)
        ui.say(str(estimate_logs(kind, every, queue="queue" in options)))
    ui.hint(f"gatewatch sources look {name}  looks at it now; gatewatch serve  does so by itself")


@command.command("list", cls=Command, examples=("gatewatch sources list", "gatewatch sources list --format json"))
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="On stdout.")
@pass_ui
def list_(ui: Ui, form: str) -> None:
    """Print the registered sources, and what came of their lines."""
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.terminal import console
    from gatewatch.store.sources import accounting, sources

    with opened(ui.settings()) as state, state.read() as session:
        found = sources(session)
        accounts = {one.source: one for one in accounting(session)}
    rows: list[JSON] = []
    for one in found:
        account = accounts.get(one.name)
        told: dict[str, JSON] = {"accepted": account.accepted, "rejected": account.rejected} if account else {}
        last = account.last_at if account else None
        row: dict[str, JSON] = {"name": one.name, "kind": one.kind, "location": one.location, **told}
        rows.append({**row, "options": dict(one.options), "last_at": iso(last) if last else None})
    if form == "json":
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "sources": rows}, pretty=True) + "\n")
        return
    heads = ("name", "kind", "location", "options", "lines", "rejected", "last request")
    cells = [
        (
            row["name"],
            row["kind"],
            row["location"],
            " ".join(f"{key}={value}" for key, value in sorted(row["options"].items())),
            row.get("accepted", 0),
            row.get("rejected", 0),
            row["last_at"] or "never",
        )
        for row in rows
        if isinstance(row, dict) and isinstance(row["options"], dict)
    ]
    print_table(heads, cells, console(sys.stdout, colour=ui.colour))


@command.command("remove", cls=Command, examples=("gatewatch sources remove orders",))
@click.argument("name")
@pass_ui
def remove(ui: Ui, name: str) -> None:
    """Look at a source no more. What it brought stays, and it goes on where it was left when it is added again."""
    from gatewatch.cli.opened import opened
    from gatewatch.store.sources import remove_source

    with opened(ui.settings()) as state:
        if not state.run(lambda session: remove_source(session, name)):
            raise UsageError(f"no source is called {name!r}; `gatewatch sources list` shows them")
    ui.say(f"{name}: removed")


@command.command("look", cls=Command, examples=("gatewatch sources look", "gatewatch sources look orders"))
@click.argument("names", metavar="[NAME…]", nargs=-1)
@pass_ui
def look(ui: Ui, names: tuple[str, ...]) -> int:
    """Keep what is new in the sources (default: in all) now. Exit 3 when one of them failed."""
    from gatewatch.cli.opened import opened
    from gatewatch.following import follower_of
    from gatewatch.jobs import look_at
    from gatewatch.store.sources import sources
    from gatewatch.surroundings import known_inventory

    settings = ui.settings()
    failed = False
    with opened(settings) as state:
        with state.read() as session:
            found: dict[str, Source] = {one.name: one for one in sources(session)}
        for name in names:
            if name not in found:
                raise UsageError(f"no source is called {name!r}; `gatewatch sources list` shows them")
        follower = follower_of(state, settings)
        try:
            for name in names or sorted(found):
                looked = look_at(state, settings, follower, found[name], known_inventory(state))
                if looked is None:
                    ui.warn(f"{name}: another process looks at it now; it keeps what is new")
                    continue
                for text in looked.errors:
                    ui.warn(text)
                failed = failed or bool(looked.errors)
                ui.say(
                    f"{name}: {looked.accepted:,} accepted, {looked.rejected:,} rejected, {looked.duplicate:,} twice"
                )
        finally:
            follower.close()
    return 3 if failed else 0


def _kind_of(location: str) -> str:
    if location.startswith("s3://"):
        return "s3"
    # A log group's name may begin with a slash, as a folder's path does; what is a folder is one.
    return "files" if os.path.isdir(location) else "cloudwatch_logs"


def _nobody(service: str) -> Any:
    raise AssertionError(service)  # a source asks nobody before it is looked at
