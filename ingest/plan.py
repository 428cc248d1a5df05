"""The plan of a pass: what one format asks of DuckDB, as text that is made once and used for every block.

`rows` is the whole pass; `combinations` and `told` are what books (see book.py) ask about the few rows that show a
combination of values for the first time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatewatch.frames import visible_mask
from ingest.canonical import canonical_columns, given, reason_sql
from ingest.combinations import combination_sql, place_sql, plain_place
from ingest.cut import PLACE
from ingest.formats.model import Format
from ingest.hints import Hint
from ingest.queries import (
    JUDGED,
    PLACES,
    RECORD,
    SANE,
    UNKEPT,
    WHO,
    WORKED,
    Care,
    aliases,
    client_sql,
    event_id_sql,
    identity_sql,
    occurring,
    paths_of,
    quoted_name,
    quoted_text,
    raw_sql,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What plans differ by. read: the variables that the relation has already; None: it has lines.

    trusting: texts hold no secrets; the query fails where one does (see canonical_columns). whole: see there, of lines
    that were cut. placed: their place was hashed already (cut.PLACE).
    """

    found: Format
    side: frozenset[str]
    hint: Hint
    read: frozenset[str] | None = None
    trusting: bool = False
    whole: frozenset[str] = frozenset()
    placed: bool = False

    @property
    def variables(self) -> frozenset[str]:
        if self.read is not None:
            return self.read
        return frozenset(self.found.fields) | self.derived

    @property
    def derived(self) -> frozenset[str]:
        """Variables of lines that come from elsewhere, too."""
        return self.side | aliases(self.side)

    @property
    def constants(self) -> dict[str, str]:
        """What the format and the path tell of all rows alike."""
        found, hint = self.found, self.hint
        kind = found.api_type or hint.api_type
        told = {
            "account": found.account,
            "region": found.region,
            "api": found.api or hint.api,
            "stage": found.stage or hint.stage,
            "api_type": kind.value if kind else None,
        }
        return {name: value for name, value in told.items() if value is not None}

    @property
    def key(self) -> tuple[object, ...]:
        """Equal where the plans are."""
        told = tuple(self.constants.items())
        return self.found.name, self.side, told, self.read, self.trusting, self.whole, self.placed


@dataclass(frozen=True, slots=True)
class Plan:
    """variables, constants: see Asked. telling: variables that a book's columns follow from, by the columns.

    expressions: those columns. outer: the query of all rows, but for where they come from. used: variables in it;
    unplaced: those that remain when the place is hashed already. lean: see Engine. identity: over columns.
    """

    asked: Asked
    variables: frozenset[str]
    constants: Mapping[str, str]
    outer: str
    used: frozenset[str]
    unplaced: frozenset[str]
    lean: bool
    identity: str
    expressions: Mapping[str, str]
    telling: Mapping[tuple[str, ...], frozenset[str]]

    def rows(self, care: Care) -> str:
        """All rows of `lines`."""
        return f"{self.outer} FROM ({self._source('lines', self.used, care)}))"

    @property
    def placed(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]] | None:
        """See combinations.plain_place."""
        return plain_place(self._telling(PLACES))

    @property
    def paths(self) -> frozenset[str] | None:
        """The JSON paths that the query of all rows reads; None for text."""
        return paths_of(self.asked.found, self.used) if self.asked.read is None else None

    @property
    def cut_paths(self) -> frozenset[str] | None:
        """The same where the place is hashed already."""
        return paths_of(self.asked.found, self.unplaced) if self.asked.read is None else None

    def cut(self, columns: Sequence[str]) -> str:
        """All rows of `{lines}` (see asking.py), which were cut to these columns."""
        asked = self.asked
        source = raw_sql(asked.found, asked.side, self.used, care=Care.NONE, lines="{lines}", cut=columns)
        return f"{self.outer} FROM ({source}))"

    def combinations(self, columns: Sequence[str]) -> str:
        """A book's columns of the rows in `wanted`."""
        listed = ", ".join(f"{self.expressions[name]} AS {name}" for name in columns)
        return f"SELECT rn, {listed} FROM ({self._source('wanted', self._telling(columns), Care.EACH)})"

    def told(self, columns: Sequence[str]) -> str:
        """The variables that a book's columns follow from, of the rows in `wanted`."""
        names = "".join(f", {quoted_name(name)}" for name in sorted(self._telling(columns)))
        return f"SELECT rn{names} FROM ({self._source('wanted', self._telling(columns), Care.EACH)})"

    def _telling(self, columns: Sequence[str]) -> frozenset[str]:
        return self.telling[tuple(columns)]

    def _source(self, relation: str, used: frozenset[str], care: Care) -> str:
        if self.asked.read is not None:
            return f"SELECT *, false AS unmet FROM {relation}"
        return raw_sql(self.asked.found, self.asked.side, used, care=care, lines=relation)


def plan_of(asked: Asked, columns: Sequence[str], key: str, *, lean: bool) -> Plan:
    """columns: those of REQUESTS that are wanted. lean: see Engine."""
    found, read, variables, constants = asked.found, asked.read, asked.variables, asked.constants
    known = canonical_columns(variables, constants, key, trusting=asked.trusting)
    made = known
    if asked.whole:
        made = canonical_columns(variables, constants, key, trusting=asked.trusting, whole=asked.whole)
    columns = [name for name in columns if name not in WORKED]
    refused = "\"status\" >= '4'" if "status" in variables else "false"
    if "status" in asked.whole:
        refused = '"status" >= 400'
    inner = ", ".join(
        # `scan` keeps who it was for refused requests only.
        f"CASE WHEN {refused} THEN {made[name]} END AS {name}"
        if lean and name in WHO
        else f"{made[name]} AS {quoted_name(name)}"
        for name in columns
    )
    telling = {names: occurring(variables, [known[name] for name in names]) for names in (PLACES, JUDGED)}
    # A whole record is an identity only when its time is precise and nothing was left out of it.
    precise = not lean and bool({"requestTimeEpoch", "x.time"} & variables)
    kept = ", ".join(quoted_name(name) for name in columns if name != UNKEPT or not lean)  # `at` is a keyword
    client, identity = client_sql(variables), identity_sql(RECORD if precise else [])
    reason = f"CASE WHEN {SANE} THEN NULL ELSE 'unread' END" if read is None else "reason"
    told = "" if read is None else f", {reason_sql(variables)} AS reason"
    place = quoted_name(PLACE) if asked.placed else place_sql(telling[PLACES])
    cause = combination_sql(telling[JUDGED], asked.whole)
    outer = (
        f'SELECT rn, {kept}, (epoch_us("at") // 60000000)::INTEGER AS minute, client, '
        f"{identity} AS identity, "
        f"{visible_mask(given(variables, constants))}::UBIGINT AS visible, event_id, place, "
        f"CASE WHEN status >= 400 THEN cause END AS cause, {reason} AS reason "
        f"FROM (SELECT rn, unmet, {inner}, {client} AS client, {event_id_sql(variables)} AS event_id, "
        f"hash({quoted_text(found.name)}, {quoted_text(repr(constants))}, {place}) AS place, "
        f"CASE WHEN {refused} THEN hash({quoted_text(found.name)}, {cause}) END AS cause{told} "
    )
    unplaced = occurring(variables, [inner, client, told, cause])
    used = unplaced | occurring(variables, [place])
    expressions = {name: known[name] for name in (*PLACES, *JUDGED)}
    return Plan(asked, variables, constants, outer, used, unplaced, lean, identity, expressions, telling)
