"""What an inventory document (design.md 4) declares: APIs and stages, when made, deprecated or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_KINDS = ("restApis", "httpApis", "webSocketApis")


@dataclass(frozen=True, slots=True)
class Declared:
    """A stage (stage None: an API without stages). created: when it was made, if known."""

    account: str | None
    region: str | None
    api: str
    stage: str | None
    name: str
    created: datetime | None
    deprecated: bool


def declared(inventory: Mapping[str, Any] | None) -> list[Declared]:
    """Every declared stage, in the document's order."""
    return list(_stages(inventory)) if inventory else []


def named(inventory: Mapping[str, Any] | None) -> dict[str, str]:
    """API id -> name, where that is not the id itself. Names are not unique."""
    return {one.api: one.name for one in declared(inventory) if one.name != one.api}


def _stages(inventory: Mapping[str, Any]) -> Iterator[Declared]:
    for kind in _KINDS:
        for api in _list(inventory, kind):
            ident = _text(api, "id", "ApiId", "apiId")
            if ident is None:
                continue
            name = _text(api, "name", "Name") or ident
            # Documents of several accounts and regions are joined: then each API says where it is.
            account = _text(api, "accountId") or _text(inventory, "accountId")
            region = _text(api, "region") or _text(inventory, "region")
            stages = _list(api, "stages", "Stages", "item", "items")
            made = _when(api, "createdDate", "CreatedDate")
            old = _deprecated(api)
            if not stages:
                yield Declared(account, region, ident, None, name, made, old)
            for stage in stages:
                yield Declared(
                    account,
                    region,
                    ident,
                    _text(stage, "stageName", "StageName"),
                    name,
                    _when(stage, "createdDate", "CreatedDate") or made,
                    old or _deprecated(stage),
                )


def _text(item: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = item.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _list(item: Mapping[str, Any], *names: str) -> Sequence[Mapping[str, Any]]:
    for name in names:
        value = item.get(name)
        if isinstance(value, list):
            return [one for one in value if isinstance(one, Mapping)]
    return []


def _when(item: Mapping[str, Any], *names: str) -> datetime | None:
    """ISO 8601 text or epoch seconds; None for anything else."""
    for name in names:
        value = item.get(name)
        try:
            if isinstance(value, str):
                at = datetime.fromisoformat(value)
                return at if at.tzinfo else at.replace(tzinfo=UTC)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            continue
    return None


def _deprecated(item: Mapping[str, Any]) -> bool:
    """Marked by a tag `deprecated`, or a description that begins with the word."""
    tags = item.get("tags") or item.get("Tags")
    if isinstance(tags, Mapping):
        for key, value in tags.items():
            if str(key).lower() == "deprecated" and str(value).lower() not in {"false", "no", "0"}:
                return True
            if str(key).lower() in {"lifecycle", "status"} and str(value).lower() == "deprecated":
                return True
    text = _text(item, "description", "Description")
    return bool(text and text.lower().lstrip("[( ").startswith("deprecated"))
