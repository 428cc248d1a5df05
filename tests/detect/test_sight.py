"""What a stage's logs cannot show is said as it is: a WebSocket API has no response latency to log."""

from __future__ import annotations

import pytest

from detect.sight import latency_blind
from gatewatch.frames.schema import visible_mask


@pytest.mark.parametrize(
    ("columns", "reason", "missing"),
    [
        (("at",), "no latency is logged", ("$context.responseLatency",)),
        (("latency_ms",), "degraded: the slow layer cannot be told", ("$context.integrationLatency",)),
        (("integration_latency_ms",), "degraded: only the integration's part of the latency is logged", ()),
        (
            ("integration_latency_ms", "authorizer_latency_ms"),
            "degraded: only the integration's part and the authorizer's of the latency is logged",
            (),
        ),
        (("latency_ms", "integration_latency_ms"), None, None),
    ],
)
def test_which_latencies_are_seen(
    columns: tuple[str, ...], reason: str | None, missing: tuple[str, ...] | None
) -> None:
    told = latency_blind([["1", "eu-west-1", "a1", "prod", visible_mask(columns)]])
    assert [(one.reason, one.missing) for one in told] == ([] if reason is None else [(reason, missing)])
