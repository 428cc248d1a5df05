import math

import pytest
from pydantic import ValidationError

from detect.policy import DETECTOR_SHARES, budget_of
from gatewatch.settings import Settings


def test_the_detectors_spend_the_budget_and_no_more() -> None:
    settings = Settings(false_alarms_per_week=0.2)
    assert math.isclose(sum(budget_of(settings, name) for name in DETECTOR_SHARES), 0.2)


def test_a_budget_of_its_own_leaves_the_rest_to_the_others() -> None:
    settings = Settings(false_alarms_per_week=0.2, detector_budgets={"dead_api": 0.05})
    assert budget_of(settings, "dead_api") == 0.05
    assert math.isclose(sum(budget_of(settings, name) for name in DETECTOR_SHARES), 0.2)


def test_a_detector_keeps_a_little_when_others_take_all() -> None:
    settings = Settings(false_alarms_per_week=0.1, detector_budgets={"dead_api": 5.0})
    assert 0 < budget_of(settings, "latency_outlier") < 0.001


@pytest.mark.parametrize("budgets", [{"dead_ap": 0.1}, {"dead_api": 0.0}, {"dead_api": math.nan}])
def test_budgets_of_no_detector_or_of_nothing_are_refused(budgets: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Settings(detector_budgets=budgets)
