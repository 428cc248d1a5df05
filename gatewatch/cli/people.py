"""What the commands about people share: who runs them, and how a password gets in."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatewatch.errors import UsageError

if TYPE_CHECKING:
    from gatewatch.roles import Who


def operator() -> Who:
    """The person at this machine, for the audit log."""
    from gatewatch.roles import Via, Who

    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        name = "unknown"
    return Who(f"{name} (command line)"[:100], None, Via.CLI)


def now() -> datetime:
    return datetime.now(UTC)


def new_password(name: str, lost: Path | None) -> str:
    """A password for the account, typed twice at a terminal or read as one line from stdin; UsageError when weak.

    lost: the setting breached_passwords.
    """
    from gatewatch.access.passwords import check

    if sys.stdin.isatty():
        password = str(click.prompt("Password", hide_input=True, err=True, confirmation_prompt="Once more"))
    else:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise UsageError("no password: type it at a terminal, or give it as one line on stdin")
    check(password, name, lost)
    return password
