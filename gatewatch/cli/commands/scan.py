"""`gatewatch scan`: findings in log files, with nothing kept."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewatch.cli.choose import Finite, filter_options, judged_percent, partial, wanted
from gatewatch.cli.inputs import Beside, document_options, read_beside, tell_passed_over
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.records import JSON, Severity

if TYPE_CHECKING:
    import pyarrow as pa

    from detect.run import Detection
    from gatewatch.cli.documents import Report
    from gatewatch.settings import Settings
    from ingest.scan import ScanResult
    from ingest.sources.model import Clients

SHOWN_ERRORS = 20
"""Errors printed on stderr; the JSON holds all of them."""


@click.command(
    cls=Command,
    examples=(
        "gatewatch scan logs/                                     # a folder, whatever formats are in it",
        "gatewatch scan 'logs/**/*.gz' --severity high,critical   # a glob, only what matters most",
        "gatewatch scan s3://my-logs/apigw/2026/06/09/            # a prefix, with the credentials of this machine",
        "zcat *.gz | gatewatch scan - --format json               # from a pipe, for a program",
        "gatewatch scan logs/ --inventory apis.json --changes cloudtrail.json -o out.json -o out.csv",
        "gatewatch scan logs/ --log-format '$context.identity.sourceIp [$context.requestTime] ...'",
    ),
)
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@document_options
@click.option("--log-format", metavar="FORMAT", help="A $context template or a format's name (default: found out).")
@click.option("--format", "form", type=click.Choice(["table", "json", "jsonl", "csv"]), help="On stdout.")
@click.option("-o", "--output", metavar="FILE", multiple=True, type=click.Path(path_type=Path), help="By suffix.")
@filter_options
@click.option("--min-confidence", type=Finite(0, 1), default=0.0, help="Only findings this sure, 0 to 1.")
@click.option(
    "--fail-on",
    type=click.Choice([severity.value for severity in Severity]),
    default="low",
    show_default=True,
    help="Exit 1 when a shown finding is at least this severe.",
)
@click.option("--min-coverage", type=Finite(0, 100), help="Exit 4 when less than this % can be judged.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 instead of 1; failures stay failures.")
@click.option("--workers", type=click.IntRange(0, 256), default=0, help="Processes (default: one a core).")
@pass_ui
def command(
    ui: Ui,
    paths: tuple[str, ...],
    log_format: str | None,
    form: str | None,
    output: tuple[Path, ...],
    min_confidence: float,
    fail_on: str,
    min_coverage: float | None,
    exit_zero: bool,
    workers: int,
    **options: Any,
) -> int:
    """Read access logs and print what is wrong in them. Nothing is kept, the data directory is not touched.

    PATH is a file, a folder, a glob, s3://BUCKET/PREFIX or `-` for stdin; plain, gzip or zstd. Documents and pictures
    that stand beside the logs are passed over, and named. Without --format and -o a table is printed;
    -o writes a format by suffix (.json .jsonl .csv .txt) and may be repeated. Filters choose the findings that are
    shown and that decide the exit code; they never change the accounting.

    Exit: 0 nothing at or above --fail-on, 1 findings, 2 wrong usage, 3 a source failed or data are partial (also when
    there are findings), 4 coverage below --min-coverage, 130 interrupted. When several apply: 130, 2, 3, 4, 1.
    """
    from gatewatch.cli.output import check_target, format_of, write_report

    targets: list[tuple[str, Path | None]] = [(format_of(path), path) for path in output]
    for file in output:
        check_target(file, inputs=paths)
    if form is not None or not output:
        targets.insert(0, (form or "table", None))
    wish = wanted(options, min_confidence)
    beside = read_beside(options)
    scanned, detection = _run(ui, paths, beside, log_format, workers, [str(file) for file in output])
    report, why = _report(scanned, detection, beside, [f for f in detection.findings if wish.keeps(f)])
    for name, path in targets:
        write_report(report, name, path, colour=ui.colour)
    _explain(ui, report, scanned, beside, paths)
    if why is not None:
        if report.errors != [said := f"the data are partial: {why}"]:
            ui.warn(said)
        return 3
    if min_coverage is not None and (short := _too_little(scanned, report, min_coverage)) is not None:
        ui.warn(f"{short}, below --min-coverage {min_coverage:g}")
        return 4
    bad = any(finding.severity.rank >= Severity(fail_on).rank for finding in report.findings)
    return 1 if bad and not exit_zero else 0


def _run(
    ui: Ui, paths: tuple[str, ...], beside: Beside, log_format: str | None, workers: int, outputs: list[str]
) -> tuple[ScanResult, Detection]:
    from detect.conclude import worst_first
    from detect.evidence import dressed
    from detect.meter import name_left
    from detect.run import detect
    from gatewatch.evidencing import Scanned
    from ingest.scan import scanning

    settings = ui.settings()
    key = settings.hash_key.get_secret_value().encode() if settings.hash_key else secrets.token_bytes(16)
    with (
        ui.reporter("scan") as progress,
        scanning(
            paths,
            log_format=log_format,
            inventory=beside.inventory,
            workers=workers or settings.workers,
            hash_key=key,
            progress=progress,
            exclude=[*beside.files, *outputs],
            clients=_clients(settings) if any(path.startswith("s3://") for path in paths) else None,
            executions=beside.executions,
        ) as (scanned, back),
    ):
        metrics = beside.metrics
        if metrics is not None:
            apis = {str(api) for api in scanned.minutes.column("api").unique().to_pylist()}
            metrics = name_left(metrics, beside.inventory, apis)
        executions = _executions(beside, scanned)
        context = replace(beside.context(settings), metrics=metrics, executions=executions)
        found = detect(scanned.minutes, scanned.clients, scanned.coverage, context)
        rows = Scanned(scanned.minutes, scanned.clients, back.requests, executions)
        told = {finding.id: finding for finding in dressed(worst_first(found.findings), rows)}
    return scanned, replace(found, findings=[told[finding.id] for finding in found.findings])


def _executions(beside: Beside, scanned: ScanResult) -> pa.Table | None:
    """What execution logs say that were named, and that stand among the logs."""
    if beside.executions is None:
        return scanned.executions if scanned.executions.num_rows else None
    from pyarrow import concat_tables

    return concat_tables([beside.executions, scanned.executions]).sort_by("at")


def _clients(settings: Settings) -> Clients:
    """Of the standard chain of credentials, within the budget of a day: nothing is kept, so the day begins here."""
    from gatewatch.connecting import budget_of
    from ingest.aws.pace import Pace
    from ingest.aws.session import Aws, Connection
    from ingest.aws.spending import InMemory, Till

    connection = Connection("scan", endpoint_url=settings.aws_endpoint_url)
    aws = Aws(connection, Till(InMemory(), budget_of(settings)), Pace(settings.aws_rates))
    return lambda service: aws.client(service, aws.regions[0])


def _report(
    scanned: ScanResult, detection: Detection, beside: Beside, findings: list[Any]
) -> tuple[Report, str | None]:
    """The report, and why its data are partial; then it is among the report's errors, too."""
    from detect.conclude import measured
    from gatewatch.cli.documents import Report

    accounting: dict[str, JSON] = {**scanned.accounting.to_json(), **beside.counts}
    errors = [*scanned.errors, *beside.errors]
    why = partial(accounting, errors)
    if why is not None and not errors:
        errors.append(f"the data are partial: {why}")
    return Report(findings, accounting, detection.blind, errors, scanned.no_logs, measured(detection.states)), why


