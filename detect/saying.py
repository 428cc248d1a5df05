"""Odds, multiples and causes in the words of a person who was paged: no powers of ten, no names with underscores."""

from __future__ import annotations

from collections.abc import Mapping

CAUSES: Mapping[str, str] = {
    "missing_credential": "no credential",
    "malformed_credential": "malformed credential",
    "expired_credential": "expired credential",
    "wrong_scope": "credential without the right scope",
    "bad_signature": "wrong signature",
    "unknown_key": "unknown API key",
    "disabled_key": "disabled API key",
    "authorizer_deny": "denied by the authorizer",
    "policy_deny": "denied by a policy",
    "waf_block": "blocked by WAF",
    "mtls_failure": "client certificate not accepted",
    "authorizer_error": "the authorizer failed",
    "authorizer_timeout": "the authorizer timed out",
    "path_probing": "a path that does not exist",
    "throttle": "rate limit",
    "quota": "quota used up",
    "bad_request": "bad request",
    "not_found": "not found",
    "backend_refused": "refused by the back end",
    "backend_error": "the back end failed",
    "backend_timeout": "the back end timed out",
    "config_error": "configuration error",
    "unknown": "not in the logs",
}
"""Why a request was refused, for each of records.REJECT_CAUSES."""

SCOPES: Mapping[str, str] = {"plan": "a usage plan", "unknown": "not in the logs", "waf": "WAF", "lambda": "Lambda"}
"""Whose limit it was; the others are words already."""


def odds(score: float) -> str:
    """How likely chance alone is, for a tail probability of 10^-score.

    >>> odds(3.0), odds(300.0)
    ('by chance once in 1,000 looks', 'cannot be chance')
    """
    if score < 1:
        return "may well be chance"
    if score < 6:
        return f"by chance once in {rounded(10.0**score)} looks"
    return "by chance less than once in a million looks" if score < 12 else "cannot be chance"


def layer_words(layer: str) -> str:
    """
    >>> layer_words("waf"), layer_words("cold_start")
    ('WAF', 'cold start')
    """
    return "WAF" if layer == "waf" else layer.replace("_", " ")


def times(ratio: float) -> str:
    """`8.8 times`, `6,400 times`: digits that nobody believes are left out.

    >>> times(8.779), times(6375.0)
    ('8.8 times', '6,400 times')
    """
    return f"{ratio:.1f} times" if ratio < 10 else f"{rounded(ratio)} times"


def rounded(number: float) -> str:
    """To two digits."""
    size = 10 ** max(len(str(int(number))) - 2, 0)
    return f"{round(number / size) * size:,.0f}"
