"""What doctor says of a stage, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from detect.logformat import line_bytes

if TYPE_CHECKING:
    from gatewatch.diagnosing import Diagnosis


def lines(one: Diagnosis) -> Iterator[str]:
    """The diagnosis as text for a terminal."""
    log = one.log
    yield f"{log.name}/{log.stage} ({log.api_type.value} API {log.api}{f', {log.region}' if log.region else ''})"
    if log.template is None:
        yield "  warn  writes no access log: every detector is blind"
    for sight in one.sights:
        told = "; ".join(f"$context.{name} ({why})" for name, why in sight.missing) if log.template is not None else ""
        yield f"  {sight.level:<9} {sight.kind.value.replace('_', ' ')}{': lacks ' + told if told else ''}"
    for name, why in one.secrets:
        yield f"  warn  privacy: $context.{name} is {why}"
    if one.coverage is not None:
        seen = one.coverage
        yield f"  coverage {seen.percent:.1f} % ({seen.lines:,} lines of {seen.requests:,} requests)"
    if not one.full or one.secrets:
        now = "nothing" if log.template is None else f"{line_bytes(log.template)} bytes a line"
        yield (
            f"  recommended format: {len(one.template.encode())} bytes, about {line_bytes(one.template)} bytes a line "
            f"(now {now})"
        )
        before, after = one.cost(log.template), one.cost(one.template)
        if before is not None and after is not None:
            yield f"  log cost a month: ${before:,.2f} now, ${after:,.2f} with it ({one.requests:,.0f} requests)"
        yield f"  see it: gatewatch doctor --stage {log.api}/{log.stage} --patch cli|terraform|cloudformation|cdk"
