"""nginx's and Apache's access logs: common, combined, and what people put in front of it and behind it.

Both servers escape quotes in the request, so it ends at the first bare quote; a request can be `-`, empty or binary
garbage, which is a line like any other. Apache writes `\"`, nginx `\\x22`.
"""

from __future__ import annotations

from ingest.formats.model import Format, log_format

_ADDRESS = r"(?:unix:|[0-9A-Za-z:][0-9A-Za-z:._%-]*)"
# The virtual host (a name, with a letter and perhaps a port), then the client: an address, or a list of them that
# begins with the client, and perhaps the peer behind the list.
_CLIENT = (
    r"^(?:(?P<vhost>[0-9A-Za-z_.-]*[A-Za-z][0-9A-Za-z_.-]*(?::[0-9]+)?) )?"
    rf'"?(?P<client>{_ADDRESS})(?:, ?{_ADDRESS})*"?(?: [0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*)?'
)
_COMMON = (
    r'(?: [^ \[]+)? (?P<user>[^ \[]+) \[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" '
    r"(?P<status>[0-9]{3}|-) (?P<bytes>[0-9]+|-)"
)
_COMBINED = r' "?(?P<referer>(?:[^"\\]|\\.)*?)"? "(?P<agent>.*?)"'
_FORWARDED = r' "(?P<forwarded>-|[0-9A-Za-z:._%-]+(?:, ?[0-9A-Za-z:._%-]+)*)"'
_TIMED = r' "?(?:rt=)?(?P<seconds>[0-9]+\.[0-9]+)"?(?: "?(?:ut=|urt=)?"?(?P<upstream>[0-9]+\.[0-9]+|-)"?)?'
_TRAEFIK = r' (?P<count>[0-9]+) "(?P<router>[^"]*)" "(?P<server>[^"]*)" (?P<ms>[0-9]+)ms'

_FIELDS: dict[str, tuple[str, ...]] = {
    "identity.sourceIp": ("client",),
    "identity.user": ("user",),
    "requestTime": ("time",),
    "x.request": ("request",),
    "status": ("status",),
    "responseLength": ("bytes",),
    "x.api": ("vhost",),
}
_AGENT = {"identity.userAgent": ("agent",)}


def _access(name: str, tail: str, **further: str) -> Format:
    fields = {**_FIELDS, **(_AGENT if "<agent>" in tail else {})}
    fields |= {variable.replace("__", "."): (group,) for variable, group in further.items()}
    return log_format(name)(Format(name, "text", fields, pattern=f"{_CLIENT}{_COMMON}{tail} *$"))


COMMON = _access("apache-common", "")
COMMON_TIMED = _access("apache-common-timed", _TIMED, x__duration_s="seconds", x__integration_s="upstream")
COMBINED = _access("nginx-combined", _COMBINED)
FORWARDED = _access("nginx-forwarded", _COMBINED + _FORWARDED, x__forwarded="forwarded")
TIMED = _access("nginx-timed", _COMBINED + _TIMED, x__duration_s="seconds", x__integration_s="upstream")
FORWARDED_TIMED = _access(
    "nginx-forwarded-timed",
    _COMBINED + _FORWARDED + _TIMED,
    x__forwarded="forwarded",
    x__duration_s="seconds",
    x__integration_s="upstream",
)
TRAEFIK = _access("traefik", _COMBINED + _TRAEFIK, responseLatency="ms")
