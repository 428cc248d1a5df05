"""What differs between two inventories, a line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_IDENTS = (
    *("id", "ApiMappingId", "ApiId", "RouteId", "IntegrationId", "StageName", "stageName", "AuthorizerId"),
    *("DeploymentId", "VpcLinkId", "domainName", "functionArn", "CertificateArn", "arn", "Id", "clientCertificateId"),
)


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """`path: before -> after` of all that differs; things of a list are known by their ids.

    What one of them could not read is said to be so: it differs from nothing.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        hidden = [set(side.get("unread") or ()) for side in (old, new)]
        for key in sorted(old.keys() | new.keys() | hidden[0] | hidden[1]):
            if key in hidden[0] | hidden[1]:
                if key not in hidden[0] & hidden[1]:
                    yield f"{where}/{key}: could not be read in the {'older' if key in hidden[0] else 'newer'} version"
            elif key != "unread":
                yield from differences(old.get(key), new.get(key), f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and (name := _ident(old, new)) is not None:
        mine = [{str(one[name]): one for one in side} for side in (old, new)]
        for key in sorted(mine[0].keys() | mine[1].keys()):
            yield from differences(mine[0].get(key), mine[1].get(key), f"{where}/{key}")
    elif old != new:
        yield f"{where}: {_short(old)} -> {_short(new)}"


def _ident(old: list[Any], new: list[Any]) -> str | None:
    """What tells the things of both lists apart."""
    for name in _IDENTS:
        if (old or new) and all(isinstance(one, dict) and name in one for one in old + new):
            values = [[str(one[name]) for one in side] for side in (old, new)]
            if all(len(side) == len(set(side)) for side in values):
                return name
    return None


def _short(value: Any) -> str:
    if isinstance(value, dict) and (value.get("Name") or value.get("name")):
        return f"{json.dumps(value.get('Name') or value.get('name'))} (all of it)"
    text = "(none)" if value is None else json.dumps(value, sort_keys=True)
    return text if len(text) <= 160 else f"{text[:157]}..."
