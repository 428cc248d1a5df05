"""Patterns for lines of text: each variable by what it can look like, so that commas or quotes in a path do no harm.

The patterns are RE2's, which matches in linear time whatever an attacker writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

FREE = r".*?"
CLF_TIME = r"[0-9]{1,2}/[A-Za-z]{3}/[0-9]{4}:[0-9:]+ [+-][0-9]{4}|-"
NUMBER = r"[0-9.-]*"
STATUS = r"[0-9]{3}|-?"

_SHAPES: dict[str, str] = {
    "requestTime": CLF_TIME,
    "requestTimeEpoch": r"[0-9]+|-?",
    "httpMethod": r"[A-Za-z_-]*",
    "protocol": r"[A-Za-z]+/[0-9.]+|-?",
    "identity.sourceIp": r"[0-9A-Za-z:.%_-]*",
    "accountId": r"[0-9]+|-?",
    "apiId": r"[0-9A-Za-z-]*",
    "eventType": r"CONNECT|MESSAGE|DISCONNECT|-?",
    "connectionId": r"[0-9A-Za-z=_+-]*",
    "tlsVersion": r"[A-Za-z]+v?[0-9._]+|-?",
    "wafResponseCode": r"[A-Z_]+|-?",
    "error.responseType": r"[A-Z0-9_]+|-?",
}
_NUMBERS = frozenset({"responseLength", "dataProcessed", "responseLatency", "integrationLatency", "connectedAt"})
_TOKENS = frozenset(
    word
    for line in (
        "requestId extendedRequestId stage deploymentId endpointType domainName domainPrefix resourceId",
        "messageId xrayTraceId cipherSuite isCanaryRequest identity.apiKeyId identity.accountId",
        "identity.vpcId identity.vpceId identity.principalOrgId webaclArn integration.requestId",
        "awsEndpointRequestId authorizer.requestId identity.caller identity.user identity.userArn",
    )
    for word in line.split()
)
_SEPARATORS = frozenset(' ,;|"<>\t')


def shape(variable: str, separators: str) -> str:
    """What a variable can look like; `separators`: characters that stand between the values of this line."""
    if variable in _SHAPES:
        return _SHAPES[variable]
    last = variable.rpartition(".")[2]
    if variable in _NUMBERS or last in {"latency", "integrationLatency", "timeToAllHeaders", "timeToFirstContent"}:
        return NUMBER
    if last in {"status", "integrationStatus"} and not variable.startswith("authorizer.claims"):
        return STATUS
    token = f"[^{separators or ' '}]*"
    if variable in _TOKENS:
        return token
    if variable == "routeKey":
        return f"[A-Z]+ {_path(separators)}|{token}"
    if variable == "resourcePath":
        return f"{_path(separators)}|-?"
    return f"{_path(separators)}|{token}" if variable == "path" else FREE


_CHOSEN = frozenset(
    "identity.userAgent identity.user identity.caller path error.message error.messageString integration.error "
    "error.validationErrorString integrationErrorMessage authenticate.error authorize.error waf.error".split()
)
"""Variables in which a quote may stand, because a client or a back end chose the text; and authorizers' properties."""


def json_shape(variable: str, separators: str) -> str:
    """`shape` within a JSON template: what only the gateway writes holds no quote."""
    body = shape(variable, separators)
    chosen = variable in _CHOSEN or variable.startswith(("authorizer.", "requestOverride.", "responseOverride."))
    return body if chosen or not (FREE in body or "/" in body) else _UNQUOTED


_UNQUOTED = '[^"]*'


def _path(separators: str) -> str:
    """A raw space cannot stand in a path; all else can, a separator too where a space is none."""
    return "/[^ ]*" if " " in separators and "," not in separators else "/.*?"


def text_pattern(
    parts: Iterable[str], *, only: str | None = None, shape_of: Callable[[str, str], str] = shape
) -> tuple[dict[str, tuple[str, ...]], str]:
    """Fields and an RE2 pattern for literal, variable, literal, …, literal.

    only: make one group, unnamed, for this variable (see Format.inside). A variable that occurs twice counts where it
    stands first; "" is a variable that nobody needs.
    """
    pieces = list(parts)
    literals, variables = pieces[::2], pieces[1::2]
    separators = "".join(sorted(_SEPARATORS.intersection(*["".join(literals[1:-1])])))
    fields: dict[str, tuple[str, ...]] = {}
    out = ["^", _literal(literals[0].lstrip())]
    for index, (variable, literal) in enumerate(zip(variables, literals[1:], strict=True)):
        body = shape_of(variable, separators)
        if not variable or variable in fields or (only is not None and variable != only):
            out.append(f"(?:{body})")
        else:
            fields[variable] = (f"g{index}",)
            out.append(f"({body})" if only is not None else f"(?P<g{index}>{body})")
        out.append(_literal(literal.rstrip() if index == len(variables) - 1 else literal))
    out.append("[ \\t]*$")
    return fields, "".join(out)


_GAP = re.compile(r'>\s*<|\]\s*"|\s*\n\s*')


def _literal(text: str) -> str:
    """The literal text; gaps that AWS's own examples write both ways match both ways."""
    out: list[str] = []
    at = 0
    for gap in _GAP.finditer(text):
        out.append(escaped(text[at : gap.start()]))
        out.append({">": "> *<", "]": r'\] *"'}.get(gap[0][0], " *"))
        at = gap.end()
    out.append(escaped(text[at:]))
    return "".join(out)


def escaped(text: str) -> str:
    """Escapes what RE2 and Python both take for special, and nothing else."""
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", text)
