r"""Access logs of Application Load Balancers, and of classic ones.

The fields are those of AWS's "Access logs for your Application Load Balancer", in order: type, time, elb, client:port,
target:port, request_processing_time, target_processing_time, response_processing_time, elb_status_code,
target_status_code, received_bytes, sent_bytes, "request", "user_agent", ssl_cipher, ssl_protocol, target_group_arn,
"trace_id", "domain_name", "chosen_cert_arn", matched_rule_priority, request_creation_time, "actions_executed",
"redirect_url", "error_reason", … AWS adds fields at the end. Quotes within a field are escaped as \x22.
"""

from __future__ import annotations

from ingest.formats.model import Format, log_format

_TIMES = r"(?P<before>-?[0-9.]+) (?P<target>-?[0-9.]+) (?P<after>-?[0-9.]+)"
_HEAD = (
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z?) (?:[a-z]+/)?(?P<elb>[^ /]+)(?:/[^ ]*)? "
    rf"(?P<client>[^ ]+) (?P<node>[^ ]+) {_TIMES} (?P<status>[0-9]{{3}}|-) (?P<backend>[0-9]{{3}}|-) "
    r'(?P<received>-?[0-9]+) (?P<bytes>-?[0-9]+) "(?P<request>(?:[^"\\]|\\.)*) ?" "(?P<agent>.*?)" '
    r"(?P<cipher>[^ ]+) (?P<tls>[^ ]+)"
)
_TAIL = (
    r"(?: (?:arn:[a-z-]+:elasticloadbalancing:(?P<region>[a-z0-9-]+):(?P<account>[0-9]+):[^ ]*|[^ ]+)"
    r'(?: "(?P<trace>[^"]*)"(?: "(?P<domain>[^"]*)" "(?P<certificate>[^"]*)" (?P<rule>[^ ]+) (?P<created>[^ ]+)'
    r'(?: "(?P<actions>[^"]*)" "(?P<redirect>[^"]*)" "(?P<error>[^"]*)"(?: .*)?)?)?)?)?'
)

_FIELDS: dict[str, tuple[str, ...]] = {
    "x.time": ("time",),
    "x.api": ("elb",),
    "x.client_port": ("client",),
    "x.before_s": ("before",),
    "x.integration_s": ("target",),
    "x.after_s": ("after",),
    "status": ("status",),
    "integration.status": ("backend",),
    "responseLength": ("bytes",),
    "x.request": ("request",),
    "identity.userAgent": ("agent",),
    "cipherSuite": ("cipher",),
    "tlsVersion": ("tls",),
}
_TAIL_FIELDS: dict[str, tuple[str, ...]] = {
    "x.region": ("region",),
    "accountId": ("account",),
    "x.trace": ("trace",),
    "domainName": ("domain",),
    "error.message": ("error",),
}

ALB = log_format("alb")(
    Format("alb", "text", {**_FIELDS, **_TAIL_FIELDS}, pattern=rf"^(?P<type>https?|h2|grpcs?|wss?) {_HEAD}{_TAIL} *$")
)
CLASSIC = log_format("elb-classic")(Format("elb-classic", "text", _FIELDS, pattern=rf"^{_HEAD} *$"))
