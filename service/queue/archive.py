"""Archive of the decision stream: its oldest entries, in files of compressed JSON Lines.

Promises: what leaves the stream is in a file that is whole and on the disk before. Doing it twice,
or again after a crash, loses nothing and puts nothing into two files. The hash chain goes on: the
stream keeps the digest of the last entry that left it, so the stream can be verified alone, and
together with the files. What a site is still to be told stays in the stream, and so does whatever
is younger than the site's retention period: its text may still be shown, exported, taken to
training or appealed about.

An entry never held a text, a display name or an author's id. So the files hold nothing that an
erasure of an author would remove: what is in them, the ids of comments, the names of moderators and
what was decided, the stream keeps after an erasure as well.

A file ``decisions-<site>-<first id>-<last id>.ndjson.gz`` has one JSON object a line, for at most
`MAX_IN_FILE` entries::

    {"format": "hakam-decisions-1", "site": ..., "after": <id>, "digest": <of the entry before>}
    {"id": ..., "body": <JSON of the entry, as text>, "digest": <SHA-1 of digest before and body>}
    ...
    {"last": <id>, "digest": <head of the chain>, "n_entries": ...}
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from models.files import write_durably
from service.errors import ArchiveDamaged, Conflict, InvalidRequest
from service.queue.decisions import (
    MAX_DECISIONS,
    DecisionStream,
    Entry,
    chained,
    link,
    place,
    up_to,
)
from service.queue.encoding import read_decision
from service.queue.read_models import FIGURES_DAYS
from service.queue.records import Decision, facet, place_in_list
from service.sites.site import Site
from service.store.connect import Redis
from service.store.scripts import Verbs

FORMAT = "hakam-decisions-1"
MAX_IN_FILE = 100_000  # entries, some 10 MB


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of the archive."""

    path: Path
    after: str  # id of the entry before the first
    last: str


