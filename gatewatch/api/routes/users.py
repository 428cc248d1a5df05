"""Accounts, for admins. Nobody makes the first admin here: that takes the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import Field, SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gatewatch.access import passwords
from gatewatch.api.access import ADMIN, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, now, person_only
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, answer, ask, missing
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso
from gatewatch.roles import Role
from gatewatch.store import audit
from gatewatch.store.state import Session, State
from gatewatch.store.users import (
    User,
    add_user,
    set_disabled,
    set_password,
    set_role,
    user_name,
    user_with,
    users,
)

router = APIRouter(prefix="/api/v1/users", tags=["access"], dependencies=[ADMIN])

UserId = Annotated[str, Path(alias="id", max_length=64, description="The account's id")]


class NewUser(Body):
    name: str = Field(min_length=1, max_length=64)
    role: Role = Role.VIEWER
    password: SecretStr = Field(min_length=1, max_length=1024)


class UserChange(Body):
    """What to change; what is left out stays. Each ends the account's sessions, except opening it again."""

    role: Role | None = None
    disabled: bool | None = None
    password: SecretStr | None = Field(default=None, min_length=1, max_length=1024)


def to_json(user: User) -> dict[str, JSON]:
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role.value,
        "issuer": user.issuer,
        "disabled": not user.active,
        "created_at": iso(user.created_at),
        "last_login_at": iso(user.last_login_at) if user.last_login_at else None,
    }


@router.get("", operation_id="list_users", summary="All accounts, by name", responses={**PROBLEMS})
async def list_users(request: Request) -> Response:
    def all_of_them(store: State) -> list[User]:
        with store.read() as session:
            return users(session)

    return answer({"users": [to_json(user) for user in await ask(request, all_of_them)]})


@router.post("", operation_id="add_user", summary="A new local account", status_code=201, responses={**CHANGES})
async def add(request: Request, wish: NewUser, key: Key = None) -> Response:
    who, at = asker(request), now()
    person_only(who)
    if not request.app.state.settings.local_accounts:
        raise HTTPException(409, "the setting `local_accounts` is off: people are let in by the identity provider")
    kept = await good_password(request, wish.password, wish.name)

    def added(session: Session) -> dict[str, JSON]:
        user = add_user(session, wish.name, wish.role, kept, now=at)
        audit.note(session, who, "user.add", user.name, now=at, detail={"role": wish.role.value})
        return to_json(user)

    return await Once(request, who, key, wish.model_dump_json(), at).change(added, status=201)


@router.patch(
    "/{id}", operation_id="change_user", summary="Another role, password or state", responses={**NOT_FOUND, **CHANGES}
)
async def change_user(request: Request, user_id: UserId, wish: UserChange, key: Key = None) -> Response:
    who, at = asker(request), now()
    person_only(who)

    def one(store: State) -> User | None:
        with store.read() as session:
            return user_with(session, user_id)

    user = await ask(request, one)
    if user is None:
        raise missing("user with this id")
    if user.issuer is not None and (wish.role is not None or wish.password is not None):
        raise HTTPException(409, f"role and password of this account are kept by {user.issuer}")
    if user.id == who.id and (wish.disabled or (wish.role is not None and wish.role is not user.role)):
        raise HTTPException(409, "nobody closes or demotes their own account; another admin can")
    kept = None if wish.password is None else await good_password(request, wish.password, user.name)

    def changed(session: Session) -> dict[str, JSON]:
        if wish.role is not None and wish.role is not user.role:
            set_role(session, user_id, wish.role)
            detail: dict[str, JSON] = {"from": user.role.value, "to": wish.role.value}
            audit.note(session, who, "user.role", user.name, now=at, detail=detail)
        if kept is not None:
            set_password(session, user_id, kept, keep=who.session)
            audit.note(session, who, "user.password", user.name, now=at)
        if wish.disabled is not None and wish.disabled is user.active:
            set_disabled(session, user_id, wish.disabled, now=at)
            audit.note(session, who, "user.disable" if wish.disabled else "user.enable", user.name, now=at)
        session.flush()
        found = user_with(session, user_id)
        assert found is not None
        return to_json(found)

    return await Once(request, who, key, wish.model_dump_json(), at).change(changed)


async def good_password(request: Request, password: SecretStr, name: str) -> str:
    """The hash of a password that is good enough; 409 says why one is not."""
    text = password.get_secret_value()
    try:
        lost = request.app.state.settings.breached_passwords
        await run_in_threadpool(passwords.check, text, user_name(name), lost)
    except UsageError as error:
        raise HTTPException(409, str(error)) from None
    return await run_in_threadpool(passwords.hashed, text)
