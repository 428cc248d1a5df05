"""What differs between two inventories, a line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

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
