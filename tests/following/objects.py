"""A bucket that misbehaves as S3 may: throttled, cut off, changed between listing and reading, gone, corrupted."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "logs-of-shop"
PAGE = 5


@dataclass
class Bucket:
    """objects: key -> content. cut, corrupt, vanish, change: keys that do so the next time they are read.

    summed: keys whose content comes with a checksum that is not its own, once. denied: keys that nobody may read.
    """

    chance: random.Random
    throttled: float = 0.0
    objects: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    corrupt: set[str] = field(default_factory=set)
    vanish: set[str] = field(default_factory=set)
    change: dict[str, bytes] = field(default_factory=dict)
    summed: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    skewed: bool = False
    lists: list[dict[str, str]] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)
    refused: int = 0
    url: str = ""

    def etag(self, key: str) -> str:
        return hashlib.md5(self.objects[key], usedforsecurity=False).hexdigest()

    def listing(self, query: dict[str, str]) -> bytes:
        self.lists.append(query)
        after = query.get("continuation-token") or query.get("start-after", "")
        keys = sorted(key for key in self.objects if key.startswith(query.get("prefix", "")) and key > after)
        page = keys[:PAGE]
        more = len(keys) > PAGE
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-06-09T12:00:00.000Z</LastModified>"
            f"<ETag>&quot;{self.etag(key)}&quot;</ETag><Size>{len(self.objects[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return (
            f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        ).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in the base class
        """Nothing: the bucket notes what it was asked."""

    def do_GET(self) -> None:
        bucket, parts = self.bucket, urlsplit(self.path)
        if bucket.chance.random() < bucket.throttled:
            bucket.refused += 1
            self._refuse(503, "SlowDown")
            return
        if bucket.skewed:
            self._refuse(403, "RequestTimeTooSkewed")
            return
        name, _, key = unquote(parts.path).lstrip("/").partition("/")
        assert name == BUCKET
        if not key:
            self._answer(200, bucket.listing({k: v[0] for k, v in parse_qs(parts.query).items()}), "application/xml")
            return
        bucket.gets.append(key)
        if key in bucket.denied:
            self._refuse(403, "AccessDenied")
            return
        if key in bucket.vanish:
            bucket.vanish.discard(key)
            bucket.objects.pop(key, None)
        if key in bucket.change:
            bucket.objects[key] = bucket.change.pop(key)
        if key not in bucket.objects:
            self._refuse(404, "NoSuchKey")
            return
        if self.headers.get("If-Match", "").strip('"') != bucket.etag(key):
            self._refuse(412, "PreconditionFailed")
            return
        content = bucket.objects[key]
        if key in bucket.corrupt:
            bucket.corrupt.discard(key)
            content = content[:-3] + b"xyz"
        self._answer(200, content, "binary/octet-stream", key)

    def _answer(self, status: int, content: bytes, kind: str, key: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if key:
            self.send_header("ETag", f'"{self.bucket.etag(key)}"')
        if key in self.bucket.summed:
            self.bucket.summed.discard(key)
            self.send_header("x-amz-checksum-crc32", "AAAAAA==")
        self.end_headers()
        if key and key in self.bucket.cut:
            self.bucket.cut.discard(key)
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(content)

    def _refuse(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{re.sub('[a-z]', 'x', code)}</Message></Error>"
        self._answer(status, text.encode(), "application/xml")


@contextmanager
def a_bucket(chance: random.Random) -> Iterator[Bucket]:
    """Start it on a free port; stop it at the end."""
    bucket = Bucket(chance)
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    bucket.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
