"""`gatewatch export`: what the store holds, for other programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from gatewatch.cli.choose import window
from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import Selection

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("jsonl", "csv", "parquet")
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@click.group(
    cls=Group,
    examples=(
        "gatewatch export requests --since 24h -o requests.parquet",
        "gatewatch export minutes --format csv -o - | head",
        "gatewatch export findings --format jsonl | jq .title",
    ),
)
def command() -> None:
    """Write requests, minutes or findings as JSON lines, CSV or Parquet, or a dashboard and alarms for CloudWatch."""


def _options(function: F) -> F:
    for option in (
        click.option("-o", "--output", metavar="FILE", default="-", show_default=True, help="Where to; - is stdout."),
        click.option("--format", "form", type=click.Choice(FORMATS), help="Default: by the file's suffix, else jsonl."),
        click.option("--until", help="Before this time."),
        click.option("--since", help="At or after: 2026-06-09T12:00Z, 2026-06-09 or 24h."),
    ):
        function = option(function)
    return function


_WHERE = click.option(
    "--where", multiple=True, metavar="TERM", help="Only what fits, e.g. 'place in a1b2/prod,c3d4/v1' (repeatable)."
)


def _which(function: F) -> F:
    for option in (
        _WHERE,
        click.option("--authorizer-min-ms", type=float, help="At least this slow in the authorizer."),
        click.option("--latency-min-ms", type=float, help="At least this slow."),
        click.option("--status-max", type=int, help="At most this status."),
        click.option("--status-min", type=int, help="At least this status."),
        click.option("--caller", help="Only this address, principal or API key id."),
        click.option("--reject-cause", "reject_causes", multiple=True, help="Only refused for this (repeatable)."),
        click.option("--except-cause", "except_causes", multiple=True, help="Not if refused for this (repeatable)."),
        click.option("--route", "routes", multiple=True, help="Only this route (repeatable)."),
        click.option("--region", help="Only this region."),
        click.option("--account", help="Only this account."),
        click.option("--stage", help="Only this stage."),
        click.option("--api", help="Only this API."),
    ):
        function = option(function)
    return function


@command.command(
    "requests",
    cls=Command,
    examples=(
        "gatewatch export requests --since 1h -o last-hour.csv",
        "gatewatch export requests --since 1h --api a1b2c3 --reject-cause unknown_key -o requests.parquet",
        "gatewatch export requests --since 1h --where 'status >= 500' --where 'agent = curl' -o failed.csv",
    ),
)
@_which
@_options
@pass_ui
def requests(ui: Ui, since: str | None, until: str | None, form: str | None, output: str, **which: Any) -> None:
    """Accepted requests, one row each, in bounded memory: all, or those for which every option holds."""
    from gatewatch.cli.opened import opened
    from gatewatch.cli.output import binary_target
    from gatewatch.frames import REQUESTS
    from gatewatch.store.matching import matching_selected
    from gatewatch.store.reading import stream_requests
    from gatewatch.store.request_fields import REQUEST_FIELDS
    from gatewatch.tables import write_batches
    from gatewatch.where import parse_all

    start, end = window(since, until)
    chosen = _form(form, output)
    terms = parse_all(which.pop("where"), REQUEST_FIELDS)
    asked = _selection(start, end, which)
    with opened(ui.settings()) as state, binary_target(output) as out:
        batches = (
            matching_selected(state, start or _FIRST, end or _LAST, terms, asked)
            if terms
            else stream_requests(state, start, end, asked=asked)
        )
        rows = write_batches(batches, REQUESTS, chosen, out)
    ui.say(f"{rows:,} requests")


def _selection(since: datetime | None, until: datetime | None, which: dict[str, Any]) -> Selection | None:
    """What the options ask for; None: every request."""
    from gatewatch.frames.selecting import EVERY_API

    if not any(value not in (None, ()) for value in which.values()):
        return None
    return Selection(
        since or _FIRST,
        until or _LAST,
        **{**which, "api": which["api"] or EVERY_API},
    )


@command.command(
    "minutes",
    cls=Command,
    examples=(
        "gatewatch export minutes --since 24h -o minutes.parquet",
        "gatewatch export minutes --since 24h --api a1b2c3 --where 'route ~ /pets' --format csv -o pets.csv",
    ),
)
@_WHERE
@click.option("--region", help="Only this region.")
@click.option("--account", help="Only this account.")
@click.option("--stage", help="Only this stage.")
@click.option("--api", help="Only this API.")
@_options
@pass_ui
def minutes(
    ui: Ui,
    since: str | None,
    until: str | None,
    form: str | None,
    output: str,
    where: tuple[str, ...],
    **scope: str | None,
) -> None:
    """Rollups: one row per minute, API, stage and route, with counts and latency histograms.

    Conditions may name account, region, api, api_type, stage, place (API/stage) and route.
    """
    from gatewatch.cli.opened import opened
    from gatewatch.cli.output import binary_target
    from gatewatch.frames import MINUTES, merge_minutes
    from gatewatch.store.matching import matching_minutes
    from gatewatch.store.request_fields import REQUEST_FIELDS, ROLLED
    from gatewatch.tables import write_batches
    from gatewatch.where import Term, parse_all

    start, end = window(since, until)
    chosen = _form(form, output)
    terms = (*(Term(name, "=", (value,)) for name, value in scope.items() if value), *parse_all(where, REQUEST_FIELDS))
    foreign = sorted({term.field for term in terms} - set(ROLLED))
    if foreign:
        raise UsageError(f"--where: rollups have no {foreign[0]}; they have {', '.join(ROLLED)}")
    with opened(ui.settings()) as state:
        table = merge_minutes(matching_minutes(state, start or _FIRST, end or _LAST, terms))
    with binary_target(output) as out:
        rows = write_batches(table.to_batches(max_chunksize=65536), MINUTES, chosen, out)
    ui.say(f"{rows:,} minutes")


@command.command("findings", cls=Command, examples=("gatewatch export findings -o findings.csv",))
@_options
@pass_ui
def findings(ui: Ui, since: str | None, until: str | None, form: str | None, output: str) -> None:
    """Every stored finding with its state."""
    from gatewatch.cli.opened import opened
    from gatewatch.cli.output import binary_target
    from gatewatch.exporting import write_findings
    from gatewatch.store.findings import FindingFilter

    start, end = window(since, until)
    chosen = _form(form, output)
    with opened(ui.settings()) as state, binary_target(output) as out:
        rows = write_findings(state, FindingFilter(since=start, until=end), chosen, out)
    ui.say(f"{rows:,} findings")


def _cloudwatch(function: F) -> F:
    for option in (
        click.option("--api", help="Only this API, by id or name."),
        click.option("--inventory", metavar="FILE", help="Stages of this document instead of the store's."),
        click.option(
            "--format", "form", type=click.Choice(("json", "cloudformation")), default="json", show_default=True
        ),
        click.option("-o", "--output", metavar="FILE", default="-", show_default=True, help="Where to; - is stdout."),
    ):
        function = option(function)
    return function


@command.command(
    "cloudwatch-dashboard",
    cls=Command,
    examples=(
        "gatewatch export cloudwatch-dashboard -o body.json",
        "aws cloudwatch put-dashboard --dashboard-name gatewatch --dashboard-body file://body.json",
        "gatewatch export cloudwatch-dashboard --format cloudformation -o dashboard.template.json",
    ),
)
@_cloudwatch
@pass_ui
def cloudwatch_dashboard(ui: Ui, output: str, form: str, inventory: str | None, api: str | None) -> None:
    """A CloudWatch dashboard of every stage: its requests, errors and latency with our limits, and why it refuses."""
    from gatewatch.cli.cloudwatch import cloudformation, dashboard

    logs, limits = _stages(ui, inventory, api)
    body, left_out = dashboard(logs, limits)
    if left_out:
        ui.warn(f"{left_out} stages do not fit on one dashboard (500 widgets); choose with --api")
    if form == "cloudformation":
        told = {"DashboardName": "gatewatch", "DashboardBody": json.dumps(body)}
        body = cloudformation({"Dashboard": ("AWS::CloudWatch::Dashboard", told)})
    _write_json(body, output)
    ui.hint("aws cloudwatch put-dashboard --dashboard-name gatewatch --dashboard-body file://FILE")


@command.command(
    "cloudwatch-alarms",
    cls=Command,
    examples=(
        "gatewatch export cloudwatch-alarms --format cloudformation -o alarms.template.json",
        "gatewatch export cloudwatch-alarms --action arn:aws:sns:eu-west-1:123456789012:ops | jq -c '.alarms[]'",
    ),
)
@click.option("--action", "actions", multiple=True, metavar="ARN", help="Told of alarm and all-clear (5 at most).")
@click.option("--region", help="Stages of this region; needed where there are stages in several.")
@click.option("--account", help="Stages of this account; needed where there are stages in several.")
@_cloudwatch
@pass_ui
def cloudwatch_alarms(
    ui: Ui,
    output: str,
    form: str,
    inventory: str | None,
    api: str | None,
    actions: tuple[str, ...],
    region: str | None,
    account: str | None,
) -> None:
    """CloudWatch alarms of every stage, with limits from its own last two weeks: inputs of PutMetricAlarm.

    Where too little was seen, AWS's recommendation stands, and the description says so.
    """
    from gatewatch.cli.cloudwatch import alarms, cloudformation

    if len(actions) > 5 or any(not one.startswith("arn:") for one in actions):
        raise UsageError("--action takes an ARN, five at most")
    logs, limits = _stages(ui, inventory, api)
    for field, asked in (("region", region), ("account", account)):
        there = sorted({getattr(one, field) for one in logs if getattr(one, field)})
        if asked is None and len(there) > 1:
            raise UsageError(
                f"an alarm watches metrics of its own {field} only, and there are stages in {', '.join(there)}: "
                f"choose with --{field}"
            )
        logs = [one for one in logs if asked in (None, getattr(one, field))]
    if not logs:
        raise UsageError("the inventory has no stages there")
    made = alarms(logs, limits, actions)
    if form == "cloudformation":
        resources = {f"Alarm{number:03}": ("AWS::CloudWatch::Alarm", one) for number, one in enumerate(made, 1)}
        _write_json(cloudformation(resources), output)
    else:
        _write_json({"schema_version": 1, "alarms": made}, output)
    ui.say(f"{len(made)} alarms for {len({one['AlarmName'].rsplit(' ', 2)[0] for one in made})} stages")


def _stages(ui: Ui, path: str | None, api: str | None) -> tuple[Any, Any]:
    """The stages that are known, and the limits of those with traffic."""
    from datetime import timedelta

    from detect.limits import limits_of
    from gatewatch.cli.opened import opened
    from gatewatch.store.reading import bounds, read_minutes
    from gatewatch.surroundings import known_inventory
    from ingest.documents import read_inventory
    from ingest.stagelogs import stage_logs

    settings = ui.settings()
    document = None if path is None else read_inventory(path)
    limits = {}
    if settings.database_url is not None or (settings.data_dir / "state.db").exists():
        with opened(settings) as state:
            document = known_inventory(state) if document is None else document
            span = bounds(state)
            if span is not None:
                minutes = read_minutes(state, span[1] - timedelta(days=14), span[1])
                limits = {(one.key[2], one.key[3]): one for one in limits_of(minutes, settings)}
    if document is None:
        raise UsageError("no inventory is known; `gatewatch accounts connect` brings one, or give --inventory FILE")
    logs = [one for one in stage_logs(document) if api in (None, one.api, one.name)]
    if not logs:
        raise UsageError("the inventory has no such stage" if api else "the inventory has no stages")
    return logs, limits


def _write_json(value: Any, output: str) -> None:
    from gatewatch.cli.output import binary_target

    with binary_target(output) as out:
        out.write((json.dumps(value, indent=2) + "\n").encode())


def _form(form: str | None, output: str) -> str:
    if form is not None:
        return form
    if output == "-":
        return "jsonl"
    suffix = Path(output).suffix.lower().removeprefix(".")
    if suffix == "ndjson":
        return "jsonl"
    if suffix not in FORMATS:
        raise UsageError(f"{output}: the suffix says no format; use {', '.join('.' + name for name in FORMATS)}")
    return suffix