def _explain(ui: Ui, report: Report, scanned: ScanResult, beside: Beside, paths: tuple[str, ...]) -> None:
    """On stderr: how the lines were read, what could not be, and what to do next."""
    from gatewatch.cli.documents import accounting_line

    for text in scanned.guessed:
        ui.say(f"format: {text}")
    for text in beside.notes:
        ui.say(text)
    if scanned.executions.num_rows:
        ui.say(f"execution logs: {scanned.executions.num_rows:,} refused requests with a cause")
    tell_passed_over(ui, report.passed_over)
    for text in report.errors[:SHOWN_ERRORS]:
        ui.warn(text)
    if len(report.errors) > SHOWN_ERRORS:
        ui.warn(f"... and {len(report.errors) - SHOWN_ERRORS} more errors")
    ui.say(f"{len(report.findings)} findings; {accounting_line(report.accounting)}")
    named = " ".join(paths[:3]) if paths != ("-",) else "PATH"
    if scanned.accounting.rejected:
        ui.hint(f"gatewatch parse {named} shows each rejected line with its reason")
    elif report.findings:
        ui.hint(f"gatewatch ingest {named} && gatewatch serve  keeps them and shows them with charts")


def _too_little(scanned: ScanResult, report: Report, least: float) -> str | None:
    """What is below `least` percent: the (stage, detector) pairs that were judged, or the lines of a stage."""
    judged = judged_percent(_stages(scanned), report.blind)
    if judged < least:
        return f"coverage is {judged:.1f} %"
    for one in report.coverage:
        if one.lines and one.percent < least:
            return f"coverage of {one.api} is {one.percent:.1f} % of its requests"
    return None


def _stages(scanned: ScanResult) -> int:
    names = ("account", "region", "api", "stage")
    return int(scanned.minutes.select(names).group_by(list(names)).aggregate([]).num_rows)
