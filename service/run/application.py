"""The application that the web workers serve.

gunicorn makes it once before it makes workers, which inherit the artefact and all imports. At a
reload a process of its own makes it first, so that a broken artefact never replaces a working one.
gunicorn reloads by itself when another version is promoted or rolled back.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import structlog
from flask import Flask

from models.artifact import CANARIES, Artifact
from models.errors import ModerationError
from models.registry import Registry
from models.schema import read_comments
from service.app import create_app
from service.config import Settings
from service.errors import EXIT_REFUSED, LaunchFailed
from service.run import parent_death
from service.scoring import Flagged, Scorer, artifact_in_use

REHEARSAL_SECONDS = 60.0  # a second or two where the machine has time
LOOK_EVERY_SECONDS = 1.0
TRY_AGAIN_SECONDS = 300.0  # after which a promoted artefact that was not taken up gets a new try


@dataclass
class _Held:
    """What workers inherit, so that one made while files change does as the others."""

    settings: Settings | None = None
    artifact: Artifact | None = None
    shadow: Artifact | None = None  # that is compared with it
    notice: str = ""
    mark: tuple[Hashable, ...] = ()  # of the registry, when an artefact was taken up or refused
    seen: tuple[Hashable, ...] = ()  # of the registry, at the last look
    tried_at: float = 0.0  # by the monotonic clock


_held = _Held()


def settings() -> Settings:
    """Return the settings of this server: those of its start, or of its last good reload."""
    if _held.settings is None:
        _held.settings = Settings.from_environ()
    return _held.settings


def application() -> Flask:
    """Return the application that the settings describe; each web worker calls this."""
    ready = [_held.shadow] if _held.shadow else []
    app = create_app(settings(), artifact=_held.artifact, ready=ready, notice=_held.notice)
    # The first look at a memory-mapped artefact takes a tenth of a second; no comment should wait.
    app.extensions["hakam"].artifact.classifier.predict_proba(["\N{ARABIC LETTER MEEM}"])
    return app


def rehearse() -> str:
    """Make the application once, score with it, and return the version of its artefact.

    What is wrong ends the process with a sentence.
    """
    try:
        _held.mark = Registry(settings().artifacts).mark()
        _held.artifact = application().extensions["hakam"].artifact
        _try_out(_held.artifact)
    except ModerationError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(EXIT_REFUSED)
    return _held.artifact.version


def _try_out(artifact: Artifact) -> None:
    """Score and explain what every artefact knows, as requests will; LaunchFailed if it fails."""
    scorer = Scorer(artifact)
    texts = [comment.text for comment in read_comments(CANARIES)]
    label = artifact.classifier.labels[0]
    try:
        scores = [score for one in scorer.judge(texts) for score in one.scores.values()]
        scorer.why([Flagged(at, "text", text, label) for at, text in enumerate(texts)])
    except Exception as error:
        raise LaunchFailed(f"{artifact.version} cannot score: {error}") from error
    if not all(map(math.isfinite, scores)):
        raise LaunchFailed(f"{artifact.version} gives a score that is no number")


def watch(registry: Registry) -> None:
    """Have this process reload, as by a SIGHUP, whenever another version is put in use.

    By a timer, not by a thread: a process that has threads must not fork.
    """
    signal.signal(signal.SIGALRM, lambda *_: _look(registry))
    signal.setitimer(signal.ITIMER_REAL, LOOK_EVERY_SECONDS, LOOK_EVERY_SECONDS)


def look_no_more() -> None:
    """End the timer: Python takes the handlers of signals away before its process has ended."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _look(registry: Registry) -> None:
    """Reload for another promoted version, once its files are the same as at the last look."""
    before, _held.seen = _held.seen, registry.mark()
    if not _held.seen or _held.seen != before:
        return
    is_new, _held.mark = _held.seen != _held.mark, _held.seen
    now, in_use = time.monotonic(), _held.artifact.version if _held.artifact else ""
    is_overdue = bool(_held.notice) and now - _held.tried_at > TRY_AGAIN_SECONDS
    if is_overdue or (is_new and (_held.notice or _held.seen[0] != in_use)):
        _held.tried_at = now
        os.kill(os.getpid(), signal.SIGHUP)


def load_shadow(complain: Callable[[str], object]) -> None:
    """Hold what is compared with the artefact in use; without it all goes on."""
    wanted = settings().shadow
    in_use = _held.artifact.version if _held.artifact else ""
    if not wanted or wanted == in_use:
        _held.shadow = None
    elif _held.shadow is None or _held.shadow.version != wanted:
        try:
            _held.shadow = artifact_in_use(settings(), Registry(settings().artifacts).load(wanted))
        except ModerationError as error:
            _held.shadow = None
            complain(f"HAKAM_SHADOW={wanted} cannot be loaded: {error}")


def take_up(complain: Callable[[str], object]) -> None:
    """Hold the artefact that is promoted now, if a process can serve with it; else complain.

    The same goes for the settings, some of which may stand in files that were replaced.
    """
    try:
        new = Settings.from_environ()
        registry = Registry(new.artifacts)
        _held.mark, _held.tried_at = registry.mark(), time.monotonic()
        unshared = new.model_copy(update={"prometheus_multiproc_dir": None})
        rehearsal = subprocess.run(
            parent_death.tied([sys.executable, "-m", "service.run.application"], signal.SIGKILL),
            env=unshared.to_environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=REHEARSAL_SECONDS,
            check=False,
        )
        version = rehearsal.stdout.rpartition("artefact ")[2].strip()
        said = rehearsal.stderr.strip().rpartition("\n")[2].removeprefix("Error: ")
        if rehearsal.returncode != 0 or not version:
            raise LaunchFailed(said or f"loading it ended with status {rehearsal.returncode}")
        _held.artifact, _held.settings, _held.notice = registry.load(version), new, ""
        structlog.get_logger().info("artifact", version=version)
    except (ModerationError, OSError, subprocess.TimeoutExpired) as error:
        in_use = _held.artifact.version if _held.artifact else "none"
        reason = str(error)
        if isinstance(error, subprocess.TimeoutExpired):
            reason = f"loading it took more than {REHEARSAL_SECONDS:g} seconds"
        _held.notice = f"The promoted artefact is not in use, {in_use} is: {reason}"
        complain(_held.notice)


if __name__ == "__main__":
    sys.stdout.write(f"artefact {rehearse()}\n")
