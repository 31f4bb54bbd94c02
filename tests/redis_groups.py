"""Groups of Redis servers that fail over: a primary with replicas and Sentinels, and a Cluster.

All on this machine, each on a port of its own and behind a password, over TLS where a certificate
is given; a server can be killed, paused, cut off from its clients and started again on its files.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from conftest import await_condition, free_port, redis_servers

PASSWORD = "only-on-this-machine"
SERVICE = "hakam"
DOWN_MS = 1_500  # after which a silent server counts as gone
N_SLOTS = 16_384
HIGHEST_PORT = 65_535 - 10_000  # nodes of a Cluster talk on a port that is 10,000 higher

KEEPING = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
    "save": "",
    "requirepass": PASSWORD,
    "masterauth": PASSWORD,
    "min-replicas-to-write": 1,
    "min-replicas-max-lag": 10,
    "repl-diskless-sync-delay": 0,
    "repl-ping-replica-period": 1,
    "loglevel": "warning",
}


def executable() -> Path:
    """The server that can be run as a Sentinel too."""
    servers = redis_servers()
    return servers.get("path") or servers["embedded"]


def low_port() -> int:
    return int(await_condition(lambda: (port := free_port()) <= HIGHEST_PORT and port, what="port"))


@dataclass(frozen=True)
class Certificate:
    """A certificate of a server, its key, and the authority that signed it; files in PEM."""

    authority: Path
    certificate: Path
    key: Path

    def options(self, port: int) -> Mapping[str, object]:
        """What makes a server speak nothing but TLS, to its replicas and other nodes as well."""
        return {
            "port": 0,
            "tls-port": port,
            "tls-cert-file": self.certificate,
            "tls-key-file": self.key,
            "tls-ca-cert-file": self.authority,
            "tls-auth-clients": "no",
            "tls-replication": "yes",
        }


def authority(folder: Path) -> Path:
    """Make an authority that signs certificates; return its own, beside which is its key."""
    folder.mkdir(exist_ok=True)
    words = ["-x509", "-days", "2", "-subj", "/CN=authority", "-out", folder / "ca.pem"]
    _openssl(*words, "-keyout", folder / "ca.key")
    return folder / "ca.pem"


def certificate(authority: Path, name: str, file: str = "server") -> Certificate:
    """Let an authority sign a certificate for a name, as ``IP:127.0.0.1``."""
    made, key = authority.with_name(f"{file}.pem"), authority.with_name(f"{file}.key")
    words = ["-x509", "-days", "2", "-subj", f"/CN={file}", "-addext", f"subjectAltName={name}"]
    words += ["-addext", "basicConstraints=CA:FALSE"]
    signed = ["-CA", authority, "-CAkey", authority.with_suffix(".key")]
    _openssl(*words, *signed, "-out", made, "-keyout", key)
    return Certificate(authority, made, key)


def _openssl(*words: object) -> None:
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*new, *map(str, words)], check=True, capture_output=True)


@dataclass
class Server:
    """One process, its folder and its port."""

    folder: Path
    options: Mapping[str, object]
    tls: Certificate | None = None
    port: int = field(default_factory=low_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start on the files that there are."""
        self.folder.mkdir(exist_ok=True)
        spoken = self.tls.options(self.port) if self.tls else {"port": self.port}
        every = {**spoken, "dir": self.folder, **self.options}
        words = [word for name, value in every.items() for word in (f"--{name}", *_words(value))]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([executable(), *words], stdout=log, stderr=log)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End it at once, paused or not."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGCONT)

    def client(self) -> Any:
        """A client of this server, whatever its role."""
        over: dict[str, Any] = {}
        if self.tls:
            over = {"ssl": True, "ssl_ca_certs": self.tls.authority, "ssl_check_hostname": False}
            over |= {"ssl_certfile": self.tls.certificate, "ssl_keyfile": self.tls.key}
        return Redis(
            host="127.0.0.1",
            port=self.port,
            password=PASSWORD,
            **over,
            decode_responses=True,
            socket_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        )

    def ask(self, *words: object) -> Any:
        """Return an answer, or None where there is none."""
        with suppress(RedisError), self.client() as client:
            return client.execute_command(*words)
        return None

    def role(self) -> Sequence[Any]:
        """The answer of ROLE; empty where there is none."""
        return self.ask("ROLE") or ()

    @property
    def leads(self) -> bool:
        return self.role()[:1] == ["master"]


