"""An evaluation as a person reads it: the figures in one table, luck beside them, false alarms and what tempted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gatewatch.cli.documents import place, print_table
from gatewatch.cli.terminal import safe
from gatewatch.evaluation.figures import Figures, Group
from gatewatch.evaluation.labels import Place
from gatewatch.evaluation.luck import Luck, beyond_luck
from gatewatch.evaluation.match import FALSE, Judgement
from gatewatch.evaluation.rates import Rate

if TYPE_CHECKING:
    from rich.console import Console

HEADS = ("n", "recall", "delay", "p90", "subtype", "cause", "culprit P", "R", "F1", "findings", "single")


def print_evaluation(counted: Figures, luck: Luck, console: Console) -> None:
    """All, and by kind, level, traffic and subtype."""
    rows: list[list[object]] = [["all", *cells(counted.everything)]]
    rows.append(["at shuffled times", "", share(luck.recall), minutes(luck.delay_median), *[""] * 8])
    print_table(("", *HEADS), rows, console)
    for name in ("kind", "level", "traffic", "subtype"):
        if groups := counted.by.get(name):
            console.print()
            print_table((name, *HEADS), [[value, *cells(one)] for value, one in groups.items()], console)
    console.print()
    for line in lines(counted, luck):
        console.print(safe(line))


def cells(one: Group) -> list[object]:
    return [
        one.incidents,
        share(one.recall) + (f" ({one.flooded} flooded)" if one.flooded else ""),
        minutes(one.delay_median),
        minutes(one.delay_p90),
        share(one.subtype),
        share(one.cause),
        share(one.precision),
        share(one.culprit_recall),
        share(one.f1),
        share(one.findings),
        share(one.single),
    ]


def lines(counted: Figures, luck: Luck) -> list[str]:
    """What does not fit the table, a line each."""
    all_of = counted.everything
    fates = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counted.fates.items())
    kinds = ", ".join(f"{kind} {rate.count}" for kind, rate in counted.false_by_kind.items())
    benign = ", ".join(f"{name} {hit}/{n}" for name, (n, hit) in counted.benign.items() if hit)
    people = ", ".join(f"{name} {share(p)}/{share(r)} of {n}" for name, (n, p, r) in counted.entities.items())
    out = [
        f"recall      {interval(all_of.recall, all_of.recall_low, all_of.recall_high)}; "
        f"at shuffled times {share(luck.recall)} (best of {luck.shuffles}: {share(luck.highest)}), "
        f"beyond luck {share(beyond_luck(all_of.recall, luck.recall))}",
        f"precision   {share(counted.precision)} of {counted.alarms} alarms; "
        f"at shuffled times {share(luck.precision)}; {fates or 'no findings'}",
        f"false       {per_week(counted.false_alarms)}{f'; {kinds}' if kinds else ''}",
        f"benign      {counted.benign_alarmed} of {counted.benign_windows} windows alarmed"
        f"{f': {benign}' if benign else ''}",
    ]
    if people:
        out.append(f"named       precision/recall: {people}")
    if not math.isnan(all_of.blamed):
        out.append(f"blamed      somebody was named in {share(all_of.blamed)} of the incidents that are nobody's")
    if not math.isnan(all_of.layer):
        out.append(f"layer       {share(all_of.layer)} right")
    if counted.other_kinds:
        others = ", ".join(f"{kind} {count}" for kind, count in counted.other_kinds.items())
        out.append(f"not judged  {others}")
    return out


def print_list(judgement: Judgement, console: Console) -> None:
    """Every missed incident and every false alarm."""
    from gatewatch.evaluation.report import time_text

    missed = [
        [
            time_text(one.incident.start),
            where(one.incident.place),
            one.incident.kind,
            one.incident.subtypes[0],
            one.incident.level,
            "flooded" if one.flooded else "missed",
            one.incident.id,
        ]
        for one in judgement.outcomes
        if one.found is None
    ]
    false = [
        [time_text(claim.detected), where(claim.place), claim.kind, claim.subtype, claim.severity, fate.value, claim.id]
        for claim, fate in zip(judgement.claims, judgement.fates, strict=True)
        if fate in FALSE
    ]
    for title, rows in (("missed", missed), ("false alarms", false)):
        if rows:
            console.print(f"\n{title}")
            print_table(("at", "where", "kind", "subtype", "level", "is", "id"), sorted(rows, key=str), console)


def where(at: Place | None) -> str:
    return "" if at is None else place(None, at.api, at.stage, at.route)


def share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def minutes(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f} min" if value < 120 else f"{value / 60:.1f} h"


def interval(value: float, low: float, high: float) -> str:
    return share(value) if math.isnan(value) else f"{value:.3f} (95 %: {low:.3f} to {high:.3f})"


def per_week(rate: Rate) -> str:
    """`0.12 an API and week (95 %: 0.04 to 0.28; 5 in 41.3 API-weeks)`."""
    return (
        f"{rate.rate:.3g} false alarms an API and week "
        f"(95 %: {rate.low:.3g} to {rate.high:.3g}; {rate.count} in {rate.exposure:.1f} API-weeks)"
    )
