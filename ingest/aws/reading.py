"""Lists as AWS gives them page by page, as plain JSON; what we may not read is noted, not guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gatewatch.errors import SourceError
from gatewatch.records import iso
from ingest.aws.problems import Denied, Gone
from ingest.aws.session import Aws

MOST_PAGES = 10_000


class Reader:
    """Reads one region. denied: `service:Operation` of what was refused, each once."""

    def __init__(self, aws: Aws, region: str) -> None:
        self._aws = aws
        self.region = region
        self.denied: dict[str, str] = {}

    def one(self, service: str, operation: str, *, region: str | None = None, **asked: Any) -> dict[str, Any]:
        """One answer without its metadata. SourceError: see ingest.aws.problems."""
        with self._aws.asking(service, region or self.region) as client:
            answer = getattr(client, operation)(**asked)
        return {key: plain(value) for key, value in answer.items() if key != "ResponseMetadata"}

    def pages(self, service: str, operation: str, token: str, **asked: Any) -> Iterator[dict[str, Any]]:
        """All pages; token: the name of the mark, in answers and questions. A mark that comes again ends it."""
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            page = self.one(service, operation, **asked)
            yield page
            mark = page.get(token)
            if not mark:
                return
            if mark in seen:
                raise SourceError(f"AWS {self.region}: {service} {operation}: the same page comes again and again")
            seen.add(str(mark))
            asked[token] = mark

    def listed(self, service: str, operation: str, key: str, token: str = "", **asked: Any) -> list[Any]:
        """The items of all pages."""
        if not token:
            return list(self.one(service, operation, **asked).get(key) or [])
        return [item for page in self.pages(service, operation, token, **asked) for item in page.get(key) or []]

    def into(self, target: dict[str, Any], field: str, service: str, operation: str, *how: str, **asked: Any) -> None:
        """Put a list into target[field]; when it is denied, name the field in target["unread"] instead."""
        try:
            target[field] = self.listed(service, operation, *how, **asked)
        except Denied as error:
            self.refused(target, field, service, operation, error)
        except Gone:
            target[field] = []

    def refused(self, target: dict[str, Any], field: str, service: str, operation: str, error: Denied) -> None:
        """Note that a field could not be read."""
        target.setdefault("unread", []).append(field)
        self.denied.setdefault(error.action or f"{service}:{operation}", str(error))


def plain(value: Any) -> Any:
    """A boto3 value as JSON: times as ISO 8601 text."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
