"""What people call their APIs: the inventory's names beside the ids that logs carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alerts.named import titled
from alerts.render.text import plain
from dashboard import words
from detect.inventory import named
from gatewatch.records import JSON, Finding


@dataclass(frozen=True, slots=True)
class Names:
    """API id -> name, where the inventory has one that is not the id itself."""

    of: Mapping[str, str] = field(default_factory=dict)

    def api(self, api: str) -> str:
        """`shop · a1b2c3d4e5`, or the id alone: names are not unique, so the id stays."""
        name = plain(self.of.get(api), 80)
        return f"{name} · {plain(api, 80)}" if name else plain(api, 80)

    def place(self, api: str, stage: str | None, route: str | None = None) -> str:
        """API, stage and route, as text."""
        said = words.stage_name(self.api(api), plain(stage, 60) if stage else None)
        return f"{said} · {plain(route, 120)}" if route else said

    def titled(self, finding: Finding) -> Finding:
        """The finding with its API's name in the title, in the place of the id."""
        return titled(finding, self.of)


def names_of(inventory: Mapping[str, JSON] | None) -> Names:
    return Names(named(inventory))
