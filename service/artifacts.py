"""Artefacts beside the one in use: other versions that are kept, loaded when somebody asks for one.

A version that a worker loads by itself is its own copy: some 80 MB where it has two readers, 2 MB
where words alone judge. So a worker holds at most `MAX_LOADED`; one that nobody has asked for in
`IDLE_SECONDS` makes room for the next. No request waits while another loads: who names many
versions in turns keeps threads and memory from nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from models.artifact import Artifact
from models.errors import ArtifactError
from models.registry import Registry
from service.config import Settings
from service.errors import VersionNotKept, VersionNotReady
from service.scoring import artifact_in_use

MAX_LOADED = 2
IDLE_SECONDS = 10.0


class Artifacts:
    """The artefact in use, and the others that are kept, as one worker knows them."""

    def __init__(
        self,
        settings: Settings,
        in_use: Artifact,
        ready: Sequence[Artifact] = (),  # loaded already, and shared with other workers
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_use = in_use
        self._ready = {artifact.version: artifact for artifact in (*ready, in_use)}
        self._settings = settings
        self._registry = Registry(settings.artifacts)
        self._timer = timer
        self._loading = threading.Lock()
        self._loaded: dict[str, Artifact] = {}
        self._asked_at: dict[str, float] = {}

    def versions(self) -> list[str]:
        """Return the versions that are kept, the oldest first."""
        return self._registry.versions()

    def get(self, version: str) -> Artifact:
        """Return the artefact of this version.

        VersionNotKept where there is none that can be used; VersionNotReady while it cannot be
        loaded, because another is being loaded or as many as may be were asked for just now.
        """
        if version in self._ready:
            return self._ready[version]
        if found := self._found(version):
            return found
        versions = self.versions()
        if version not in versions:
            raise VersionNotKept(versions)
        if not self._loading.acquire(blocking=False):
            raise VersionNotReady("another version is being loaded")
        try:
            return self._found(version) or self._load(version, versions)
        finally:
            self._loading.release()

    def _found(self, version: str) -> Artifact | None:
        found = self._loaded.get(version)
        if found:
            self._asked_at[version] = self._timer()
        return found

    def _load(self, version: str, versions: list[str]) -> Artifact:
        """Load a version; only who has `_loading` may."""
        if len(self._loaded) >= MAX_LOADED:
            oldest = min(self._loaded, key=lambda one: self._asked_at[one])
            if self._timer() - self._asked_at[oldest] < IDLE_SECONDS:
                raise VersionNotReady(f"{MAX_LOADED} other versions are in use at the moment")
            del self._loaded[oldest]
        try:
            loaded = artifact_in_use(self._settings, self._registry.load(version))
        except ArtifactError as error:
            structlog.get_logger().error("version", version=version, problem=str(error))
            raise VersionNotKept([one for one in versions if one != version]) from None
        self._asked_at[version] = self._timer()
        self._loaded[version] = loaded
        return loaded
