"""What is different about some requests: their values of each field against those of the others, ranked.

Both sets are counted whole; their values are compared in a sample of each (one row of k, a power of two, by a hash of
its place, since traffic has rhythms), so that an answer takes the same time for a minute and for a month. Of millions
of rows the sample is in memory already (`sampled`). A difference counts as far as
it is certain: the end nearer to zero of Newcombe's interval for two shares (1998, method 10), at 5 % over all values
that were compared (Bonferroni). The interval takes requests as independent; callers that send many are not, so each
value tells how many callers it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
from scipy.stats import norm

from gatewatch.errors import UsageError
from gatewatch.frames import REQUESTS
from gatewatch.store.manifest import segments
from gatewatch.store.reading import Rows, during, of_rows
from gatewatch.store.request_fields import conditions_sql, field_sql
from gatewatch.store.sampled import knows, of_every, sampled
from gatewatch.store.state import State
from gatewatch.where import Term

SAMPLE = 60_000
"""Rows of each set whose values are compared, at least about so many, and at most twice as many."""

SCANNED = 100_000_000
MOST_VALUES = 8
_FETCHED = 60
_ALPHA = 0.05

BANDS_MS: tuple[int, ...] = (10, 30, 100, 300, 1000, 3000, 10000, 28000)
_BAND = "latency_band"
DIMENSIONS: tuple[str, ...] = (
    *("api", "stage", "route", "method", "status", "reject_cause", "throttle_scope", "integration_status"),
    *("error_type", "error_message", "authorizer_error", "waf_action", "client_id", "ip_prefix", "principal"),
    *("api_key_id", "agent", "user_agent", "tls_version", "domain", "region", "account", _BAND),
)
"""Fields that are compared. latency_band: how long the request took, in steps."""

NUMBERS: tuple[str, ...] = ("latency_ms", "integration_latency_ms", "authorizer_latency_ms", "response_bytes")

_KIN: tuple[frozenset[str], ...] = (
    frozenset({"status", "status_class"}),
    frozenset({"client_ip", "ip_prefix", "client_id"}),
    frozenset({"client_id", "principal"}),
    frozenset({"client_id", "api_key_id"}),
    frozenset({"user_agent", "agent"}),
    frozenset({"latency_ms", _BAND}),
    frozenset({"route", "method", "path"}),
)


@dataclass(frozen=True, slots=True)
class Sets:
    """The requests of [since, until) with `terms`; of them the selected ones: the time and terms of `chosen`.

    The others are the rest of that time, or, with `others`, what the same terms find in that other time.
    """

    since: datetime
    until: datetime
    terms: tuple[Term, ...] = ()
    chosen: tuple[Term, ...] = ()
    chosen_since: datetime | None = None
    chosen_until: datetime | None = None
    others: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """Shares of both sets; sure: the difference of shares that is certain, with its sign. callers: of the selected."""

    value: str | None
    selected: int
    rest: int
    selected_share: float
    rest_share: float
    sure: float
    callers: int


@dataclass(frozen=True, slots=True)
class Dimension:
    """score: the largest certain difference of a value. chosen: the selection is made by it, so it must differ."""

    name: str
    score: float
    values: list[Value]
    distinct: int
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """Quantiles of the samples; None: no value."""

    name: str
    selected: tuple[float | None, float | None]
    rest: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """selected, rest: requests of both. *_every: one of so many was compared. Dimensions: the most different first."""

    selected: int
    rest: int
    selected_every: int
    rest_every: int
    dimensions: list[Dimension] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)


def difference(state: State, sets: Sets, *, sample: int = SAMPLE) -> Difference:
    """UsageError: nothing selects, or there is too much to look through."""
    if not sets.chosen and sets.chosen_since is None and sets.chosen_until is None and sets.others is None:
        raise UsageError("a selection is needed: terms of `select`, a shorter time, or another time to compare with")
    since = min(sets.since, sets.others[0]) if sets.others else sets.since
    until = max(sets.until, sets.others[1]) if sets.others else sets.until
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    rows = sum(one.rows for one in listed)
    if rows > SCANNED:
        raise UsageError(f"{rows:,} requests lie in this time (at most {SCANNED:,}): take a shorter one")
    if not listed:
        return Difference(0, 0, 1, 1)
    both = _both(sets)
    sources = {"selected": Rows(listed, *both.selected), "others": Rows(listed, *both.others)}
    selects = f"SELECT count(*) FROM ({{selected}}) WHERE {both.inside} AND {both.chosen}"
    rest = f"SELECT count(*) FROM ({{others}}) WHERE {both.inside}"
    # What is not selected of the same time needs no look at what selects: without terms, no look at any row.
    rest = f"{rest} AND {both.unlike}" if sets.others else rest
    counted = of_rows(state, sources, REQUESTS, f"SELECT ({selects}) AS a, ({rest}) AS b", both.values).to_pylist()[0]
    a = int(counted["a"])
    b = int(counted["b"]) - (0 if sets.others else a)
    every = (_step(a, sample), _step(b, sample))
    if not a or not b:
        return Difference(a, b, *every)
    columns = ", ".join(f"({_sql(name)})::VARCHAR AS {name}" for name in DIMENSIONS)
    numbers = ", ".join(f"{name}::DOUBLE AS n_{name}" for name in NUMBERS)
    held = [knows(step, sets.terms + sets.chosen) for step in every]
    kept = " UNION ALL ".join(  # two scans with plain conditions: most columns of most rows are never decoded
        f"SELECT {sel} AS sel, {field_sql('client_id')} AS who, {columns}, {numbers} FROM "
        f"{f'(SELECT * FROM sample WHERE {during(*span)})' if known else rows} "
        f"WHERE {both.inside} AND {which} AND {of_every(step)}"
        for sel, rows, span, which, step, known in (
            ("true", "({selected})", both.selected, both.chosen, every[0], held[0]),
            ("false", "({others})", both.others, both.unlike, every[1], held[1]),
        )
    )
    groups = " UNION ALL ".join(
        f"(SELECT '{name}' AS dimension, {name} AS value, count(*) FILTER (sel) AS a, count(*) FILTER (NOT sel) AS b, "
        f"approx_count_distinct(who) FILTER (sel) AS callers, count(*) OVER () AS n_values FROM kept GROUP BY {name} "
        f"ORDER BY greatest(count(*) FILTER (sel) / {a / every[0]!r}, count(*) FILTER (NOT sel) / {b / every[1]!r}) "
        f"DESC, value NULLS FIRST LIMIT {_FETCHED})"
        for name in DIMENSIONS
    )
    quantiles = " UNION ALL ".join(
        f"SELECT '#{name}', sel::VARCHAR, (quantile_cont(n_{name}, 0.5) * 1000)::BIGINT, "
        f"(quantile_cont(n_{name}, 0.95) * 1000)::BIGINT, 0, 0 FROM kept GROUP BY sel"
        for name in NUMBERS
    )
    sizes = "SELECT '@', sel::VARCHAR, count(*), 0, 0, 0 FROM kept GROUP BY sel"
    query = f"WITH kept AS MATERIALIZED ({kept}) {groups} UNION ALL {quantiles} UNION ALL {sizes}"
    beside = {"sample": sampled(state, listed)} if any(held) else {}
    told = of_rows(state, sources, REQUESTS, query, both.values, numbered=True, beside=beside)
    return _ranked(told, (a, b), every, _kin(sets))


def _step(rows: int, sample: int) -> int:
    """The largest power of two that leaves so many rows."""
    return 1 << max(0, (rows // sample).bit_length() - 1)


@dataclass(frozen=True, slots=True)
class _Both:
    """selected, others: the times of both. inside: what holds for all rows; chosen, unlike: for those of one."""

    selected: tuple[datetime, datetime]
    others: tuple[datetime, datetime]
    inside: str
    chosen: str
    unlike: str
    values: dict[str, object]


def _both(sets: Sets) -> _Both:
    inside, values = conditions_sql(sets.terms, "w")
    chosen, more = conditions_sql(sets.chosen, "s")
    begin, end = max(sets.since, sets.chosen_since or sets.since), min(sets.until, sets.chosen_until or sets.until)
    low, high = sets.others or (sets.since, sets.until)
    unlike = "TRUE"
    if begin < high and low < end:
        time = "TRUE" if begin <= low and high <= end else during(begin, end)
        unlike = f"NOT coalesce({chosen} AND {time}, false)"
    return _Both((begin, max(begin, end)), (low, high), inside, chosen, unlike, values | more)


def _sql(name: str) -> str:
    if name != _BAND:
        return field_sql(name)
    bands = " ".join(f"WHEN latency_ms < {high} THEN '{place}'" for place, high in enumerate(BANDS_MS))
    return f"CASE WHEN latency_ms IS NULL THEN NULL {bands} ELSE '{len(BANDS_MS)}' END"


def _band_name(place: str | None) -> str | None:
    if place is None:
        return None
    number = int(place)
    low = BANDS_MS[number - 1] if number else 0
    return f"{low} ms or more" if number == len(BANDS_MS) else f"{low} to {BANDS_MS[number]} ms"


def _kin(sets: Sets) -> frozenset[str]:
    """Dimensions that differ because of how the selection was made."""
    named = {term.field for term in sets.chosen}
    return frozenset(named).union(*(kin for kin in _KIN if kin & named))


def _ranked(told: pa.Table, counts: tuple[int, int], every: tuple[int, int], kin: frozenset[str]) -> Difference:
    rows = told.to_pylist()
    sizes = {row["value"]: int(row["a"]) for row in rows if row["dimension"] == "@"}
    a, b = sizes.get("true", 0), sizes.get("false", 0)
    compared = sum({row["dimension"]: int(row["n_values"]) for row in rows if row["dimension"][0] not in "@#"}.values())
    z = float(norm.ppf(1 - _ALPHA / 2 / max(compared, 1)))
    dimensions = []
    for name in DIMENSIONS:
        mine = [row for row in rows if row["dimension"] == name]
        if not a or not b or not mine or (len(mine) == 1 and mine[0]["n_values"] == 1):
            continue
        sure = sure_difference([row["a"] for row in mine], a, [row["b"] for row in mine], b, z)
        values = [
            Value(
                _band_name(row["value"]) if name == _BAND else row["value"],
                int(row["a"]) * every[0],
                int(row["b"]) * every[1],
                row["a"] / a,
                row["b"] / b,
                one,
                int(row["callers"]),
            )
            for row, one in zip(mine, sure, strict=True)
        ]
        values.sort(key=lambda one: (-abs(one.sure), -max(one.selected_share, one.rest_share), one.value or ""))
        score = abs(values[0].sure)
        dimensions.append(Dimension(name, score, values[:MOST_VALUES], int(mine[0]["n_values"]), name in kin))
    dimensions.sort(key=lambda one: (one.chosen, -one.score, DIMENSIONS.index(one.name)))
    numbers = [_number(name, rows) for name in NUMBERS]
    return Difference(*counts, *every, dimensions, [one for one in numbers if one.selected != (None, None)])


def sure_difference(ones: Sequence[int], n_ones: int, others: Sequence[int], n_others: int, z: float) -> list[float]:
    """How far the shares x/n and y/m surely differ, for each pair; 0: perhaps not at all. Newcombe (1998)."""

    def wilson(counts: Sequence[int], n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        p = np.asarray(counts, dtype=np.float64) / n
        middle, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return p, (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)

    p, p_low, p_high = wilson(ones, n_ones)
    q, q_low, q_high = wilson(others, n_others)
    low = p - q - np.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + np.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    out: list[float] = np.where(low > 0, low, np.where(high < 0, high, 0.0)).tolist()
    return out


def _number(name: str, rows: list[dict[str, object]]) -> Number:
    found = {row["value"]: (row["a"], row["b"]) for row in rows if row["dimension"] == f"#{name}"}

    def of(which: str) -> tuple[float | None, float | None]:
        first, second = (None if one is None else int(str(one)) / 1000 for one in found.get(which, (None, None)))
        return first, second

    return Number(name, of("true"), of("false"))
