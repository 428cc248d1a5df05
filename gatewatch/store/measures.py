"""What can be measured over time: each is a sum of counts, a share of two, a quantile, or a number of callers.

The same names for minutes (rollups, however long the time) and for raw requests (any field); both give the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatewatch.frames import HISTOGRAMS, cause_column
from gatewatch.records import AUTH_CAUSES


@dataclass(frozen=True, slots=True)
class Measure:
    """top: the sum, or the numerator. below: the denominator of a share. histogram, quantile: of latencies."""

    unit: str
    means: str
    top: str = "n"
    below: str | None = None
    histogram: str | None = None
    quantile: float = 0.0
    callers: bool = False

    @property
    def adds_up(self) -> bool:
        """Whether groups may be summed."""
        return self.below is None and self.histogram is None and not self.callers


_AUTH = tuple(cause_column(cause) for cause in sorted(AUTH_CAUSES))

SUMS: dict[str, tuple[str, str]] = {
    "n": ("n", "count(*)"),
    "s2xx": ("s2xx", "count(*) FILTER (status BETWEEN 200 AND 299)"),
    "s3xx": ("s3xx", "count(*) FILTER (status BETWEEN 300 AND 399)"),
    "s4xx": ("s4xx", "count(*) FILTER (status BETWEEN 400 AND 499)"),
    "s5xx": ("s5xx", "count(*) FILTER (status BETWEEN 500 AND 9999)"),
    "auth": (
        " + ".join(f"coalesce({name}, 0)" for name in _AUTH),
        f"count(*) FILTER (reject_cause IN ({', '.join(repr(cause) for cause in sorted(AUTH_CAUSES))}))",
    ),
    "throttled": (
        "coalesce(c_throttle, 0) + coalesce(c_quota, 0)",
        "count(*) FILTER (reject_cause IN ('throttle', 'quota'))",
    ),
    "backend_refused": ("c_backend_refused", "count(*) FILTER (reject_cause = 'backend_refused')"),
    "bytes": ("response_bytes", "coalesce(sum(response_bytes), 0)"),
    "over_28s": ("over_28s", "count(*) FILTER (latency_ms >= 28000)"),
}
"""Sums by name: the column of minutes that adds up, and the aggregate over requests."""

LATENCIES: dict[str, str] = {
    "latency": "latency_ms",
    "integration": "integration_latency_ms",
    "authorizer": "authorizer_latency_ms",
    "gateway": "greatest(latency_ms - integration_latency_ms - coalesce(authorizer_latency_ms, 0) "
    "- coalesce(waf_latency_ms, 0), 0)",
}
"""Histograms of minutes, and what they are made of."""

assert tuple(LATENCIES) == HISTOGRAMS

MEASURES: dict[str, Measure] = {
    "requests": Measure("requests", "all requests"),
    "successes": Measure("requests", "answered 2xx", "s2xx"),
    "redirects": Measure("requests", "answered 3xx", "s3xx"),
    "client_errors": Measure("requests", "answered 4xx", "s4xx"),
    "server_errors": Measure("requests", "answered 5xx", "s5xx"),
    "client_error_share": Measure("share", "4xx of all requests", "s4xx", "n"),
    "server_error_share": Measure("share", "5xx of all requests", "s5xx", "n"),
    "auth_refusals": Measure("requests", "refused for a credential or its rights", "auth"),
    "throttled": Measure("requests", "refused by a throttle or quota", "throttled"),
    "backend_refusals": Measure("requests", "refused by the back end", "backend_refused"),
    "timeouts": Measure("requests", "took 28 s or more", "over_28s"),
    "response_bytes": Measure("bytes", "bytes of all answers", "bytes"),
    "callers": Measure("callers", "different callers (estimated above 64)", callers=True),
    **{
        f"{name}_p{round(quantile * 100)}": Measure(
            "ms",
            f"{quantile:.0%} of the {what} were faster",
            histogram=name,
            quantile=quantile,
        )
        for name, what in (
            ("latency", "requests"),
            ("integration", "back end's answers"),
            ("authorizer", "authorizer's answers"),
            ("gateway", "gateway's own times"),
        )
        for quantile in (0.5, 0.9, 0.95, 0.99)
    },
}
"""What series can show."""
