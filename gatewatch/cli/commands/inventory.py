"""`gatewatch inventory`: what is known of the APIs, and what changed in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

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


_IDENTS = ("id", "ApiId", "RouteId", "IntegrationId", "StageName", "stageName", "AuthorizerId", "DeploymentId",
           "domainName", "functionArn", "CertificateArn", "arn", "Id", "clientCertificateId")  # fmt: skip


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """`path: before -> after` of all that differs; things of a list are known by their ids."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and (name := _ident(old + new)) is not None:
        mine = [{str(one[name]): one for one in side} for side in (old, new)]
        for key in sorted(mine[0].keys() | mine[1].keys()):
            yield from differences(mine[0].get(key), mine[1].get(key), f"{where}/{key}")
    elif old != new:
        yield f"{where}: {_short(old)} -> {_short(new)}"


def _ident(things: list[Any]) -> str | None:
    return next(
        (name for name in _IDENTS if things and all(isinstance(one, dict) and name in one for one in things)), None
    )


def _short(value: Any) -> str:
    if isinstance(value, dict) and (value.get("Name") or value.get("name")):
        return f"{json.dumps(value.get('Name') or value.get('name'))} (all of it)"
    text = "(none)" if value is None else json.dumps(value, sort_keys=True)
    return text if len(text) <= 160 else f"{text[:157]}..."
