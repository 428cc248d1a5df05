"""From paths to log files: standard input spooled, documents and pictures beside the logs passed over, errors told."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gatewatch.errors import SourceError
from gatewatch.records import ApiType
from ingest import beside
from ingest.files import LogFile, NoText, expand, inspect
from ingest.hints import Hint, Known, hint_of

if TYPE_CHECKING:
    from ingest.fetched import Fetched
    from ingest.sources.model import Clients

STDIN = "stdin"

_API_TYPES = {"restApis": ApiType.REST, "httpApis": ApiType.HTTP, "webSocketApis": ApiType.WEBSOCKET}


@dataclass(slots=True)
class Inputs:
    """files: to read. errors: one line for each path that cannot be. no_logs: one line for each file passed over."""

    files: list[LogFile] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    no_logs: list[str] = field(default_factory=list)


@contextmanager
def inputs(
    paths: Sequence[str],
    inventory: Mapping[str, object] | None = None,
    exclude: Iterable[str] = (),
    *,
    all_logs: bool = False,
    clients: Clients | None = None,
) -> Iterator[Inputs]:
    """The log files behind paths; `-` is standard input, copied to a file that is gone at the end.

    all_logs: the user said which format they have, so nothing is taken for a document. clients: with them s3:// paths
    are read, too.
    """
    found = Inputs()
    apis = apis_of(inventory)
    away = [path for path in paths if clients is not None and path.startswith("s3://")]
    with _spooled(paths) as spool, _fetched(away, clients, found.errors) as objects:
        names, problems = expand([path for path in paths if path != "-" and path not in away], exclude=exclude)
        found.errors += map(str, problems)
        if spool is not None:
            names.append(spool)
        for name in names:
            _add(found, name, apis, is_stdin=name == spool, all_logs=all_logs)
        for one in objects:
            _add(found, one.path, apis, address=one.address, all_logs=all_logs)
        yield found


@contextmanager
def _fetched(paths: Sequence[str], clients: Clients | None, errors: list[str]) -> Iterator[list[Fetched]]:
    if not paths or clients is None:
        yield []
        return
    from ingest.fetched import fetched

    with fetched(paths, clients, errors) as objects:
        yield objects


def _add(
    found: Inputs,
    path: str,
    apis: Mapping[str, Known],
    *,
    all_logs: bool,
    is_stdin: bool = False,
    address: str | None = None,
) -> None:
    """address: where a local copy comes from."""
    shown = STDIN if is_stdin else address or path
    try:
        file, head = inspect(path, apis)
    except SourceError as error:
        text = str(error).replace(path, shown)
        (found.no_logs if isinstance(error, NoText) and beside.named_no_log(shown) else found.errors).append(text)
        return
    if is_stdin:
        file = replace(file, name=STDIN, hint=Hint(STDIN))
    elif address is not None:
        file = replace(file, name=address, hint=hint_of(address.removeprefix("s3:/"), apis))
    kind = None if all_logs else beside.document(head, file.kind, whole=len(head) == file.size)
    if kind is None:
        found.files.append(file)
    else:
        found.no_logs.append(f"{file.name}: looks like {kind}")


@contextmanager
def _spooled(paths: Sequence[str]) -> Iterator[str | None]:
    """The file that standard input was copied to, when one of the paths is `-`."""
    if "-" not in paths:
        yield None
        return
    folder = tempfile.mkdtemp(prefix="gatewatch-")
    try:
        name = os.path.join(folder, STDIN)
        with open(name, "wb") as out:
            shutil.copyfileobj(sys.stdin.buffer, out, 1 << 20)
        yield name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def apis_of(inventory: Mapping[str, object] | None) -> dict[str, Known]:
    """Ids and names of the APIs that an inventory document names; a name that two of them share is left out."""
    found: dict[str, Known] = {}
    shared: set[str] = set()
    for key, kind in _API_TYPES.items():
        listed = (inventory or {}).get(key)
        for api in listed if isinstance(listed, list) else []:
            if not isinstance(api, Mapping):
                continue
            api_id = next((str(api[key]) for key in ("id", "apiId", "ApiId") if api.get(key)), None)
            if api_id is None:
                continue
            known = Known(api_id, kind)
            found[api_id] = known
            name = next((str(api[key]) for key in ("name", "Name") if api.get(key)), None)
            if name is not None and len(name) > 3:
                shared.update({name} if found.get(name, known) != known else ())
                found[name] = known
    return {name: known for name, known in found.items() if name not in shared}
