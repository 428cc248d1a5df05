"""How lines of a JSON format are cut: by which skeleton, and which of its values come as numbers and not as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from ingest.canonical import INSTANTS, WHOLE
from ingest.cut import Cuts, Skeleton, cut, tells_instants, tells_whole, usual
from ingest.formats.model import Format
from ingest.plan import Plan


@dataclass(frozen=True, slots=True)
class Form:
    """whole: variables that come as numbers (see canonical_columns); lines where they are none do not fit.

    settled: as text they would not fit either.
    """

    skeleton: Skeleton
    whole: frozenset[str] = frozenset()
    settled: bool = False

    def as_text(self) -> Form:
        return Form(self.skeleton)

    def as_settled(self) -> Form:
        return replace(self, settled=True)

    def cuts(self, plan: Plan) -> Cuts:
        """What the query of the lines needs that are cut so. plan: of numbers as this form has them, and unplaced."""
        fields = plan.asked.found.fields
        told = frozenset(fields[name][0] for name in self.whole)
        instants = frozenset(fields[name][0] for name in self.whole & INSTANTS)
        texts = (plan.cut_paths or frozenset()) - told
        hashed = self._hashed(plan)
        if hashed is None:
            return Cuts((plan.paths or frozenset()) - told, told - instants, instants)
        return Cuts(texts, told - instants, instants, *hashed)

    def _hashed(self, plan: Plan) -> tuple[frozenset[str], frozenset[str], frozenset[str]] | None:
        """The paths of the variables that tell a line's place; None where it takes more than their values."""
        placed, found = plan.placed, plan.asked.found
        if placed is None or not placed[0]:
            return None
        out = []
        for names in placed:
            paths = set()
            for name in names:
                here = [path for path in found.fields.get(name, ()) if path in self.skeleton.paths]
                if name not in found.fields or name in found.inside or len(here) > 1 or name in plan.asked.derived:
                    return None
                paths.update(here)
            out.append(frozenset(paths))
        return (out[0], out[1], out[2]) if out[0] else None


def likely_form(lines: Sequence[str], found: Format) -> Form | None:
    """What most of these lines are."""
    skeleton = usual(lines)
    if skeleton is None:
        return None
    values = cut(pa.chunked_array([lines], pa.string()), skeleton, Cuts(frozenset(skeleton.paths)))[1]
    shared = Counter(path for paths in found.fields.values() for path in paths)
    whole = set()
    for name in (WHOLE | INSTANTS) & found.fields.keys() - found.inside.keys():
        path, *others = found.fields[name]
        if others or path not in values.column_names or path in found.needs or shared[path] > 1:
            continue
        told = values.column(path).to_pylist()
        if tells_instants(told) if name in INSTANTS else tells_whole(told):
            whole.add(name)
    return Form(skeleton, frozenset(whole))
