"""A closer look at one scanned world: every miss, every wrong word and every false alarm, with what the minutes say.

python -m bench.detect --set tuning --only world-11     # makes and scans it
python -m bench.detect_look world-11 missed             # or: wrong, false; and a scenario's name to look at only it
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.detect_worlds import WORLDS
from gatewatch.cli.documents import place
from gatewatch.evaluation.claims import findings_in, read_claims
from gatewatch.evaluation.labels import Incident, Place, read_labels
from gatewatch.evaluation.match import FALSE, Judgement, Outcome, judge
from gatewatch.frames import HISTOGRAMS, MINUTE_COUNTS
from gatewatch.frames.histogram import bucket_value_ms

AROUND_S = 7200.0
DAY_S = 86_400.0
SHOWN = 3


@dataclass(slots=True)
class Look:
    """A world's judgement with the findings as they were printed, the labels as written, and its minutes."""

    judgement: Judgement
    findings: list[dict[str, Any]]
    written: dict[str, dict[str, Any]]
    names: dict[str, str]
    blind: list[dict[str, Any]]
    minutes: pa.Table

    @classmethod
    def at(cls, name: str) -> Look:
        folder = WORLDS / name
        labels = json.loads((folder / "labels.json").read_text())
        found = json.loads((folder / "found.json").read_text())
        claims = read_claims(findings_in(found, "found.json"), "found.json")
        return cls(
            judge(read_labels(labels, "labels.json"), claims),
            found["findings"],
            {one["id"]: one for one in labels["incidents"]},
            {one["api_id"]: f"{one['name']} ({one['kind']}, {one['rate_rps']:.3g}/s)" for one in labels["apis"]},
            found.get("blind", []),
            pq.read_table(folder / "minutes.parquet"),
        )

    def end(self, incident: Incident) -> float:
        return self.judgement.labels.end if incident.end is None else incident.end

    def numbers(self, where: Place, start: float, end: float) -> str:
        """Calls and refusals a minute, and p50/p95/p99 of each layer, at a place."""
        table = self.minutes.filter(pc.field("api") == where.api)
        for name, value in (("stage", where.stage), ("route", where.route)):
            table = table.filter(pc.field(name) == value) if value else table
        seconds = pc.divide(table.column("minute").cast(pa.int64()), 1_000_000)
        table = table.filter(pc.and_(pc.greater_equal(seconds, start), pc.less(seconds, end)))
        length = max((end - start) / 60, 1.0)
        shown = [name for name in MINUTE_COUNTS if name == "n" or name == "s5xx" or name.startswith(("c_", "t_"))]
        sums = {name: (pc.sum(table.column(name)).as_py() or 0) / length for name in shown}
        parts = [f"{name.removeprefix('c_')} {value:.3g}" for name, value in sums.items() if value]
        return ", ".join([*parts, *(f"{name} {_quantiles(table, name)}" for name in HISTOGRAMS)])

    def line(self, index: int) -> str:
        claim, fate = self.judgement.claims[index], self.judgement.fates[index]
        end = "open" if claim.end is None else _time(claim.end)
        facts = self.findings[index]["evidence"]
        return (
            f"{fate.value}: {claim.kind}/{claim.subtype} {claim.severity} {claim.cause} "
            f"{(claim.place or Place('')).route or ''} {_time(claim.start)} to {end}, at {_time(claim.detected)}, "
            f"score {claim.score:.0f}: {facts['sentence']}"
        )


def _quantiles(table: pa.Table, name: str) -> str:
    counts: Counter[int] = Counter()
    for buckets, many in zip(table.column(f"{name}_b").to_pylist(), table.column(f"{name}_c").to_pylist(), strict=True):
        counts.update(dict(zip(buckets or (), many or (), strict=True)))
    total, running, out = sum(counts.values()), 0, []
    wanted = [0.5, 0.95, 0.99]
    for bucket in sorted(counts):
        running += counts[bucket]
        while wanted and running >= wanted[0] * total:
            out.append(f"{float(bucket_value_ms(bucket)):.0f}")
            wanted.pop(0)
    return "/".join(out) + " ms" if out else "-"


