"""What an alert is about, as labels, and conditions on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Protocol

from pydantic import BeforeValidator, Field, field_validator

from alerts.times import Strict
from gatewatch.records import Severity

Labels = Mapping[str, tuple[str, ...]]
"""Label -> its values: none when not known, several for tags."""

NAMES = (
    "severity",
    "kind",
    "subtype",
    "cause",
    "api",
    "stage",
    "route",
    "account",
    "region",
    "team",
    "environment",
    "tag",
    "fingerprint",
    "finding",
)


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...])]
"""One pattern, or a list of them."""


class Match(Strict):
    """Conditions, all of which must hold. Each is a list of patterns (`*`, `?`, `[…]`), one of which must fit.

    A pattern after `!` must not fit.
    """

    severity: Patterns = ()
    kind: Patterns = ()
    subtype: Patterns = ()
    cause: Patterns = ()
    api: Patterns = ()
    stage: Patterns = ()
    route: Patterns = ()
    account: Patterns = ()
    region: Patterns = ()
    team: Patterns = ()
    environment: Patterns = ()
    tag: Patterns = ()
    fingerprint: Patterns = ()
    finding: Patterns = ()

    @field_validator("severity")
    @classmethod
    def _known(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not any(fnmatchcase(one.value, pattern.removeprefix("!")) for one in Severity):
                raise ValueError(f"no severity is called {pattern!r}; there are {', '.join(Severity)}")
        return patterns

    @property
    def conditions(self) -> dict[str, tuple[str, ...]]:
        """Only what is set."""
        return {name: patterns for name in NAMES if (patterns := getattr(self, name))}

    def fits(self, labels: Labels) -> bool:
        """Whether all conditions hold; no conditions hold for everything."""
        return all(_fit(patterns, labels.get(name, ())) for name, patterns in self.conditions.items())

    def __str__(self) -> str:
        said = [f"{name} {' or '.join(patterns)}" for name, patterns in self.conditions.items()]
        return ", ".join(said) or "everything"


def _fit(patterns: tuple[str, ...], values: tuple[str, ...]) -> bool:
    wanted = [one for one in patterns if not one.startswith("!")]
    barred = [one[1:] for one in patterns if one.startswith("!")]
    if any(fnmatchcase(value, pattern) for value in values for pattern in barred):
        return False
    return not wanted or any(fnmatchcase(value, pattern) for value in values for pattern in wanted)


class Owner(Strict):
    """Whose APIs these are: what fits gets team, environment and tags, later entries over earlier ones."""

    match: Match = Match()
    team: str | None = None
    environment: str | None = None
    tags: tuple[str, ...] = Field(default=(), description="added to those of earlier entries")


class Labelled(Protocol):
    """A finding, or a row of its columns."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def subtype(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def api(self) -> str: ...
    @property
    def stage(self) -> str | None: ...
    @property
    def route(self) -> str | None: ...
    @property
    def account(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def fingerprint(self) -> str: ...


_COLUMNS = ("severity", "kind", "subtype", "cause", "api", "stage", "route", "account", "region", "fingerprint")


def labels_of(finding: Labelled, owners: Iterable[Owner] = ()) -> dict[str, tuple[str, ...]]:
    """The labels of a finding."""
    values: dict[str, str | None] = {name: getattr(finding, name) for name in _COLUMNS}
    values["finding"] = finding.id
    labels: dict[str, tuple[str, ...]] = {name: (str(value),) if value else () for name, value in values.items()}
    for owner in owners:
        if owner.match.fits(labels):
            if owner.team is not None:
                labels["team"] = (owner.team,)
            if owner.environment is not None:
                labels["environment"] = (owner.environment,)
            labels["tag"] = tuple(dict.fromkeys((*labels.get("tag", ()), *owner.tags)))
    return labels


class Described:
    """An alert of which only some labels are known."""

    def __init__(self, labels: Mapping[str, str | None]) -> None:
        self.id = self.fingerprint = ""
        self.severity = labels.get("severity") or ""
        self.kind = labels.get("kind") or ""
        self.subtype = labels.get("subtype") or ""
        self.cause = labels.get("cause") or ""
        self.api = labels.get("api") or ""
        self.stage = labels.get("stage")
        self.route = labels.get("route")
        self.account = labels.get("account")
        self.region = labels.get("region")
