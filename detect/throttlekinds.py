"""What kind of throttling trouble an excess of 429 is: one caller's, a neighbour's, or the limit's."""

from __future__ import annotations

from collections.abc import Sequence

from detect.authkinds import Verdict
from detect.who import Tally, distinct
from gatewatch.records import Cause, Severity

ONE = 0.85
"""Share of one caller from which the others are not worth a word."""

MOST = 0.4
VICTIMS = 5
FIRST, AHEAD = 0.25, 4.0
"""Among many that are refused by a limit: the share of the one that fills it, and how far it is ahead of the next."""

ROTATING = 10
RAMP_MINUTES = 60


def judge(
    over: Tally, *, changed: bool, minutes: float, per_minute: Sequence[float], limit_moved: bool = False
) -> Verdict:
    """over: the excess by name. per_minute: refusals of each minute since the onset.

    changed: a likely change came before. limit_moved: it is one of this very limit.
    """
    _address, address_share = over.top("client_ip")
    _, agent_share = over.top("user_agent")
    share, callers, ahead = first_share(over)
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
    if sum(rhythm.n for rhythm in over.rhythms.values() if rhythm.knocks) >= 0.5 * over.total:
        return Verdict(
            "retry_storm",
            Cause.CLIENT,
            Severity.HIGH,
            "A caller retries without waiting" if one else "Callers retry without waiting",
            "",
            "Have the client wait exponentially longer, with jitter, after a 429; block it in WAF meanwhile."
            if one
            else "Have the clients wait exponentially longer, with jitter, after a 429; a WAF rate rule helps now.",
            0.9,
        )
    victims = callers - 1 >= VICTIMS
    most = not one and share >= MOST and not limit_moved
    if most or (victims and share >= FIRST and ahead >= AHEAD and not changed):
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
    return Verdict(
        "over_plan",
        Cause.CLIENT,
        Severity.MEDIUM,
        "A caller goes beyond its limit",
        "",
        "Tell the owner of the key or address its limit; raise the usage plan if the demand is wanted.",
    )


def first_share(over: Tally) -> tuple[float, int, float]:
    """Of the best names there are for callers (key, else principal, else address): the largest share, how many callers
    there are, and how many times the second's share the first has.
    """
    for name in ("api_key_id", "principal", "client_ip"):
        counts = sorted(over.of(name).values(), reverse=True)
        if counts and (name == "client_ip" or sum(counts) >= 0.5 * over.total):
            return counts[0] / over.total, len(counts), counts[0] / max(counts[1] if len(counts) > 1 else 0, 1)
    return 0.0, 0, 0.0


def _ramps(values: Sequence[float]) -> bool:
    """Does the last third have several times what the first third had, and the middle lie between?"""
    third = len(values) // 3
    if third < 15:
        return False
    first, middle, last = sum(values[:third]), sum(values[third : 2 * third]), sum(values[-third:])
    return last >= 2.2 * max(first, 1.0) and first < middle < 1.1 * last
