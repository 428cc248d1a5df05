"""What kind of throttling trouble an excess of 429 is: one caller's, a neighbour's, or the limit's."""

from __future__ import annotations

from collections.abc import Sequence

from detect.authkinds import Verdict
from detect.who import Tally, distinct
from gatewatch.records import Cause, Severity

ONE = 0.85
"""Share of one caller from which the others are not worth a word."""

MOST = 0.4
ROTATING = 10
RAMP_MINUTES = 60


def judge(
    over: Tally, *, changed: bool, base: float, base_expected: float, minutes: float, per_minute: Sequence[float]
) -> Verdict:
    """over: the excess by name. base…: requests let through. per_minute: refusals of each minute since the onset."""
    key, key_share = over.top("api_key_id")
    name, name_share = over.top("principal")
    _address, address_share = over.top("client_ip")
    _, agent_share = over.top("user_agent")
    # The best name we have for a caller: its key, else its principal, else its address.
    if key is not None and sum(over.of("api_key_id").values()) >= 0.5 * over.total:
        share, callers = key_share, distinct(over, "api_key_id")
    elif name is not None and sum(over.of("principal").values()) >= 0.5 * over.total:
        share, callers = name_share, distinct(over, "principal")
    else:
        share, callers = address_share, distinct(over, "client_ip")
    addresses = distinct(over, "client_ip")
    if over.share("reject_cause", "quota") >= 0.5:
        return Verdict(
            "quota_exhausted",
            Cause.CLIENT,
            Severity.MEDIUM,
            "A quota is used up and its caller goes on",
            "",
            "Tell the owner of the key; raise the quota of the usage plan if the demand is wanted.",
        )
    one = share >= ONE or (share >= 0.6 and callers <= 2)
    if addresses >= ROTATING and address_share < 0.3 and (one or agent_share >= 0.8):
        return Verdict(
            "address_rotation",
            Cause.CLIENT,
            Severity.HIGH,
            "A caller rotates its addresses against the limit",
            "",
            "Limit by key, principal or agent (WAF rate rule with a custom aggregation key), not by address.",
            0.8,
        )
    if not one and share >= MOST:
        return Verdict(
            "noisy_neighbour",
            Cause.CLIENT,
            Severity.HIGH,
            "One caller uses up a limit that others share",
            "",
            "Give the caller a usage plan of its own, below the stage's limit, so that the others keep their share.",
        )
    if not one:
        return Verdict(
            "shared_limit",
            Cause.CONFIG_CHANGE if changed else Cause.UNKNOWN,
            Severity.HIGH,
            "All callers hit a limit",
            "",
            "Compare the stage, method and account limits with the demand, and undo the last change of a limit.",
            0.9 if changed else 0.7,
        )
    if minutes >= RAMP_MINUTES and _ramps(per_minute):
        return Verdict(
            "slow_ramp",
            Cause.CLIENT,
            Severity.MEDIUM,
            "A caller's demand grows beyond its limit",
            "",
            "Talk to the owner of the key about its demand; plan the limit or cap it by the usage plan.",
            0.8,
        )
    refused = over.total / max(minutes, 1.0)
    if refused >= 60 and over.total > 3.0 * max(base_expected, base):
        return Verdict(
            "retry_storm",
            Cause.CLIENT,
            Severity.HIGH,
            "A caller retries without waiting",
            "",
            "Have the client wait exponentially longer, with jitter, after a 429; block it in WAF meanwhile.",
            0.8,
        )
    return Verdict(
        "over_plan",
        Cause.CLIENT,
        Severity.MEDIUM,
        "A caller goes beyond its limit",
        "",
        "Tell the owner of the key or address its limit; raise the usage plan if the demand is wanted.",
    )


def _ramps(values: Sequence[float]) -> bool:
    """Does the last third have several times what the first third had, and the middle lie between?"""
    third = len(values) // 3
    if third < 15:
        return False
    first, middle, last = sum(values[:third]), sum(values[third : 2 * third]), sum(values[-third:])
    return last >= 2.2 * max(first, 1.0) and first < middle < 1.1 * last
