from __future__ import annotations

import json
from datetime import timedelta

from dashboard.thresholds import BEFORE, LONGEST, STEPS, budgets, replay, sentence, span, steps, threshold_card
from gatewatch.records import Finding, Kind
from tests.dashboard.pages.conftest import find
from tests.store.builders import AT, a_finding


def scored(score: float, fingerprint: str = "same", kind: Kind = Kind.AUTH_FAILURE_SPIKE) -> Finding:
    return a_finding(id=f"{fingerprint}-{score}", fingerprint=fingerprint, kind=kind, score=score)


PEERS = [scored(4.0), scored(7.0), scored(7.0, "other"), scored(40.0, "third")]


def test_each_step_of_the_slider_leaves_out_at_least_one_more() -> None:
    assert steps([one.score for one in PEERS]) == [0.0, 4.1, 7.1, 40.1]
    many = steps([1 + place / 7 for place in range(500)])
    assert len(many) == STEPS + 1
    assert many[-1] == round(1 + 499 / 7 + 0.1, 1)
    assert steps([0.0]) == [0.0]


def test_it_says_what_would_have_been_raised() -> None:
    one = PEERS[0]
    assert sentence(one, PEERS, 0.0) == (
        "As it is, 2 episodes of this problem and 2 others of this kind were raised in the last 30 days. "
        "This one scores 4.0: by chance once in 10,000 looks."
    )
    assert sentence(one, PEERS, 4.1).startswith(
        "From a score of 4.1 on (by chance once in 13,000 looks), 1 of 2 episodes"
    )
    assert "not this one, and 2 of 2 others of this kind." in sentence(one, PEERS, 4.1)
    assert "this one, too, and 2 of 4 others" in sentence(PEERS[3], [*PEERS, scored(5.0, "x")], 5.1)


def test_the_card_has_a_sentence_for_each_step_and_none_where_no_score_decides() -> None:
    made = threshold_card(PEERS[0], PEERS)
    assert made is not None
    (slider,), (told, *_) = find(made, "Slider"), find(made, "Store")
    assert len(told.data) == slider.max + 1 == 4
    assert threshold_card(scored(9.0, kind=Kind.CONFIG_CHANGE), PEERS) is None
    assert threshold_card(PEERS[0], []) is None


def test_a_replay_is_bounded_around_the_finding_and_tries_budgets_around_the_one_in_force() -> None:
    one = a_finding(start=AT, end=AT + timedelta(days=40))
    since, until = span(one, AT + timedelta(days=60))
    assert (since, until) == (AT - BEFORE, AT - BEFORE + LONGEST)
    since, until = span(a_finding(start=AT, end=None), AT + timedelta(hours=1))
    assert until == AT + timedelta(hours=1), "nothing is replayed that has not come"
    assert budgets(0.1) == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    assert budgets(900.0)[-1] == 1000.0
    made = replay(one, 0.1, AT + timedelta(days=60))
    asked = json.loads(made.to_plotly_json()["props"]["data-replay"])
    assert asked["budgets"][3] == 0.1
    assert asked["body"]["detectors"] == [one.kind.value]