def missed(look: Look, only: str) -> Iterator[str]:
    """Each missed incident (of a scenario: found ones, too), the day before it and it, and what was said meanwhile."""
    for outcome in look.judgement.outcomes:
        one = outcome.incident
        if only not in one.scenario or (outcome.found is not None and not only):
            continue
        end = look.end(one)
        yield f"== {_head(look, one)}: {'found' if outcome.found is not None else 'missed'}"
        yield f"   {_time(one.start)}, {(end - one.start) / 60:.0f} min; {look.written[one.id].get('tell', '')}"
        yield f"   before: {look.numbers(one.place, one.start - DAY_S, one.start)}"
        yield f"   during: {look.numbers(one.place, one.start, min(end, one.start + DAY_S))}"
        apis = {row.api for row in one.scope}
        for index, claim in enumerate(look.judgement.claims):
            near = one.start - AROUND_S <= claim.detected <= end + AROUND_S
            if claim.place is not None and claim.place.api in apis and near:
                yield f"   {look.line(index)}"
        for row in look.blind:
            if row["api_id"] in apis and row["kind"] == one.kind:
                yield f"   blind: {row['reason']}"


def wrong(look: Look, only: str) -> Iterator[str]:
    """Each found incident of which something wrong was said, or that was found late."""
    for outcome in look.judgement.outcomes:
        if outcome.found is None or only not in outcome.incident.scenario:
            continue
        said = "; ".join(_mistakes(look, outcome))
        if said:
            yield f"== {_head(look, outcome.incident)}: {said}"
            yield f"   {look.written[outcome.incident.id].get('tell', '')}"
            mine = [i for i, owner in enumerate(look.judgement.owners) if owner is not None]
            for index in mine:
                if look.judgement.outcomes[look.judgement.owners[index] or 0] is outcome:
                    yield f"   {look.line(index)}"


def _mistakes(look: Look, outcome: Outcome) -> Iterator[str]:
    one, claim = outcome.incident, look.judgement.claims[outcome.found or 0]
    if claim.subtype not in one.subtypes:
        yield f"subtype {claim.subtype}, not {' or '.join(one.subtypes)}"
    if one.causes and claim.cause not in one.causes:
        changes = [change["what"] for change in look.findings[outcome.found or 0]["changes"][:3]]
        yield f"cause {claim.cause}, not {' or '.join(one.causes)} (changes: {', '.join(changes) or 'none'})"
    if one.layer and claim.kind == "latency_outlier" and claim.layer != one.layer:
        yield f"layer {claim.layer}, not {one.layer}"
    if outcome.named is not None and outcome.named.f1 < 0.9:
        yield f"culprits F1 {outcome.named.f1:.2f}"
    if not one.people.judged() and claim.people.names_anybody():
        yield "somebody is blamed"
    if outcome.findings > 1:
        yield f"{outcome.findings} findings"
    if outcome.delay_s is not None and outcome.delay_s > 600:
        yield f"{outcome.delay_s / 60:.0f} min late, of {(look.end(one) - one.start) / 60:.0f}"


def false(look: Look, only: str) -> Iterator[str]:
    """False alarms by kind, subtype, API and fate, the most frequent first, with a few examples each."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, (claim, fate) in enumerate(zip(look.judgement.claims, look.judgement.fates, strict=True)):
        if fate in FALSE and only in claim.kind:
            api = look.names.get(claim.place.api, "?") if claim.place else "?"
            window = look.judgement.tempted[index]
            benign = "" if window is None else look.judgement.labels.benign[window].scenario
            groups[claim.kind, claim.subtype or "", api, fate.value, benign].append(index)
    for key, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        yield f"== {len(members)} × {' '.join(key)}"
        for index in members[:SHOWN]:
            facts = {k: v for k, v in _facts(look, index).items() if not isinstance(v, list)}
            yield f"   {look.line(index)} {json.dumps(facts)[:400]}"


def _facts(look: Look, index: int) -> dict[str, Any]:
    facts: dict[str, Any] = look.findings[index]["evidence"].get("facts", {})
    return facts


def _head(look: Look, one: Incident) -> str:
    where = place(None, look.names.get(one.place.api, one.place.api), one.place.stage, one.place.route)
    return f"{one.scenario} {one.level} ({one.kind}/{one.subtypes[0]}) on {where}"


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%m-%d %H:%M}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("world")
    parser.add_argument("what", choices=["missed", "wrong", "false"])
    parser.add_argument("only", nargs="?", default="", help="a scenario's name (false: a kind), or part of it")
    options = parser.parse_args()
    look = Look.at(options.world)
    for line in {"missed": missed, "wrong": wrong, "false": false}[options.what](look, options.only):
        print(line)


if __name__ == "__main__":
    main()
