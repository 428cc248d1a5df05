"""`make audit`: known vulnerabilities of everything that is pinned; what could not be looked up is never called clean.

pip-audit ends with 0 and "No known vulnerabilities found" when it could look up nothing at all, so its answer is
counted here. What the index does not tell of a release it may tell of a package: its page lists what is known about the
newest release, which counts when that is the pinned one. A release that a dependent holds below the newest has to be
read about by people: docs/security/advisories.toml says what was read where, and counts for that version and 90 days.

Exit: 0 every package was looked up and none is known to be vulnerable, 1 some are, 3 could not tell.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx

LOCKS = ("requirements.lock", "requirements-dev.lock")
PAGE = "https://pypi.org/pypi/{name}/json"
READ = Path("docs/security/advisories.toml")
DAYS = 90
SHOWN = 10


def asked(lock: Path) -> Mapping[str, Any] | None:
    """pip-audit's JSON of one lock file; None when it gave none."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--require-hashes", "-f", "json"]
    done = subprocess.run([*command, "-r", str(lock)], capture_output=True, text=True, check=False)
    try:
        answer: Mapping[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.stderr.write(done.stderr[-2000:])
        return None
    return answer


def pins(lock: str) -> dict[str, str]:
    """Name -> version of a lock file's text."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", lock, re.MULTILINE))


def page(name: str) -> Mapping[str, Any] | None:
    """What the index says of a package; None when it does not answer."""
    try:
        answer = httpx.get(PAGE.format(name=name), timeout=30)
        told: Mapping[str, Any] = answer.raise_for_status().json()
    except (httpx.HTTPError, json.JSONDecodeError):
        return None
    return told


def filled(
    answer: Mapping[str, Any], pinned: Mapping[str, str], ask: Callable[[str], Mapping[str, Any] | None] = page
) -> Mapping[str, Any]:
    """pip-audit's answer with the packages it skipped looked up by their pages, where the pin is the newest release."""
    packages = list(answer.get("dependencies", []))
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    with ThreadPoolExecutor(4) as pool:
        pages = dict(zip(skipped, pool.map(ask, skipped), strict=True))

    def told(one: Mapping[str, Any]) -> Mapping[str, Any]:
        found = pages.get(one["name"])
        if "skip_reason" not in one or found is None or found["info"]["version"] != pinned.get(one["name"]):
            return one
        known = [each for each in found["vulnerabilities"] if not each.get("withdrawn")]
        vulns = [{"id": each["id"], "fix_versions": each.get("fixed_in", [])} for each in known]
        return {"name": one["name"], "version": pinned[one["name"]], "vulns": vulns}

    return {"dependencies": [told(one) for one in packages]}


def read(
    answer: Mapping[str, Any], pinned: Mapping[str, str], entries: Mapping[str, Any], today: date
) -> Mapping[str, Any]:
    """The answer with the packages that people have read about, each marked with where; stale entries do not count."""

    def told(one: Mapping[str, Any]) -> Mapping[str, Any]:
        entry = entries.get(one["name"])
        if "skip_reason" not in one or entry is None or entry["version"] != pinned.get(one["name"]):
            return one
        if not 0 <= (today - entry["read"]).days <= DAYS:
            return one
        by_hand = f"read on {entry['read']}, {entry['where']}"
        return {"name": one["name"], "version": entry["version"], "vulns": [], "by_hand": by_hand}

    return {"dependencies": [told(one) for one in answer.get("dependencies", [])]}


def judged(name: str, answer: Mapping[str, Any] | None) -> tuple[int, list[str]]:
    """(exit code, lines to print) of one lock file's answer."""
    if answer is None:
        return 3, [f"{name}: could not tell: pip-audit gave no answer"]
    packages: Sequence[Mapping[str, Any]] = answer.get("dependencies", [])
    bad = [one for one in packages if one.get("vulns")]
    unknown = [str(one["name"]) for one in packages if "skip_reason" in one]
    lines = [
        f"{name}: {one['name']} {one['version']}: {vuln['id']}; "
        f"fixed in {', '.join(vuln['fix_versions']) or 'no version'}"
        for one in bad
        for vuln in one["vulns"]
    ]
    by_hand = [one for one in packages if "by_hand" in one]
    lines += [f"{name}: {one['name']} {one['version']}: {one['by_hand']}" for one in by_hand]
    looked_up = len(packages) - len(unknown) - len(by_hand)
    if unknown or not packages:
        some = ", ".join(unknown[:SHOWN]) + (f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else "")
        told = f"{name}: could not tell for {len(unknown)} of {len(packages)} packages ({some})"
        lines.append(f"{told}: no network, or not the newest release?")
    read_about = f", {len(by_hand)} read about by people" if by_hand else ""
    lines.append(f"{name}: {looked_up} packages looked up{read_about}, {len(bad)} known to be vulnerable")
    return (1 if bad else 3 if unknown or not packages else 0), lines


def main() -> int:
    codes = []
    entries = tomllib.loads(READ.read_text(encoding="utf-8"))
    for lock in LOCKS:
        answer = asked(Path(lock))
        if answer is not None:
            pinned = pins(Path(lock).read_text(encoding="utf-8"))
            answer = read(filled(answer, pinned), pinned, entries, datetime.now(UTC).date())
        code, lines = judged(lock, answer)
        codes.append(code)
        print("\n".join(lines))
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
