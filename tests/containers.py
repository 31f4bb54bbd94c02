"""Containers without an engine: what a Dockerfile and a compose file say, done by the kernel.

Root file systems come from ``debootstrap``, ``bwrap`` mounts them, ``setpriv`` takes rights away,
``ip`` lays the networks and control groups hold the limits. It needs root. What it understands is
what our two files say; anything else in them is an error, so that nothing is left out unseen.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import control_groups
import psutil
import yaml
from control_groups import ControlGroup

from conftest import await_condition

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".pytest_cache" / "containers"
SUITE = "trixie"  # the Debian of python:3.13-slim
TOOLS = ("bwrap", "debootstrap", "dnsmasq", "ip", "nsenter", "setpriv")
# What the images of others hold, in the packages of Debian.
SERVERS = ("redis-server", "nginx-light", "gettext-base", "certbot", "openssl", "tini", "wget")
AUTHORITY = ("pebble",)  # an authority that speaks ACME, for tests; in none of the images
KEYS = {
    "build",
    "cap_drop",
    "command",
    "cpus",
    "depends_on",
    "entrypoint",
    "environment",
    "healthcheck",
    "image",
    "init",
    "logging",
    "mem_limit",
    "networks",
    "pids_limit",
    "ports",
    "read_only",
    "restart",
    "security_opt",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "user",
    "volumes",
}
# The part of nginx' image that comes before nginx: it fills in variables of the container.
FILL_IN = """
export NGINX_LOCAL_RESOLVERS=$(awk '/^nameserver/ {print $2}' /etc/resolv.conf)
for file in /etc/nginx/templates/*.template; do
    name=${file##*/}
    envsubst "$(env | sed 's/=.*//; s/.*/${&}/' | tr '\\n' ' ')" <"$file" \\
        >"$NGINX_ENVSUBST_OUTPUT_DIR/${name%.template}"
done
exec "$@"
"""


def missing() -> str:
    """What this machine lacks to run containers so; empty where it lacks nothing."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    lacking = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if not control_groups.available():
        lacking.append("control groups")
    return ", ".join([*lacking, *(["root"] if os.geteuid() else [])])


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a value of a compose file, as the Compose specification says."""
    at = 0
    done = ""
    while (dollar := text.find("$", at)) >= 0:
        done += text[at:dollar]
        if text.startswith("$$", dollar):
            done, at = done + "$", dollar + 2
            continue
        assert text.startswith("${", dollar), text
        depth, end = 1, dollar + 2
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        form = re.fullmatch(r"(\w+)(?:(:-|:\+|:\?)(.*))?", text[dollar + 2 : end - 1], re.DOTALL)
        assert form is not None, text
        name, sign, other = form.groups()
        value = variables.get(name, "")
        if sign == ":?":
            assert value, f"{name}: {other}"
        elif (sign == ":-" and not value) or (sign == ":+" and value):
            value = interpolated(other, variables)
        done, at = done + value, end
    return done + text[at:]


def composed(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return docker-compose.yml with these variables, as ``docker compose config`` shows it."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        return interpolated(value, variables) if isinstance(value, str) else value

    whole: dict[str, Any] = filled(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))
    for service in whole["services"].values():
        assert set(service) <= KEYS, set(service) - KEYS
    return whole


def seconds(period: str) -> float:
    """Return a period such as 90s or 2m."""
    number, unit = re.fullmatch(r"(\d+)(s|m)", period).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1, "m": 60}[unit]


def megabytes(size: str) -> int:
    """Return a size such as 768m or 2g."""
    number, unit = re.fullmatch(r"(\d+)([mg])", size).groups()  # type: ignore[union-attr]
    return int(number) * {"m": 1, "g": 1024}[unit]


@dataclass
class Image:
    """A root file system and how it is started."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def _run(*words: str | Path, **options: Any) -> None:
    subprocess.run([str(word) for word in words], check=True, **options)


def _copy(source: Path, target: Path) -> None:
    _run("cp", "--archive", "--reflink=auto", source, target)


def _layer(key: str, before: Path | None, make: Any) -> Path:
    """Return the file system of that key: from the cache, else made from the one before it."""
    folder = CACHE / hashlib.sha256(key.encode()).hexdigest()[:24]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = folder.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            if before is not None:
                _copy(before, half)
            make(half)
            half.rename(folder)
    return folder


