"""Objects below s3://BUCKET/PREFIX as local files for one command: each as it was listed, whole, or told why not."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewatch.errors import GatewatchError, UsageError
from ingest.aws.problems import explained
from ingest.sources.model import Clients
from ingest.sources.s3 import S3
from ingest.sources.s3_objects import Listed, Unread, copied

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Fetched:
    """A local copy. address: s3://BUCKET/KEY."""

    path: str
    address: str


@contextmanager
def fetched(paths: Sequence[str], clients: Clients, errors: list[str]) -> Iterator[list[Fetched]]:
    """Copies of all objects below the paths, in a folder that is gone at the end. errors: what could not be read."""
    folder = Path(tempfile.mkdtemp(prefix="gatewatch-s3-"))
    try:
        found: dict[str, Fetched] = {}
        for path in paths:
            try:
                with explained(path, service="s3"):
                    copies = _copies(path, clients, folder, errors)
            except GatewatchError as error:
                errors.append(str(error))
                continue
            if not copies and not errors:
                errors.append(f"{path}: there is no object below it")
            found.update((one.address, one) for one in copies)
        yield [found[address] for address in sorted(found)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copies(path: str, clients: Clients, folder: Path, errors: list[str]) -> list[Fetched]:
    try:
        source = S3(clients, path.removesuffix("*"), {})
    except UsageError as error:
        raise UsageError(f"{error}; scan takes s3://BUCKET, s3://BUCKET/PREFIX or s3://BUCKET/KEY") from None
    client, bucket = clients("s3"), source.bucket
    listed = [one for page in source.pages() for one in page if one.size]
    free = shutil.disk_usage(folder).free
    size = sum(one.size for one in listed)
    if size > 0.9 * free:
        raise UsageError(
            f"{path}: {len(listed):,} objects with {size / 2**30:.1f} GiB do not fit into {folder.parent} "
            f"({free / 2**30:.1f} GiB free); choose a longer prefix, or set TMPDIR"
        )
    out = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one, copy in zip(listed, pool.map(lambda one: _copy(client, bucket, one, folder), listed), strict=True):
            address = f"s3://{bucket}/{one.key}"
            if isinstance(copy, Path):
                out.append(Fetched(str(copy), address))
            else:
                errors.append(f"{address}: {copy}")
    return out


def _copy(client: Any, bucket: str, one: Listed, folder: Path) -> Path | str:
    """The copy, or why there is none."""
    try:
        with explained(f"s3://{bucket}/{one.key}", service="s3"):
            return copied(client, bucket, one, folder)
    except (Unread, GatewatchError) as error:
        return str(error).replace("; it is read again later", "")
