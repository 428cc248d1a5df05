"""What a backtest says, as one JSON document: for the command line, and for those who asked through the API."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatewatch.backtesting import Backtest, Difference, by_kind
from gatewatch.exporting import all_findings
from gatewatch.records import JSON, Finding, Kind, iso
from gatewatch.settings import Settings
from gatewatch.store.findings import FindingFilter
from gatewatch.store.state import State

MOST_TOLD = 2000
"""Findings of each list that `brief` documents hold; the counts are whole."""


def stored_findings(state: State, found: Backtest, only: Sequence[Kind] | None) -> list[Finding]:
    """What is in the store of the range, suppressed or not: what a replay with the same settings is compared with."""
    wish = FindingFilter(state="all", since=found.since, until=found.until)
    listed = [stored.finding for stored in all_findings(state, wish)]
    return [one for one in listed if only is None or one.kind in only]


def document(
    found: Backtest,
    told: Difference,
    before: Sequence[Finding],
    *,
    settings: Settings,
    tried: Settings,
    names: Sequence[str],
    tell: Callable[[Finding], JSON] = Finding.to_json,
    most: int | None = None,
) -> dict[str, JSON]:
    """names: of the settings that were tried; none: the store was compared with. most: of each list of findings."""
    after = found.runs[-1].findings
    counts = {"before": by_kind(before), "after": by_kind(after)}
    return {
        "since": iso(found.since),
        "until": iso(found.until),
        "compared": "settings" if names else "stored",
        "settings": {name: {"before": _plain(settings, name), "after": _plain(tried, name)} for name in names},
        "requests": found.requests,
        "apis": found.apis,
        "findings": [tell(one) for one in after[:most]],
        "counts": {name: {kind.value: n for kind, n in one.items()} for name, one in counts.items()},
        "per_api_week": {
            name: round(len(mine) / found.api_weeks, 4) if found.api_weeks else None
            for name, mine in (("before", before), ("after", after))
        },
        "new": [tell(one) for one in told.new[:most]],
        "gone": [tell(one) for one in told.gone[:most]],
        "changed": [
            {"before": tell(one.before), "after": tell(one.after), "fields": list(one.fields)}
            for one in told.changed[:most]
        ],
        "same": len(told.same),
    }


def brief(finding: Finding) -> dict[str, JSON]:
    """A finding in a line. names: what must not be shown to everybody, for gatewatch.privacy; not for people."""
    whole = finding.to_json()
    kept = ("id", "fingerprint", "kind", "subtype", "severity", "score", "title", "api_id", "stage", "route", "start")
    names: list[JSON] = [*finding.entities.principals]
    return {name: whole[name] for name in (*kept, "end", "detected_at", "cause")} | {"names": names}


def _plain(settings: Settings, name: str) -> JSON:
    value: JSON = settings.model_dump(mode="json")[name]
    return value
