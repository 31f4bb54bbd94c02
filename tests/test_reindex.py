"""Reindexing builds what an older store lacks, in pages, beside everything else."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest
import test_read_models as newsroom
from arriving import enqueue
from click.testing import CliRunner
from redis import Redis

from conftest import check_lines, let_time_pass
from service.cli.main import hakam
from service.queue import reindex
from service.queue.decisions import DecisionStream, link
from service.queue.read_models import ReadModels
from service.queue.records import Decision, facet, item_id_of
from service.queue.reindex import Reindex
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.durability import FORMAT, FORMAT_KEY, Durability

LISTED, SITE = "{hakam:demo}:listed", "{hakam:demo}:site"


@pytest.fixture
def sites(redis: Redis) -> Sites:
    sites = Sites(redis)
    sites.add(Site("demo", retention_days=30))
    return sites


@pytest.fixture
def queue(redis: Redis, sites: Sites) -> ReviewQueue:
    return ReviewQueue(redis)


def as_format_3_wrote_it(redis: Redis, sites: Sites) -> None:
    """Leave what a Hakam of format 3 has written: its records, and the lists that it kept."""
    client: Any = redis
    for key in ("items", "texts"):
        for name, record in client.hgetall(f"{{hakam:demo}}:{key}").items():
            client.hset(f"{{hakam:demo}}:{key}", name, _older(record))
    entries = client.xrange("{hakam:demo}:decisions")
    client.delete("{hakam:demo}:decisions", LISTED)
    digest = ""
    for entry_id, fields in entries:
        fields["body"] = _older(fields["body"])
        digest = fields["digest"] = link(digest, fields["body"])
        client.xadd("{hakam:demo}:decisions", fields, id=entry_id)
    for member in client.zrange("{hakam:demo}:lines", 0, -1):
        if member[0] in "nr" or (member[0] == "e" and not member[1].isdigit()):
            client.zrem("{hakam:demo}:lines", member)
    client.hset("{hakam:demo}:decided", mapping={"u12345678": "1700000000000-0 "})
    client.hdel(SITE, "built", "building")
    client.set(FORMAT_KEY, "3")


def _older(record: str) -> str:
    return record.replace(f'"format":{FORMAT}', '"format":3')


def listed(redis: Redis) -> list[str]:
    found: Any = redis.zrange(LISTED, 0, -1)
    return list(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_store_of_format_3_gets_the_lists_that_this_version_would_have_kept(
    queue: ReviewQueue, redis: Redis, sites: Sites, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "PAGE", 7)
    for number in range(2):
        about = newsroom.comment(100 + number)
        enqueue(queue, "demo", about, newsroom.VERDICT, scores={}, known_action="reject")
    people = newsroom.Newsroom(queue, seed)
    for _ in range(120):
        people.step()
    kept = listed(redis)
    assert {member[0] for member in kept} - {"x"} == {"i", "u", "a", "m"}
    as_format_3_wrote_it(redis, sites)
    Durability(redis).check()
    assert redis.get(FORMAT_KEY) == str(FORMAT), "which a Hakam of format 3 refuses"
    building = Reindex(redis, sites)
    assert building.under_way("demo")
    building.build("demo")
    assert not building.under_way("demo")
    assert listed(redis) == kept
    check_lines(redis)
    assert not redis.exists("{hakam:demo}:decided"), "the lists of before"
    newsroom.compare(ReadModels(redis), DecisionStream(redis))


def test_what_differs_from_what_moderators_had_said_is_listed_again(
    queue: ReviewQueue, redis: Redis, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "PAGE", 1)

    def said(moderator: str, action: str, number: int, *, senior: bool = False) -> None:
        item_id = item_id_of(f"c{number}")
        lease = queue.take("demo", moderator, item_id, 1, senior=senior)
        draft = Decision(action, moderator=moderator, request_id=f"{moderator}-{number}")
        queue.decide("demo", item_id, lease.token, draft)

    for number in (1, 2, 3):  # with two blind opinions each
        enqueue(
            queue,
            "demo",
            newsroom.comment(number),
            newsroom.VERDICT,
            scores={},
            second_opinion_share=1.0,
        )
    said("amal", "approve", 1)
    said("basma", "reject", 1)
    said("omar", "reject", 1, senior=True)
    said("amal", "approve", 2)
    said("basma", "approve", 2)
    said("amal", "approve", 3)
    verdict, about = newsroom.VERDICT, newsroom.comment(3)
    desk = Decision("reject", moderator="desk", request_id="desk")
    queue.decide_external("demo", about, verdict, desk, scores={})
    known = newsroom.comment(100)
    enqueue(queue, "demo", known, newsroom.VERDICT, scores={}, known_action="reject")
    enqueue(queue, "demo", newsroom.comment(4), newsroom.VERDICT, scores={})
    mixed = queue.lease("demo", "carim", known_answer_share=1.0)
    assert mixed
    wrong = Decision("approve", moderator="carim", request_id="wrong")
    queue.decide("demo", mixed.item.id, mixed.token, wrong)
    kept = listed(redis)
    differing = [member[:13] for member in kept if member[0] == "x"]
    assert differing == sorted(facet("differing", name) for name in ("amal", "carim"))
    as_format_3_wrote_it(redis, sites)
    for _ in range(2):
        Reindex(redis, sites).build("demo", anew=True)
        assert listed(redis) == kept


def test_what_is_decided_and_forgotten_meanwhile_is_listed_as_ever(
    queue: ReviewQueue, redis: Redis, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "PAGE", 2)
    made = [newsroom.decide(queue, number, author_id="u1") for number in range(6)]
    as_format_3_wrote_it(redis, sites)
    building, models = Reindex(redis, sites), ReadModels(redis)
    assert building.step("demo")
    let_time_pass(redis, 31 * 86_400_000, only=made[4].item_id)
    Retention(redis, sites).sweep(force=True)
    made.append(newsroom.decide(queue, 6, author_id="u1"))
    found = models.find("demo", "author_id", "u1").decisions
    assert [one.id for one in found] == [made[number].id for number in (6, 1, 0)]
    Reindex(redis, sites).build("demo")  # as another process would go on
    found = models.find("demo", "author_id", "u1").decisions
    assert [one.id for one in found] == [made[number].id for number in (6, 5, 3, 2, 1, 0)]


def test_it_goes_on_where_it_stopped_and_looks_at_each_entry_once(
    queue: ReviewQueue, redis: Redis, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "PAGE", 2)
    for number in range(7):
        newsroom.decide(queue, number)
    as_format_3_wrote_it(redis, sites)
    n_looked = 0
    while step := Reindex(redis, sites).step("demo"):
        n_looked += step[1]
    assert n_looked == 7 + 7 + 7, "entries of the stream, and items twice"
    assert redis.hget(SITE, "building") is None


def test_the_background_builds_all_sites_but_one_that_is_damaged(
    queue: ReviewQueue, redis: Redis, sites: Sites
) -> None:
    newsroom.decide(queue, 1, author_id="u1")
    as_format_3_wrote_it(redis, sites)
    sites.add(Site("broken"))
    redis.hdel("{hakam:broken}:site", "built")
    redis.set("{hakam:broken}:decisions", "not a stream")
    building, stop = Reindex(redis, sites), Event()
    stop_after(building, stop)
    building.run(stop)
    assert not building.under_way("demo")
    assert building.under_way("broken")
    assert len(ReadModels(redis).find("demo", "author_id", "u1").decisions) == 1


def stop_after(building: Reindex, stop: Event) -> None:
    """Stop at the end of the first look, when it waits for the next."""
    waited = stop.wait

    def wait(timeout: float | None = None) -> bool:
        if timeout == reindex.LOOK_EVERY_SECONDS:
            stop.set()
        return waited(timeout)

    stop.wait = wait  # type: ignore[method-assign]


def test_a_new_site_lacks_nothing(sites: Sites, redis: Redis) -> None:
    assert not Reindex(redis, sites).under_way("demo")
    assert Reindex(redis, sites).step("demo") is None


def test_the_command_builds_at_once_and_anew_where_an_older_version_came_back(
    queue: ReviewQueue, redis: Redis, sites: Sites, environ: dict[str, str], tmp_path: Path
) -> None:
    newsroom.decide(queue, 1, author_id="u1")
    as_format_3_wrote_it(redis, sites)

    def command(*words: str) -> str:
        result = CliRunner().invoke(hakam, ["queue", "reindex", "demo", *words], env=environ)
        assert result.exit_code == 0, result.output
        return result.output

    assert "listed: 1 of 1" in command()
    kept = listed(redis)
    assert len(kept) == 4
    redis.delete(LISTED)
    assert command() == "All is built.\n"
    assert listed(redis) == []
    command("--anew")
    assert listed(redis) == kept
