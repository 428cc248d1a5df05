"""CloudTrail's files in S3: changes instead of requests, found and read as log objects are.

Each event is known by its eventID, however often a file or LookupEvents tells of it. Digests are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gatewatch.errors import UsageError
from ingest.changes import read_changes
from ingest.sources.model import Objects, Place, Told, World, source
from ingest.sources.s3 import S3
from ingest.sources.s3_objects import Listed, Unread, copied

_NO_RECORDS = ("/CloudTrail-Digest/", "/CloudTrail-Insight/")


@source("cloudtrail")
class CloudTrailFiles(S3):
    """location: s3://BUCKET/PREFIX, best that of one account and region: AWSLogs/ACCOUNT/CloudTrail/REGION/."""

    def read(self, group: Sequence[Listed], world: World, gone: set[str] | None = None) -> Iterator[Objects | Told]:
        passed: dict[str, Place] = {}
        files: list[tuple[str, Listed, str]] = []
        for one in group:
            address = self.address(one.key)
            if any(part in f"/{one.key}" for part in _NO_RECORDS) or not one.size:
                passed[address] = Place(one.size, one.etag, one.size)
                continue
            try:
                path = copied(self.clients("s3"), self.bucket, one, world.folder)
            except Unread as why:
                self.tries.failed(address, one.etag, world.now.timestamp())
                if gone is not None and (why.gone or why.changed):
                    gone.add(one.key)
                world.failed(f"{address}: {why}")
                continue
            files.append((address, one, str(path)))
        events = []
        for address, one, copy in files:
            try:
                events += read_changes([copy])
            except UsageError as error:  # it says the same the next time: told once
                world.failed(str(error).replace(copy, address))
            finally:
                world.folder.joinpath(copy).unlink(missing_ok=True)
            passed[address] = Place(one.size, one.etag, one.size)
            self.tries.kept(address, one.etag)
        yield Told(events, passed)
