"""Processes that end with the one that started them, however that one ends.

``python -m service.run.parent_death SIGNAL PARENT COMMAND...`` becomes the command. When the
process PARENT is gone, the command gets SIGNAL: from the kernel on Linux, elsewhere from a process
that watches both.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1  # prctl(2); kept over execve, not handed to children
_LOOK_EVERY_SECONDS = 0.2
_MORE_FILES_THAN_ANY = 4096


def tied(command: list[str], number: int) -> list[str]:
    """Return what runs `command`, and sends it the signal `number` once this process ends."""
    here = str(Path(__file__).resolve())
    return [sys.executable, "-I", "-S", here, str(int(number)), str(os.getpid()), *command]


def die_with_parent(number: int, parent: int) -> bool:
    """Have the kernel send this process a signal when `parent` ends; False where it cannot."""
    if sys.platform != "linux":
        return False
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was told
        os.kill(os.getpid(), number)
    return True


def watch_from_beside(number: int, parent: int) -> None:
    """Leave a process beside this one that sends it a signal when `parent` ends."""
    watched = os.getpid()
    if os.fork():
        return
    os.setsid()
    os.closerange(0, _MORE_FILES_THAN_ANY)
    while os.getppid() == watched:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            with suppress(ProcessLookupError):
                os.kill(watched, number)
            break
        time.sleep(_LOOK_EVERY_SECONDS)
    os._exit(0)


def main(number: int, parent: int, command: list[str]) -> NoReturn:
    """Become the command, tied to `parent`."""
    if not die_with_parent(number, parent):
        watch_from_beside(number, parent)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
