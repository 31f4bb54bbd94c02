"""What the release before has written is opened by this code, and nothing of it is lost."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from record_store import COMMENTS, KEY_FILE, SECRET
from redis import Redis
from test_review_queue_faults import KINDS

from conftest import let_time_pass, redis_servers
from service.accounts.accounts import Accounts
from service.queue.decisions import DecisionStream
from service.queue.records import Decision, item_id_of
from service.queue.reindex import Reindex
from service.queue.review_queue import ReviewQueue
from service.run.private_redis import PrivateRedis
from service.sites.known_sites import KnownSites
from service.sites.sites import Sites
from service.store.connect import connect
from service.store.durability import FORMAT, FORMAT_KEY, Durability

RECORDED = sorted((Path(__file__).parent / "data").glob("store-*.rdb"))
FATES = {"approve": "approve", "reject": "reject", "undone": "reject"}


@pytest.fixture(params=RECORDED, ids=lambda file: file.stem)
def recording(request: pytest.FixtureRequest) -> Path:
    """The store of a release, as `tests/record_store.py` recorded it."""
    file: Path = request.param
    return file


@pytest.fixture(params=KINDS)
def upgraded(request: pytest.FixtureRequest, recording: Path, tmp_path: Path) -> Iterator[Redis]:
    """A server on the recording, which this code has opened."""
    (tmp_path / "redis").mkdir()
    shutil.copy(recording, tmp_path / "redis/appendonly.aof")
    with (
        PrivateRedis(redis_servers()[request.param]) as server,
        connect(server.start(tmp_path), 5.0) as redis,
    ):
        Durability(redis, tmp_path / "store").check()
        yield redis


def test_the_last_release_has_a_recording() -> None:
    released = re.findall(
        r"^## \[?v?(\d+\.\d+\.\d+)", Path("CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert released
    assert f"store-{released[0]}" in [file.stem for file in RECORDED]


def test_sites_keys_secrets_and_accounts_are_as_they_were(upgraded: Redis, recording: Path) -> None:
    sites = Sites(upgraded)
    key = recording.with_suffix(KEY_FILE).read_text().strip()
    site = KnownSites(sites).authenticate(key)
    assert site is not None
    assert (site.id, site.webhook_secret) == ("demo", SECRET)
    account = Accounts(upgraded).get("amal")
    assert account is not None
    assert account.role == "moderator"


def test_decisions_their_chain_and_their_lists_are_as_they_were(upgraded: Redis) -> None:
    stream = DecisionStream(upgraded)
    told = {one.comment_id: one.action for one in stream.read("demo") if one.kind == "decision"}
    assert told == {name: FATES[fate] for name, fate in COMMENTS.items() if fate in FATES}
    assert not [one for one in stream.read("demo") if one.damaged]
    assert stream.verify("demo").n_entries == len(stream.read("demo"))
    Reindex(upgraded, Sites(upgraded)).build("demo")
    assert not Reindex(upgraded, Sites(upgraded)).under_way("demo")
    assert upgraded.zcard("{hakam:demo}:listed") > len(told)


def test_what_waited_is_decided_and_what_was_to_be_told_is_still_to_be_told(
    upgraded: Redis,
) -> None:
    queue, waiting = ReviewQueue(upgraded), {n for n, fate in COMMENTS.items() if fate not in FATES}
    assert queue.stats("demo").outbox == len(COMMENTS) - len(waiting)
    let_time_pass(upgraded, 3_600_000)  # so that nobody holds what somebody held then
    done = set()
    while lease := queue.lease("demo", "samira"):
        assert lease.item.comment.text, "its text is there"
        draft = Decision("approve", moderator="samira", request_id=lease.item.id)
        queue.decide("demo", lease.item.id, lease.token, draft)
        done.add(lease.item.comment.id)
    assert done == waiting
    for name in COMMENTS:
        assert not queue.item("demo", item_id_of(name)).damaged
    assert DecisionStream(upgraded).verify("demo").n_entries >= len(COMMENTS)


def test_from_then_on_the_store_has_the_format_that_the_release_before_refuses(
    upgraded: Redis,
) -> None:
    assert upgraded.get(FORMAT_KEY) == str(FORMAT)
