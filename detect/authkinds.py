"""What kind of auth trouble an excess of refusals is: attack, misconfiguration, outage or a broken client."""

from __future__ import annotations

from dataclasses import dataclass, replace

from detect.changes import LIKELY
from detect.who import Tally, distinct
from gatewatch.records import Cause, Severity


@dataclass(frozen=True, slots=True)
class Verdict:
    """title and what (the thing counted) are for people; confidence 0 to 1."""

    subtype: str
    cause: Cause
    severity: Severity
    title: str
    what: str
    remedy: str
    confidence: float = 0.9


FEW_TRIES = 5.0
MANY_SOURCES = 10
MANY_NAMES = 10
CLOSE = 0.5
"""Score of a change that came shortly before and is of a kind that locks callers out."""

SURE = 0.9
"""Of one on this very stage, minutes before: then a few callers with one program may be all callers there are."""

HINT = 0.15
"""Of one that is nowhere linked to the stage: a secret, which may be its signing key."""

LOCKED_OUT = 0.6
"""Successes this far below the expected mean that the callers at large are refused."""

_REFUSED = "refused credentials"
_BACK_END = "logins refused by the back end"


def judge(
    group: str,
    over: Tally,
    *,
    change: float,
    base: float,
    base_expected: float,
    day: tuple[int, int] | None = None,
) -> Verdict:
    """over: the excess by name. change: score of the likeliest change. base, base_expected: successes meanwhile.

    day: refusals and names of sources that were at it for hours.
    """
    changed = change >= LIKELY
    missing = base_expected - base
    locked_out = base_expected >= 10 and base < LOCKED_OUT * base_expected and 0.3 * missing < over.total < 8 * missing
    if group == "authorizer":
        return _authorizer(changed)
    if group == "waf":
        return _waf(over, changed=changed, locked_out=locked_out)
    if group == "probing":
        return _probing()
    addresses = distinct(over, "client_ip")
    _, top = over.top("client_ip")
    many = addresses >= MANY_SOURCES and top < 0.4
    # Callers of all kinds, none of them ahead: nobody's tool, nobody's server.
    mixed = _mixed(over)
    if over.share("reject_cause", "expired_credential") >= 0.6:
        return _expired(many=many, changed=changed)
    if locked_out and (many or top < 0.6):
        return _locked_out(group, over, changed=changed)
    if changed and many and base < 0.85 * base_expected:
        return _locked_out(group, over, changed=changed)
    keys = over.share("reject_cause", "unknown_key") + over.share("reject_cause", "disabled_key")
    if keys >= 0.6:
        return _keys(over, many=many, changed=changed)
    if mixed and change >= CLOSE:
        return _locked_out(group, over, changed=True)
    if change >= SURE and addresses >= 3 and top < 0.5:
        return _locked_out(group, over, changed=True)
    # Whoever guesses signatures does not linger; users whose tokens are not accepted any more try again.
    if mixed and many and change >= HINT and group == "signature" and over.total > 2.5 * addresses:
        return _rotation(True)
    if day is not None and day[1] >= MANY_NAMES and day[0] <= FEW_TRIES * day[1]:
        return _spray(group)
    return _attack(group, over, many=many)


GUESSES = frozenset({"brute_force", "distributed", "password_spray", "credential_stuffing"})


def taken_over(guesses: Verdict) -> Verdict:
    """What guesses are when some of those who were refused came in."""
    return replace(
        guesses,
        subtype="account_takeover",
        severity=Severity.CRITICAL,
        title="Accounts were opened by guessing",
        remedy="Close the sessions and reset the passwords of the accounts that were opened, look at what they called "
        "since, and block the sources in WAF.",
        confidence=min(guesses.confidence, 0.8),
    )


def _mixed(over: Tally) -> bool:
    _, top = over.top("client_ip")
    agents = over.of("user_agent")
    return distinct(over, "client_ip") >= 3 and top < 0.5 and (not agents or over.top("user_agent")[1] < 0.7)


def _spray(group: str) -> Verdict:
    return Verdict(
        "password_spray",
        Cause.CLIENT,
        Severity.HIGH,
        "Password spray",
        _BACK_END if group == "application" else _REFUSED,
        "Block the source in WAF, and reset the passwords of principals that succeeded from it.",
    )


def _attack(group: str, over: Tally, *, many: bool) -> Verdict:
    what = _BACK_END if group == "application" else _REFUSED
    names = distinct(over, "principal")
    _, top_name = over.top("principal")
    named = sum(over.of("principal").values()) >= 0.5 * over.total
    addresses = max(distinct(over, "client_ip"), 1)
    if many:
        if named and names < MANY_NAMES:
            return Verdict(
                "distributed",
                Cause.CLIENT,
                Severity.HIGH,
                "Brute force from many addresses",
                what,
                "Lock or challenge the attacked accounts, and rate-limit by account rather than by address.",
            )
        if over.total / addresses <= 30 or named:
            return Verdict(
                "credential_stuffing",
                Cause.CLIENT,
                Severity.HIGH,
                "Credential stuffing from many addresses",
                what,
                "Add a WAF rule for the campaign's agent or networks and require a challenge at login; reset accounts "
                "that succeeded from these addresses.",
                0.85 if named else 0.75,
            )
        return Verdict(
            "distributed",
            Cause.CLIENT,
            Severity.HIGH,
            "Refused credentials from many addresses",
            what,
            "Rate-limit the login route for all addresses with a WAF rate rule, and watch for a success among these.",
            0.75,
        )
    tries = over.total / max(names, 1)
    several = (names >= MANY_NAMES and tries <= FEW_TRIES) or (names >= 5 and tries <= 2)
    if named and several and top_name < 0.3:
        return _spray(group)
    return Verdict(
        "brute_force",
        Cause.CLIENT,
        Severity.HIGH,
        "Brute force",
        what,
        "Block the source in WAF or by resource policy, and check whether it ever succeeded.",
    )