def _with_network(root: Path, *command: str, env: Mapping[str, str], workdir: str = "/") -> None:
    """Run a command as root in a file system that it may change, with this machine's network."""
    binds: list[str] = []
    for place in ("/etc/resolv.conf", "/etc/ssl/certs", "/etc/pip.conf"):
        if Path(place).exists():
            _mount_point(root / place.lstrip("/"), Path(place))
            binds += ["--ro-bind", str(Path(place).resolve()), place]
    passed = {name: one for name, one in os.environ.items() if name.startswith("PIP_")}
    passed.pop("PIP_FIND_LINKS", None)
    done = subprocess.run(
        [
            *("bwrap", "--bind", str(root), "/", "--dev", "/dev", "--proc", "/proc"),
            *("--tmpfs", "/tmp", *binds, "--chdir", workdir, "--die-with-parent", "--"),
            *command,
        ],
        env={"PATH": PATH, **passed, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _debian() -> Path:
    """Debian with Python, as the image python:3.13-slim has it."""

    def make(root: Path) -> None:
        command = ["debootstrap", "--variant=minbase", "--include=python3-venv", SUITE, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        # The image's own Python and pip are in /usr/local, with nothing of Debian's beside them.
        _with_network(root, "python3", "-m", "venv", "/usr/local", env={})

    return _layer(f"{SUITE} python3-venv", None, make)


def servers() -> Path:
    """Debian with the servers that the compose file takes from the images of others."""

    def make(root: Path) -> None:
        _install(root, (*SERVERS, *AUTHORITY))
        # Users and folders as those images have them.
        for name, user, group in (("redis", 999, 1000), ("nginx", 101, 101)):
            with (root / "etc/passwd").open("a") as file:
                file.write(f"image-{name}:x:{user}:{group}::/:/bin/sh\n")
        (root / "data").mkdir()
        os.chown(root / "data", 999, 1000)
        for kind, stream in (("access", "stdout"), ("error", "stderr")):
            (root / f"var/log/nginx/{kind}.log").unlink(missing_ok=True)
            (root / f"var/log/nginx/{kind}.log").symlink_to(f"/dev/{stream}")

    return _layer(f"{SUITE} {SERVERS} {AUTHORITY} 1", _debian(), make)


def _install(root: Path, packages: Iterable[str]) -> None:
    """Install packages of Debian, and start none of their services."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    install = ("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages)
    _with_network(root, *install, env={"DEBIAN_FRONTEND": "noninteractive"})


def debian(folder: Path, packages: Iterable[str], lines: str) -> None:
    """Make a Debian with packages in a folder, and run lines of bash in it, as root.

    They find this checkout in /srv/repository, as git clones it.
    """
    wanted = sorted(packages)
    key = f"{SUITE} {' '.join(wanted)} with units"
    _copy(_layer(key, _debian(), lambda root: _install(root, wanted)), folder)
    repository = folder / "srv/repository"
    _run("git", "clone", "--quiet", "--bare", ROOT, repository)
    _with_network(folder, "bash", "-euc", lines, env={"HOME": "/root"})


def _mount_point(there: Path, place: Path) -> None:
    """Make what a container needs to see another file or folder in its place, as Docker does."""
    if not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        there.mkdir() if place.is_dir() else there.touch()


def _instructions(text: str) -> list[tuple[str, str]]:
    text = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(name, words.strip()) for name, words in lines]


def _sent(word: str) -> list[Path]:
    """Return the files that .dockerignore lets be copied from a place of the checkout."""
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert ignored[-1] == "**/__pycache__"
    assert f"!{word.split('/', maxsplit=1)[0]}" in ignored, word
    place = ROOT / word
    files = [place] if place.is_file() else sorted(one for one in place.rglob("*") if one.is_file())
    return [one for one in files if "__pycache__" not in one.parts]


def build(dockerfile: Path, folder: Path) -> Image:
    """Carry out a Dockerfile; `folder` gets what its last RUN makes, a cache what came before."""
    image, key = Image(_debian(), env={"PATH": PATH}), SUITE
    copies: list[tuple[list[str], str]] = []
    instructions = _instructions(dockerfile.read_text())
    last = max(at for at, (name, _) in enumerate(instructions) if name == "RUN")
    for at, (name, words) in enumerate(instructions):
        if name == "FROM":
            assert re.fullmatch(r"python:3\.13-slim(@sha256:[0-9a-f]{64})?", words)
        elif name == "ENV":
            image.env |= dict(word.split("=", 1) for word in shlex.split(words))
        elif name == "WORKDIR":
            image.workdir = words
        elif name == "COPY":
            *sources, target = words.split()
            copies.append((sources, f"{Path(image.workdir) / target}"))
        elif name == "RUN":
            assert image.user == "root"
            digests = [
                hashlib.sha256(one.read_bytes()).hexdigest()
                for s, _ in copies
                for w in s
                for one in _sent(w)
            ]
            key = json.dumps([key, image.env, image.workdir, copies, digests, words])

            def make(root: Path, words: str = words, copies: Any = tuple(copies)) -> None:
                (root / image.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
                for sources, target in copies:
                    for source in sources:
                        for one in _sent(source):
                            into = root / target.lstrip("/")
                            if (ROOT / source).is_dir():
                                into = into / one.relative_to(ROOT / source)
                            elif (root / target.lstrip("/")).is_dir():
                                into = into / one.name
                            into.parent.mkdir(parents=True, exist_ok=True)
                            shutil.copy(one, into)
                _with_network(root, "sh", "-c", words, env=image.env, workdir=image.workdir)

            if at == last:
                _copy(image.root, folder)
                make(folder)
                image.root = folder
            else:
                image.root = _layer(key, image.root, make)
            copies = []
        elif name == "USER":
            image.user = words
        elif name == "CMD":
            image.command = json.loads(words)
        else:
            assert name in {"VOLUME", "EXPOSE"}, name
    (image.root / image.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return image


def images(folder: Path) -> dict[str, Image]:
    """Return what each service of the compose file is started from; `folder` gets Hakam's own."""
    others = servers()
    hakam = build(ROOT / "service" / "Dockerfile", folder)
    return dict.fromkeys(("web", "webhooks", "background"), hakam) | {
        "redis": Image(others),
        "proxy": Image(others, entrypoint=["sh", "-c", FILL_IN, "fill-in"]),
        "certificates": Image(others),
    }


@dataclass
class Container:
    """A running service of the compose file."""

    name: str
    bwrap: subprocess.Popen[bytes]
    pid: int  # of its first process
    inside: list[str]  # what makes a command one of the container
    spec: Mapping[str, Any]
    group: ControlGroup

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as ``docker compose exec`` does."""
        words = [*self.inside, *command]
        return subprocess.run(words, capture_output=True, text=True, check=False, env={})

    def is_well(self) -> bool:
        """Whether its healthcheck succeeds."""
        kind, *command = self.spec["healthcheck"]["test"]
        assert kind == "CMD"
        return self.run(*command).returncode == 0

    def takes(self) -> float:
        """Return how many megabytes its processes take, of what they share their part."""
        tree, n_bytes = psutil.Process(self.pid), 0
        for one in (tree, *tree.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                n_bytes += one.memory_full_info().pss
        return n_bytes / 2**20

    def stop(self) -> int:
        """Stop it as ``docker compose stop`` does; -9 where it did not end within its period."""
        number = signal.Signals[self.spec.get("stop_signal", "SIGTERM")]
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        try:
            return self.bwrap.wait(seconds(self.spec["stop_grace_period"]))
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)
            self.bwrap.wait()
            return -signal.SIGKILL


@dataclass
class _Wrapped:
    """What stands around the command of a container."""

    uid: int
    gid: int
    group: ControlGroup
    walls: list[str]
    first: list[str]
    env: dict[str, str]
    workdir: str

    def command(self, words: list[str], *options: str) -> list[str]:
        """Return the command that makes a container and runs `words` there."""
        return [
            *self.group.entering(),
            *self.walls,
            *options,
            "--",
            *self._lowered,
            *self.first,
            *words,
        ]

    def inside(self, pid: int) -> list[str]:
        """Return what makes a command one of the container whose first process is `pid`."""
        words = [*self.group.entering(), "nsenter", f"--target={pid}", "--mount", "--pid", "--net"]
        words += ["--ipc", "--uts", "--root", f"--wdns={self.workdir}", "--"]
        words += ["env", "--ignore-environment", *(f"{key}={one}" for key, one in self.env.items())]
        return [*words, *self._lowered]

    @property
    def _lowered(self) -> list[str]:
        words = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return [*words, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]


class Engine:
    """Runs the services of one compose file, each in a network namespace of its own."""

    def __init__(
        self, compose: Mapping[str, Any], images: Mapping[str, Image], folder: Path
    ) -> None:
        self.services: dict[str, Any] = compose["services"]
        self.networks: dict[str, Any] = compose["networks"]
        self._volumes: dict[str, Any] = compose["volumes"]
        self._images, self._folder = images, folder
        self.running: dict[str, Container] = {}
        self._resolvers: list[subprocess.Popen[bytes]] = []
        self._id = f"hk{os.getpid() % 100000}"
        self._range = f"10.{64 + os.getpid() % 128}"

    def address(self, service: str, network: str) -> str:
        """Return the address of a service in a network."""
        number, at = list(self.networks).index(network), list(self.services).index(service)
        return f"{self._range}.{number}.{at + 10}"

    def outside(self, network: str) -> str:
        """Return the address at which containers of a network find this machine."""
        return f"{self._range}.{list(self.networks).index(network)}.1"

    def _group(self, service: str) -> ControlGroup:
        return ControlGroup(f"{self._id}-{service}")

    def log(self, service: str) -> str:
        """Return what a service wrote."""
        return (self._folder / f"{service}.log").read_text(errors="replace")

    @contextmanager
    def laid(self) -> Iterator[Engine]:
        """Lay the networks for a block, and stop at its end what still runs."""
        switch = f"{self._id}-switch"
        spaces = {switch, *(f"{self._id}-{name}" for name in self.services)}
        try:
            for space in spaces:
                _run("ip", "netns", "add", space)
                _run("ip", "-n", space, "link", "set", "lo", "up")
            for number, (network, told) in enumerate(self.networks.items()):
                bridge = f"br{number}"
                _run("ip", "-n", switch, "link", "add", bridge, "type", "bridge")
                _run("ip", "-n", switch, "link", "set", bridge, "up")
                for name, service in self.services.items():
                    if network in service["networks"]:
                        space, address = f"{self._id}-{name}", self.address(name, network)
                        self._plug(space, f"n{number}", address, switch, bridge)
                if not (told or {}).get("internal"):
                    self._plug(None, f"{self._id}n{number}", self.outside(network), switch, bridge)
            for name, service in self.services.items():
                self._resolve(name, service)
            (self._folder / "resolv.conf").write_text("nameserver 127.0.0.11\n")
            (self._folder / "hosts").write_text("127.0.0.1 localhost\n")
            yield self
        finally:
            for one in reversed(list(self.running)):
                self.stop(one)
            for resolver in self._resolvers:
                resolver.kill()
                resolver.wait()
            for space in spaces:
                subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
            for name in self.services:
                group = self._group(name)
                await_condition(group.is_left, what=f"the end of {name}")
                group.remove()

    def _plug(self, space: str | None, name: str, address: str, switch: str, bridge: str) -> None:
        here = ["-n", space] if space else []
        far = f"v{address.rpartition('.')[2]}{bridge}"
        peer = ["peer", "name", far, "netns", switch]
        _run("ip", *here, "link", "add", name, "type", "veth", *peer)
        _run("ip", *here, "address", "add", f"{address}/24", "dev", name)
        _run("ip", *here, "link", "set", name, "up")
        _run("ip", "-n", switch, "link", "set", far, "master", bridge, "up")

    def _resolve(self, name: str, service: Mapping[str, Any]) -> None:
        """Tell a service the names of those in its networks, at the address that Docker uses."""
        hosts = self._folder / f"{name}.hosts"
        hosts.write_text(
            "".join(
                f"{self.address(other, network)} {other}\n"
                for network in service["networks"]
                for other, one in self.services.items()
                if network in one["networks"]
            )
        )
        command = ["ip", "netns", "exec", f"{self._id}-{name}", "dnsmasq", "--keep-in-foreground"]
        command += ["--conf-file=/dev/null", "--user=root", "--no-resolv", "--no-hosts"]
        command += [f"--local=/{'/'.join(self.services)}/"]  # they are here or nowhere
        command += ["--pid-file", "--bind-interfaces", "--listen-address=127.0.0.11"]
        command += [f"--addn-hosts={hosts}"]
        self._resolvers.append(subprocess.Popen(command))

    def start(self, name: str) -> Container:
        """Start a service."""
        wrapped = self._wrapped(name)
        reading, writing = os.pipe()
        with (self._folder / f"{name}.log").open("ab") as log:
            os.fchown(log.fileno(), wrapped.uid, -1)
            whole = wrapped.command(self._words(name), "--info-fd", str(writing))
            bwrap = subprocess.Popen(
                whole, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writing]
            )
        os.close(writing)
        with os.fdopen(reading) as told:
            text = told.read()
        assert text, self.log(name)
        pid = int(json.loads(text)["child-pid"])
        container = Container(
            name, bwrap, pid, wrapped.inside(pid), self.services[name], wrapped.group
        )
        self.running[name] = container
        return container

    def once(self, name: str, command: list[str], *streams: int) -> int:
        """Run a command in a container of its own, as ``docker compose run --rm`` does."""
        stdin, stdout, stderr = streams
        whole = self._wrapped(name).command(command)
        return subprocess.run(
            whole, stdin=stdin, stdout=stdout, stderr=stderr, check=False
        ).returncode

    def _words(self, name: str) -> list[str]:
        """Return what a service runs."""
        service, image = self.services[name], self._images[name]
        if entrypoint := service.get("entrypoint"):
            return [*entrypoint, *service.get("command", ())]
        return [*image.entrypoint, *(service.get("command") or image.command)]

    def _wrapped(self, name: str) -> _Wrapped:
        service, image = self.services[name], self._images[name]
        user = str(service.get("user", image.user))
        if not user[0].isdigit():
            lines = (image.root / "etc/passwd").read_text().splitlines()
            user = next(
                ":".join(one.split(":")[2:4]) for one in lines if one.startswith(f"{user}:")
            )
        uid, gid = map(int, user.split(":"))
        env = image.env | {key: str(one) for key, one in (service.get("environment") or {}).items()}
        env = {"PATH": PATH, "HOSTNAME": name, "HOME": self._home(image, uid), **env}
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        group = self._group(name)
        n_bytes = megabytes(service["mem_limit"]) * 2**20
        group.make(n_bytes, float(service["cpus"]), int(service["pids_limit"]))
        walls = [
            *("ip", "netns", "exec", f"{self._id}-{name}", "bwrap"),
            *("--ro-bind" if service["read_only"] else "--bind", str(image.root), "/"),
            *("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"),
            *("--unshare-pid", "--unshare-ipc"),
            *("--unshare-uts", "--hostname", name, "--as-pid-1", "--die-with-parent"),
            *self._mounts(service, image),
            *("--chdir", image.workdir, "--clearenv"),
            *(word for pair in env.items() for word in ("--setenv", *pair)),
        ]
        first = []
        if service.get("init"):  # Docker brings its own, which is tini as well
            walls += ["--ro-bind", str(servers() / "usr/bin/tini-static"), "/dev/init"]
            first = ["/dev/init", "--"]
        return _Wrapped(uid, gid, group, walls, first, env, image.workdir)

    def stop(self, name: str) -> int:
        """Stop a service; return its exit status."""
        return self.running.pop(name).stop()

    def await_health(self, name: str) -> None:
        """Wait until a service says that it is well; fail with its log where it has ended."""
        container = self.running[name]

        def is_well() -> bool:
            assert container.bwrap.poll() is None, self.log(name)[-3000:]
            return container.is_well()

        await_condition(
            is_well, what=f"the health of {name}: {self.log(name)[-500:]}", seconds=90.0
        )

    def _home(self, image: Image, uid: int) -> str:
        lines = (image.root / "etc/passwd").read_text().splitlines()
        return next((one.split(":")[5] for one in lines if one.split(":")[2] == str(uid)), "/")

    def _mounts(self, service: Mapping[str, Any], image: Image) -> list[str]:
        resolve, hosts = self._folder / "resolv.conf", self._folder / "hosts"
        words = [
            "--ro-bind",
            str(resolve),
            "/etc/resolv.conf",
            "--ro-bind",
            str(hosts),
            "/etc/hosts",
        ]
        for one in service.get("tmpfs", ()):
            place, _, options = one.partition(":")
            told = dict(option.split("=") for option in options.split(","))
            n_bytes = int(told["size"].removesuffix("m")) * 1024 * 1024
            words += ["--perms", told["mode"], "--size", str(n_bytes), "--tmpfs", place]
        for one in service.get("volumes", ()):
            source, target, *mode = one.split(":")
            assert mode in ([], ["ro"])
            if source.startswith("./"):
                place = ROOT / source
                assert place.exists(), source
            else:
                assert source in self._volumes
                place = self._volume(source, image.root / target.lstrip("/"))
            _mount_point(image.root / target.lstrip("/"), place)
            words += ["--ro-bind" if mode else "--bind", str(place), target]
        return words

    def volume(self, name: str) -> Path:
        """Return the folder of a named volume."""
        return self._folder / "volumes" / name

    def _volume(self, name: str, there: Path) -> Path:
        """Return the folder of a named volume; an empty one begins as what the image has there."""
        place = self.volume(name)
        if not place.exists():
            place.mkdir(mode=0o755, parents=True)
        if there.exists() and not any(place.iterdir()):
            _run("cp", "--archive", f"{there}/.", place)
        return place
