"""Every error that gatewatch raises on purpose.

GatewatchError              one line for the person who ran the command
├── UsageError              the command or a setting is wrong                    exit 2
│   └── TemplateError       a log template by which no line can be read          exit 3
├── SourceError             an input cannot be read, or only partly              exit 3
├── SchemaError             the database is newer or older than this program     exit 3
├── StoreError              the store refuses: full disk, lost lease, bad manifest
│   └── LeaseLost           somebody else holds the lease now
└── ChannelError            an alert did not get through; `retry` says if trying again can help
"""

from __future__ import annotations


class GatewatchError(Exception):
    """Base of all; `str(error)` is one line that says what, where and what to do."""

    exit_code = 3


class UsageError(GatewatchError):
    exit_code = 2


class TemplateError(UsageError):
    """Bad input rather than bad usage: the template is what somebody's stage has."""

    exit_code = 3


class SourceError(GatewatchError):
    exit_code = 3


class SchemaError(GatewatchError):
    exit_code = 3


class StoreError(GatewatchError):
    exit_code = 3


class LeaseLost(StoreError):
    pass


class ChannelError(GatewatchError):
    """`retry`: False when the receiver will refuse the same message again (wrong key, gone, malformed).

    after_s: seconds that the receiver asked us to wait; None when it said nothing.
    """

    def __init__(self, message: str, *, retry: bool, after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.after_s = after_s


def mistake(error: Exception) -> str:
    """One line about an error of ours that nobody foresaw."""
    said = " ".join(str(error).split())[:200]
    return f"a mistake in gatewatch ({type(error).__name__}: {said}); its log has more, please report it"
