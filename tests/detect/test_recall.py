"""Detection as a whole on made-up weeks: what is there is found, named rightly, and little else is said."""

from __future__ import annotations

from detect.model import Context
from detect.run import detect
from gatewatch.evaluation.figures import figures
from gatewatch.evaluation.luck import at_shuffled_times
from gatewatch.settings import Settings
from tests.detect.scoring import judged
from tests.detect.world import a_world


def test_incidents_are_found_and_named_rightly() -> None:
    judgements = []
    for seed in (1, 2):
        world = a_world(seed, apis=3, days=7, highest=120)
        found = detect(
            world.minutes, world.clients, world.coverage, Context(changes=tuple(world.changes), settings=Settings())
        )
        judgements.append(judged(world, found.findings))
    counted, luck = figures(judgements), at_shuffled_times(judgements)
    everything = counted.everything
    assert everything.incidents >= 8
    assert everything.recall >= 0.9
    assert luck.recall <= 0.2
    assert counted.precision >= 0.8
    assert everything.subtype >= 0.9
    assert everything.cause >= 0.9
    assert everything.f1 >= 0.9
    assert everything.single >= 0.8
