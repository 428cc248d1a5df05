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
    asked = sources or _enabled(ui)
    lacking = missing_resources(asked, resources)
    if lacking:
        raise UsageError(f"name what is read with --resource: {', '.join(lacking)}")
    click.echo(json.dumps(policy(asked, regions=regions, partition=partition, resources=resources), indent=2))


def _enabled(ui: Ui) -> tuple[str, ...]:
    from gatewatch.cli.opened import opened
    from gatewatch.store.connections import connections

    settings = ui.settings()
    if settings.database_url is None and not (settings.data_dir / "state.db").exists():
        return DEFAULT
    with opened(settings) as state, state.read() as session:
        known = {source for one in connections(session) for source in one.sources}
    return tuple(sorted(known)) or DEFAULT