class Archive:
    """The archives of all sites in one folder.

    Every method raises ArchiveDamaged where a file is not what was written or is missing, and
    StoreUnavailable when Redis cannot be reached.
    """

    def __init__(self, redis: Redis, folder: Path) -> None:
        self._stream = DecisionStream(redis)
        self._verbs = Verbs(redis, "queue")
        self._folder = folder

    def write(self, site: Site, before: datetime) -> int:
        """Move the entries from before a moment out of the stream; return how many that were.

        Raises Conflict where the site is, or was, archived to another folder at the same time.
        """
        n_days = max(site.retention_days, FIGURES_DAYS)
        if before.timestamp() > time.time() - n_days * 86_400:
            raise InvalidRequest.of(
                "before", f"expected {n_days} days ago or more, because until then texts are kept"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        n_moved = 0
        for file in self.files(site.id):  # which an earlier run may not have come to trim
            n_moved += self._trim(site.id, file)
        while written := self._write_file(site.id, before):
            n_moved += self._trim(site.id, written)
        return n_moved

    def first_untold(self, site_id: str, before: datetime) -> str:
        """Id of the old decision at which `write` stops; empty where there is none.

        The site is still to be told of it. The newest of all decisions stays in any case.
        """
        left = self._stream.read(site_id, self._stream.anchor(site_id).id, 2)
        is_old = len(left) == 2 and place(left[0].id) < (int(before.timestamp() * 1000), 0)
        return left[0].id if is_old else ""

    def files(self, site_id: str) -> list[ArchiveFile]:
        """List the files of a site, the oldest first."""
        found = []
        for path in self._folder.glob("decisions-*.ndjson.gz"):
            head = next(_lines(path), {})
            if head.get("format") != FORMAT:
                raise ArchiveDamaged(f"{path}: not an archive of decisions")
            if head.get("site") == site_id:
                last = "-".join(path.name.removesuffix(".ndjson.gz").rsplit("-", 2)[1:])
                found.append(ArchiveFile(path, str(head.get("after")), last))
        return sorted(found, key=lambda file: place(file.last))

    def entries(self, site_id: str) -> Iterator[Entry]:
        """Read all archived entries of a site, the oldest first."""
        for file in self.files(site_id):
            yield from _entries(file)

    def history(self, site_id: str, after: str) -> Iterator[Decision]:
        """Read the archived decisions after a position, and then those of the stream.

        Of the archived ones it is not known which were taken back or overturned, but by the entries
        that say so.
        """
        anchor = self._stream.anchor(site_id)
        files = [file for file in self.files(site_id) if place(file.last) > place(after)]
        wanted = after
        for file in files:
            if place(file.after) > place(wanted):
                raise ArchiveDamaged(f"{self._folder}: the file before {file.path.name} is missing")
            wanted = file.last
        if place(wanted) < place(anchor.id):
            raise ArchiveDamaged(f"{self._folder}: the files end before the stream begins")
        archived = (entry for file in files for entry in _entries(file))
        for entry in up_to(archived, anchor.id):
            if place(entry.id) > place(after):
                yield read_decision(entry.id, entry.body)
        yield from self._stream.history(site_id, after)

    def _archivable(self, site_id: str, after: str, before: datetime) -> Iterator[Entry]:
        last = int(before.timestamp() * 1000) - 1
        while page := self._verbs(
            site_id, "archivable", after=after, last=last, limit=MAX_DECISIONS
        ):
            yield from (Entry(*entry) for entry in page)
            after = page[-1][0]

    def _write_file(self, site_id: str, before: datetime) -> ArchiveFile | None:
        """Write what is next, durably and as a whole; None where there is nothing more."""
        anchor = self._stream.anchor(site_id)
        entries = self._archivable(site_id, anchor.id, before)
        kept = list(islice(chained(entries, anchor.digest, site_id), MAX_IN_FILE))
        if not kept:
            return None
        last = kept[-1]
        lines = (
            {"format": FORMAT, "site": site_id, "after": anchor.id, "digest": anchor.digest},
            *(entry._asdict() for entry in kept),
            {"last": last.id, "digest": last.digest, "n_entries": len(kept)},
        )
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        path = self._folder / f"decisions-{site_id}-{kept[0].id}-{last.id}.ndjson.gz"
        write_durably(path, gzip.compress(text.encode()), mode=0o600)
        return ArchiveFile(path, anchor.id, last.id)

    def _trim(self, site_id: str, file: ArchiveFile) -> int:
        """Remove from the stream what a file holds of it; return how many entries that were."""
        after = self._stream.anchor(site_id).id
        if place(file.last) <= place(after):
            return 0
        if place(file.after) > place(after):
            raise ArchiveDamaged(f"{self._folder}: the file before {file.path.name} is missing")
        for _entry in _entries(file):  # nothing is removed before all of it was found to be whole
            pass
        n_trimmed, page = 0, list[Entry]()
        for number, entry in enumerate(_entries(file), start=1):
            page.append(entry)
            if number % MAX_DECISIONS == 0 or entry.id == file.last:
                if place(entry.id) > place(after):
                    n_trimmed += self._trim_to(site_id, after, page)
                    after = entry.id
                page = []
        return n_trimmed

    def _trim_to(self, site_id: str, after: str, page: Sequence[Entry]) -> int:
        last, moderators = page[-1], [read_decision(one.id, one.body).moderator for one in page]
        unlisted = [
            facet("moderator", moderator) + place_in_list(entry.id)
            for entry, moderator in zip(page, moderators, strict=True)
            if moderator
        ]
        n_trimmed: int = self._verbs(
            site_id, "trim", *unlisted, after=after, last=last.id, digest=last.digest
        )[0]
        if not n_trimmed:
            raise Conflict(
                f"the decisions of {site_id} are being archived by somebody else, or the files in "
                f"{self._folder} are not those of this store"
            )
        return n_trimmed


def _entries(file: ArchiveFile) -> Iterator[Entry]:
    """Read the entries of a file; in the end it is known whether they are all that were written."""
    lines = _lines(file.path)
    digest, n_entries, entry, end = next(lines).get("digest", ""), 0, None, {}
    for line in lines:
        if "last" in line:
            end = line
            continue
        entry = Entry(line.get("id", ""), line.get("body", ""), line.get("digest", ""))
        digest, n_entries = link(digest, entry.body), n_entries + 1
        if end or digest != entry.digest:
            raise ArchiveDamaged(f"{file.path}: an entry is not what was written")
        yield entry
    if entry is None or end != {"last": entry.id, "digest": digest, "n_entries": n_entries}:
        raise ArchiveDamaged(f"{file.path}: the end is missing")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for text in file:
                yield _read_line(text)
    except (OSError, EOFError, ValueError, AttributeError, zlib.error) as error:
        raise ArchiveDamaged(f"{path}: cannot be read") from error


def _read_line(text: str) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(text)
    if not all(isinstance(value, str) for name, value in line.items() if name != "n_entries"):
        raise ValueError("expected text")
    return line
