"""Settings in force, as they may be shown: of a secret only whether it is set."""

from __future__ import annotations

from pydantic import SecretStr

from alerts.render.redact import redacted
from gatewatch.records import JSON
from gatewatch.settings import Settings


def in_force(settings: Settings) -> list[dict[str, JSON]]:
    """name, secret, set (differs from the default), value (None: of a secret, or not set), means."""
    rows: list[dict[str, JSON]] = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        secret = "SecretStr" in str(field.annotation)
        plain: JSON = None
        if not secret and value is not None and not isinstance(value, SecretStr):
            if isinstance(value, bool | int | float):
                plain = value
            elif isinstance(value, tuple):
                plain = [str(one) for one in value]
            elif isinstance(value, dict):
                plain = {str(key): one for key, one in value.items()}
            else:
                plain = redacted(str(value))
        rows.append(
            {
                "name": name,
                "secret": secret,
                "set": value is not None and value != field.get_default(call_default_factory=True),
                "value": plain,
                "means": field.description,
            }
        )
    return rows
