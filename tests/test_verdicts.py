from __future__ import annotations

import pytest

from gatewatch.verdicts import MARGIN, MOST, Said, Verdict, believed, required_score
from tests.store.builders import a_finding

FALSE, TRUE = Verdict.FALSE_POSITIVE, Verdict.TRUE_POSITIVE


@pytest.mark.parametrize(
    ("said", "required"),
    [
        ([], 0.0),
        ([(TRUE, 9.0)], 0.0),
        ([(FALSE, 6.0), (FALSE, 5.0)], 6.0 + MARGIN),
        ([(FALSE, 6.0), (TRUE, 5.5)], 5.5),
        ([(FALSE, MOST + 1)], 0.0),
    ],
)
def test_what_is_false_moves_the_threshold_and_what_is_right_holds_it(
    said: list[tuple[Verdict, float]], required: float
) -> None:
    assert required_score(Said(*one) for one in said) == required


def test_only_what_scores_enough_for_its_scope_is_believed() -> None:
    weak, strong, other = a_finding("a", score=6.0), a_finding("a", score=7.0), a_finding("b", score=1.0)
    assert believed([weak, strong, other], {weak.fingerprint: 6.3}) == [strong, other]
