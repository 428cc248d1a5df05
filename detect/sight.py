"""What a stage's logs can show: the columns its formats give, remembered, and what a detector misses in them."""

from __future__ import annotations

from typing import cast

from detect.grid import Key
from detect.model import Block
from gatewatch.frames import visible_columns
from gatewatch.records import JSON, Blind, Kind

VARIABLES: dict[str, str] = {
    "status": "$context.status",
    "error_type": "$context.error.responseType",
    "error_message": "$context.error.message",
    "authorizer_error": "$context.authorizer.error",
    "client_ip": "$context.identity.sourceIp",
    "principal": "$context.authorizer.principalId",
    "api_key_id": "$context.identity.apiKeyId",
    "user_agent": "$context.identity.userAgent",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "authorizer_latency_ms": "$context.authorizer.latency",
    "waf_latency_ms": "$context.waf.latency",
    "integration_status": "$context.integration.status",
    "route": "$context.resourcePath",
}
"""REQUESTS column -> the variable that gives it (aws-facts.md 1.1)."""

DEGRADED, WARMING, HIDDEN = "degraded: ", "warming up: ", "not judged: "
"""How reasons begin for which a detector sees less, but is not blind: for what the logs lack, how young it is, or for a
while."""


def remember(old: JSON, block: Block) -> JSON:
    """[account, region, api, stage, mask] of every stage seen, in the order in which they appeared."""
    masks: dict[Key, int] = {}
    for row in cast(list[list[JSON]], old or []):
        masks[tuple(cast(list[str | None], row[:4]))] = cast(int, row[4])
    grid = block.stage_grid
    for key, mask in zip(grid.keys, grid.visible(), strict=True):
        masks[key] = masks.get(key, 0) | mask
    return [[*key, mask] for key, mask in masks.items()]


def stages(sight: JSON) -> list[tuple[Key, frozenset[str]]]:
    rows = cast(list[list[JSON]], sight or [])
    return [(tuple(cast(list[str | None], row[:4])), visible_columns(cast(int, row[4]))) for row in rows]


def variables(*columns: str) -> tuple[str, ...]:
    return tuple(VARIABLES[column] for column in columns)


def blind(kind: Kind, key: Key, reason: str, missing: tuple[str, ...]) -> Blind:
    return Blind(kind, key[0], key[1], key[2] or "", key[3], reason, missing)


def auth_blind(sight: JSON) -> list[Blind]:
    """Stages where a refusal's cause cannot be told, or not who was refused."""
    out = []
    for key, seen in stages(sight):
        if "status" not in seen:
            out.append(blind(Kind.AUTH_FAILURE_SPIKE, key, "no status: refusals are not seen", variables("status")))
        elif not seen & {"error_type", "authorizer_error", "error_message", "integration_status"}:
            out.append(
                blind(
                    Kind.AUTH_FAILURE_SPIKE,
                    key,
                    f"{DEGRADED}refusals are counted, but not why they happened",
                    variables("error_type", "authorizer_error", "integration_status"),
                )
            )
        elif not seen & {"client_ip", "principal", "api_key_id"}:
            out.append(
                blind(
                    Kind.AUTH_FAILURE_SPIKE,
                    key,
                    f"{DEGRADED}who was refused is not logged",
                    variables("client_ip", "principal", "api_key_id"),
                )
            )
    return out


def throttle_blind(sight: JSON) -> list[Blind]:
    """Stages whose logs cannot show a 429 or who got it."""
    out = []
    for key, seen in stages(sight):
        if "status" not in seen:
            out.append(blind(Kind.THROTTLING_ABUSE, key, "no status: 429 is not seen", variables("status")))
        elif not seen & {"client_ip", "principal", "api_key_id"}:
            missing = variables("client_ip", "principal", "api_key_id")
            out.append(blind(Kind.THROTTLING_ABUSE, key, f"{DEGRADED}who was throttled is not logged", missing))
    return out


def dead_blind(sight: JSON) -> list[Blind]:
    """Stages whose logs cannot show that every answer is an error."""
    return [
        blind(Kind.DEAD_API, key, f"{DEGRADED}no status, only silence is seen", variables("status"))
        for key, seen in stages(sight)
        if "status" not in seen
    ]


def latency_blind(sight: JSON) -> list[Blind]:
    """Stages without any latency, and those where its layer cannot be told."""
    out = []
    for key, seen in stages(sight):
        if "latency_ms" not in seen and "integration_latency_ms" in seen:
            # All that a WebSocket API can log.
            parts = "the integration's part"
            if "authorizer_latency_ms" in seen:
                parts += " and the authorizer's"
            reason = f"{DEGRADED}only {parts} of the latency is logged"
            out.append(blind(Kind.LATENCY_OUTLIER, key, reason, ()))
        elif "latency_ms" not in seen:
            out.append(blind(Kind.LATENCY_OUTLIER, key, "no latency is logged", variables("latency_ms")))
        elif "integration_latency_ms" not in seen:
            reason = f"{DEGRADED}the slow layer cannot be told"
            out.append(blind(Kind.LATENCY_OUTLIER, key, reason, variables("integration_latency_ms")))
    return out
