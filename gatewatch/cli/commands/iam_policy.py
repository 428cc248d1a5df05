"""`gatewatch iam-policy`: the rights that an AWS connection needs, and no more."""

from __future__ import annotations

import json

import click

from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError

DEFAULT = ("inventory", "changes", "metrics", "traces")


@click.command(
    cls=Command,
    examples=(
        "gatewatch iam-policy                                    # for the connections that there are",
        "gatewatch iam-policy --source inventory --source changes --region eu-west-1",
        "gatewatch iam-policy --source s3 --resource 'arn:aws:s3:::logs/apigw/*'",
    ),
)
@click.option("--source", "sources", multiple=True, help="Only for these; may be repeated.")
@click.option("--region", "regions", multiple=True, help="Only these regions, where IAM can tell; default: all.")
@click.option("--resource", "resources", multiple=True, help="ARN of a log group, bucket/prefix or queue to read.")
@click.option("--partition", default="aws", type=click.Choice(["aws", "aws-cn", "aws-us-gov"]), show_default=True)
@pass_ui
def command(
    ui: Ui, sources: tuple[str, ...], regions: tuple[str, ...], resources: tuple[str, ...], partition: str
) -> None:
    """Print the least IAM policy for the enabled sources, as JSON. Values of API keys are denied in any case."""
    from ingest.aws.policy import SOURCES, missing_resources, policy

    unknown = [one for one in sources if one not in SOURCES]
    if unknown:
        raise UsageError(f"--source {unknown[0]!r}: there are {', '.join(SOURCES)}")
    for one in resources:
        if not one.startswith("arn:") or one.count(":") < 5:
            raise UsageError(f"--resource {one!r} is no ARN")
    asked = sources
    if not sources:
        asked, told = _enabled(ui, partition)
        resources = (*resources, *(one for one in told if one not in resources))
    lacking = missing_resources(asked, resources)
    if lacking:
        raise UsageError(f"name what is read with --resource: {', '.join(lacking)}")
    click.echo(json.dumps(policy(asked, regions=regions, partition=partition, resources=resources), indent=2))


def _enabled(ui: Ui, partition: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What connections and registered log sources ask, and the ARNs that these read."""
    from gatewatch.cli.opened import opened
    from gatewatch.store.connections import connections
    from gatewatch.store.sources import sources
    from ingest.aws.policy import log_source

    settings = ui.settings()
    if settings.database_url is None and not (settings.data_dir / "state.db").exists():
        return DEFAULT, ()
    with opened(settings) as state, state.read() as session:
        known = {source for one in connections(session) for source in one.sources}
        read = [log_source(one.kind, one.location, one.options, partition=partition) for one in sources(session)]
    logs = {source for names, _ in read for source in names}
    arns = dict.fromkeys(arn for _, several in read for arn in several)
    return (*(sorted(known) or DEFAULT), *sorted(logs)), tuple(arns)
