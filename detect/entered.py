"""Who was refused and was then let in: what tells guesses that failed from an account that was taken.

Minutes keep hashes of the callers of each route, whether they were refused or not, and the rows of refused clients tell
who was refused on it. A caller that was refused on a route before and is there in a minute in which it is not, came in.
Where a route had more callers than are kept, or the caller was refused in the same minute, too, nobody can tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from detect.grid import Grid, Key
from detect.model import minute_at
from detect.who import Rows
from gatewatch.frames.callers import ADDRESS, PRINCIPAL, caller_hashes

MEMORY = 60
"""Minutes for which refusals count."""

PAUSE = 15
"""Minutes after its last refusal in which a caller that comes in is the one that was refused."""

TRIES, NAME_TRIES = 2, 10
"""Refusals of an address (its tool is looked at, too) and of a name, which may have an owner who mistypes."""

MOST = 2000


class Inside:
    """Who was there: the callers of a block's minutes, by route."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        cell, caller, _, _ = grid.callers()
        answered = grid.counts("s2xx", "s3xx").reshape(-1)[cell] > 0
        order = np.argsort(caller[answered], kind="stable")
        self._caller, self._cell = caller[answered][order], cell[answered][order]

    def of(self, stage: Key, hashes: Iterable[int]) -> Mapping[int, list[tuple[int, str]]]:
        """Minutes and routes of a stage in which each of the callers was there and somebody was answered."""
        width = self._grid.minutes
        out: dict[int, list[tuple[int, str]]] = {}
        for one in hashes:
            low, high = np.searchsorted(self._caller, [one, one + 1])
            for cell in self._cell[low:high].tolist():
                key = self._grid.keys[cell // width]
                if key[:4] == stage:
                    out.setdefault(one, []).append((self._grid.start + cell % width, key[4] or ""))
        return {one: sorted(places) for one, places in out.items()}


def entered(rows: Rows, row: int, first: int, last: int, inside: Inside, stage: Key) -> list[tuple[str, str, int]]:
    """(`client_ip` or `principal`, who, minute) of those who came in within the minutes first … last.

    rows: of refused clients of a series row, from MEMORY minutes before `first` on.
    """
    part = rows.between(row, first - MEMORY, last)
    tried: dict[tuple[str, str], list[tuple[int, str, int]]] = {}
    columns = [rows.names[name][part].tolist() for name in ("api_key_id", "principal", "client_ip", "route")]
    for minute, n, key, name, address, route in zip(
        rows.minute[part].tolist(), rows.n[part].tolist(), *columns, strict=True
    ):
        if key is None and (name is not None or address is not None):
            who = ("principal", name) if name is not None else ("client_ip", address)
            tried.setdefault(who, []).append((minute, route or "", n))
    enough = [who for who, mine in tried.items() if sum(n for _, _, n in mine) >= _least(who)]
    chosen = sorted(enough, key=lambda who: (-sum(n for _, _, n in tried[who]), who))[:MOST]
    codes = _hashes(chosen)
    there = inside.of(stage, codes.values())
    out = []
    for who in chosen:
        came = _first(tried[who], there.get(codes[who], ()), _least(who), first, last)
        if came is not None:
            out.append((*who, came))
    return out


def _least(who: tuple[str, str]) -> int:
    return TRIES if who[0] == "client_ip" else NAME_TRIES


def _first(
    tried: Sequence[tuple[int, str, int]], there: Sequence[tuple[int, str]], least: int, first: int, last: int
) -> int | None:
    """The first minute in which one was let in where it had been refused."""
    refused = {(minute, route) for minute, route, _ in tried}
    for minute, route in there:
        before = [(at, n) for at, where, n in tried if where == route and minute - MEMORY <= at < minute]
        if not first <= minute <= last or (minute, route) in refused or not before:
            continue
        if sum(n for _, n in before) >= least and minute - max(at for at, _ in before) <= PAUSE:
            return minute
    return None


def _hashes(chosen: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    out: dict[tuple[str, str], int] = {}
    for kind, rank in (("principal", PRINCIPAL), ("client_ip", ADDRESS)):
        mine = [who for who in chosen if who[0] == kind]
        out.update(zip(mine, caller_hashes([name for _, name in mine], rank), strict=True))
    return out


def came_in(opened: Sequence[tuple[str, str, int]]) -> str:
    """How many found what opens, and since when, to end a sentence with. opened: (who, as what, minute), by time."""
    counted = Counter("account" if kind == "principal" else "address" for _, kind, _ in opened)
    plurals = {"account": "accounts", "address": "addresses"}
    said = " and ".join(f"{n:,} {what if n == 1 else plurals[what]}" for what, n in sorted(counted.items()))
    return f"; {said} came in afterwards, the first at {minute_at(opened[0][2]):%Y-%m-%d %H:%M} UTC"