def _follows(role: Sequence[Any]) -> bool:
    """Whether this is the role of a replica that has caught up with its primary."""
    return len(role) > 3 and role[3] == "connected"


def _words(value: object) -> Sequence[str]:
    return [str(one) for one in value] if isinstance(value, (tuple, list)) else [str(value)]


@dataclass
class SentinelSource:
    """A Sentinel, which keeps a file of its own."""

    server: Server
    primary: Server
    user: str = ""  # one more, as the configuration of Redis takes it

    def start(self) -> None:
        """Start on the file that there is, or on a first one."""
        folder = self.server.folder
        folder.mkdir(exist_ok=True)
        file = folder / "sentinel.conf"
        if not file.exists():
            port, tls = self.server.port, self.server.tls
            spoken = tls.options(port) if tls else {"port": port}
            file.write_text(
                "".join(f"{name} {value}\n" for name, value in spoken.items())
                + f"bind 127.0.0.1\ndir {folder}\nrequirepass {PASSWORD}\n"
                + (f"user {self.user}\n" if self.user else "")
                + f"sentinel sentinel-pass {PASSWORD}\n"
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} 2\n"
                f"sentinel auth-pass {SERVICE} {PASSWORD}\n"
                f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}\n"
                f"sentinel failover-timeout {SERVICE} 6000\n"
            )
        with (folder / "log").open("ab") as log:
            self.server.process = subprocess.Popen(
                [executable(), file, "--sentinel"], stdout=log, stderr=log
            )


def _acl(user: str) -> Mapping[str, object]:
    return {"user": tuple(user.split())} if user else {}


def _trusting(tls: Certificate | None) -> str:
    return f"&ssl_ca_certs={tls.authority}" if tls else ""


class Group:
    """What both kinds of groups can do; `servers` hold data.

    Servers and clients speak TLS where there is a certificate; a `user` is one besides the default.
    """

    url: str
    hosts: str
    n_replicas: int
    servers: list[Server]

    def primary(self) -> Server | None:
        """The server that holds the site `demo` and takes writes."""
        raise NotImplementedError

    def replicas(self) -> list[Server]:
        """The servers that follow that one."""
        leader = self.primary()
        found = []
        for server in self.servers:
            role = server.role()
            if leader and role and role[0] == "slave" and int(role[2]) == leader.port:
                found.append(server)
        return found

    def is_whole(self) -> bool:
        """Whether every server is up, and each replica has all."""
        raise NotImplementedError

    def fail_over(self) -> None:
        """Let a replica take over, as for maintenance."""
        raise NotImplementedError

    def await_whole(self, seconds: float = 90.0) -> None:
        await_condition(self.is_whole, what="a whole group", seconds=seconds)


class SentinelTrio(Group):
    """One primary, two replicas, three Sentinels of which two must agree."""

    n_replicas = 1

    def __init__(
        self,
        folder: Path,
        tls: Certificate | None = None,
        user: str = "",
        watcher: str = "",
    ) -> None:
        self.options = {**KEEPING, **_acl(user)}
        first = Server(folder / "redis-0", self.options, tls)
        follow = {**self.options, "replicaof": ("127.0.0.1", str(first.port))}
        self.servers = [first, *(Server(folder / f"redis-{n}", follow, tls) for n in (1, 2))]
        # Free ports, as `Server` finds them.
        self.sentinels = [
            SentinelSource(Server(folder / f"sentinel-{n}", {}, tls), first, watcher)
            for n in range(3)
        ]
        self.hosts = ",".join(f"127.0.0.1:{one.server.port}" for one in self.sentinels)
        known = f"sentinel_password={PASSWORD}{_trusting(tls)}"
        scheme = "rediss" if tls else "redis"
        self.url = f"{scheme}+sentinel://:{PASSWORD}@{self.hosts}/{SERVICE}/0?{known}"

    def start(self) -> None:
        for server in self.servers:
            server.start()
        await_condition(lambda: self.servers[0].leads, what="the primary")
        await_condition(lambda: len(self.replicas_of_first()) == 2, what="replicas")
        for server in self.servers:  # any of them may become a replica, and finds out by itself
            server.options = self.options
        for sentinel in self.sentinels:
            sentinel.start()
        self.await_whole()

    def replicas_of_first(self) -> Sequence[Any]:
        role = self.servers[0].role()
        return role[2] if role else ()

    def _said(self, *words: object) -> list[Any]:
        return [one for s in self.sentinels if (one := s.server.ask(*words)) is not None]

    def primary(self) -> Server | None:
        for answer in self._said("SENTINEL", "get-master-addr-by-name", SERVICE):
            for server in self.servers:
                if server.port == int(answer[1]) and server.leads:
                    return server
        return None

    def is_whole(self) -> bool:
        leader = self.primary()
        role = leader.role() if leader else ()
        if role[:1] != ["master"] or len(role[2]) != 2:
            return False
        links = [server.role() for server in self.replicas()]
        named = {int(a[1]) for a in self._said("SENTINEL", "get-master-addr-by-name", SERVICE)}
        known = self._said("SENTINEL", "MASTER", SERVICE)
        facts = [
            dict(zip(one[::2], one[1::2], strict=False)) for one in known if isinstance(one, list)
        ]
        facts += [one for one in known if isinstance(one, dict)]
        agreed = len(facts) == 3 and all(
            one.get("flags") == "master"
            and int(one["num-other-sentinels"]) == 2
            and int(one["num-slaves"]) == 2
            for one in facts
        )
        return len(links) == 2 and all(map(_follows, links)) and len(named) == 1 and agreed

    def fail_over(self) -> None:
        self._said("SENTINEL", "FAILOVER", SERVICE)


