"""What is known of each stage's log: what its format lets the detectors see, and what it would cost to see all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from detect.conclude import measured
from detect.logformat import line_bytes, monthly_dollars, recommended
from detect.model import Context
from detect.signal import FULL, Sight, judge, missing, secrets
from gatewatch.evaluating import checkpoint_before
from gatewatch.records import JSON, Measured
from gatewatch.store.coarse import api_list
from gatewatch.store.reading import bounds
from gatewatch.store.state import State
from gatewatch.surroundings import known_inventory
from ingest.stagelogs import StageLog, stage_logs

MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One stage. requests: a month, None when nobody knows. coverage: its lines by the requests CloudWatch counted."""

    log: StageLog
    sights: tuple[Sight, ...]
    secrets: tuple[tuple[str, str], ...]
    template: str
    requests: float | None
    coverage: Measured | None

    @property
    def full(self) -> bool:
        return all(sight.level == FULL for sight in self.sights)

    def cost(self, template: str | None) -> float | None:
        """Dollars a month to log with this template."""
        if self.requests is None:
            return None
        return 0.0 if template is None else monthly_dollars(template, self.requests, self.log.destination)

    def to_json(self) -> dict[str, JSON]:
        log = self.log
        return {
            "account": log.account,
            "region": log.region,
            "api_id": log.api,
            "name": log.name,
            "api_type": log.api_type.value,
            "stage": log.stage,
            "logged": log.template is not None,
            "detectors": [sight.to_json() for sight in self.sights],
            "missing": [f"$context.{name}" for name in missing(self.sights)],
            "privacy": [{"variable": f"$context.{name}", "advice": why} for name, why in self.secrets],
            "recommended_format": self.template,
            "recommended_format_bytes": len(self.template.encode()),
            "line_bytes": {
                "now": None if log.template is None else line_bytes(log.template),
                "recommended": line_bytes(self.template),
            },
            "requests_per_month": self.requests,
            "monthly_dollars": {"now": self.cost(log.template), "recommended": self.cost(self.template)},
            "coverage": None if self.coverage is None else self.coverage.to_json(),
        }


def diagnoses(
    inventory: Mapping[str, Any],
    *,
    rates: Mapping[tuple[str, str], float],
    coverage: Mapping[tuple[str, str | None], Measured],
    requests: float | None = None,
) -> list[Diagnosis]:
    """Every stage of the inventory. rates: requests a month by API and stage; requests: instead of them."""
    found = []
    for log in stage_logs(inventory):
        variables = None if log.template is None else log.variables
        found.append(
            Diagnosis(
                log,
                tuple(judge(log.api_type, variables, timed=":log-group:" in log.destination)),
                tuple(secrets(log.variables)),
                recommended(log.api_type),
                requests if requests is not None else rates.get((log.api, log.stage)),
                coverage.get((log.api, log.stage)) or coverage.get((log.api, None)),
            )
        )
    return found


def known_stages(state: State) -> tuple[dict[str, Any], dict[tuple[str, str], float], dict[Any, Measured]]:
    """Of the store: its inventory, requests a month by API and stage, and the coverage at the last evaluation."""
    inventory = known_inventory(state) or {}
    span = bounds(state)
    rates = {}
    if span is not None:
        share = MONTH / max(span[1] - span[0], timedelta(hours=1))
        rates = {(one.api or "", one.stage or ""): one.n * share for one in api_list(state)}
    checkpoint = checkpoint_before(state, Context(settings=state.settings), datetime.now(UTC))
    found = {} if checkpoint is None else {(one.api, one.stage): one for one in measured(checkpoint.states)}
    return inventory, rates, found
