"""Control groups: hold the processes of a container within its memory, processors and number.

Linux has had two interfaces for it. Where both are there, the first has the controllers.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

HIERARCHIES = Path("/sys/fs/cgroup")
FIRST = (HIERARCHIES / "memory").is_dir()
PERIOD = 100_000  # microseconds; as Docker says it
CONTROLLERS = ("memory", "cpu", "pids")


def _folder(controller: str) -> Path:
    """Return where groups are made: below our own, or at the top, where the second allows it."""
    if not FIRST:
        return HIERARCHIES
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next(line.split(":", 2)[2] for line in lines if line.split(":")[1] == controller)
    return HIERARCHIES / controller / own.lstrip("/")


def available() -> bool:
    """Whether this machine lets us make groups."""
    if not FIRST:
        control = HIERARCHIES / "cgroup.subtree_control"
        if not control.exists() or not set(CONTROLLERS) <= set(control.read_text().split()):
            return False
    return all(os.access(_folder(one), os.W_OK) for one in CONTROLLERS)


@dataclass(frozen=True)
class ControlGroup:
    """A group of processes, and what its limits have refused."""

    name: str

    def _of(self, controller: str) -> Path:
        return _folder(controller) / self.name

    def make(self, n_bytes: int, cpus: float, n_tasks: int) -> None:
        """Make it, with what its processes may take together."""
        for controller in CONTROLLERS:
            self._of(controller).mkdir(exist_ok=True)
        memory, cpu, quota = self._of("memory"), self._of("cpu"), int(cpus * PERIOD)
        if FIRST:
            (memory / "memory.limit_in_bytes").write_text(str(n_bytes))
            (cpu / "cpu.cfs_period_us").write_text(str(PERIOD))
            (cpu / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (memory / "memory.max").write_text(str(n_bytes))
            (cpu / "cpu.max").write_text(f"{quota} {PERIOD}")
        (self._of("pids") / "pids.max").write_text(str(n_tasks))

    def entering(self) -> list[str]:
        """Return what makes a command that follows it one of the group."""
        doors = sorted({str(self._of(one) / "cgroup.procs") for one in CONTROLLERS})
        step = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"'
        return ["sh", "-c", step, "sh", *doors, "--"]

    def refused(self) -> dict[str, int]:
        """Return how many processes were killed for memory, and how many could not be started."""
        killed = self._of("memory") / ("memory.oom_control" if FIRST else "memory.events")
        unborn = self._of("pids") / "pids.events"
        return {
            "killed": int(re.findall(r"(?m)^oom_kill (\d+)$", killed.read_text())[0]),
            "not started": int(re.findall(r"(?m)^max (\d+)$", unborn.read_text())[0]),
        }

    def is_left(self) -> bool:
        """Whether all its processes have ended."""
        doors = [self._of(one) / "cgroup.procs" for one in CONTROLLERS]
        return not any(one.read_text() for one in doors if one.exists())

    def remove(self) -> None:
        """Remove it, once it is left."""
        for folder in {self._of(one) for one in CONTROLLERS}:
            if folder.is_dir():
                folder.rmdir()
