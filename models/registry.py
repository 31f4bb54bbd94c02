"""Registry of versions: saved whole, promoted, rolled back.

A registry is a folder::

    CURRENT                    the version in use, one line
    HISTORY                    every promotion and rollback: time, verb, version
    2026.11.22-1/              a version, see `models.artifact`

Promise: a version folder appears complete or not at all, and never changes afterwards; nothing is
promoted that cannot be loaded; ``CURRENT`` always names a complete version, also when the machine
stops half way. Whether a version is good enough to be promoted, `training.gate` decides.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models import artifact
from models.artifact import Artifact
from models.classifier import Classifier
from models.errors import ArtifactDamaged, ArtifactError, ArtifactMissing
from models.files import sync, write_together

VERSION = "[0-9]{4}[.][0-9]{2}[.][0-9]{2}-[0-9]+"
"""The form of a version: the day it was saved, and its number on that day."""

SAVING_SECONDS = 3600.0
"""No save takes so long: what is as old and not whole was left by one that was killed."""

_SAVING = ".saving-"
_VERSION = re.compile(VERSION)
_PROMOTION = re.compile(
    rf"[^\t]*\t(?P<verb>promote|promote --force|rollback)\t(?P<version>{_VERSION.pattern})"
)


class Registry:
    """The artefacts under one folder.

    Parameters
    ----------
    root : Path, optional
        The folder; by default the one inside the installed package, which holds the released
        artefact. It is created by the first `save`.
    """

    def __init__(self, root: Path = Path(__file__).parent / "artifacts") -> None:
        self.root = Path(root)

    def prepare(self) -> None:
        """Make the folder, and remove what saves that were killed left in it.

        Raises
        ------
        OSError
            If nothing can be saved there; who is going to work for hours asks first.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        for left in self.root.glob(f"{_SAVING}*"):
            with suppress(OSError):  # somebody else removes it
                if time.time() - left.stat().st_mtime > SAVING_SECONDS:
                    shutil.rmtree(left)
        tempfile.TemporaryDirectory(prefix=_SAVING, dir=self.root).cleanup()

    def save(
        self,
        classifier: Classifier,
        manifest: Mapping[str, Any],
        card: str | Callable[[Mapping[str, Any]], str],
    ) -> str:
        """Write a new version, unless it could never be loaded.

        Parameters
        ----------
        classifier : Classifier
        manifest : Mapping
            JSON values. Version, time, labels and digests are added here.
        card : str or callable
            The model card, or a function from the complete manifest to it.

        Returns
        -------
        str
            The new version. It is not in use before `promote`.

        Raises
        ------
        ArtifactError
            If the classifier holds anything but finite numbers, or does not know plain abuse from
            plain kindness (`models.artifact.check_canaries`).
        OSError
            If it cannot be written; nothing of it is left.
        """
        self.prepare()
        folder = Path(tempfile.mkdtemp(prefix=_SAVING, dir=self.root))
        try:
            complete = (
                dict(manifest)
                | {"created_at": datetime.now(UTC).isoformat(timespec="seconds")}
                | artifact.write_classifier(classifier, folder)
            )
            artifact.check_canaries(classifier, complete["operating_points"])
            folder.chmod(0o755)
            version = self._next_version()
            while True:
                complete = {"version": version} | complete | {"version": version}
                text = card if isinstance(card, str) else card(complete)
                artifact.write_manifest(folder, complete, text)
                try:
                    folder.rename(self.root / version)
                    break
                except OSError:
                    if not (self.root / version).exists():
                        raise
                    version = self._next_version()  # somebody else took this number
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        sync(self.root)
        return version

    def describe(
        self,
        version: str,
        evaluation: Mapping[str, Any],
        card: Callable[[Mapping[str, Any]], str],
    ) -> None:
        """Add figures to what is told of a version; what it says of a text stays.

        Parameters
        ----------
        version : str
        evaluation : Mapping
            JSON values, which take the place of those of the same names in the manifest.
        card : callable
            From the complete manifest to the model card.

        Raises
        ------
        ArtifactMissing
            If there is no such version.
        ArtifactDamaged
            If its manifest cannot be read.
        """
        manifest = self.manifest(version)
        complete = manifest | {"evaluation": manifest.get("evaluation", {}) | dict(evaluation)}
        artifact.write_manifest(self._folder(version), complete, card(complete))

    def load(self, version: str | None = None) -> Artifact:
        """Load an artefact, by default the one in use.

        Raises
        ------
        ArtifactMissing
            If there is no such version, or none has been promoted.
        ArtifactDamaged
            If `models.artifact.load` refuses it.
        """
        return artifact.load(self._folder(self.current() if version is None else version))

    def manifest(self, version: str) -> dict[str, Any]:
        """Read and check the manifest of a version.

        Raises
        ------
        ArtifactMissing
            If there is no such version.
        ArtifactDamaged
            If `models.artifact.read_manifest` refuses it.
        """
        return artifact.read_manifest(self._folder(version))

    def versions(self) -> list[str]:
        """List every version, oldest first."""
        if not self.root.is_dir():
            return []
        names = [path.name for path in self.root.iterdir() if path.is_dir()]
        return sorted(filter(_VERSION.fullmatch, names), key=_age)

    def has_current(self) -> bool:
        """Say whether a version has been promoted."""
        return (self.root / "CURRENT").exists()

    def current(self) -> str:
        """Return the version in use.

        Raises
        ------
        ArtifactMissing
            If none has been promoted.
        ArtifactDamaged
            If ``CURRENT`` cannot be read, or names no version.
        """
        path = self.root / "CURRENT"
        try:
            version = path.read_text(encoding="utf-8", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissing(f"{self.root}: no artefact has been promoted") from None
        except OSError as error:
            raise ArtifactDamaged(f"{path}: cannot be read: {error.strerror}") from None
        if not _VERSION.fullmatch(version):
            raise ArtifactDamaged(f"{path}: names no version")
        return version

    def mark(self) -> tuple[Hashable, ...]:
        """Return what changes with every promotion, and with the files of the promoted version.

        Its first part is the version, or what is wrong with ``CURRENT``; it is empty where none is
        promoted. Nothing else is read: a version that is missing, or not whole yet, has a mark too.
        """
        try:
            mark: list[Hashable] = [self.current()]
        except ArtifactMissing:
            return ()
        except ArtifactDamaged as fault:
            mark = [str(fault)]
        paths = [self.root / "CURRENT"]
        with suppress(ArtifactMissing, OSError):
            paths += sorted(self._folder(str(mark[0])).iterdir())
        for path in paths:
            with suppress(OSError):  # it has gone since
                found = path.stat()
                mark.append((path.name, found.st_size, found.st_mtime_ns))
        return tuple(mark)

    def promote(self, version: str, *, forced: bool = False) -> None:
        """Put a version in use.

        Parameters
        ----------
        version : str
        forced : bool, default False
            What the history says: ``promote --force`` where it is worse than the one in use.

        Raises
        ------
        ArtifactMissing, ArtifactDamaged
            If the version cannot be loaded.
        OSError
            If the folder cannot be written; the version in use then stays.
        """
        self.load(version)
        self._switch("promote --force" if forced else "promote", version)

    def rollback(self) -> str:
        """Put the version that was in use before back in use, and return it.

        Rolling back twice goes two promotions back.

        Raises
        ------
        ArtifactMissing
            If no earlier promotion is known, or its version is gone.
        ArtifactDamaged
            If the earlier version cannot be loaded; the one in use then stays.
        OSError
            If the folder cannot be written; the same.
        """
        stack = _stack(self._history())
        if len(stack) < 2:
            raise ArtifactMissing(f"{self.root}: there is no earlier artefact to roll back to")
        self.load(stack[-2])
        self._switch("rollback", stack[-2])
        return stack[-2]

    def _folder(self, version: str) -> Path:
        if not _VERSION.fullmatch(version) or not (self.root / version).is_dir():
            known = ", ".join(self.versions()) or "none"
            raise ArtifactMissing(f"{self.root}: no artefact {version!r}; there are: {known}")
        return self.root / version

    def _next_version(self) -> str:
        today = datetime.now(UTC).strftime("%Y.%m.%d")
        numbers = [_age(v)[3] for v in self.versions() if v.startswith(f"{today}-")]
        return f"{today}-{max(numbers, default=0) + 1}"

    def _switch(self, verb: str, version: str) -> None:
        """Point ``CURRENT`` to a version, then note it: a crash between the two is repaired."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        noted = [*self._history(), f"{now}\t{verb}\t{version}"]
        write_together(
            {
                self.root / "CURRENT": f"{version}\n".encode(),
                self.root / "HISTORY": "".join(f"{line}\n" for line in noted).encode(),
            }
        )

    def _history(self) -> list[str]:
        """Read the lines of ``HISTORY``, with that of a promotion which a crash kept from it."""
        lines: list[str] = []
        with suppress(FileNotFoundError):
            content = (self.root / "HISTORY").read_text(encoding="utf-8", errors="replace")
            lines = content.splitlines()
        with suppress(ArtifactError):
            if _stack(lines)[-1:] != [self.current()]:
                lines.append(f"\tpromote\t{self.current()}")
        return lines


def _stack(history: Sequence[str]) -> list[str]:
    """Return the promoted versions that a rollback would walk back through, newest last."""
    stack: list[str] = []
    for line in history:
        told = _PROMOTION.fullmatch(line)
        if not told:  # a crash cut it off
            continue
        if told["verb"] == "rollback":
            del stack[-1:]
        elif stack[-1:] != [told["version"]]:
            stack.append(told["version"])
    return stack


def _age(version: str) -> tuple[int, ...]:
    """Return what to sort a version by: year, month, day, number."""
    return tuple(map(int, re.findall(r"\d+", version)))