def _expired(*, many: bool, changed: bool) -> Verdict:
    if not many:
        return Verdict(
            "expired_token_loop",
            Cause.CLIENT,
            Severity.LOW,
            "A client keeps calling with an expired token",
            "calls with an expired credential",
            "Ask the client's owner to refresh the token before it expires and to stop after a refusal.",
        )
    return Verdict(
        "misconfiguration",
        Cause.CONFIG_CHANGE if changed else Cause.UNKNOWN,
        Severity.MEDIUM,
        "Expired credentials everywhere",
        "calls with an expired credential",
        "Check the token lifetime, the refresh endpoint, and the clock of the issuer.",
        0.75,
    )


def _keys(over: Tally, *, many: bool, changed: bool) -> Verdict:
    known, share = over.top("api_key_id")
    if changed and (many or known is not None):
        return Verdict(
            "misconfiguration",
            Cause.CONFIG_CHANGE,
            Severity.HIGH,
            "API keys stopped working",
            "calls with a key that is not accepted",
            "Undo the change of the key or usage plan, or hand the new key to its callers.",
        )
    if known is not None and share >= 0.8 and over.share("reject_cause", "disabled_key") >= 0.5:
        return Verdict(
            "misconfiguration",
            Cause.CLIENT,
            Severity.LOW,
            "A client keeps using a disabled key",
            "calls with a disabled key",
            "Tell the owner of the key; remove the key when it is not needed any more.",
        )
    return Verdict(
        "api_key_probing",
        Cause.CLIENT,
        Severity.HIGH,
        "API keys are being guessed",
        "calls with an unknown key",
        "Block the source in WAF; make sure that keys are never the only authorization of a route.",
    )


def _locked_out(group: str, over: Tally, *, changed: bool) -> Verdict:
    tokens = over.share("reject_cause", "bad_signature") + over.share("reject_cause", "malformed_credential")
    if tokens >= 0.5:
        return _rotation(changed)
    if group == "application":
        return Verdict(
            "misconfiguration",
            Cause.CONFIG_CHANGE if changed else Cause.INTEGRATION,
            Severity.HIGH,
            "The back end refuses its callers",
            "requests refused by the back end",
            "Check the last deployment of the back end and its own credentials or permission checks.",
            0.8,
        )
    return Verdict(
        "misconfiguration",
        Cause.CONFIG_CHANGE,
        Severity.CRITICAL,
        "Callers are locked out",
        _REFUSED,
        "Compare the authorizer, policy and key settings with the last deployment that worked, and roll back.",
        0.9 if changed else 0.75,
    )


def _rotation(changed: bool) -> Verdict:
    return Verdict(
        "signing_key_rotation",
        Cause.CONFIG_CHANGE,
        Severity.HIGH,
        "Tokens signed with a key that is not accepted",
        "tokens with a signature that is not accepted",
        "Publish the new signing key beside the old one and flush the authorizer's cache; clients recover as they "
        "refresh their tokens.",
        0.9 if changed else 0.75,
    )


def _authorizer(changed: bool) -> Verdict:
    return Verdict(
        "authorizer_outage",
        Cause.CONFIG_CHANGE if changed else Cause.GATEWAY,
        Severity.CRITICAL,
        "The authorizer fails",
        "requests refused because the authorizer failed",
        "Look at the authorizer function's errors, timeouts, concurrency and its permission to be invoked; roll back "
        "its last change.",
        0.95,
    )


def _waf(over: Tally, *, changed: bool, locked_out: bool) -> Verdict:
    callers = locked_out or (changed and _mixed(over)) or (_mixed(over) and distinct(over, "user_agent") >= 4)
    return Verdict(
        "waf_block_surge",
        Cause.CONFIG_CHANGE if callers else Cause.CLIENT,
        Severity.HIGH if callers else Severity.MEDIUM,
        "WAF blocks far more than usual",
        "requests blocked by WAF",
        "Look at the terminating rule of the blocked requests: undo it if it hits callers, keep it against attackers.",
        0.85,
    )


def _probing() -> Verdict:
    return Verdict(
        "path_probing",
        Cause.CLIENT,
        Severity.LOW,
        "Somebody scans for paths",
        "requests for paths that do not exist",
        "Nothing is open because of it; a WAF rate rule on 403 keeps scanners short.",
    )
