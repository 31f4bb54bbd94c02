"""Archive of the decision stream: old entries move to files, and the chain stays whole."""

from __future__ import annotations

import errno
import gzip
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from arriving import enqueue
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from redis import Redis

from conftest import RedisServer
from service.cli.main import hakam
from service.delivery.webhooks import Deliveries
from service.errors import Archived, ArchiveDamaged, ChainBroken, Conflict, InvalidRequest
from service.queue import archive as archives
from service.queue.archive import Archive
from service.queue.decisions import DecisionStream
from service.queue.read_models import ReadModels
from service.queue.records import Comment, Decision, place_in_list
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites

STREAM, SITE = "{hakam:demo}:decisions", "{hakam:demo}:site"
LISTED = "{hakam:demo}:listed"
VERDICT = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
DEMO = Site("demo", retention_days=90)
BEFORE = datetime.now(UTC) - timedelta(days=91)
N_OLD, N_NEW = 7, 3
OLD = timedelta(days=100)


@pytest.fixture
def entries(redis: Redis) -> list[str]:
    """Seven decisions of a hundred days ago, and three of today; nobody is to be told."""
    Sites(redis).add(DEMO)
    return decide(redis)


@pytest.fixture
def archive(redis: Redis, entries: list[str], tmp_path: Path) -> Archive:
    """The archive in a folder of its own, to which nothing was moved yet."""
    return Archive(redis, tmp_path)


def decide(redis: Redis) -> list[str]:
    queue = ReviewQueue(redis)
    for number in range(N_OLD + N_NEW):
        comment = Comment(f"c{number}", "words", author_id=f"u{number % 2}", article_id="a")
        enqueue(queue, "demo", comment, VERDICT, scores={})
        lease = queue.lease("demo", "amal")
        assert lease
        draft = Decision("reject", ("insult",), "insult", moderator="amal", request_id=str(number))
        queue.decide("demo", lease.item.id, lease.token, draft)
    return make_old(redis, N_OLD)


def make_old(redis: Redis, n: int) -> list[str]:
    """Give the first entries of the stream, and all that names them, ids of a hundred days ago."""
    client: Any = redis
    entries = client.xrange(STREAM)
    renamed = {}
    for entry_id, _fields in entries[:n]:
        time, number = entry_id.split("-")  # two decisions may share a millisecond
        renamed[entry_id] = f"{int(time) - int(OLD.total_seconds()) * 1000}-{number}"
    client.delete(STREAM)
    for entry_id, fields in entries:
        client.xadd(STREAM, fields, id=renamed.get(entry_id, entry_id))
    pattern = "|".join(map(re.escape, renamed))
    for name, value in client.hgetall("{hakam:demo}:items").items():
        renewed = re.sub(pattern, lambda match: renamed[match[0]], value)
        client.hset("{hakam:demo}:items", name, renewed)
    places = {place_in_list(old): place_in_list(new) for old, new in renamed.items()}
    for member in client.zrange(LISTED, 0, -1):
        if member[-20:] in places:
            client.zrem(LISTED, member)
            client.zadd(LISTED, {member[:-20] + places[member[-20:]]: 0})
    return [renamed.get(entry_id, entry_id) for entry_id, _fields in entries]


def kept(redis: Redis) -> list[str]:
    client: Any = redis
    return [entry_id for entry_id, _fields in client.xrange(STREAM)]


