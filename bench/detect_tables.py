"""The report of `make bench-detect`: ours beside the peers, and every goal beside its target and reference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.detect_power import Age, Allowed, Point, Race
from gatewatch.cli.evaluated import interval, minutes, per_week, share
from gatewatch.evaluation.figures import Figures, Group
from gatewatch.evaluation.luck import Luck


@dataclass(frozen=True, slots=True)
class Detector:
    """One detector's results: in worlds with incidents, and false alarms in calm ones. luck: only for ours."""

    name: str
    eventful: Figures
    calm: Figures


def columns(rows: Iterable[Sequence[object]]) -> str:
    """Cells under each other; the first column to the left, numbers to the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in texts) for place in range(len(texts[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in texts
    )


def side_by_side(detectors: Sequence[Detector], luck: Luck) -> str:
    heads: list[object] = ["", *(one.name for one in detectors), "ours, shuffled"]

    def row(name: str, cells: Iterable[str], by_chance: str = "") -> list[object]:
        return [name, *cells, by_chance]

    def level(one: Detector, name: str) -> str:
        group = one.eventful.by["level"].get(name)
        return "-" if group is None else share(group.recall)

    alls = [one.eventful.everything for one in detectors]
    rows: list[Sequence[object]] = [
        heads,
        row("recall", (share(one.recall) for one in alls), share(luck.recall)),
        *(row(f"  {name}", (level(one, name) for one in detectors)) for name in ("blatant", "moderate", "subtle")),
        row("precision", (share(one.eventful.precision) for one in detectors), share(luck.precision)),
        row("delay, median", (minutes(one.delay_median) for one in alls), minutes(luck.delay_median)),
        row("delay, p90", (minutes(one.delay_p90) for one in alls)),
        row("subtype right", (share(one.subtype) for one in alls)),
        row("cause right", (share(one.cause) for one in alls)),
        row("culprit F1", (share(one.f1) for one in alls)),
        row("one finding an incident", (share(one.single) for one in alls)),
        row("benign windows alarmed", (f"{d.eventful.benign_alarmed}/{d.eventful.benign_windows}" for d in detectors)),
        row(
            "false, API and week",
            (f"{d.eventful.false_alarms.rate:.3g}" for d in detectors),
            f"{luck.false_alarms:.3g}",
        ),
        row("  in calm worlds", (f"{d.calm.false_alarms.rate:.3g}" for d in detectors)),
    ]
    return columns(rows)


def by_group(name: str, ours: Mapping[str, Group], peer: Mapping[str, Group]) -> str:
    """A row a group: ours in full, the peer's recall and delay beside it."""
    heads: list[object] = [
        name,
        "n",
        "recall",
        "delay",
        "p90",
        "subtype",
        "cause",
        "F1",
        "findings",
        "peer recall",
        "peer delay",
    ]
    rows: list[list[object]] = [heads]
    for value, one in ours.items():
        other = peer[value]
        rows.append(
            [
                value,
                one.incidents,
                share(one.recall),
                minutes(one.delay_median),
                minutes(one.delay_p90),
                share(one.subtype),
                share(one.cause),
                share(one.f1),
                share(one.findings),
                share(other.recall),
                minutes(other.delay_median),
            ]
        )
    return columns(rows)


def curves(points: Mapping[str, Sequence[Point]]) -> str:
    """Recall at the same false-alarm rate in calm worlds, by level."""
    if not any(points.values()):
        return "no calm worlds were looked at"
    rows: list[list[object]] = [["at most, an API and week", *(f"{p.rate:g}" for p in next(iter(points.values())))]]
    for name, line in points.items():
        rows.append([name, *(share(point.overall) for point in line)])
        for level in ("blatant", "moderate", "subtle"):
            rows.append([f"  {level}", *(share(point.recall.get(level, math.nan)) for point in line)])
    return columns(rows)


def ages(lines: Sequence[Age]) -> str:
    rows: list[list[object]] = [["days of history", "incidents", "recall", "calm API-weeks", "false an API and week"]]
    for one in lines:
        span = f"{one.from_days:g} and more" if math.isinf(one.to_days) else f"{one.from_days:g} to {one.to_days:g}"
        rows.append([span, one.incidents, share(one.recall), f"{one.weeks:.1f}", share(one.false_alarms)])
    return columns(rows)


