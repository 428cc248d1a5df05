"""The key of our hashes: what replaces secrets in logs, and addresses on the screen, is the same for the same value."""

from __future__ import annotations

import os
import secrets

from gatewatch.settings import Settings


def hash_key(settings: Settings) -> bytes:
    """The key of the hash that replaces secrets: the setting, else one made once in the data directory (0600)."""
    if settings.hash_key is not None:
        return settings.hash_key.get_secret_value().encode()
    path = settings.data_dir / "hash.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text().strip())
    with os.fdopen(descriptor, "w") as handle:
        key = secrets.token_bytes(16)
        handle.write(key.hex())
        handle.flush()
        os.fsync(handle.fileno())
    return key
