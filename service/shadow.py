"""Shadow: a second artefact that judges a share of the comments after their answers.

Nobody waits for it and nothing depends on it. A comment is noted while it is judged, and becomes
due when an answer has gone out; one thread of the worker then judges what is due while no request
is being answered, and counts (`service.reports.shadow`). Where it cannot keep up, comments are left
out; where the version cannot be loaded, or fails, all are. The thread has no lower priority than
others: whoever holds Python's lock holds up the rest, and must not be put off itself.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import structlog

from service.artifacts import Artifacts
from service.config import Settings
from service.logs import places
from service.moderation import Moderation
from service.queue.records import Comment, Enqueued
from service.reports.shadow import ShadowCounts, Side
from service.rules.policy import Signals, random_draw
from service.sites.site import Site

MAX_WAITING = 256  # comments
LOOK_EVERY_SECONDS = 2.0
TRY_AGAIN_COMMENTS = 100  # after so many that were left out, a version that failed gets a new try


@dataclass(frozen=True, slots=True)
class _Noted:
    """A comment that waits for the shadow."""

    moderation: Moderation
    site: Site
    comment: Comment
    signals: Signals
    standing: Enqueued | None  # where a person is to see it


class Shadow:
    """What judges after the answers."""

    def __init__(self, settings: Settings, artifacts: Artifacts, counts: ShadowCounts) -> None:
        self.counts = counts
        self._otherwise = settings.shadow
        self._artifacts = artifacts
        self._waiting: deque[_Noted] = deque()
        self._due = threading.Event()
        self._lock = threading.Lock()
        self._n_answering = 0  # requests that are being answered
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self._failed: dict[str, int] = {}  # version -> comments left out since it failed

    def version(self, site: Site) -> str:
        """Return the version that is compared on a site; empty for none."""
        version = site.shadow or self._otherwise
        return "" if version == self._artifacts.in_use.version else version

    def note(
        self,
        moderation: Moderation,
        site: Site,
        comment: Comment,
        signals: Signals,
        standing: Enqueued | None,
    ) -> None:
        """Note a comment that was judged by the artefact in use, if it is of the share."""
        version = self.version(site)
        if not version or random_draw(site.id, comment.id, "shadow") >= site.shadow_share:
            return
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(_Noted(moderation, site, comment, signals, standing))
        else:
            self.counts.leave_out(site.id, self._artifacts.in_use.version, version)

    def begin(self) -> None:
        """Hold still: a request has come."""
        with self._lock:
            self._n_answering += 1
            self._idle.clear()

    def end(self, _error: BaseException | None = None) -> None:
        """Go on, unless there are more: a request has its answer, or has failed."""
        with self._lock:
            self._n_answering = max(0, self._n_answering - 1)
            if not self._n_answering:
                self._idle.set()

    def release(self) -> None:
        """Have what was noted judged: an answer has gone out."""
        if not self._waiting:
            return
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                    self._thread.start()
        self._due.set()

    def _run(self) -> None:
        while True:
            self._due.wait(LOOK_EVERY_SECONDS)
            self._due.clear()
            while self._waiting and self._idle.wait(LOOK_EVERY_SECONDS):
                self._judge(self._waiting.popleft())
            self.counts.flush_if_due()

    def _judge(self, noted: _Noted) -> None:
        """Judge and count one comment; whatever goes wrong, it is left out."""
        site, version = noted.site, self.version(noted.site)
        try:
            sides = None if self._is_put_off(version) else self._sides(noted, version)
        except Exception as error:  # noqa: BLE001 - nothing that fails here may be felt elsewhere
            self._failed[version] = 0
            structlog.get_logger().error(
                "shadow", version=version, error=type(error).__name__, places=places(error)
            )
            sides = None
        if sides is None:
            self.counts.leave_out(site.id, self._artifacts.in_use.version, version)
            return
        in_use, shadow = sides
        self.counts.compare(site.id, in_use, shadow)
        if in_use.action != shadow.action and noted.standing:
            self.counts.remember(site.id, in_use, shadow, noted.standing)

    def _sides(self, noted: _Noted, version: str) -> tuple[Side, Side]:
        other = noted.moderation.by(self._artifacts.get(version))
        signals = other.rescored(noted.site, noted.comment, noted.signals)
        self._failed.pop(version, None)
        return (
            Side.of(noted.moderation.policy(noted.site), noted.signals),
            Side.of(other.policy(noted.site), signals),
        )

    def _is_put_off(self, version: str) -> bool:
        """Whether a version failed a little while ago."""
        if version not in self._failed:
            return False
        self._failed[version] += 1
        return self._failed[version] < TRY_AGAIN_COMMENTS
