"""The same findings at shuffled times: what the figures would be if a detector knew nothing about when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gatewatch.evaluation.figures import figures
from gatewatch.evaluation.match import Judgement, Pairing, Rules, Times

SHUFFLES = 20
SEED = 1


@dataclass(frozen=True, slots=True)
class Luck:
    """Means over the shuffles; highest: the best recall among them. false_alarms: an API and week."""

    shuffles: int
    recall: float
    highest: float
    precision: float
    delay_median: float
    false_alarms: float
    recall_by_kind: dict[str, float]


def at_shuffled_times(
    judgements: Iterable[Judgement], rules: Rules | None = None, *, shuffles: int = SHUFFLES, seed: int = SEED
) -> Luck:
    """Each finding moves on its own by a random part of the record, around its end; length and place stay."""
    ground = [(one.labels, Pairing(one.labels, one.claims, rules or Rules())) for one in judgements]
    each = []
    for number in range(shuffles):
        moved = []
        for world, (labels, pairing) in enumerate(ground):
            rng = np.random.default_rng([seed, number, world])
            length = labels.end - labels.start
            own = pairing.times
            to = labels.start + (own.detected - labels.start + rng.uniform(0, length, len(own.detected))) % length
            shift = to - own.detected
            moved.append(pairing.judged(Times(own.start + shift, own.end + shift, to)))
        each.append(figures(moved))
    kinds = sorted({kind for one in each for kind in one.by["kind"]})
    return Luck(
        shuffles,
        _mean([one.everything.recall for one in each]),
        max((one.everything.recall for one in each), default=float("nan")),
        _mean([one.precision for one in each]),
        _mean([one.everything.delay_median for one in each]),
        _mean([one.false_alarms.rate for one in each]),
        {kind: _mean([one.by["kind"][kind].recall for one in each]) for kind in kinds},
    )


def beyond_luck(recall: float, by_chance: float) -> float:
    """0: no better than chance, 1: all that chance leaves (Cohen's kappa)."""
    return (recall - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def _mean(values: list[float]) -> float:
    there = [value for value in values if value == value]
    return sum(there) / len(there) if there else float("nan")
