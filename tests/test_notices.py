"""Moderators are told what is wrong: once, in time, in their language, and without any comment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

import arriving
import pytest
import structlog
from click.testing import CliRunner
from fake_sites import Endpoint, answering, dripping
from flask import Flask
from redis import Redis
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture

from conftest import Clock, RedisServer, await_condition, let_time_pass
from service.accounts.accounts import Accounts
from service.cli.main import hakam
from service.delivery import notice_sender, notices, webhooks
from service.delivery.notices import Notices
from service.delivery.webhooks import Deliveries
from service.errors import StoreUnavailable
from service.queue.records import Comment, Decision
from service.queue.repeats import Repeats
from service.queue.review_queue import ReviewQueue
from service.rules.notices import DAY_SECONDS, REMINDERS_SECONDS, Told, is_quiet
from service.rules.policy import Verdict
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect
from service.store.durability import Durability

HOUR, MINUTE = 3_600.0, 60.0
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
TEXT, NAME, TITLE = "تعليق سيئ", "قارئ", "عنوان المقال"  # "a bad comment", "reader", "title"


# When


def test_a_trouble_is_told_when_it_begins_seldom_while_it_lasts_and_once_when_it_is_over() -> None:
    told, heard = Told(), []
    for minute in range(30 * 24 * 60):
        is_on = minute < 20 * 24 * 60
        if news := told.next(is_on, minute * MINUTE):
            heard.append((news, minute * MINUTE))
            told = told.heard(news, minute * MINUTE)
    assert heard == [
        ("begun", 0.0),
        *(("reminder", after) for after in REMINDERS_SECONDS),
        ("over", 20 * DAY_SECONDS),
    ]


def test_what_comes_and_goes_all_day_makes_no_flood() -> None:
    told, heard = Told(), 0
    for minute in range(24 * 60):
        if news := told.next(minute % 2 == 0, minute * MINUTE):
            heard += 1
            told = told.heard(news, minute * MINUTE)
    assert heard <= 10


def test_a_trouble_that_is_gone_before_anybody_could_be_told_is_not_told() -> None:
    missed = Told().missed(0.0)
    assert missed.next(False, HOUR) is None


def test_an_address_that_cannot_be_reached_is_tried_again_later_and_later() -> None:
    told, tries = Told(), []
    for minute in range(24 * 60):
        if told.next(True, minute * MINUTE):
            tries.append(minute)
            told = told.missed(minute * MINUTE)
    gaps = [after - before for before, after in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert gaps[:3] == [2, 4, 8]
    assert len(tries) < 15


def test_reminders_that_were_due_in_quiet_hours_are_one() -> None:
    told = Told().heard("begun", 0.0)
    later = 5 * DAY_SECONDS
    assert told.next(True, later) == "reminder"
    told = told.heard("reminder", later)
    assert told.next(True, later + MINUTE) is None
    assert told.next(True, 7 * DAY_SECONDS) == "reminder"


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    told = Told().missed(1e9)
    assert told.next(True, 0.0) == "begun"
    assert Told().heard("over", 1e9).next(True, 0.0) == "begun"


def test_quiet_hours_are_those_of_the_sites_own_clock() -> None:
    at_one_in_riyadh = 1_700_000_040.0  # 22:14 in UTC
    assert is_quiet("23:00-07:00", "Asia/Riyadh", at_one_in_riyadh)
    assert not is_quiet("23:00-07:00", "UTC", at_one_in_riyadh)
    assert is_quiet("22:00-23:00", "UTC", at_one_in_riyadh)
    assert not is_quiet("22:00-23:00", "Asia/Riyadh", at_one_in_riyadh)
    assert is_quiet("00:00-23:59", "no such zone", at_one_in_riyadh)


# What


def address_of(endpoint: Endpoint) -> str:
    return endpoint.url.replace("http:", "json:") + "Seshat-secret"


@pytest.fixture
def told_site(endpoint: Endpoint, redis: Redis) -> Site:
    """The site `demo`, with an address for notices."""
    site = Site(
        "demo",
        name="الجريدة",  # "the newspaper"
        notice_addresses=(address_of(endpoint),),
        webhook_private=True,
        time_target_seconds=600,
    )
    Sites(redis).add(site)
    return site


def notices_on(redis: Redis, **more: Any) -> Notices:
    sites = Sites(redis)
    parts = ReviewQueue(redis), Deliveries(redis, sites), Repeats(redis)
    return Notices(redis, sites, *parts, **more)


def raid(redis: Redis, site_id: str = "demo", n_comments: int = 40) -> None:
    """Let so many comments come to one article at once."""
    repeats = Repeats(redis)
    for number in range(n_comments):
        comment = Comment(f"r-{number}", f"{TEXT} {number}", article_id="a", author_id=f"{number}")
        repeats.note(site_id, comment, 5)
    repeats.flush()
    assert repeats.raids(site_id)


def enqueue(redis: Redis, number: int = 1, site_id: str = "demo") -> None:
    comment = Comment(f"c-{number}", TEXT, author_name=NAME, article_title=TITLE)
    arriving.enqueue(ReviewQueue(redis), site_id, comment, VERDICT, scores={})


def test_a_backlog_is_told_in_arabic_without_a_word_of_a_comment_and_its_end_too(
    told_site: Site, redis: Redis, endpoint: Endpoint, clock: Clock
) -> None:
    telling = notices_on(redis, clock=clock, console="https://hakam.example")
    enqueue(redis, 1)
    enqueue(redis, 2)
    assert telling.serve(told_site) is None  # nothing waits for too long yet
    let_time_pass(redis, 7_200_000)
    assert telling.serve(told_site) is True
    assert telling.serve(told_site) is None  # it has been told
    (begun,) = endpoint.bodies()
    assert begun["title"] == "حَكَم، الجريدة: يلزم تدخّل المشرفين"
    assert begun["message"].splitlines() == [
        "تعليقان في الانتظار. أطول انتظار: ساعتان. المهلة المرجوّة: 10 دقائق.",
        "https://hakam.example/console/demo",
    ]
    for written in (TEXT, NAME, TITLE, "c-1"):
        assert written not in json.dumps(begun, ensure_ascii=False)

    queue = ReviewQueue(redis)
    while lease := queue.lease("demo", "amal"):
        draft = Decision("approve", moderator="amal", request_id=f"r-{lease.token}")
        queue.decide("demo", lease.item.id, lease.token, draft)
    clock.now += HOUR
    assert telling.serve(told_site) is True
    assert endpoint.bodies()[1]["type"] == "success"
    assert "لم يعد أي تعليق ينتظر" in endpoint.bodies()[1]["message"]


def test_a_notice_is_in_the_language_that_the_site_chose(
    told_site: Site, redis: Redis, endpoint: Endpoint
) -> None:
    enqueue(redis)
    let_time_pass(redis, 7_200_000)
    notices_on(redis).serve(replace(told_site, notice_language="en"))
    (told,) = endpoint.bodies()
    assert told["message"] == (
        "1 comment waits; the longest for 2 hours, where the target is 10 minutes."
    )


def test_what_cannot_be_told_to_the_site_is_told_to_its_moderators(
    told_site: Site, redis: Redis, endpoint: Endpoint, clock: Clock
) -> None:
    with answering() as hook:
        hook.status = 500
        site = told_site.changed({"webhook_url": hook.url})
        Sites(redis).update(site)
        enqueue(redis)
        queue = ReviewQueue(redis)
        lease = queue.lease("demo", "amal")
        assert lease
        draft = Decision("approve", moderator="amal", request_id="r")
        queue.decide("demo", lease.item.id, lease.token, draft)
        deliveries = Deliveries(redis, Sites(redis))
        deliveries._deliver_next(site)
        failing_since = deliveries.endpoint("demo").failing_since
        telling = notices_on(redis, clock=clock)
        clock.now = failing_since + MINUTE
        assert telling.serve(site) is None  # it may be over soon
        clock.now = failing_since + HOUR
        assert telling.serve(site) is True
        redis.hset("{hakam:demo}:endpoint", "disabled", int(failing_since * 1000))
        redis.zadd("{hakam:demo}:dead", {lease.item.id: 1})
        clock.now += DAY_SECONDS
        assert telling.serve(site) is True
    began, later = (body["message"] for body in endpoint.bodies())
    assert began == "لا يتسلّم الموقع القرارات. المدة: ساعة."
    assert "لا يزال الأمر قائمًا: لا يتسلّم الموقع القرارات، وقد أُوقف إبلاغه" in later
    assert "قرار واحد تعذّر إبلاغ الموقع به" in later  # both in one notice


def test_a_raid_is_told_by_its_numbers_alone(
    told_site: Site, redis: Redis, endpoint: Endpoint
) -> None:
    raid(redis)
    notices_on(redis).serve(told_site)
    (told,) = endpoint.bodies()
    assert told["message"] == "موجة تعليقات على مقال: 40 تعليقًا في عشر دقائق."


def test_copies_of_one_text_are_a_raid_too(
    told_site: Site, redis: Redis, endpoint: Endpoint
) -> None:
    text = "هذا نص طويل يرسله كثيرون في وقت واحد إلى كل المقالات"  # "a long text that many send"
    repeats = Repeats(redis)
    for number in range(25):
        repeats.note("demo", Comment(f"c-{number}", text, article_id=str(number)), 5)
    repeats.flush()
    notices_on(redis).serve(told_site)
    (told,) = endpoint.bodies()
    assert told["message"] == "25 نسخة من نص واحد خلال يوم."


def test_nothing_is_told_in_quiet_hours_and_what_still_stands_is_told_after_them(
    told_site: Site, redis: Redis, endpoint: Endpoint, clock: Clock
) -> None:
    site = replace(told_site, quiet_hours="22:00-07:00", time_zone="UTC")
    raid(redis)
    telling = notices_on(redis, clock=clock)
    assert telling.serve(site) is None  # at 22:14
    assert telling._waiting(site) == (0, False)
    clock.now += 9 * HOUR
    assert telling.serve(site) is True
    assert len(endpoint.told) == 1


def test_two_processes_tell_once(told_site: Site, redis: Redis, endpoint: Endpoint) -> None:
    enqueue(redis)
    let_time_pass(redis, 7_200_000)
    telling = [notices_on(redis) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda one: one.serve(told_site), telling)).count(True) == 1
    assert len(endpoint.told) == 1


def test_a_dead_address_keeps_no_other_from_its_notice_and_stands_in_no_log(
    told_site: Site, redis: Redis, endpoint: Endpoint, clock: Clock
) -> None:
    dead = "json://127.0.0.1:1/Thoth-secret"
    site = replace(told_site, notice_addresses=(dead, address_of(endpoint)))
    Sites(redis).update(site)
    raid(redis)
    telling = notices_on(redis, clock=clock)
    with structlog.testing.capture_logs() as lines:
        assert telling.serve(site) is False
        assert telling.serve(site) is None  # not at once again
        clock.now += 5 * MINUTE
        assert telling.serve(site) is False
    assert len(endpoint.told) == 1  # only the dead one is tried again
    assert [line["number"] for line in lines] == [1, 1]
    kept: Any = redis.get("{hakam:demo}:notices")
    assert "secret" not in f"{lines}{kept}"
    fared = telling.fared(site)
    assert [(one.service, bool(one.told_at), one.n_failures) for one in fared] == [
        ("JSON", False, 2),
        ("JSON", True, 0),
    ]


def test_a_site_whose_address_never_answers_does_not_delay_another(
    told_site: Site, redis: Redis, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_sender, "SECONDS", 120.0)  # longer than this test may take
    monkeypatch.setattr(notices, "LOOK_EVERY_SECONDS", 0.1)
    raid(redis)
    raided = notices_on(redis)
    assert raided.serve(told_site) is True  # so that it is known that its address answers
    enqueue(redis)
    let_time_pass(redis, 7_200_000)
    with dripping(b"HTTP/1.1 200 OK\r\nx: ") as drip:
        slow = (f"json://127.0.0.1:{drip.port}/",)
        for n in range(2 * notices.N_THREADS):
            Sites(redis).add(replace(told_site, id=f"a-slow-one-{n}", notice_addresses=slow))
            raid(redis, f"a-slow-one-{n}")
        stop = Event()
        telling = Thread(target=raided.run, args=(stop,))
        telling.start()
        try:
            await_condition(
                lambda: len(endpoint.told) == 2, what="the notice of the other site", seconds=90.0
            )
            assert drip.n_over == 0
            assert drip.n_most <= notices.N_THREADS // 2
        finally:
            stop.set()
    telling.join()  # its processes have nobody to wait for any more


def test_a_store_that_is_gone_is_told_to_the_sites_that_were_known_and_so_is_its_return(
    tmp_path: Path, endpoint: Endpoint, clock: Clock
) -> None:
    with PrivateRedis() as server, connect(server.start(tmp_path)) as redis:
        site = Site("demo", notice_addresses=(address_of(endpoint),), webhook_private=True)
        Sites(redis).add(site)
        durability = Durability(redis, tmp_path / "store")
        durability.check()
        telling = notices_on(
            redis,
            clock=clock,
            trouble=lambda: durability.failing_since and clock.now - 61.0,
            expect=durability.expect,
        )
        assert [one.id for one in telling._listening()] == ["demo"]
        with watched(durability):
            server.stop()
            await_condition(lambda: durability.failing_since, what="the trouble")
            assert [one.id for one in telling._listening()] == ["demo"]
            assert telling.serve(site) is True
            assert telling.serve(site) is None
            with pytest.raises(StoreUnavailable):
                Sites(redis).list()
            server.start_again()
            await_condition(lambda: not durability.failing_since, what="the return")
        clock.now += HOUR
        await_condition(lambda: telling.serve(site), what="the notice of the return")
    began, over = (body["message"] for body in endpoint.bodies())
    assert "المخزن لا يحفظ ما يُعطى" in began
    assert over == "عاد المخزن إلى حفظ التعليقات."


@contextmanager
def watched(durability: Durability) -> Iterator[None]:
    stop = Event()
    watching = Thread(target=durability.run, args=(stop,))
    watching.start()
    try:
        yield
    finally:
        stop.set()
        watching.join()


def test_an_emptied_store_is_no_installation_without_sites(
    told_site: Site, redis: Redis, tmp_path: Path
) -> None:
    durability = Durability(redis, tmp_path / "store")
    durability.check()
    telling = notices_on(redis, expect=durability.expect)
    assert [one.id for one in telling._listening()] == ["demo"]
    redis.flushall()
    with pytest.raises(StoreUnavailable):
        telling._listening()
    assert [one.id for one in telling._known] == ["demo"]


# By hand


def test_the_command_tries_every_address_and_shows_none(
    told_site: Site, redis: Redis, redis_server: RedisServer, endpoint: Endpoint
) -> None:
    dead = "tgram://123456789:abcdefghijklmnop_qrstuvwxyz123456/-1001234"
    site = replace(told_site, notice_addresses=("json://127.0.0.1:1/", address_of(endpoint)))
    environ = {"HAKAM_REDIS_URL": redis_server.url}
    command = ["notices", "test", "demo"]
    result = CliRunner().invoke(hakam, command, env=environ)
    assert (result.exit_code, result.output) == (0, "1\tJSON\ttaken\n")
    Sites(redis).update(site)
    result = CliRunner().invoke(hakam, command, env=environ)
    assert result.exit_code == 2
    assert result.output == "1\tJSON\tthe service did not take it\n2\tJSON\ttaken\n"
    Sites(redis).update(replace(site, notice_addresses=()))
    result = CliRunner().invoke(hakam, command, env=environ)
    assert result.exit_code == 2
    assert "no address" in result.output
    assert dead not in result.output


def test_an_administrator_enters_addresses_tries_them_and_never_sees_them_again(
    app: Flask, accounts: Accounts, redis: Redis, endpoint: Endpoint, api_key: str
) -> None:
    layla = Console(app, "layla").log_in()
    layla.post(
        "/demo/settings",
        notice_addresses=address_of(endpoint),
        webhook_private="yes",
        quiet_hours="22:00-07:00",
        time_zone="Asia/Riyadh",
        action="save",
    )
    site = Sites(redis).get("demo")
    assert site.notice_addresses == (address_of(endpoint),)
    assert (site.quiet_hours, site.time_zone) == ("22:00-07:00", "Asia/Riyadh")
    layla.post("/demo/settings/notices")
    page = layla.get("/demo/settings")
    assert "تسلّم JSON التجربة." in page
    assert "Seshat-secret" not in page
    assert [body["title"] for body in endpoint.bodies()] == ["حَكَم، Demo: تجربة"]
    for wrong in ({"notice_addresses": "mailto://a"}, {"time_zone": "Riyadh"}):
        page = layla.post("/demo/settings", action="save", **wrong)
        assert layla.last.status_code == 422
    assert "لا منطقة زمنية بهذا الاسم" in page
    moderator = Console(app, "samira").log_in()
    moderator.post("/demo/settings/notices")
    assert moderator.last.status_code == 403
    assert len(endpoint.told) == 1
    assert webhooks.PROBE_SECONDS < notice_sender.SECONDS
