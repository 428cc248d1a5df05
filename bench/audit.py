"""`make audit`: known vulnerabilities of everything that is pinned; what could not be looked up is never called clean.

pip-audit ends with 0 and "No known vulnerabilities found" when it could look up nothing at all, so its answer is
counted here. Exit: 0 every package was looked up and none is known to be vulnerable, 1 some are, 3 could not tell.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOCKS = ("requirements.lock", "requirements-dev.lock")
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
    looked_up = len(packages) - len(unknown)
    if unknown or not packages:
        some = ", ".join(unknown[:SHOWN]) + (f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else "")
        lines.append(f"{name}: could not tell for {len(unknown)} of {len(packages)} packages ({some}): no network?")
    lines.append(f"{name}: {looked_up} packages looked up, {len(bad)} known to be vulnerable")
    return (1 if bad else 3 if unknown or not packages else 0), lines


def main() -> int:
    codes = []
    for lock in LOCKS:
        code, lines = judged(lock, asked(Path(lock)))
        codes.append(code)
        print("\n".join(lines))
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
