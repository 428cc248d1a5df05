"""S3: objects below a prefix, found by listing or told by notifications through SQS, each read once.

An object is read as the version that was listed, whole, or not at all (s3_objects.py): what was changed or cut on the
way is left for a later look. Its key never becomes a local path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gatewatch.errors import UsageError
from gatewatch.records import JSON
from ingest import beside
from ingest.files import NoText, inspect
from ingest.hints import hint_of
from ingest.sources.model import Clients, Objects, Place, Told, World, source
from ingest.sources.notifications import Queue
from ingest.sources.notifications import Told as Notified
from ingest.sources.s3_objects import Listed, Tries, Unread, copied

GROUP_OBJECTS = 256
GROUP_BYTES = 64 << 20
"""Objects and bytes of them that are copied and read together."""

DENIED_TOLD = 3
"""Objects of a group whose denial is told one by one."""

FULL_EVERY = timedelta(hours=24)
"""A listing that begins at the newest dates leaves out what comes with an old key; so often all keys are listed."""

BACK = timedelta(hours=3)
"""Firehose names an object by when its oldest record came, and may deliver it hours later."""

_LOCATION = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?\Z", re.DOTALL)
_DATED = re.compile(r"(\d{4})/(\d\d)/(\d\d)/(\d\d)/")
_HOUR = "%Y/%m/%d/%H/"
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


@source("s3")
class S3:
    """location: s3://BUCKET/PREFIX. Option queue: the URL of an SQS queue that is told of new objects."""

    def __init__(self, clients: Clients, location: str, options: Mapping[str, JSON]) -> None:
        found = _LOCATION.match(location)
        if found is None:
            raise UsageError(f"{location[:200]!r} is no s3://BUCKET/PREFIX")
        queue = options.get("queue")
        if queue is not None and not (isinstance(queue, str) and queue.startswith(("https://", "http://"))):
            raise UsageError("queue is the URL of an SQS queue")
        self.clients = clients
        self.bucket, self._prefix = found[1], found[2] or ""
        self._location = f"s3://{self.bucket}/{self._prefix}"
        self._going = f"listing {self._location}"
        self._queue = Queue(clients, queue) if isinstance(queue, str) else None
        self.tries = Tries()

    def look(self, world: World) -> Iterator[Objects | Told]:
        if self._queue is None:
            yield from self._found(world)
        else:
            yield from self._told(world, self._queue)

    def _found(self, world: World) -> Iterator[Objects | Told]:
        """What a listing shows that is not kept yet. One that stops before its end goes on there the next time."""
        known = world.known([self._location, self._going])
        place, going = known.get(self._location, Place()), known.get(self._going, Place())
        now_ms = int(world.now.timestamp() * 1000)
        whole = not place.mark or now_ms - place.offset >= FULL_EVERY / timedelta(milliseconds=1)
        newest = (self._hour(place.mark) or _NEVER - BACK) + BACK
        fresh, waiting = list[Listed](), list[Listed]()
        dated = True
        for page in self.pages(going.mark or ("" if whole else place.mark)):
            new = self._fresh(page, world)
            fresh += new
            waiting += [one for one in new if self._due(one, world)]
            hours = [self._hour(one.key) for one in page]
            dated = dated and None not in hours
            newest = max([newest, *(hour for hour in hours if hour is not None)])
            while len(waiting) >= GROUP_OBJECTS or sum(one.size for one in waiting) >= GROUP_BYTES:
                group, waiting = _group(waiting)
                yield from self.read(group, world)
                if world.enough():
                    yield Objects((), {}, {self._going: Place(mark=group[-1].key)})
                    return
        while waiting:
            group, waiting = _group(waiting)
            yield from self.read(group, world)
            if waiting and world.enough():
                yield Objects((), {}, {self._going: Place(mark=group[-1].key)})
                return
        if going.mark:  # the next one sees all, and knows where those after it may begin
            yield Objects((), {}, {self._going: Place()})
            return
        # What could not be read must be listed again, for a day each time, and then once a day.
        now = world.now.timestamp()
        left = [
            one for one in self._fresh(fresh, world) if not self.tries.hopeless(self.address(one.key), one.etag, now)
        ]
        oldest = min([newest, *(hour for one in left if (hour := self._hour(one.key)) is not None)])
        mark = f"{self._prefix}{oldest - BACK:{_HOUR}}" if dated and newest > _NEVER else ""
        yield Objects((), {}, {self._location: Place(now_ms if whole else place.offset, mark)})

    def pages(self, after: str = "") -> Iterator[list[Listed]]:
        """What is below the prefix, by key, from behind `after` on."""
        asked: dict[str, Any] = {"Bucket": self.bucket, "Prefix": self._prefix}
        if after:
            asked["StartAfter"] = after
        client = self.clients("s3")
        while True:
            answer = client.list_objects_v2(**asked)
            yield [
                Listed(one["Key"], one["ETag"].strip('"'), one["Size"], one.get("LastModified"))
                for one in answer.get("Contents", ())
            ]
            token = answer.get("NextContinuationToken")
            if not answer.get("IsTruncated") or not token or token == asked.get("ContinuationToken"):
                return
            asked["ContinuationToken"] = token

    def _hour(self, key: str) -> datetime | None:
        """The hour in the key; None when it has none, or elsewhere than right behind the prefix.

        Only there later keys are greater ones, so that a listing may begin somewhere.
        """
        found = _DATED.match(key, len(self._prefix))
        try:
            year, month, day, hour = map(int, found.groups()) if found is not None else (0, 0, 0, 0)
            return max(datetime(year, month, day, hour, tzinfo=UTC), _NEVER)
        except ValueError:
            return None

    def _told(self, world: World, queue: Queue) -> Iterator[Objects | Told]:
        """What notifications tell of; a message goes when all that it tells of is kept, or gone."""
        while notices := queue.receive(world.failed):
            mine = {one.key: one for notice in notices for one in notice.objects if self._ours(one)}
            listed = [Listed(one.key, one.etag, one.size) for one in mine.values()]
            waiting = [one for one in self._fresh(listed, world) if self._due(one, world)]
            gone: set[str] = set()
            while waiting:
                group, waiting = _group(waiting)
                yield from self.read(group, world, gone)
            left = {one.key for one in self._fresh(listed, world)} - gone
            queue.delete([one for one in notices if not left & {told.key for told in one.objects if self._ours(told)}])
            if world.enough():
                return

    def _ours(self, told: Notified) -> bool:
        return told.bucket == self.bucket and told.key.startswith(self._prefix)

    def read(self, group: Sequence[Listed], world: World, gone: set[str] | None = None) -> Iterator[Objects | Told]:
        """Local copies of the objects that could be read; when they are asked for no more, they are removed."""
        now = world.now.timestamp()
        for one in group:
            self.tries.failed(self.address(one.key), one.etag, now)
        objects = self._copies(group, world, gone)
        try:
            yield objects
        finally:
            for file in objects.files:
                world.folder.joinpath(file.path).unlink(missing_ok=True)
        left = {one.key for one in self._fresh(group, world)}
        for one in group:
            if one.key not in left:
                self.tries.kept(self.address(one.key), one.etag)

    def _copies(self, group: Sequence[Listed], world: World, gone: set[str] | None) -> Objects:
        files, places, passed = [], dict[str, Place](), dict[str, Place]()
        known = world.known([self.address(one.key) for one in group])
        denied = 0
        for one in group:
            address = self.address(one.key)
            try:
                path = copied(self.clients("s3"), self.bucket, one, world.folder)
            except Unread as why:
                denied += why.denied
                if why.denied and denied > DENIED_TOLD:
                    continue
                if gone is not None and (why.gone or why.changed):  # of what is there instead another message tells
                    gone.add(one.key)
                world.failed(f"{address}: {why}")
                continue
            try:
                file, head = inspect(str(path), world.apis)
                log = one.size > 0 and beside.document(head, file.kind, whole=len(head) == file.size) is None
            except NoText:
                log = False
            if not log:
                path.unlink()
                passed[address] = Place(one.size, one.etag, one.size)
                continue
            hint = hint_of(f"/{self.bucket}/{one.key}", world.apis)
            files.append(replace(file, name=address, hint=hint))
            begun = known.get(address)
            start = begun if begun is not None and begun.mark == one.etag else Place()
            places[address] = replace(start, mark=one.etag, size=one.size)
        if denied > DENIED_TOLD:
            world.failed(f"{self._location}: {denied - DENIED_TOLD:,} more objects are denied")
        return Objects(files, places, passed)

    def _fresh(self, several: Sequence[Listed], world: World) -> list[Listed]:
        """Those of which this version is not kept."""
        known = world.known([self.address(one.key) for one in several])
        places = ((one, known.get(self.address(one.key))) for one in several)
        return [one for one, place in places if place is None or not place.done or place.mark != one.etag]

    def _due(self, one: Listed, world: World) -> bool:
        return self.tries.due(self.address(one.key), one.etag, world.now.timestamp())

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


def _group(waiting: Sequence[Listed]) -> tuple[list[Listed], list[Listed]]:
    """The first objects that fit together, one at least, and the others."""
    size = count = 0
    for one in waiting[:GROUP_OBJECTS]:
        if count and size + one.size > GROUP_BYTES:
            break
        size, count = size + one.size, count + 1
    return list(waiting[:count]), list(waiting[count:])
