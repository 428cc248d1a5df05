"""What refusals hide of latencies is said, as long as it matters."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from detect.explain import explain
from detect.hidden import GAP, TOLD_MINUTES, WIDTH, follow, hidden
from detect.model import Context, minute_at
from detect.run import cut, detect, fold, frames_of
from gatewatch.cli.choose import judged_percent
from tests.detect.test_hard_traffic import START, steady, tables

KEYS = [("1", "eu-west-1", "a1", "prod", "GET /pets"), ("1", "eu-west-1", "a1", "prod", "GET /cats")]


def told(*runs: tuple[int, int, int], answers: int = 10, every: int = 10_000, now: int | None = None) -> list[str]:
    """Sentences. runs: route, first minute and minutes of what is unclear in 3,000 minutes of so many answers each."""
    minutes = 3000
    unclear = np.zeros((2, minutes), dtype=bool)
    for route, first, length in runs:
        unclear[route, first : first + length] = True
    state, calls = np.zeros((2, WIDTH)), np.full((2, minutes), float(answers))
    for at in range(0, minutes, every):
        part = slice(at, min(at + every, minutes))
        state = follow(state, unclear[:, part], calls[:, part], START + at)
    return [one.reason for one in hidden(KEYS, state, START + (minutes - 1 if now is None else now))]


def sentence(named: str, first: int, span: str) -> str:
    since = f"{minute_at(START + first):%Y-%m-%d %H:%M} UTC"
    return f"not judged: refusals hid how long answers of {named} took, for {span} from {since}"


@pytest.mark.parametrize("every", [10_000, 437, 1])
def test_a_run_is_told_with_its_route_and_its_length_however_it_is_cut(every: int) -> None:
    assert told((0, 2500, 95), every=every) == [sentence("GET /pets", 2500, "95 min")]
    assert told((0, 2500, 20), (1, 2500, 30), every=every) == [sentence("GET /cats and 1 more route", 2500, "30 min")]
    joined = (0, 2500, 20), (0, 2530, 20)
    assert told(*joined, every=every) == [sentence("GET /pets", 2500, "50 min")]


def test_what_hid_little_or_is_long_over_is_not_told() -> None:
    assert told((0, 2500, 4)) == []
    assert told((0, 2500, 25), answers=1) == []
    assert told((0, 2500, 35), answers=1) != []
    assert told(*((0, 2000 + at, 10) for at in range(0, 600, 25))) == []  # most of the answers were judged
    assert told((0, 1000, 95), now=1094 + TOLD_MINUTES) != []
    assert told((0, 1000, 95), now=1095 + TOLD_MINUTES) == []


def test_the_longest_of_late_is_told() -> None:
    first, second = (0, 1800, 90), (0, 1890 + GAP + 1, 30)
    assert told(first, second) == [sentence("GET /pets", 1800, "90 min")]
    assert told(first, (0, 2950, 30)) == [sentence("GET /pets", 1800, "90 min")]
    assert told((0, 1000, 90), (0, 2950, 30)) == [sentence("GET /pets", 2950, "30 min")]


@pytest.mark.parametrize("cause", ["throttle", "authorizer_deny"])
def test_a_stage_whose_routes_are_mostly_refused_is_listed_and_explained(cause: str) -> None:
    frame = steady(3)
    at = 2 * 1440 + 600
    mine = slice(at, at + 89)
    frame.loc[mine, ["n", "s4xx", f"c_{cause}"]] = [60, 40, 40]
    end = frame["minute"].max() + timedelta(minutes=1)
    made = detect(*tables(frame), Context(), only={"latency_outlier"})
    (one,) = made.blind
    assert (one.api, one.stage, one.reason) == ("a1", "prod", sentence("GET /pets", at, "90 min"))
    assert judged_percent(1, made.blind) == 100.0  # its logs lack nothing
    blocks = frames_of(*tables(frame), START, int(end.timestamp() // 60))
    cut_up = fold(cut(blocks, every=437), Context(), {}, {"latency_outlier"})[1]
    assert cut_up == made.blind
    said = explain([blocks], Context(), minute_at(START + at + 60), "a1", stage="prod")
    reasons = [answer.sentence for answer in said.answers if answer.state == "blind"]
    assert reasons == ["Sees less: " + sentence("GET /pets", at, "61 min").removeprefix("not judged: ") + "."]
    before = explain([blocks], Context(), minute_at(START + at - 60), "a1", stage="prod")
    assert not [answer for answer in before.answers if answer.state == "blind"]


def test_a_routes_name_is_bounded_and_none_is_needed() -> None:
    state = np.array([[START, START + 90, 900.0, 900.0, *[0.0] * 5]])
    (one,) = hidden([(*KEYS[0][:4], "GET /" + "x" * 500)], state, START + 100)
    assert len(one.reason) < 200
    (one,) = hidden([(*KEYS[0][:4], None)], state, START + 100)
    assert "some route" in one.reason
