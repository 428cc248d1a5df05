"""What is shown of people: addresses cut or hashed, principals hashed, as the setting `privacy` says.

What is stored stays whole: detectors need it, and somebody with the right may have it shown, which is written in the
audit log. The hash is keyed, so nobody outside can try addresses against it; a value has the same name everywhere.
"""

from __future__ import annotations

import dataclasses
import hmac
import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

from gatewatch.hashkey import hash_key
from gatewatch.records import JSON, Change, Entities, Finding
from gatewatch.settings import Settings

_IPV4 = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]|/\d)"
_IPV6 = r"(?<![\w:.])(?=[0-9A-Fa-f:]{0,39}:[0-9A-Fa-f:]{0,39}:)[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:.])"
_ADDRESS = re.compile(f"{_IPV4}|{_IPV6}")
_PEOPLE = frozenset({"client_ip", "principal", "client_id", "caller"})
"""Keys of evidence cards whose value is an address or a principal."""

_SHORTEST = 4
"""Principals shorter than this are not looked for in sentences: they would be found in any word."""


class Privacy:
    """Masks what is shown. mode: off, truncate or hash."""

    def __init__(self, mode: str = "off", key: Callable[[], bytes] = bytes) -> None:
        self.on = mode != "off"
        self._cut = mode == "truncate"
        self._key = key

    def address(self, text: str) -> str:
        """`203.0.113.0/24`, or `ip-3f9a1c2b7d`; a text that is no address is a name."""
        if not self.on or not text:
            return text
        try:
            one = ipaddress.ip_address(text)
        except ValueError:
            return self.name(text)
        one = getattr(one, "ipv4_mapped", None) or one
        if not self._cut:
            return f"ip-{self._hash(str(one))}"
        return str(ipaddress.ip_network((one, 24 if one.version == 4 else 48), strict=False))

    def name(self, text: str) -> str:
        """`id-3f9a1c2b7d` for a principal."""
        return f"id-{self._hash(text)}" if self.on and text else text

    def text(self, text: str, names: Collection[str] = ()) -> str:
        """A sentence in which addresses, and the principals `names`, stand."""
        if not self.on:
            return text
        for name in sorted((name for name in names if len(name) >= _SHORTEST), key=len, reverse=True):
            text = text.replace(name, self.name(name))
        return _ADDRESS.sub(lambda match: self._found(match.group()), text)

    def value(self, value: JSON, names: Collection[str] = ()) -> JSON:
        """The same for every text in a JSON value."""
        if not self.on or value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.name(value) if value in names else self.text(value, names)
        if isinstance(value, list):
            return [self.value(one, names) for one in value]
        person = value.get("dimension") in _PEOPLE
        return {
            self.text(key, names): self.address(one)
            if isinstance(one, str) and (key in _PEOPLE or (person and key == "value"))
            else self.value(one, names)
            for key, one in value.items()
        }

    def finding(self, finding: Finding) -> Finding:
        """A finding as it may be shown."""
        if not self.on:
            return finding
        who, evidence = finding.entities, finding.evidence
        names = frozenset(who.principals) | _named(dict(evidence.card))

        def masked(values: Mapping[str, JSON]) -> dict[str, JSON]:
            found = self.value(dict(values), names)
            assert isinstance(found, dict)
            return found

        def said(text: str | None) -> str | None:
            return None if text is None else self.text(text, names)

        return dataclasses.replace(
            finding,
            title=self.text(finding.title, names),
            remedy=self.text(finding.remedy, names),
            caveat=said(finding.caveat),
            entities=Entities(
                tuple(dict.fromkeys(self.address(one) for one in who.ips)),
                who.api_key_ids,
                tuple(self.name(one) for one in who.principals),
                tuple(self.text(one, names) for one in who.user_agents),
                who.asns,
            ),
            evidence=dataclasses.replace(
                evidence,
                sentence=self.text(evidence.sentence, names),
                facts=masked(evidence.facts),
                card=masked(evidence.card),
            ),
            changes=tuple(self.change(one, names) for one in finding.changes),
        )

    def change(self, change: Change, names: Collection[str] = ()) -> Change:
        """A change as it may be shown."""
        if not self.on:
            return change
        return dataclasses.replace(
            change,
            what=self.text(change.what, names),
            actor=self.text(change.actor),
            resource=self.text(change.resource),
        )

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A stored request as it may be shown."""
        if not self.on:
            return dict(row)
        principal = row.get("principal")
        names = (principal,) if isinstance(principal, str) else ()
        out: dict[str, Any] = {}
        for column, value in row.items():
            if not isinstance(value, str):
                out[column] = value
            elif column == "principal":
                out[column] = self.name(value)
            elif column == "client_ip" or (column == "client_id" and value != row.get("api_key_id")):
                out[column] = self.address(value)
            else:
                out[column] = self.text(value, names)
        return out

    def _found(self, text: str) -> str:
        try:
            ipaddress.ip_address(text)
        except ValueError:  # a version number, a time
            return text
        return self.address(text)

    def _hash(self, text: str) -> str:
        return hmac.digest(self._key(), f"privacy\x1f{text}".encode(errors="surrogatepass"), "sha256").hex()[:10]


def _named(value: JSON) -> frozenset[str]:
    """Principals in a card: in requests, in what stands out, and as the caller of a selection."""
    if isinstance(value, list):
        return frozenset().union(*map(_named, value))
    if not isinstance(value, dict):
        return frozenset()
    person = value.get("dimension") in _PEOPLE
    own = {
        one for key, one in value.items() if isinstance(one, str) and (key in _PEOPLE or (person and key == "value"))
    }
    return frozenset(own).union(*map(_named, value.values()))


def privacy_of(settings: Settings) -> Privacy:
    """The policy of the settings."""
    return Privacy(settings.privacy, lru_cache(lambda: hash_key(settings)))
