"""Processes of this service on this machine: how many, their memory and processor time.

Read from ``/proc`` (Linux) when somebody asks, so that nothing of a process that has ended is left
over; elsewhere nothing is known.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_WEB_SERVER = b"run/gunicorn.conf.py"  # in the command of gunicorn and of its workers


@dataclass(frozen=True, slots=True)
class Running:
    """What the kernel knows of a process."""

    pid: int
    resident_bytes: int  # pages that processes share count in each of them
    cpu_seconds: float  # of it, and of those of its children that have ended
    n_files: int  # that it has open


def this_process() -> Running | None:
    """Return this process; None where the kernel does not tell."""
    return _read(os.getpid())


def parent() -> Running | None:
    """Return the process that has started this one; None where the kernel does not tell."""
    return _read(os.getppid())


def siblings() -> list[Running]:
    """Return this process and those that the same one has started, without what has ended."""
    folder = _PROC / str(os.getppid()) / "task" / str(os.getppid()) / "children"
    try:
        pids = list(map(int, folder.read_text().split()))
    except (OSError, ValueError):
        return []
    return [process for pid in pids if (process := _read(pid))]


def web_workers() -> list[Running]:
    """Return the web workers of this machine that this user may look at."""
    found = []
    for folder in _PROC.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            of_parent = (_PROC / _fields(folder)[1].decode() / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if _WEB_SERVER in words and _WEB_SERVER in of_parent and (one := _read(int(folder.name))):
            found.append(one)
    return found


def _fields(folder: Path) -> list[bytes]:
    """Read state, parent ... of a process: proc_pid_stat(5), from field 3."""
    # What is before is its name, which may hold anything.
    return (folder / "stat").read_bytes().rpartition(b")")[2].split()


def _read(pid: int) -> Running | None:
    folder = _PROC / str(pid)
    try:
        fields = _fields(folder)
        ticks = sum(map(int, fields[11:15]))
        pages = int((folder / "statm").read_bytes().split()[1])
        n_files = len(os.listdir(folder / "fd"))  # noqa: PTH208 - an open file may be gone
    except (OSError, ValueError, IndexError):
        return None
    if fields[0] == b"Z":
        return None
    pages_bytes, per_second = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    return Running(pid, pages * pages_bytes, ticks / per_second, n_files)
