"""Which CloudWatch series counts the requests of which stages: by API id, or by a name that APIs may share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detect.grid import Floats, Ints, Key

MINUTE_US = 60_000_000
_KINDS = ("restApis", "httpApis")
CONNECTIONS = "ConnectCount"


@dataclass(frozen=True, slots=True)
class Scope:
    """Stages whose requests one series counts: one, those of APIs that share a name, or all of an API (stage None).

    connections: it is those of WebSocket APIs that are counted.
    """

    key: Key
    members: tuple[Key, ...]
    connections: bool = False


@dataclass(slots=True)
class Counted:
    """counts: (scopes, windows), NaN outside of a series' first and last point. lost: APIs whose series none is."""

    scopes: list[Scope]
    counts: Floats
    lost: list[Key]


def window_minutes(metrics: pa.Table) -> int:
    """Minutes of one window: the longest period of all series, five at least."""
    longest = pc.max(metrics.column("period_s")).as_py() if metrics.num_rows else None
    return max(5, (longest or 300) // 60)


def counted(
    metrics: pa.Table, inventory: Mapping[str, Any] | None, keys: Sequence[Key], first: int, windows: int, width: int
) -> Counted:
    """Requests by scope in `windows` windows of `width` minutes from minute `first` on (a multiple of width)."""
    series = _Series(metrics)
    groups = _matched(series.names, inventory, keys)
    scopes = sorted(groups, key=lambda scope: tuple(part or "" for part in scope.key))
    counts = np.full((len(scopes), windows), np.nan)
    for row, scope in enumerate(scopes):
        for number in groups[scope]:
            at, value = series.points(number)
            spot = (at // MINUTE_US - first) // width
            known = np.arange(max(int(spot[0]), 0), min(int(spot[-1]) + 1, windows))
            inside = (spot >= 0) & (spot < windows)
            sums = np.bincount(spot[inside], weights=value[inside], minlength=windows)
            counts[row, known] = np.nan_to_num(counts[row, known]) + sums[known]
    told = {member for scope in scopes for member in scope.members}
    return Counted(scopes, counts, [key for key in keys if key not in told])


class _Series:
    """The rows of METRICS by series; names: account, region, api, api_name, stage, metric of each."""

    def __init__(self, metrics: pa.Table) -> None:
        whole = metrics.unify_dictionaries().combine_chunks()
        columns = [
            whole.column(name).combine_chunks() for name in ("account", "region", "api", "api_name", "stage", "metric")
        ]
        codes = np.zeros(len(whole), dtype=np.int64)
        for column in columns:
            part = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
            codes = codes * (len(column.dictionary) + 1) + part
        self._at = whole.column("at").cast(pa.int64()).to_numpy()
        self._value = whole.column("value").to_numpy()
        self._order = np.lexsort((self._at, codes))
        _, self._begin = np.unique(codes[self._order], return_index=True)
        self._end = np.append(self._begin[1:], len(codes))
        rows = self._order[self._begin] if len(codes) else self._begin
        texts = [column.cast(pa.string()).take(pa.array(rows)).to_pylist() for column in columns]
        self.names: list[tuple[str | None, ...]] = list(zip(*texts, strict=True))

    def points(self, number: int) -> tuple[Ints, Floats]:
        rows = self._order[self._begin[number] : self._end[number]]
        return self._at[rows], self._value[rows]


def _matched(
    names: Sequence[tuple[str | None, ...]], inventory: Mapping[str, Any] | None, keys: Sequence[Key]
) -> dict[Scope, list[int]]:
    """Scope -> numbers of its series. The series of a stage go before the one that sums an API's stages."""
    ids = _ids_by_name(inventory)
    found: dict[Scope, list[int]] = {}
    told: set[Key] = set()
    for whole in (False, True):
        for number, (account, region, api, api_name, stage, metric) in enumerate(names):
            if (stage is None) is not whole:
                continue
            apis = {api} if api is not None else ids.get(api_name or "", {api_name})
            members = tuple(
                key
                for key in keys
                if key[2] in apis
                and (whole or key[3] == stage)
                and (account is None or key[0] in (None, account))
                and (region is None or key[1] in (None, region))
                and not (whole and key in told)
            )
            if not members or (whole and any(key[2] in apis and key in told for key in keys)):
                continue
            told.update(members)
            key = _scope_key(api_name, api is None and len(apis) > 1, whole, members)
            found.setdefault(Scope(key, members, metric == CONNECTIONS), []).append(number)
    return found


def _scope_key(api_name: str | None, shared: bool, whole: bool, members: Sequence[Key]) -> Key:
    """The stage itself; what stands for several may not depend on which of them were seen first."""
    account, region, api, stage = members[0]
    if shared:
        return None, None, api_name, stage
    return account, region, api, None if whole else stage


def _ids_by_name(inventory: Mapping[str, Any] | None) -> dict[str, set[str | None]]:
    """Names -> ids. CloudWatch takes what is not ASCII out of a name, and the id where nothing is left."""
    found: dict[str, set[str | None]] = {}
    for kind in _KINDS:
        listed = (inventory or {}).get(kind)
        for api in listed if isinstance(listed, list) else []:
            if not isinstance(api, Mapping):
                continue
            ident = next((str(api[name]) for name in ("id", "ApiId", "apiId") if api.get(name)), None)
            name = next((str(api[name]) for name in ("name", "Name") if api.get(name)), None)
            if ident is not None and name is not None:
                found.setdefault(name.encode("ascii", "ignore").decode().strip() or ident, set()).add(ident)
    return found


def unknown_names(metrics: pa.Table, inventory: Mapping[str, Any] | None) -> list[str]:
    """Names of REST APIs in METRICS that the inventory does not have, sorted."""
    ids = _ids_by_name(inventory)
    return sorted(name for name in _api_names(metrics) if name not in ids)


def _api_names(metrics: pa.Table) -> set[str]:
    return set(metrics.column("api_name").unique().cast(pa.string()).to_pylist()) - {None}


def name_left(metrics: pa.Table, inventory: Mapping[str, Any] | None, apis: Iterable[str]) -> pa.Table:
    """METRICS in which the only name that is no API's is given to the only API of the logs that has no series.

    REST APIs are counted by name: without an inventory nobody else says whose name it is.
    """
    left, ids = set(apis), _ids_by_name(inventory)
    names = _api_names(metrics)
    unknown = [name for name in unknown_names(metrics, inventory) if name not in left]
    left -= set(metrics.column("api").unique().cast(pa.string()).to_pylist()) | names
    left -= {ident for group in ids.values() for ident in group}
    if len(unknown) != 1 or len(left) != 1:
        return metrics
    mine = pc.equal(metrics.column("api_name").cast(pa.string()), unknown[0])
    told = pc.if_else(mine, pa.scalar(left.pop()), metrics.column("api").cast(pa.string()))
    place = metrics.schema.get_field_index("api")
    field = metrics.schema.field("api")
    return metrics.set_column(place, field, told.cast(field.type))
