"""ETags of findings: `"r3-1f0c…"`, the revision of its life and a digest of what was answered.

If-None-Match compares the whole tag. If-Match compares the revision alone: new evidence, which comes with every
evaluation, is no reason to refuse an acknowledgement; another person's action is. Browsers and proxies keep no answer:
a program that kept one itself shows its tag.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from fastapi import HTTPException, Request
from starlette.responses import Response

_OURS = re.compile(r'\s*(?:W/)?"r(\d{1,18})-[0-9a-f]{16}"\s*\Z')


def tagged(request: Request, whole: Response, *, revision: int | None = None) -> Response:
    """The answer with its ETag; 304 without a body when the asker has it already."""
    digest = blake2b(bytes(whole.body), digest_size=8).hexdigest()
    tag = f'"{digest}"' if revision is None else f'"r{revision}-{digest}"'
    headers = {"ETag": tag, "Cache-Control": "no-store"}
    if _has(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    whole.headers.update(headers)
    return whole


def with_tag(known: str | None, body: bytes, tag: str) -> Response:
    """A body whose tag is known. known: the asker's If-None-Match."""
    headers = {"ETag": tag, "Cache-Control": "no-store"}
    if _has(known, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _has(known: str | None, tag: str) -> bool:
    return known is not None and tag in (one.strip().removeprefix("W/") for one in known.split(","))


def seen_revision(header: str | None) -> int | None:
    """The revision in an If-Match header; None for none and `*`. 400 when it is not a tag of a finding."""
    if header is None or header.strip() == "*":
        return None
    found = _OURS.match(header)
    if found is None:
        raise HTTPException(400, "If-Match: not the ETag of a finding")
    return int(found[1])
