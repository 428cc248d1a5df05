"""Which refusals are about credentials, whose limits there are, and which findings are attacks, storms or outages."""

from __future__ import annotations

from gatewatch.records import AUTH_CAUSES

AUTH: tuple[str, ...] = (*sorted(AUTH_CAUSES), "waf_block", "authorizer_error", "authorizer_timeout", "path_probing")
"""What the page about authorization counts: credentials and rights, and what stands in their place."""

SCOPES: dict[str, str] = {
    "account": "account limit",
    "stage": "stage limit",
    "method": "route limit",
    "plan": "usage plan rate",
    "waf": "WAF rate rule",
    "lambda": "Lambda concurrency",
    "unknown": "limit not told by the log",
}

ATTACK, SCAN, STORM, OUTAGE, WAF = "Attack", "Scan", "Storm or mistake", "Authorizer outage", "WAF"

LANES: dict[str, str] = {
    "brute_force": ATTACK,
    "distributed": ATTACK,
    "password_spray": ATTACK,
    "account_takeover": ATTACK,
    "credential_stuffing": ATTACK,
    "api_key_probing": ATTACK,
    "path_probing": SCAN,
    "expired_token_loop": STORM,
    "misconfiguration": STORM,
    "signing_key_rotation": STORM,
    "authorizer_outage": OUTAGE,
    "waf_block_surge": WAF,
}
"""Subtype of a finding -> the lane it is drawn in. What is not in it is an attack until somebody knows better."""

LANE_ORDER: tuple[str, ...] = (ATTACK, SCAN, STORM, OUTAGE, WAF)


def lane(subtype: str) -> str:
    return LANES.get(subtype, ATTACK)
