"""Secrets by reference: `env:NAME` and `file:PATH` in the place of a secret's value.

So the configuration can be shown and kept under version control, and the secret stands where secrets are managed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from gatewatch.errors import UsageError

_MOST_BYTES = 64 << 10


def dereferenced(name: str, value: str, environ: Mapping[str, str] | None = None) -> str:
    """The secret that `value` refers to, or `value` itself. UsageError names the setting, and never the secret."""
    if value.startswith("env:"):
        variable = value[4:]
        found = (os.environ if environ is None else environ).get(variable)
        if not found:
            raise UsageError(f"setting {name!r}: the environment variable {variable!r} is not set")
        return found
    return _read(name, Path(value[5:])) if value.startswith("file:") else value


def _read(name: str, path: Path) -> str:
    try:
        with path.open("rb") as handle:
            status = os.fstat(handle.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"setting {name!r}: {path} is no file")
            if status.st_mode & stat.S_IROTH:
                raise UsageError(f"setting {name!r}: everybody can read {path}; chmod 600 {path}")
            content = handle.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"setting {name!r}: {path}: {error.strerror or error}") from None
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > _MOST_BYTES:
        raise UsageError(f"setting {name!r}: {path} holds no secret (one line of text)")
    return text
