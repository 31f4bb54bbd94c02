"""My shift: what somebody did today, where they may learn, and what they are not told too early."""

from __future__ import annotations

import math
import re
import struct
import time
import wave
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from arriving import enqueue
from flask import Flask
from redis import Redis
from test_console import PASSWORD, Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture
from test_console import console as console  # noqa: PLC0414 - a fixture
from test_console import flag as flag  # noqa: PLC0414 - a fixture
from test_console import queue as queue  # noqa: PLC0414 - a fixture

from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.console import blueprint
from service.queue.read_models import ReadModels
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.reports import shift
from service.rules.policy import Verdict
from service.rules.times import start_of
from service.services import Services
from service.sites.site import Site
from service.sites.sites import Sites

VERDICT = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
SOUND = Path(blueprint.__file__).parent / "static" / "arrival.wav"


@pytest.fixture
def final(app: Flask) -> None:
    """Let nothing be undone, so that no test waits until decisions are final."""
    services: Services = app.extensions["hakam"]
    settings = services.settings.model_copy(update={"undo_seconds": -1})
    app.extensions["hakam"] = replace(services, settings=settings)


def decide(
    queue: ReviewQueue, action: str = "approve", moderator: str = "samira", **fields: Any
) -> Decision:
    """Decide what comes first."""
    lease = queue.lease("demo", moderator, senior=True, **fields)
    assert lease
    labels = ("insult",) if action == "reject" else ()
    reason = "insult" if action == "reject" else ""
    draft = Decision(
        action,
        labels,
        reason,
        f"note of {moderator}",
        moderator=moderator,
        request_id=f"{lease.item.id}-{lease.token}-{moderator}",
    )
    return queue.decide("demo", lease.item.id, lease.token, draft)


def figures(page: str) -> dict[str, int]:
    found = re.findall(r'data-figure="(\w+)">([\d,]+)<', page)
    return {name: int(n.replace(",", "")) for name, n in found}


def part(page: str, name: str) -> str:
    """The part of the page with this heading."""
    return page.partition(f'aria-labelledby="{name}"')[2].partition("</section>")[0]


# What was done


