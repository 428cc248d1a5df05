"""People for the tests: an account of each role, all with one password, and clients that are logged in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from fastapi.testclient import TestClient
from httpx2 import Response

from gatewatch.access.passwords import hashed
from gatewatch.roles import Role
from gatewatch.store.state import State
from gatewatch.store.users import User, add_user

PASSWORD = "tangerine kettle moon"
NAMES = {Role.VIEWER: "vera", Role.OPERATOR: "otto", Role.ADMIN: "alice"}


@lru_cache
def kept() -> str:
    """The hash of PASSWORD; made once, since it takes its time."""
    return hashed(PASSWORD)


def add_people(state: State) -> dict[Role, User]:
    with state.begin() as session:
        return {role: add_user(session, name, role, kept(), now=datetime.now(UTC)) for role, name in NAMES.items()}


def form_token(page: Response) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def log_in(client: TestClient, name: str, password: str = PASSWORD, *, target: str = "/") -> Response:
    """Log in as a person does: the form first, then its fields."""
    token = form_token(client.get("/login"))
    fields = {"token": token, "name": name, "password": password, "next": target}
    return client.post("/login", data=fields, follow_redirects=False)


def csrf(client: TestClient) -> dict[str, str]:
    """The header that pages send along with each change."""
    return {"X-CSRFToken": client.cookies["gw-csrf"]}
