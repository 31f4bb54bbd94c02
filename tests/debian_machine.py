"""A Debian that its own systemd starts: a whole system in a container, with a network of its own.

It needs what `containers` needs, and the second interface of control groups.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import containers

from conftest import await_condition

# What any server has.
PACKAGES = ("systemd-sysv", "dbus", "procps", "sudo", "adduser", "curl", "ca-certificates")


_NUMBERS = itertools.count()  # of machines started
# Mounts that systemd makes for one of its services are seen by it only where they are shared.
FIRST = "mount --make-rshared / && exec /lib/systemd/systemd --show-status=0"


def _control_groups() -> Path | None:
    """Return where the second interface of control groups is, if it is."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return next((Path(place) for _, place, kind, *_ in mounts if kind == "cgroup2"), None)


def missing() -> str:
    """What this machine lacks to start another so; empty where it lacks nothing."""
    lacking = [containers.missing(), *([] if _control_groups() else ["control groups, version 2"])]
    return ", ".join(filter(None, lacking))


@dataclass
class Machine:
    """A machine that runs."""

    root: Path
    bwrap: subprocess.Popen[bytes]
    pid: int  # of its systemd

    def run(self, lines: str, *, user: str = "root") -> str:
        """Run lines in a shell of it; return what they write, and fail where one fails."""
        done = self.attempt(lines, user=user)
        assert done.returncode == 0, f"{lines}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def attempt(self, lines: str, *, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Run lines in a shell of it."""
        words = ["nsenter", f"--target={self.pid}", "--all", "--root", "--wdns=/", "--"]
        words += ["env", "--ignore-environment", f"PATH={containers.PATH}", "HOME=/root"]
        words += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        return subprocess.run(
            [*words, "bash", "-euo", "pipefail", "-c", lines],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def is_up(self) -> bool:
        """Whether all has been started that is to be started with it."""
        asked = self.attempt("systemctl is-system-running")
        return asked.stdout.strip() in ("running", "degraded")

    def power_off(self) -> None:
        """Let it stop by itself, all of its services in their order."""
        self.attempt("systemctl poweroff")
        self.bwrap.wait(120)


@contextmanager
def started(root: Path) -> Iterator[Machine]:
    """Start the Debian in a folder for a block."""
    hierarchy = _control_groups()
    assert hierarchy is not None
    group = hierarchy / f"hakam-machine-{os.getpid()}-{next(_NUMBERS)}"
    group.mkdir()
    (root / "etc/hostname").write_text("debian\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost debian\n")
    # No module of the kernel is loaded here: all of it is there.
    modules = root / "etc/systemd/system/systemd-modules-load.service"
    if not modules.is_symlink():
        modules.symlink_to("/dev/null")
    words = ["sh", "-c", 'echo $$ >"$0"; exec "$@"', str(group / "cgroup.procs"), "bwrap"]
    words += ["--bind", str(root), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    words += ["--tmpfs", "/run", "--tmpfs", "/run/lock", "--ro-bind", "/sys", "/sys"]
    words += ["--bind", str(group), "/sys/fs/cgroup"]
    words += [f"--unshare-{one}" for one in ("cgroup", "ipc", "net", "pid", "uts")]
    words += ["--as-pid-1", "--cap-add", "ALL", "--die-with-parent", "--clearenv"]
    words += ["--setenv", "container", "bwrap", "--setenv", "PATH", containers.PATH]
    reading, writing = os.pipe()
    bwrap = subprocess.Popen(
        [*words, "--info-fd", str(writing), "--", "sh", "-c", FIRST],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[writing],
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        machine = Machine(root, bwrap, int(json.loads(told.read())["child-pid"]))
    try:
        await_condition(machine.is_up, what="the start of the machine", seconds=90.0)
        yield machine
    finally:
        if bwrap.poll() is None:
            (group / "cgroup.kill").write_text("1")
            bwrap.wait()
        left = group / "cgroup.events"
        await_condition(lambda: "populated 0" in left.read_text(), what="the end of all processes")
        below = sorted((one for one in group.rglob("*") if one.is_dir()), reverse=True)
        for folder in (*below, group):
            folder.rmdir()
