"""One object of S3 as a local file: the version that was listed, whole, under a name of our own; or why not."""

from __future__ import annotations

import contextlib
import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError

from ingest.aws.problems import DENIED, code_of

LARGEST = 5 << 30

_MD5 = re.compile(r"[0-9a-f]{32}\Z")
_CHUNK = 1 << 20
_BROKEN = (IncompleteReadError, HTTPClientError)


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as it was listed or told of. etag without quotes."""

    key: str
    etag: str
    size: int
    modified: datetime | None = None


class Unread(Exception):
    """Why an object was not read now.

    gone: it cannot be read the next time either. changed: another is in its place. denied: we may not read it.
    """

    def __init__(self, why: str, *, gone: bool = False, changed: bool = False, denied: bool = False) -> None:
        super().__init__(why)
        self.gone = gone
        self.changed = changed
        self.denied = denied


def copied(client: Any, bucket: str, one: Listed, folder: Path) -> Path:
    """A local copy of the object. Unread: it is not, whole, the one that was listed; then there is no copy."""
    if one.size > LARGEST:
        raise Unread(f"has {one.size >> 30} GiB; at most {LARGEST >> 30} are read", gone=True)
    answer = _asked(client, bucket, one)
    path = folder / uuid.uuid4().hex
    digest, size = hashlib.md5(usedforsecurity=False), 0
    try:
        with contextlib.closing(answer["Body"]) as body, path.open("xb") as out:
            while chunk := body.read(_CHUNK):
                size += len(chunk)
                if size > one.size:
                    raise Unread("is longer than it was when it was listed")
                digest.update(chunk)
                out.write(chunk)
        # The etag of an object that was written in one part and is not encrypted with a key of KMS is its MD5.
        plain = answer.get("ServerSideEncryption", "AES256") == "AES256" and "SSECustomerAlgorithm" not in answer
        if size != one.size or (plain and _MD5.match(one.etag) and digest.hexdigest() != one.etag):
            raise Unread(f"came with {size:,} of {one.size:,} bytes or another checksum; it is read again later")
    except FlexibleChecksumError:
        path.unlink(missing_ok=True)
        raise Unread("came with another checksum than S3 has of it; it is read again later") from None
    except (*_BROKEN, Unread) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, Unread):
            raise
        raise Unread(f"broke off after {size:,} of {one.size:,} bytes; it is read again later") from None
    return path


def _asked(client: Any, bucket: str, one: Listed) -> Any:
    try:
        return client.get_object(Bucket=bucket, Key=one.key, IfMatch=f'"{one.etag}"', ChecksumMode="ENABLED")
    except ClientError as error:
        code = code_of(error)
        if code in ("NoSuchKey", "404"):
            raise Unread("is gone", gone=True) from None
        if code in ("PreconditionFailed", "412"):
            raise Unread("was changed since it was listed; it is read again later", changed=True) from None
        if code == "InvalidObjectState":
            raise Unread("is archived and cannot be read", gone=True) from None
        if code in DENIED:  # one that somebody else owns, or that is encrypted with a key of his; others may be read
            said = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:200]
            raise Unread(
                f"is denied ({said}); `gatewatch iam-policy` prints the policy that allows it, and a key of KMS needs "
                "kms:Decrypt for this role",
                denied=True,
            ) from None
        raise


class Tries:
    """Objects that could not be read: tried again at the next look, and then ever more seldom, an hour at most."""

    FIRST_S, LONGEST_S = 60.0, 3600.0

    def __init__(self) -> None:
        # (address, etag) -> (first tried, not before, next wait)
        self._after: dict[tuple[str, str], tuple[float, float, float]] = {}

    def due(self, address: str, etag: str, now: float) -> bool:
        known = self._after.get((address, etag))
        return known is None or known[1] <= now

    def hopeless(self, address: str, etag: str, now: float) -> bool:
        """Whether it could not be read for a day."""
        known = self._after.get((address, etag))
        return known is not None and now - known[0] > 86_400

    def failed(self, address: str, etag: str, now: float) -> None:
        first, _, wait = self._after.get((address, etag), (now, 0.0, 0.0))
        self._after[address, etag] = first, now + wait, min(max(2 * wait, self.FIRST_S), self.LONGEST_S)

    def kept(self, address: str, etag: str) -> None:
        self._after.pop((address, etag), None)