def test_the_page_counts_what_i_did_today_and_lists_it_with_its_undo(
    console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    for number in range(4):
        flag(f"c{number}", f"words of c{number}")
    decide(queue)
    decide(queue, "reject")
    decide(queue, "reject", moderator="omar")
    lease = queue.lease("demo", "samira")
    assert lease
    queue.skip("demo", lease.item.id, lease.token)
    page = console.get("/demo/shift")
    assert figures(page) == {"approve": 1, "reject": 1, "skip": 1, "escalate": 0}
    mine = part(page, "mine")
    assert len(re.findall(r"words of c\d", mine)) == 2, "not what omar decided"
    assert mine.count('name="decision"') == 2


def test_a_decision_of_the_list_is_taken_back_and_the_count_with_it(
    console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag()
    made = decide(queue, "reject")
    console.get("/demo/shift")
    fields = {"item": made.item_id, "decision": made.id, "request_id": "once"}
    console.post("/demo/shift/undo", **fields)
    assert console.last.location == "/console/demo/shift"
    page = console.get("/demo/shift")
    assert figures(page)["reject"] == 0
    assert "لم يعد قائمًا" in page or 'name="decision"' not in part(page, "mine")
    assert queue.item("demo", made.item_id).state == "pending"
    console.post("/demo/shift/undo", **fields | {"request_id": "twice"})
    assert "فات أوان" in console.get("/demo/shift")  # "it is too late"


def test_nobody_takes_back_by_the_list_what_another_decided(
    console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag()
    made = decide(queue, moderator="omar")
    console.post("/demo/shift/undo", item=made.item_id, decision=made.id)
    assert queue.item("demo", made.item_id).state == "decided"


def test_what_can_be_undone_no_more_has_no_button(
    console: Console, flag: Callable[..., str], queue: ReviewQueue, final: None
) -> None:
    flag()
    decide(queue)
    mine = part(console.get("/demo/shift"), "mine")
    assert TEXT_OF_FLAG in mine
    assert 'name="decision"' not in mine
    (item_page,) = re.findall(r'href="/console(/demo/items/[^"]+)"', mine)
    assert TEXT_OF_FLAG in console.get(item_page)


TEXT_OF_FLAG = "\u0623\u0646\u062a"  # "you"


def test_the_list_of_today_is_paged_by_a_cursor_and_shows_each_once(
    console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    for number in range(95):
        flag(f"c{number}", f"words of c{number}.")
        decide(queue)
    seen, path = list[str](), "/demo/shift"
    while path:
        mine = part(console.get(path), "mine")
        found = re.findall(r"words of (c\d+)\.", mine)
        assert 0 < len(found) <= 40
        seen += found
        older = re.search(r'href="/console(/demo/shift\?before=[^"#]+)#mine"', mine)
        path = older[1] if older else ""
    assert seen == [f"c{number}" for number in reversed(range(95))]


def test_the_day_begins_at_midnight_where_its_reader_is(
    app: Flask, console: Console, accounts: Accounts, redis: Redis
) -> None:
    now = datetime.now(UTC)
    zone = ZoneInfo("Asia/Riyadh")  # three hours before UTC
    midnight = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    began = midnight.astimezone(UTC)
    client: Any = redis
    for hour, n in ((began - timedelta(hours=1), 5), (began, 7)):
        day = int(hour.timestamp() // 86_400)
        client.hset("{hakam:demo}:shifts", f"{day}:at:{hour.hour}:samira:approve", n)
    accounts.save_preferences("samira", Preferences(time_zone="Asia/Riyadh"))
    page = console.get("/demo/shift")
    assert figures(page)["approve"] == 7
    assert "الرياض" in page
    assert now >= began


def test_what_an_hour_holds_is_counted_from_the_middle_on() -> None:
    hours = {0.0: Counter(approve=1), 3_600.0: Counter(approve=2), 7_200.0: Counter(reject=3)}
    assert shift.since(hours, 3_600.0) == Counter(approve=2, reject=3)
    assert shift.since(hours, 5_400.0) == Counter(approve=2, reject=3)  # a zone of half an hour
    assert shift.since(hours, 5_401.0) == Counter(reject=3)


def test_names_with_signs_are_told_apart_in_the_counters(redis: Redis, api_key: str) -> None:
    today, client, models = int(time.time() // 86_400), redis, ReadModels(redis)
    for name, n in (("at:3:a.b@c:approve", 2), ("at:3:b@c:approve", 5), ("by:a.b@c:skip", 9)):
        client.hset("{hakam:demo}:shifts", f"{today}:{name}", n)
    *_, counters = models.days_of("demo", "a.b@c").values()
    assert counters == {"at:3:approve": 2, "by:skip": 9}
    (counts,) = shift.hours_of(models.days_of("demo", "a.b@c")).values()
    assert counts == Counter(approve=2)


# Agreement, and what is to be learned


def test_agreement_is_told_with_how_many_it_rests_on_and_not_below_ten() -> None:
    few = {"2026-01-31": {"agreed": 4, "differed": 5}}
    found = shift.with_colleagues(few)
    assert (found.n_compared, found.share) == (9, None)
    found = shift.with_colleagues(few | {"2026-02-01": {"agreed": 1}})
    assert (found.n_compared, found.share) == (10, 0.5)
    assert 0.2 < found.low < 0.5 < found.high < 0.8
    assert shift.with_known_answers({"2026-01-31": {"right": 9, "wrong": 1}}).share == 0.9


def test_a_figure_of_agreement_tells_nothing_of_what_can_still_be_undone() -> None:
    days = {"2026-01-30": {"right": 1}, "2026-01-31": {"right": 2}, "2026-02-01": {"right": 4}}
    midnight = start_of("2026-02-01")
    assert [*shift.final(days, midnight + 899, 900)] == ["2026-01-30"]
    assert [*shift.final(days, midnight + 900, 900)] == ["2026-01-30", "2026-01-31"]


def blind_pair(queue: ReviewQueue, *said: tuple[str, str]) -> None:
    """Let two people judge one comment without knowing of each other, and more after them."""
    comment = Comment("b", "words of the blind one")
    enqueue(queue, "demo", comment, VERDICT, scores={}, second_opinion_share=1.0)
    for moderator, action in said:
        decide(queue, action, moderator)


def test_a_second_opinion_is_shown_to_who_differed_once_the_item_is_closed_and_final(
    app: Flask, console: Console, queue: ReviewQueue, accounts: Accounts
) -> None:
    blind_pair(queue, ("samira", "approve"), ("basma", "reject"))
    for _ in range(2):  # open, then with the seniors
        assert "blind one" not in part(console.get("/demo/shift"), "learn")
    decide(queue, "reject", "omar")
    assert "blind one" not in part(console.get("/demo/shift"), "learn"), "it can still be undone"


def test_where_i_differed_from_the_last_word_is_shown_with_its_reason_and_note(
    app: Flask, console: Console, queue: ReviewQueue, final: None
) -> None:
    blind_pair(queue, ("samira", "approve"), ("basma", "reject"), ("omar", "reject"))
    learn = part(console.get("/demo/shift"), "learn")
    assert "words of the blind one" in learn
    assert "note of omar" in learn
    assert "مقبول" in learn.partition("القرار:")[0]
    senior = Console(app, "omar").log_in()
    assert "blind one" not in part(senior.get("/demo/shift"), "learn"), "he did not differ"


def test_a_known_answer_that_i_missed_is_shown_only_when_it_is_final(
    app: Flask, console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    known = Comment("k", "words of the known one")
    enqueue(queue, "demo", known, VERDICT, scores={}, known_action="approve")
    flag("c1")
    decide(queue, "reject", known_answer_share=1.0)
    page = console.get("/demo/shift")
    assert "known one" not in part(page, "learn")
    assert "known one" in part(page, "mine"), "it stands among all others, so that nobody knows"
    assert figures(page)["reject"] == 1
    services: Services = app.extensions["hakam"]
    settings = services.settings.model_copy(update={"undo_seconds": -1})
    app.extensions["hakam"] = replace(services, settings=settings)
    assert "known one" in part(console.get("/demo/shift"), "learn")


def test_what_was_taken_back_is_nothing_to_learn_from(
    console: Console, queue: ReviewQueue, final: None
) -> None:
    blind_pair(queue, ("samira", "approve"), ("basma", "reject"), ("omar", "reject"))
    found = ReadModels(queue._verbs._redis).differing("demo", "samira")
    (decision,) = found.decisions
    queue.undo("demo", decision.item_id, "omar", "u", senior=True)
    assert "blind one" not in part(console.get("/demo/shift"), "learn")


def test_the_list_to_learn_from_is_bounded(queue: ReviewQueue, redis: Redis, api_key: str) -> None:
    for number in range(203):
        known = Comment(f"k{number}", "known")
        enqueue(queue, "demo", known, VERDICT, scores={}, known_action="approve")
    enqueue(queue, "demo", Comment("c", "waits"), VERDICT, scores={})
    for _ in range(203):
        decide(queue, "reject", known_answer_share=1.0)
    client: Any = redis
    assert client.zlexcount("{hakam:demo}:listed", "[x", "(y") == 200
    models, before, n_read = ReadModels(redis), "", 0
    while True:
        found = models.differing("demo", "samira", before=before, limit=50)
        n_read, before = n_read + len(found.decisions), found.cursor
        if not before:
            break
    assert n_read == 200


# Kindness


def severe(queue: ReviewQueue, number: int) -> None:
    verdict = Verdict("review", "threat", "text", 0.97, "score", 1.0, "v1")
    enqueue(
        queue, "demo", Comment(f"s{number}", f"severe {number}"), verdict, scores={"threat": 0.97}
    )


def test_a_break_is_offered_after_a_run_of_severe_comments_and_not_again_after_it(
    console: Console, queue: ReviewQueue, accounts: Accounts
) -> None:
    accounts.save_preferences("samira", Preferences(severe_run=3, severe_run_minutes=10))
    for number in range(5):
        severe(queue, number)
    offered = []
    for _ in range(3):
        form = console.open()
        offered.append("/console/rest" in console.get("/demo/work"))
        console.press("approve", form)
    assert offered == [False, False, True]
    assert "تحدّث" in console.post("/rest"), "it says that what was read was heavy"
    console.open()
    assert "/console/rest" not in console.get("/demo/work")


def test_whoever_wants_no_break_after_a_run_is_offered_none(
    console: Console, queue: ReviewQueue, accounts: Accounts
) -> None:
    accounts.save_preferences("samira", Preferences(severe_run=0))
    for number in range(6):
        severe(queue, number)
    for _ in range(6):
        form = console.open()
        assert "/console/rest" not in console.get("/demo/work")
        console.press("approve", form)
    assert "تحدّث" not in console.post("/rest")


def test_the_preferences_of_the_account_page_are_kept_within_their_bounds(
    console: Console, accounts: Accounts
) -> None:
    fields = {
        "language": "ar",
        "time_zone": "Africa/Casablanca",
        "digits": "eastern",
        "text_size": "larger",
        "density": "compact",
        "sound": "on",
        "severe_run": "999",
        "severe_run_minutes": "0",
    }
    console.post("/me", **fields)
    samira = accounts.get("samira")
    assert samira
    kept = samira.preferences
    assert (kept.time_zone, kept.digits) == ("Africa/Casablanca", "eastern")
    assert (kept.text_size, kept.density, kept.sound) == ("larger", "compact", True)
    assert (kept.severe_run, kept.severe_run_minutes) == (30, 1)
    page = console.get("/me")
    for words in ('data-size="larger"', 'data-density="compact"', 'data-digits="eastern"'):
        assert words in page
    console.post("/me", language="ar", time_zone="Mars/Olympus", text_size="huge", digits="roman")
    samira = accounts.get("samira")
    assert samira
    kept = samira.preferences
    assert (kept.time_zone, kept.text_size, kept.digits) == ("UTC", "normal", "western")


def test_every_page_is_in_the_chosen_digits_and_no_comment_is(
    console: Console, queue: ReviewQueue, flag: Callable[..., str], accounts: Accounts
) -> None:
    accounts.save_preferences("samira", Preferences(digits="eastern"))
    flag("c1", "call 123 at 45")
    decide(queue)
    page = console.get("/demo/shift")
    assert "call 123 at 45" in page
    assert re.search(r'data-figure="approve">١<', page)


# Sound


def test_the_sound_is_asked_for_by_nobody_who_did_not_choose_it(
    console: Console, accounts: Accounts, app: Flask
) -> None:
    assert "sound.js" not in console.get("/demo/shift")
    accounts.save_preferences("samira", Preferences(sound=True))
    page = console.get("/demo/shift")
    assert "sound.js" in page
    assert "media-src 'self'" in console.last.headers["Content-Security-Policy"]
    accounts.add("nura", PASSWORD, "trainee")
    accounts.save_preferences("nura", Preferences(sound=True))
    assert "sound.js" not in Console(app, "nura").log_in().get("/me")


def test_what_waits_is_told_with_what_of_it_is_severe_or_late_and_no_word_of_it(
    console: Console, queue: ReviewQueue, flag: Callable[..., str], redis: Redis
) -> None:
    def told() -> dict[str, Any]:
        console.get("/demo/shift/arrivals")
        answer = console.last.get_json()
        assert isinstance(answer, dict)
        return answer

    assert told() == {"n_waiting": 0, "urgent": []}
    item_id = flag("c1")
    assert told() == {"n_waiting": 1, "urgent": []}
    severe(queue, 1)
    (urgent,) = told()["urgent"]
    assert urgent != item_id
    Sites(redis).update(Site("demo", time_target_seconds=60))
    client: Any = redis
    record = client.hget("{hakam:demo}:items", item_id)
    old = int((time.time() - 120) * 1000)
    client.hset("{hakam:demo}:items", item_id, re.sub(r'"since":\d+', f'"since":{old}', record))
    assert set(told()["urgent"]) == {urgent, item_id}


def test_the_sound_is_of_our_own_making_and_short() -> None:
    rate = 8_000
    samples = []
    for place in range(int(rate * 0.6)):
        t, value = place / rate, 0.0
        for start, hertz in ((0.0, 660.0), (0.14, 880.0)):
            if t >= start:
                fading = math.exp(-8 * (t - start)) * min(1, (t - start) * 100)
                value += math.sin(2 * math.pi * hertz * (t - start)) * fading
        samples.append(round(value * 3_000))
    with wave.open(str(SOUND)) as file:
        form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        stored = struct.unpack(f"<{file.getnframes()}h", file.readframes(file.getnframes()))
    assert form == (1, 2, rate)
    assert len(stored) == len(samples)
    assert max(abs(one - other) for one, other in zip(stored, samples, strict=True)) <= 1
    assert max(map(abs, stored)) < 2**15 / 5, "quiet"
