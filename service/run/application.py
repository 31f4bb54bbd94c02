"""The application that the web workers serve.

gunicorn makes it once before it makes workers, which inherit the artefact and all imports. At a
reload a process of its own makes it first, so that a broken artefact never replaces a working one.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from models.artifact import Artifact
from models.errors import ModerationError
from models.registry import Registry
from service.app import create_app
from service.config import Settings
from service.errors import EXIT_REFUSED, LaunchFailed
from service.run import parent_death

REHEARSAL_SECONDS = 20.0


@dataclass
class _Held:
    """What workers inherit, so that one made while an artefact is copied scores as the others."""

    artifact: Artifact | None = None
    notice: str = ""


_held = _Held()


def application() -> Flask:
    """Return the application that the environment describes; each web worker calls this."""
    settings = Settings.from_environ()
    app = create_app(settings, artifact=_held.artifact, notice=_held.notice)
    # The first look at a memory-mapped artefact takes a tenth of a second; no comment should wait.
    app.extensions["hakam"].artifact.classifier.predict_proba(["\N{ARABIC LETTER MEEM}"])
    return app


def rehearse() -> str:
    """Make the application once and return its artefact's version; what is wrong is a sentence."""
    try:
        _held.artifact = application().extensions["hakam"].artifact
    except ModerationError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(EXIT_REFUSED)
    return _held.artifact.version


def take_up(complain: Callable[[str], object]) -> None:
    """Hold the artefact that is promoted now, if a process can serve with it; else complain."""
    try:
        settings = Settings.from_environ()
        unshared = settings.model_copy(update={"prometheus_multiproc_dir": None})
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
        _held.artifact, _held.notice = Registry(settings.artifacts).load(version), ""
    except (ModerationError, OSError, subprocess.TimeoutExpired) as error:
        in_use = _held.artifact.version if _held.artifact else "none"
        reason = str(error)
        if isinstance(error, subprocess.TimeoutExpired):
            reason = f"loading it took more than {REHEARSAL_SECONDS:g} seconds"
        _held.notice = f"The promoted artefact is not in use, {in_use} is: {reason}"
        complain(_held.notice)


if __name__ == "__main__":
    sys.stdout.write(f"artefact {rehearse()}\n")