def test_old_entries_move_to_a_file_and_the_chain_goes_on(
    redis: Redis, stream: DecisionStream, archive: Archive, entries: list[str], tmp_path: Path
) -> None:
    whole = stream.verify("demo")
    assert archive.write(DEMO, BEFORE) == N_OLD
    assert kept(redis) == entries[N_OLD:]
    assert [entry.id for entry in archive.entries("demo")] == entries[:N_OLD]
    alone = stream.verify("demo")
    assert (alone.n_entries, alone.digest) == (N_NEW, whole.digest)
    together = stream.verify("demo", archived=archive.entries("demo"))
    assert together == whole
    assert stream.verify("demo", known_digest=stream.anchor("demo").digest) == alone
    assert ReviewQueue(redis).stats("demo").decided == N_OLD + N_NEW
    (file,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert lines[-1] == {
        "last": entries[N_OLD - 1],
        "digest": stream.anchor("demo").digest,
        "n_entries": N_OLD,
    }
    assert json.loads(lines[1]["body"])["comment_id"] == "c0"


def test_twice_loses_and_doubles_nothing(
    redis: Redis, stream: DecisionStream, archive: Archive, entries: list[str], tmp_path: Path
) -> None:
    archive.write(DEMO, BEFORE)
    assert archive.write(DEMO, BEFORE) == 0
    make_old(redis, 2)
    assert archive.write(DEMO, BEFORE) == 2
    assert len(list(tmp_path.iterdir())) == 2
    assert stream.verify("demo", archived=archive.entries("demo")).n_entries == N_OLD + N_NEW


def test_much_goes_into_several_files(
    stream: DecisionStream,
    archive: Archive,
    entries: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archives, "MAX_IN_FILE", 3)
    assert archive.write(DEMO, BEFORE) == N_OLD
    assert len(list(tmp_path.iterdir())) == 3
    assert [entry.id for entry in archive.entries("demo")] == entries[:N_OLD]
    archive.files("demo")[1].path.unlink()
    with pytest.raises(ChainBroken):
        stream.verify("demo", archived=archive.entries("demo"))
    with pytest.raises(ArchiveDamaged, match="missing"):
        list(archive.history("demo", "0"))


@pytest.mark.parametrize("n_trims", [0, 1, 2])
def test_a_crash_between_file_and_trim_is_made_good_by_the_next_run(
    redis: Redis,
    stream: DecisionStream,
    archive: Archive,
    entries: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_trims: int,
) -> None:
    monkeypatch.setattr(archives, "MAX_DECISIONS", 3)
    whole, left = stream.verify("demo"), [n_trims]
    trim_to = Archive._trim_to

    def crash(*arguments: Any) -> int:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return trim_to(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "_trim_to", crash)
        with pytest.raises(KeyboardInterrupt):
            archive.write(DEMO, BEFORE)
    assert len(kept(redis)) == N_OLD + N_NEW - 3 * n_trims
    assert stream.verify("demo", archived=archive.entries("demo")) == whole
    assert archive.write(DEMO, BEFORE) == N_OLD - 3 * n_trims
    assert kept(redis) == entries[N_OLD:]
    assert len(list(tmp_path.iterdir())) == 1
    assert stream.verify("demo", archived=archive.entries("demo")) == whole


def test_a_crash_while_the_file_is_written_leaves_stream_and_folder_as_they_were(
    redis: Redis,
    archive: Archive,
    entries: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on the device")

    monkeypatch.setattr("models.files.os.fsync", full)
    with pytest.raises(OSError, match="space"):
        archive.write(DEMO, BEFORE)
    assert kept(redis) == entries
    assert list(tmp_path.iterdir()) == []


def test_what_a_site_is_still_to_be_told_stays(redis: Redis, tmp_path: Path) -> None:
    site = Site(
        "demo",
        retention_days=90,
        webhook_url="http://127.0.0.1:9/",
        webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    Sites(redis).add(site)
    entries = decide(redis)
    assert Archive(redis, tmp_path).write(site, BEFORE) == 0
    assert Archive(redis, tmp_path).first_untold("demo", BEFORE) == entries[0]
    deliveries = Deliveries(redis, Sites(redis))
    verbs = deliveries._verbs
    for _told in range(2):
        item_id, delivery, *_rest = verbs("demo", "claim", hold_ms=60_000)
        verbs("demo", "delivered", id=item_id, delivery=delivery, told=1)
    assert Archive(redis, tmp_path).write(site, BEFORE) == 2
    item_id, delivery, *_rest = verbs("demo", "claim", hold_ms=60_000)
    verbs("demo", "give_up", id=item_id, delivery=delivery, failure="status 500", patience_ms="")
    assert Archive(redis, tmp_path).write(site, BEFORE) == 0, "it can be replayed"
    assert kept(redis) == entries[2:]


def test_the_newest_entry_stays_so_that_the_next_follows_it(
    redis: Redis, stream: DecisionStream, tmp_path: Path
) -> None:
    Sites(redis).add(DEMO)
    decide(redis)
    make_old(redis, N_OLD + N_NEW)
    assert Archive(redis, tmp_path).write(DEMO, BEFORE) == N_OLD + N_NEW - 1
    queue = ReviewQueue(redis)
    enqueue(queue, "demo", Comment("later", "words"), VERDICT, scores={})
    queue.withdraw("demo", "later")
    assert stream.verify("demo").n_entries == 2


def test_what_texts_may_still_be_kept_of_is_not_archived(
    redis: Redis, archive: Archive, entries: list[str]
) -> None:
    too_late = datetime.now(UTC) - timedelta(days=89)
    with pytest.raises(InvalidRequest, match="90 days"):
        archive.write(DEMO, too_late)
    assert kept(redis) == entries


def test_a_tampered_archive_or_anchor_is_found(
    redis: Redis, stream: DecisionStream, archive: Archive, entries: list[str], tmp_path: Path
) -> None:
    archive.write(DEMO, BEFORE)
    (file,) = tmp_path.iterdir()
    content = gzip.decompress(file.read_bytes())
    for damage in (
        content.replace(b"c3", b"c9"),
        b"\n".join(content.splitlines()[:-1]),
        b"\n".join([*content.splitlines()[:3], *content.splitlines()[4:]]),
        content[:-20],
        b"{}",
        b"",
    ):
        file.write_bytes(gzip.compress(damage))
        with pytest.raises((ArchiveDamaged, ChainBroken)):
            stream.verify("demo", archived=archive.entries("demo"))
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ArchiveDamaged):
        stream.verify("demo", archived=archive.entries("demo"))
    file.unlink()
    with pytest.raises(ChainBroken, match="archive"):
        stream.verify("demo", archived=archive.entries("demo"))
    redis.hset(SITE, "archived", f"{entries[N_OLD - 1]} {'0' * 40} 7")
    with pytest.raises(ChainBroken, match=entries[N_OLD]):
        stream.verify("demo")
    redis.hdel(SITE, "archived")
    with pytest.raises(ChainBroken, match=entries[N_OLD]):
        stream.verify("demo")


def test_a_damaged_file_removes_nothing_from_the_stream(
    redis: Redis,
    archive: Archive,
    entries: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_arguments: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "_trim", crash)
        with pytest.raises(KeyboardInterrupt):
            archive.write(DEMO, BEFORE)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ArchiveDamaged):
        archive.write(DEMO, BEFORE)
    assert kept(redis) == entries


def test_a_broken_stream_is_not_archived(
    redis: Redis, archive: Archive, entries: list[str], tmp_path: Path
) -> None:
    redis.xdel(STREAM, entries[2])
    with pytest.raises(ChainBroken, match=entries[3]):
        archive.write(DEMO, BEFORE)
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_another_store_trim_nothing(redis: Redis, archive: Archive) -> None:
    archive.write(DEMO, BEFORE)
    redis.delete(STREAM, SITE)
    other = ReviewQueue(redis)
    enqueue(other, "demo", Comment("x", "words"), VERDICT, scores={})
    other.withdraw("demo", "x")
    with pytest.raises(Conflict):
        archive.write(DEMO, BEFORE)
    assert len(kept(redis)) == 1


def test_a_cursor_from_before_the_archive_gets_a_clear_answer(
    client: FlaskClient, redis: Redis, stream: DecisionStream, archive: Archive, entries: list[str]
) -> None:
    archive.write(DEMO, BEFORE)
    key = {"Authorization": f"Bearer {Sites(redis).rotate_key('demo')}"}
    for after in ("0", entries[0], entries[N_OLD - 2]):
        refused = client.get(f"/v1/decisions?after={after}", headers=key)
        assert refused.status_code == 410
        assert refused.mimetype == "application/problem+json"
        assert entries[N_OLD - 1] in json.loads(refused.text)["detail"]
        with pytest.raises(Archived):
            stream.read("demo", after)
    told = client.get(f"/v1/decisions?after={entries[N_OLD - 1]}", headers=key)
    assert [json.loads(line)["id"] for line in told.text.splitlines()] == ["c7", "c8", "c9"]


def test_pages_show_after_an_archive_what_they_showed_before(
    redis: Redis, archive: Archive
) -> None:
    models = ReadModels(redis)
    days = models.days("demo", 14)
    archive.write(DEMO, BEFORE)
    found = models.find("demo", "author_id", "u1")
    assert [one.comment_id for one in found.decisions] == ["c9", "c7"]
    assert found.n_damaged == 0
    assert models.days("demo", 14) == days
    of_moderator = models.find("demo", "moderator", "amal")
    assert [one.comment_id for one in of_moderator.decisions] == ["c9", "c8", "c7"]
    assert not of_moderator.more
    client: Any = redis
    assert len([one for one in client.zrange(LISTED, 0, -1) if one[0] == "m"]) == N_NEW


def test_an_archive_holds_nothing_of_an_author(
    redis: Redis, archive: Archive, tmp_path: Path
) -> None:
    archive.write(DEMO, BEFORE)
    Retention(redis, Sites(redis)).erase("demo", "u0")
    for file in tmp_path.iterdir():
        content = gzip.decompress(file.read_bytes()).decode()
        assert "words" not in content
        assert '"u0"' not in content
    assert DecisionStream(redis).verify("demo").n_entries > N_NEW, "tombstones"


# By command


@pytest.fixture
def command(redis_server: RedisServer, entries: list[str], tmp_path: Path) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        environ = {"HAKAM_REDIS_URL": redis_server.url, "HAKAM_VAR": str(tmp_path / "var")}
        return CliRunner().invoke(hakam, words, env=environ)

    return run


def test_decisions_are_archived_verified_and_reported_by_command(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    folder = str(tmp_path / "archive")
    start, end = datetime.now(UTC) - timedelta(days=120), datetime.now(UTC) + timedelta(days=1)
    period = ("--from", f"{start:%Y-%m-%d}", "--to", f"{end:%Y-%m-%d}")
    told = command("transparency", "demo", *period).output
    whole = command("audit", "verify", "demo").output
    assert command("decisions", "archive", "demo", "--output", folder).exit_code == 2
    soon = command("decisions", "archive", "demo", "--days", "30", "--output", folder)
    assert (soon.exit_code, "90 days" in soon.output) == (2, True)
    done = command("decisions", "archive", "demo", "--days", "91", "--output", folder)
    assert done.output == f"{N_OLD} decisions archived\n"
    day = f"{datetime.now(UTC) - timedelta(days=95):%Y-%m-%d}"
    again = command("decisions", "archive", "demo", "--before", day, "--output", folder)
    assert again.output == "0 decisions archived\n"
    alone = command("audit", "verify", "demo").output.split()
    assert (alone[1], alone[2]) == (str(N_NEW), whole.split()[2])
    assert command("audit", "verify", "demo", "--archive", folder).output == whole
    refused = command("transparency", "demo", *period)
    assert (refused.exit_code, "--archive" in refused.output) == (2, True)
    assert command("transparency", "demo", *period, "--archive", folder).output == told
    assert f"{N_OLD} archived" in command("agreement", "demo").output
    exported = command("decisions", "export", "demo")
    assert len(exported.stdout.splitlines()) == N_NEW


def test_the_archive_says_before_which_decision_it_stopped_and_why(
    command: Callable[..., Result], redis: Redis, entries: list[str], tmp_path: Path
) -> None:
    archive = (
        "decisions",
        "archive",
        "demo",
        "--days",
        "91",
        "--output",
        str(tmp_path / "archive"),
    )
    redis.zadd("{hakam:demo}:dead", {entries[2]: 1})
    stopped = command(*archive)
    assert stopped.stdout == "2 decisions archived\n"
    assert f"before decision {entries[2]}: the site is still to be told" in stopped.stderr
    redis.delete("{hakam:demo}:dead")
    gone_on = command(*archive)
    assert (gone_on.stdout, gone_on.stderr) == (f"{N_OLD - 2} decisions archived\n", "")
