"""What people call an API, in what is told of it: the inventory's name in the place of the id that logs carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from gatewatch.records import Finding

Names = Mapping[str, str]
"""API id -> name, of those that have one."""

_SHORTEST = 6
"""An id that is shorter may be a word of a sentence."""


def titled(finding: Finding, names: Names) -> Finding:
    """The finding with its API's name in the title, in the place of the id."""
    name = names.get(finding.api)
    if not name or len(finding.api) < _SHORTEST:
        return finding
    whole = rf"(?<![\w-]){re.escape(finding.api)}(?![\w-])"
    return replace(finding, title=re.sub(whole, lambda _: name, finding.title))
