"""What people call their APIs: the inventory's names beside the ids that logs carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from alerts.render.text import plain
from dashboard import words
from detect.inventory import declared
from gatewatch.records import JSON, Finding

_SHORTEST = 6
"""An id that is shorter may be a word of a sentence."""


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
        name = self.of.get(finding.api)
        if not name or len(finding.api) < _SHORTEST:
            return finding
        whole = rf"(?<![\w-]){re.escape(finding.api)}(?![\w-])"
        return replace(finding, title=re.sub(whole, lambda _: name, finding.title))


def names_of(inventory: Mapping[str, JSON] | None) -> Names:
    return Names({one.api: one.name for one in declared(inventory) if one.name != one.api})
