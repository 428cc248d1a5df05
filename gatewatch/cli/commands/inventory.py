"""`gatewatch inventory`: what is known of the APIs, and what changed in it."""

from __future__ import annotations

import json

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.cli.terminal import safe
from gatewatch.errors import UsageError


@click.group(
    cls=Group,
    examples=(
        "gatewatch inventory export > inventory.json",
        "gatewatch inventory diff",
        "gatewatch inventory diff 3 7",
    ),
)
def command() -> None:
    """Print the inventory as one document, or what differs between two of its versions."""


@command.command("export", cls=Command, examples=("gatewatch inventory export > inventory.json",))
@pass_ui
def export(ui: Ui) -> None:
    """Print the newest inventory of all accounts and regions, as `scan --inventory` reads it."""
    from gatewatch.cli.opened import opened
    from gatewatch.surroundings import known_inventory

    with opened(ui.settings()) as state:
        document = known_inventory(state)
    if document is None:
        raise UsageError("no inventory is known; `gatewatch accounts connect` or `ingest --inventory` brings one")
    click.echo(json.dumps(document, indent=2, sort_keys=True))


@command.command("diff", cls=Command, examples=("gatewatch inventory diff", "gatewatch inventory diff 3 7"))
@click.argument("old", type=int, required=False)
@click.argument("new", type=int, required=False)
@pass_ui
def diff(ui: Ui, old: int | None, new: int | None) -> None:
    """Print what differs between versions OLD and NEW; without them, list the versions, and the last change of each."""
    from gatewatch.cli.opened import opened
    from gatewatch.inventory_diff import differences
    from gatewatch.store.inventories import snapshot_document, snapshots

    with opened(ui.settings()) as state, state.read() as session:
        known = snapshots(session)
        if (old is None) != (new is None):
            raise UsageError("give two versions, or none")
        pairs = [(old, new)] if old is not None and new is not None else []
        if not pairs:
            chains: dict[tuple[str | None, str | None], list[int]] = {}
            for one in known:
                click.echo(
                    safe(f"{one.id}  {one.taken_at:%Y-%m-%d %H:%M} UTC  {one.account} {one.region}  {one.source}")
                )
                chains.setdefault((one.account, one.region), []).append(one.id)
            pairs = [(chain[-2], chain[-1]) for chain in chains.values() if len(chain) > 1]
        for before, after in pairs:
            documents = [snapshot_document(session, one) for one in (before, after)]
            if documents[0] is None or documents[1] is None:
                raise UsageError(f"there is no version {before if documents[0] is None else after}")
            click.echo(f"{before} -> {after}")
            for line in differences(documents[0], documents[1]):
                click.echo(safe(f"  {line}"))