class ClusterOfThree(Group):
    """Three primaries that share the slots, each with one replica."""

    n_replicas = 1

    def __init__(self, folder: Path, tls: Certificate | None = None, user: str = "") -> None:
        options = {
            **KEEPING,
            **_acl(user),
            **({"tls-cluster": "yes"} if tls else {}),
            "cluster-enabled": "yes",
            "cluster-node-timeout": DOWN_MS,
            "cluster-require-full-coverage": "no",
            "cluster-allow-replica-migration": "no",
            "cluster-replica-validity-factor": 0,
        }
        self.servers = [Server(folder / f"node-{n}", options, tls) for n in range(6)]
        self.hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        scheme = "rediss" if tls else "redis"
        self.url = f"{scheme}+cluster://:{PASSWORD}@{self.hosts}?{_trusting(tls)}"

    def start(self) -> None:
        for server in self.servers:
            server.start()
        for server in self.servers:
            await_condition(server.role, what="a node")
        for place, server in enumerate(self.servers[:3]):
            slots = range(N_SLOTS * place // 3, N_SLOTS * (place + 1) // 3)
            server.ask("CLUSTER", "ADDSLOTS", *slots)
        for server in self.servers:
            server.ask("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port)
        for server in self.servers:
            await_condition(partial(self._knows_all, server), what="six nodes")
        for place, server in enumerate(self.servers[3:]):
            leader = self.servers[place].ask("CLUSTER", "MYID")
            follow = partial(server.ask, "CLUSTER", "REPLICATE", leader)
            await_condition(follow, what="a replica")
        self.await_whole()

    def _knows_all(self, server: Server) -> bool:
        return self._info(server)["cluster_known_nodes"] == str(len(self.servers))

    def _info(self, server: Server) -> Mapping[str, str]:
        said = server.ask("CLUSTER", "INFO") or ""
        if isinstance(said, dict):
            return said
        lines = [line.split(":", 1) for line in said.splitlines() if ":" in line]
        return {"cluster_known_nodes": "", "cluster_state": "", **dict(lines)}

    def primary(self) -> Server | None:
        for server in self.servers:
            if server.leads and server.ask("EXISTS", "{hakam:demo}:items") is not None:
                return server
        return None

    def is_whole(self) -> bool:
        roles = [server.role() for server in self.servers]
        leaders = [role for role in roles if role and role[0] == "master"]
        followers = [role for role in roles if role and role[0] == "slave"]
        return (
            len(leaders) == 3
            and all(len(role[2]) == 1 for role in leaders)
            and len(followers) == 3
            and all(map(_follows, followers))
            and all(self._info(server)["cluster_state"] == "ok" for server in self.servers)
        )

    def fail_over(self) -> None:
        for server in self.replicas()[:1]:
            server.ask("CLUSTER", "FAILOVER")


GROUPS: Mapping[str, Callable[..., Any]] = {"sentinel": SentinelTrio, "cluster": ClusterOfThree}


@contextmanager
def running(kind: str, **options: Any) -> Iterator[Any]:
    """Run a group of servers; end them all, and remove their files."""
    folder = Path(tempfile.mkdtemp(prefix="hakam-group-"))
    group = GROUPS[kind](folder, **options)
    try:
        group.start()
        yield group
    finally:
        everything = [*group.servers, *(s.server for s in getattr(group, "sentinels", ()))]
        for server in everything:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
