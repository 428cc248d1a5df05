"""config_change: somebody set something that lets in, lets through or hides more than before; or left it undeployed.

authorizer_removed, waf_detached, throttle_raised, logging_off, tracing_off, policy_widened, api_deleted,
stage_deleted: by CloudTrail (polled, in S3, or by EventBridge), by AWS Config's history, and by what differs between
two versions of the inventory. not_deployed: configured, and not live an hour later. It needs no requests: only whether
what was deleted had callers comes from them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from detect.episodes import Episode
from detect.grid import Key
from detect.model import Block, Context, Step, detector, micros_at
from detect.report import finding, place
from detect.risks import shown, words
from detect.standing import NOT_DEPLOYED, Part, Risks, Standing
from gatewatch.records import JSON, Cause, Change, Entities, Finding, Kind, Severity, iso

SHOWN = 20
_UNSEEN = "seen in the inventory; no event told who did it"
_RECORDED = "seen by AWS Config, which does not tell who did it"


@dataclass(frozen=True, slots=True)
class Told:
    """title: what happened, behind the place. means: what follows from it."""

    title: str
    means: str
    remedy: str


TOLD: Mapping[str, Told] = {
    "authorizer_removed": Told(
        "lost its authorizer",
        "Whoever calls these methods is let in without proof of who it is.",
        "Put the authorizer back and deploy; if it is meant to be open, acknowledge the finding with that reason.",
    ),
    "waf_detached": Told(
        "lost its web ACL",
        "Requests are not filtered by WAF any more.",
        "Associate the web ACL with the stage again (wafv2 associate-web-acl).",
    ),
    "throttle_raised": Told(
        "lets through more requests",
        "A caller may take more of the account's limit, and more reaches what stands behind the API.",
        "Set the old limit again, or check that what stands behind the API and the account's limit bear the new one.",
    ),
    "logging_off": Told(
        "is logged less",
        "What happens there is not seen any more, by gatewatch neither.",
        "Switch the log on again; `gatewatch doctor --patch cli` prints the change with every field that is needed.",
    ),
    "tracing_off": Told(
        "is not traced any more",
        "Slow requests can no longer be told apart by what they waited for.",
        "Switch X-Ray tracing of the stage on again.",
    ),
    "policy_widened": Told(
        "lets in more by its resource policy",
        "Callers, networks or accounts that were kept out are let in.",
        "Compare both policies below and restore what kept them out.",
    ),
    "api_deleted": Told(
        "was deleted",
        "Every call to it fails, and its id never comes back.",
        "If it was not meant: import its last export as a new API and point its domain mappings there.",
    ),
    "stage_deleted": Told(
        "was deleted",
        "Every call to it fails.",
        "If it was not meant: create the stage again from its last deployment.",
    ),
    NOT_DEPLOYED: Told(
        "is configured otherwise than it answers",
        "What was changed is not live: the next deployment, by whomever, brings it.",
        "Deploy the API, or take the changes back.",
    ),
}


@detector("config_change")
@dataclass(frozen=True)
class ConfigChange:
    name: str = "config_change"

    def start(self) -> JSON:
        return {}

    def step(self, state: JSON, block: Block, context: Context) -> Step:
        risks = Risks(state, context)
        changed = [one for one in risks.step(block) if one.detected_us is not None]
        return risks.dump(), [_finding(one, context) for one in changed], []


def _what(row: dict[str, JSON]) -> str:
    return str(row["what"])


def _finding(one: Standing, context: Context) -> Finding:
    account, region, api, stage, subtype = one.group
    key: Key = (account or None, region or None, api, stage or None)
    parts = list(one.told.values())
    telling = [_line(part, one, context) for part in parts]
    told = TOLD[subtype]
    first = parts[0]
    worst = max((Severity(part.severity) for part in parts), key=lambda severity: severity.rank)
    names = context_names(context)
    where = f"usage plan {names.get(f'{api}/{first.name}', first.name)}" if api == "(all)" else place(key)
    said = [what if many == 1 else f"{what} ({many} times)" for what, many in Counter(map(_what, telling)).items()]
    more = f"; and {len(said) - 3} more" if len(said) > 3 else ""
    who = f"by {first.actor} ({first.tool})" if first.actor else _RECORDED if first.call else _UNSEEN
    episode = Episode(one.start, one.detected_us or 0, max(one.start, (one.end or one.start + 1) - 1), one.end)
    episode.observed, episode.score = float(len(parts)), math.log(1e6)
    unknown = any(part.confidence < 0.9 for part in parts)
    facts: dict[str, JSON] = {
        "settings": cast(JSON, telling[:SHOWN]),
        "standing": len(one.parts) if one.end is None else 0,
        "actor": first.actor or None,
        "tool": first.tool or None,
    }
    return finding(
        Kind.CONFIG_CHANGE,
        key,
        episode,
        scope=subtype,
        subtype=subtype,
        severity=worst,
        confidence=min(part.confidence for part in parts),
        title=f"{where} {told.title}",
        cause=Cause.CONFIG_CHANGE,
        entities=Entities(principals=tuple(dict.fromkeys(part.actor for part in parts if part.actor))[:50]),
        unit="settings",
        sentence=f"{'; '.join(said[:3])}{more}, {who}. {told.means}",
        facts=facts,
        remedy=told.remedy,
        caveat="What the setting was before is not known: no inventory from before the change." if unknown else None,
        changes=_changes(parts),
    )


def _line(part: Part, one: Standing, context: Context) -> dict[str, JSON]:
    """One setting as evidence: before, after, when, by whom and with what."""
    api = one.group[2]
    if part.what == "content":
        said = part.call or str(part.after)
    else:
        said = words(part.what, _name(part, api, context_names(context)), part.before, part.after)
    return {
        "what": said,
        "setting": part.what,
        "before": None if part.what == "content" else shown(part.before),
        "after": shown(part.after),
        "at": iso(micros_at(part.at_us)),
        "actor": part.actor or None,
        "tool": part.tool or None,
        "call": part.call or None,
        "put_back": f"{part.what}\x1f{part.name}" not in one.parts,
    }


def _name(part: Part, api: str, names: Mapping[str, str]) -> str:
    """The method, route or plan as people know it."""
    if part.what != "auth":
        return names.get(f"{api}/{part.name}", part.name)
    resource, slash, method = part.name.rpartition("/")
    if not slash:
        return names.get(f"{api}/{part.name}", part.name)
    return f"{method} {names.get(f'{api}/{resource}', f'(resource {resource})')}"


def context_names(context: Context) -> Mapping[str, str]:
    """Paths, route keys and plans by their ids, of all versions; the newest counts."""
    if len(context.versions) == 1:
        return context.versions[0].names
    return {key: name for version in context.versions for key, name in version.names.items()}


def _changes(parts: Sequence[Part]) -> tuple[Change, ...]:
    """The calls that did it, each once."""
    found = {
        (part.at_us, part.call): Change(micros_at(part.at_us), part.call, part.actor, part.resource, 1.0)
        for part in parts
        if part.call
    }
    return tuple(found.values())[:5]