def bounds(lines: Sequence[Allowed]) -> str:
    rows: list[list[object]] = [["level", "incidents", "theory allows", "ours"]]
    rows += [[one.level, one.incidents, minutes(one.bound), minutes(one.delay)] for one in lines]
    return columns(rows)


@dataclass(frozen=True, slots=True)
class Goal:
    """value against target: at least, or at most. reference: the best known elsewhere, as detection.md 6 has it."""

    number: str
    name: str
    value: float
    target: float
    most: bool
    reference: str
    unit: str = ""

    def verdict(self) -> str:
        if math.isnan(self.value):
            return "not measured"
        good = self.value <= self.target if self.most else self.value >= self.target
        return "ok" if good else "MISS"


def goals(ours: Detector, peer: Detector, race: Race, lines: Sequence[Age], speed: float) -> list[Goal]:
    """Goals 2 to 4 and 7 to 9 as far as worlds can tell; counts have their own (bench.detect_counts)."""
    everything, levels = ours.eventful.everything, ours.eventful.by["level"]
    other = peer.eventful
    loud = [one for name, one in levels.items() if name != "subtle"]
    loud_n = sum(one.incidents for one in loud)
    loud_recall = sum(one.found for one in loud) / loud_n if loud_n else math.nan
    subtle = levels["subtle"].recall if "subtle" in levels else math.nan
    young, older = lines[0], [one for one in lines[1:] if one.incidents]
    last = older[-1].recall if older else math.nan
    peer_recall = f"CloudWatch-like {share(other.everything.recall)}"
    rule, others = "SRE Workbook", "Datadog 3 weeks, CloudWatch 2 weeks"
    return [
        Goal("2", "false alarms an API and week, calm worlds", ours.calm.false_alarms.rate, 0.1, True,
             f"CloudWatch-like {peer.calm.false_alarms.rate:.3g}"),
        Goal("3", "recall, blatant and moderate", loud_recall, 0.95, False, peer_recall),
        Goal("3", "recall, subtle", subtle, 0.80, False, peer_recall),
        Goal("3", "event precision", ours.eventful.precision, 0.95, False, f"CloudWatch-like {share(other.precision)}"),
        Goal("3", "median delay", everything.delay_median, 3.0, True,
             f"CloudWatch-like {minutes(other.everything.delay_median)}", " min"),
        Goal("3", "subtype right", everything.subtype, 0.90, False, "-"),
        Goal("3", "cause right", everything.cause, 0.95, False, "-"),
        Goal("3", "culprit F1", everything.f1, 0.95, False, "-"),
        Goal("4", "never later than burn rates", race.never_later, 1.0, False, rule),
        Goal("4", "delay / theirs at 0.2 to 5 % bad", race.ratio, 0.5, True, rule),
        Goal("4", "reset, median", race.reset, 5.0, True, f"{rule}; in time {share(race.reset_in_time)}", " min"),
        Goal("7", "one finding an incident", everything.single, 0.98, False, "Alertmanager-like grouping"),
        Goal("8", "false alarms in the first two days", young.false_alarms, 0.1, True, others),
        Goal("8", "recall after 2 to 7 days / final", lines[1].recall / last if last else math.nan, 0.9, False, others),
        Goal("9", "series-minutes a second and core", speed, 200_000, False, "-"),
    ]  # fmt: skip


def goal_table(lines: Sequence[Goal]) -> str:
    rows: list[list[object]] = [["goal", "", "ours", "target", "", "reference"]]
    for one in lines:
        target = f"{'≤' if one.most else '≥'} {one.target:,g}{one.unit}"
        value = (
            "-" if math.isnan(one.value) else f"{one.value:,.3g}{one.unit}" if one.value < 1e4 else f"{one.value:,.0f}"
        )
        rows.append([f"{one.number} {one.name}", "", value, target, one.verdict(), one.reference])
    return columns(rows)


def exact(ours: Detector) -> str:
    """Our main figures with what they may really be."""
    one = ours.eventful.everything
    return "\n".join(
        [
            f"recall             {interval(one.recall, one.recall_low, one.recall_high)} of {one.incidents} incidents",
            f"with incidents     {per_week(ours.eventful.false_alarms)}",
            f"calm               {per_week(ours.calm.false_alarms)}",
        ]
    )
