"""Redis over TLS with users of little power: who is believed, what is said, and failing over."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from arriving import enqueue
from redis_groups import (
    SERVICE,
    Certificate,
    Group,
    authority,
    certificate,
    executable,
    running,
)
from test_replication import VERDICT, comment, enqueued, is_whole

from conftest import await_condition
from service.accounts.accounts import Accounts
from service.errors import ConfigError, StoreUnavailable
from service.queue.decisions import DecisionStream
from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect
from service.store.durability import Durability, rewrite_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parent.parent
APPLICATION, WATCHER = "of-the-application", "of-the-sentinels"  # passwords
KEYS = "~hakam:* ~{hakam:*"
# The rights that Hakam has in its own containers, and what a client asks a Cluster besides.
RIGHTS = " ".join(
    re.findall(
        r"[+-][a-z|-]+",
        "\n".join(
            re.findall(r"(?m)^\w+='.*'|^sorted=.*", (ROOT / "service/run/redis.sh").read_text())
        ),
    )
)
OF_CLUSTERS = "+cluster|slots +cluster|shards +command +asking"
OF_SENTINELS = "-@all +auth +hello +ping +sentinel|masters"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if b"ssl" not in executable().read_bytes():
        pytest.skip("this Redis was built without TLS")
    return certificate(authority(tmp_path_factory.mktemp("authority")), "IP:127.0.0.1")


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def group(request: pytest.FixtureRequest, tls: Certificate) -> Iterator[Group]:
    user = f"hakam on >{APPLICATION} {KEYS} -@all {RIGHTS} {OF_CLUSTERS}"
    watcher = {"watcher": f"watcher on >{WATCHER} {OF_SENTINELS}"}
    more = watcher if request.param == "sentinel" else {}
    with running(request.param, tls=tls, user=user, **more) as group:
        yield group


@pytest.fixture
def whole(group: Group) -> Group:
    group.await_whole()
    return group


def address(
    group: Group, tls: Certificate, of_redis: str = APPLICATION, of_sentinel: str = WATCHER
) -> str:
    """The address of a group, with a user of Redis and another one of the Sentinels."""
    believed = f"ssl_ca_certs={tls.authority}"
    if hasattr(group, "sentinels"):
        known = f"sentinel_username=watcher&sentinel_password={of_sentinel}&{believed}"
        return f"rediss+sentinel://hakam:{of_redis}@{group.hosts}/{SERVICE}?{known}"
    return f"rediss+cluster://hakam:{of_redis}@{group.hosts}?{believed}"


def refusal(url: str) -> str:
    """What is said where a comment cannot be stored."""
    with connect(url, 5.0, n_replicas=1) as redis, pytest.raises(StoreUnavailable) as refused:
        enqueue(ReviewQueue(redis), "demo", comment(), VERDICT, scores={})
    return str(refused.value)


@contextmanager
def setting(group: Group, **values: object) -> Iterator[None]:
    """Give all servers other settings for a while."""
    given = {name.replace("_", "-"): str(one) for name, one in values.items()}
    before = {}
    for server in group.servers:
        before[server.port] = {name: server.ask("CONFIG", "GET", name)[name] for name in given}
        assert server.ask("CONFIG", "SET", *(word for pair in given.items() for word in pair))
    try:
        yield
    finally:
        for server in group.servers:
            pairs = before[server.port].items()
            server.ask("CONFIG", "SET", *(word for pair in pairs for word in pair))


def test_over_tls_every_part_works_for_users_that_may_do_what_they_need_and_no_more(
    whole: Group, tls: Certificate
) -> None:
    with connect(address(whole, tls), 5.0, n_replicas=1) as redis:
        queue, accounts = ReviewQueue(redis), Accounts(redis)
        Durability(redis).check()
        enqueue(queue, "demo", comment(), VERDICT, scores={})
        lease = queue.lease("demo", "amal")
        assert lease is not None
        draft = Decision("approve", moderator="amal", request_id=lease.item.id)
        decision = queue.decide("demo", lease.item.id, lease.token, draft)
        queue.undo("demo", lease.item.id, "amal", "undo")
        assert decision.id in {one.id for one in DecisionStream(redis).history("demo")}
        site = f"s{random.getrandbits(32)}"
        Sites(redis).add(Site(site))
        assert site in {one.id for one in Sites(redis).list()}
        accounts.add(f"amal{random.getrandbits(32)}", "a password that is long", "admin")
        assert rewrite_file(redis)


def test_over_tls_a_failover_needs_nobody_and_loses_nothing(
    whole: Group, tls: Certificate, tmp_path: Path
) -> None:
    with connect(address(whole, tls), n_replicas=1) as redis:
        queue, durability = ReviewQueue(redis), Durability(redis, tmp_path / "store")
        await_condition(lambda: is_whole(durability), what="a first check")
        one = comment()
        await_condition(lambda: enqueued(queue, one), what="a first comment")
        before = whole.primary()
        assert before is not None
        before.kill()
        try:
            await_condition(whole.primary, what="another", seconds=60.0)
        finally:
            before.start()
        await_condition(lambda: enqueued(queue, comment()), what="work", seconds=60.0)
        await_condition(lambda: is_whole(durability), what="no loss", seconds=60.0)
        assert enqueued(queue, one) == "pending", "it is known, and waits"


def test_another_authority_is_not_believed_and_that_is_said(
    whole: Group, tls: Certificate, tmp_path: Path
) -> None:
    other = Certificate(authority(tmp_path), tls.certificate, tls.key)
    said = refusal(address(whole, other))
    assert "has a certificate that is not believed (self-signed certificate in" in said
    nobody = address(whole, tls).replace(f"ssl_ca_certs={tls.authority}", "")
    assert "has a certificate that is not believed (self-signed certificate in" in refusal(nobody)


def test_a_certificate_for_another_name_is_not_believed_and_that_is_said(
    whole: Group, tls: Certificate
) -> None:
    other = certificate(tls.authority, "DNS:redis.example", "other")
    with setting(whole, tls_cert_file=other.certificate, tls_key_file=other.key):
        said = refusal(address(whole, tls))
    assert "has a certificate that is not believed (IP address mismatch)" in said


def test_servers_that_want_a_certificate_get_the_one_that_the_address_names(
    whole: Group, tls: Certificate
) -> None:
    url = address(whole, tls)
    own = certificate(tls.authority, "DNS:hakam", "client")
    with setting(whole, tls_auth_clients="yes"):
        assert refusal(url)
        url += f"&ssl_certfile={own.certificate}&ssl_keyfile={own.key}"
        with connect(url, 5.0, n_replicas=1) as redis:
            queue = ReviewQueue(redis)
            assert enqueue(queue, "demo", comment(), VERDICT, scores={}).state == "pending"


def test_a_wrong_password_is_said_of_redis_and_of_a_sentinel(
    whole: Group, tls: Certificate
) -> None:
    assert "refuses the user or the password" in refusal(address(whole, tls, of_redis="wrong"))
    if hasattr(whole, "sentinels"):
        said = refusal(address(whole, tls, of_sentinel=APPLICATION))
        assert "no Sentinel tells it; one refuses the user or the password" in said


def test_what_the_user_may_not_do_is_the_trouble_of_the_store_and_no_site_counts_as_damaged(
    whole: Group, tls: Certificate
) -> None:
    url = address(whole, tls)
    for command in ("evalsha", "hset"):  # around a script, and inside
        for server in whole.servers:
            server.ask("ACL", "SETUSER", "hakam", f"-{command}")
        try:
            assert "does not permit its user what Hakam does" in refusal(url)
        finally:
            for server in whole.servers:
                server.ask("ACL", "SETUSER", "hakam", f"+{command}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rediss://127.0.0.1/0?ssl_ca_certs=/nowhere/ca.pem", "ssl_ca_certs names no file"),
        ("rediss://127.0.0.1/0?ssl_ca_file=ca.pem", "'ssl_ca_file' is no option"),
        ("redis://127.0.0.1/0?ssl_keyfile=/dev/null", "'ssl_keyfile' is no option"),
        ("redis+cluster://127.0.0.1?retry=3", "'retry' is no option"),
        ("redis+sentinel://127.0.0.1/hakam?retry_on_error=x", "'retry_on_error' is no option"),
        ("rediss://127.0.0.1/0?ssl_cert_reqs=zzz", "a value that it cannot have"),
        ("rediss+cluster://127.0.0.1?ssl_min_version=zzz", "a value that it cannot have"),
        ("redis://127.0.0.1/0?protocol=9", "a value that it cannot have"),
        ("redis://127.0.0.1/0?max_connections=-1", "a value that it cannot have"),
    ],
)
def test_an_option_that_means_nothing_is_refused_before_anything_is_asked(
    url: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=f"HAKAM_REDIS_URL: .*{said}"):
        connect(url)
