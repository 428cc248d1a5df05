"""Who may do what: people have one role, tokens have scopes; each route of the application needs one of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """viewer reads; operator also acknowledges, silences and retries; admin also manages sources, people and tokens."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class Scope(StrEnum):
    """What a token may do: as a viewer, as an operator, as an admin, or only send data to the ingest listener."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    INGEST = "ingest"


_ROLES = {Scope.READ: Role.VIEWER, Scope.WRITE: Role.OPERATOR, Scope.ADMIN: Role.ADMIN}


def role_of(scopes: frozenset[Scope]) -> Role | None:
    """The highest role that scopes stand for; None for those that may only ingest."""
    roles = [_ROLES[scope] for scope in scopes if scope in _ROLES]
    return max(roles, key=lambda role: role.rank, default=None)


class Via(StrEnum):
    """How somebody showed who they are. NOBODY: no login is set up, and this machine is trusted."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105
    CLI = "cli"
    SLACK = "slack"
    NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. id: of the account or token, '' when there is none. address: of the client, '' when not known.

    role None: may read nothing. session: the id of the session's row, for those who came with one.
    """

    name: str
    role: Role | None
    via: Via
    id: str = ""
    ingest: bool = False
    address: str = ""
    session: str | None = None

    def may(self, needed: Role) -> bool:
        return self.role is not None and self.role.rank >= needed.rank
