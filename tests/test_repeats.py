"""Copies and floods are counted within bounds, and only once for a comment that is sent again."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from conftest import NOWHERE
from service.errors import StoreUnavailable
from service.queue.records import Comment, item_id_of
from service.queue.repeats import AT_ONCE, MAX_PENDING, Repeats
from service.queue.review_queue import ReviewQueue
from service.rules.repeats import MIN_LETTERS, Seen, letters_of
from service.sites.site import Site
from service.sites.sites import Sites

TEXT = "They raised the price of bread again and nobody in the ministry says a word about it"
# "God is great", "yes", "There is no power and no strength but in God, the High, the Great",
# "To God we belong and to Him we return", "God have mercy on him and forgive him and let him dwell
# in the width of His gardens"
COMMON = (
    "الله أكبر",
    "نعم",
    "لا حول ولا قوة إلا بالله العلي العظيم",
    "إنا لله وإنا إليه راجعون",
    "اللهم اغفر له وارحمه وأسكنه فسيح جناته",
)
# Texts of one subject, none of which is a copy of another.
SUBJECT = """
    minister bread price school teacher road bridge water power cut night summer winter market
    farmer harvest village river tax salary strike union court judge law police doctor hospital
    medicine child mother street bus train ticket phone news paper editor story reader comment
"""
WORDS = SUBJECT.split()


@pytest.fixture
def repeats(redis: Redis) -> Repeats:
    return Repeats(redis)


def comment(number: int, text: str = TEXT, **more: Any) -> Comment:
    return Comment(f"c{number}", text, **more)


def count(repeats: Repeats, *comments: Comment, factor: int = 5) -> Seen:
    seen = [repeats.observe("demo", one, factor) for one in comments]
    return seen[-1]


def let_pass(redis: Redis, seconds: float) -> None:
    """Set back all windows and times."""
    client: Any = redis
    for name, length in (("groups", 86_400), ("paces", 0)):
        for field, record in client.hgetall(f"{{hakam:demo}}:{name}").items():
            parts = record.split()
            at = 1 if name == "groups" else 0
            window = length or (600 if field.startswith("a") else 3_600)
            parts[at] = str(max(0, int(parts[at]) - round(seconds / window)))
            client.hset(f"{{hakam:demo}}:{name}", field, " ".join(parts))
    for line in ("grouped", "paced"):
        for member in client.zrange(f"{{hakam:demo}}:{line}", 0, -1):
            client.zincrby(f"{{hakam:demo}}:{line}", -seconds * 1000, member)
    for field, record in client.hgetall("{hakam:demo}:raids").items():
        raid = json.loads(record)
        raid |= {name: raid[name] - int(seconds * 1000) for name in ("since", "at")}
        client.hset("{hakam:demo}:raids", field, json.dumps(raid))


# Copies


def test_copies_of_a_text_are_counted_whoever_writes_them_and_wherever(repeats: Repeats) -> None:
    for number in range(1, 6):
        one = comment(number, author_id=f"u{number}", article_id=f"a{number}")
        assert count(repeats, one).n_copies == number
    assert repeats.observe("other", comment(1), 5).n_copies == 1, "each site has its own"


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.upper() + "!!! 123",
        "  ".join(TEXT),
        f"Hello everybody. {TEXT}",
        TEXT.replace("bread", "meat"),
        TEXT.replace("price", "prise").replace("word", "wrod"),
        "\u200b".join(TEXT),
    ],
    ids=["signs", "letters apart", "greeting", "another word", "misspelt", "invisible"],
)
def test_a_copy_with_a_small_change_is_a_copy(repeats: Repeats, changed: str) -> None:
    first = count(repeats, comment(1))
    seen = count(repeats, comment(2, changed))
    assert (seen.group, seen.n_copies) == (first.group, 2)


def test_copies_of_which_each_changes_the_one_before_stay_one_group(repeats: Repeats) -> None:
    words, draw = TEXT.split(), random.Random(7)
    for number in range(30):
        words[number % len(words)] = draw.choice(WORDS)
        seen = count(repeats, comment(number, " ".join(words)))
        if number < 10:
            assert seen.n_copies == number + 1


def test_texts_with_the_same_words_in_another_order_are_no_copies(repeats: Repeats) -> None:
    draw = random.Random(3)
    most = max(
        count(repeats, comment(number, " ".join(draw.sample(WORDS, 12)))).n_copies
        for number in range(400)
    )
    assert most <= 2


@pytest.mark.parametrize("text", COMMON)
def test_what_everybody_writes_counts_as_no_copy_however_often_it_comes(
    repeats: Repeats, text: str
) -> None:
    assert len(letters_of(text)) < MIN_LETTERS
    seen = [count(repeats, comment(number, text, article_id="a")) for number in range(25)]
    assert {one.n_copies for one in seen} == {0}
    assert len({one.group for one in seen}) == 1, "on the desk they are together"
    assert repeats.raids("demo") == []


def test_what_has_no_letters_is_in_no_group(repeats: Repeats) -> None:
    assert count(repeats, comment(1, "123 !!!"), comment(2, "123 !!!")) == Seen()


def test_a_comment_sent_again_counts_once(repeats: Repeats) -> None:
    one = comment(1, author_id="u", article_id="a")
    assert count(repeats, one, one, one) == count(repeats, one)
    assert count(repeats, comment(2, author_id="u")).n_copies == 2
    assert count(repeats, replace(one, text=TEXT + "!")).n_copies == 1
    assert count(repeats, comment(3, author_id="u")).n_of_author == 3


def test_copies_of_the_day_before_yesterday_are_forgotten(repeats: Repeats, redis: Redis) -> None:
    first = count(repeats, *map(comment, range(40)))
    let_pass(redis, 86_400)
    assert 1 <= count(repeats, comment(41)).n_copies <= 41, "of yesterday a part counts"
    let_pass(redis, 2 * 86_400)
    assert count(repeats, comment(42)).n_copies == 1
    assert first.n_copies == 40


def test_what_is_kept_is_bounded_and_holds_no_word(repeats: Repeats, redis: Redis) -> None:
    client: Any = redis
    draw = random.Random(5)
    for number in range(300):
        text = " ".join(draw.sample(WORDS, 14))
        count(repeats, comment(number, text, author_id=f"u{number}", article_id=f"a{number}"))
    kept = {key: client.hgetall(f"{{hakam:demo}}:{key}") for key in ("groups", "bands", "paces")}
    assert not any(word in str(kept) for word in WORDS)
    for key in ("groups", "paces"):
        client.hset(f"{{hakam:demo}}:{key}", mapping={f"old{n}": "00 1 1 1 x" for n in range(50)})
    for line in ("grouped", "paced"):
        client.zadd(f"{{hakam:demo}}:{line}", {f"x{n}": n for n in range(20_000)})
        client.zadd(f"{{hakam:demo}}:{line}", {f"old{n}": -n for n in range(50)})
    for number in range(300, 320):
        count(repeats, comment(number, author_id="u", article_id="a"))
    for line, key in (("grouped", "groups"), ("paced", "paces")):
        assert client.zcard(f"{{hakam:demo}}:{line}") <= 20_000 + 3
        assert not client.hexists(f"{{hakam:demo}}:{key}", "old1"), "the oldest goes first"


def test_what_a_clock_that_was_ahead_has_left_is_forgotten(repeats: Repeats, redis: Redis) -> None:
    client: Any = redis
    count(repeats, comment(1, author_id="u"))
    let_pass(redis, -400 * 86_400)
    count(
        repeats, *(comment(n, "a quite different text, in which nothing is alike") for n in (2, 3))
    )
    assert client.zcard("{hakam:demo}:grouped") == 1
    assert client.zcard("{hakam:demo}:paced") == 0


def test_damaged_counts_begin_anew(repeats: Repeats, redis: Redis) -> None:
    client: Any = redis
    one = comment(1, author_id="u", article_id="a")
    count(repeats, one)
    for key in ("groups", "bands", "paces", "raids"):
        for field in [*client.hgetall(f"{{hakam:demo}}:{key}"), "x"]:
            client.hset(f"{{hakam:demo}}:{key}", field, '{"at": [')
    assert count(repeats, one).n_copies == 1
    assert repeats.raids("demo") == []


# Authors and articles


def test_the_comments_of_an_author_within_an_hour_are_counted(
    repeats: Repeats, redis: Redis
) -> None:
    texts = ["yes", "no", "well", TEXT, "and again"]
    seen = [count(repeats, comment(n, text, author_id="u")) for n, text in enumerate(texts)]
    assert [one.n_of_author for one in seen] == [1, 2, 3, 4, 5]
    assert count(repeats, comment(9, "yes", author_id="other")).n_of_author == 1
    assert count(repeats, comment(10, "yes")).n_of_author == 0, "nobody is no author"
    let_pass(redis, 2 * 3_600)
    assert count(repeats, comment(11, "yes", author_id="u")).n_of_author == 1


def under(article_id: str, numbers: Sequence[int]) -> list[Comment]:
    """Comments of which none is like another."""
    return [
        comment(n, f"{n:b} words".replace("0", "ab").replace("1", "xy"), article_id=article_id)
        for n in numbers
    ]


def test_an_article_with_many_times_the_usual_comments_is_in_a_raid(
    repeats: Repeats, redis: Redis
) -> None:
    for hour in range(3):
        count(repeats, *under("busy", range(100 * hour, 100 * hour + 20)))
        let_pass(redis, 600)
    assert repeats.raids("demo") == []
    count(repeats, *under("busy", range(1_000, 1_029)))
    assert repeats.raids("demo") == [], "half as much again is no raid"
    count(repeats, *under("busy", range(1_029, 1_140)))
    (raid,) = repeats.raids("demo")
    assert raid.article_id == "busy"
    assert raid.n_comments >= 5 * raid.usual >= 30
    count(repeats, *under("other", range(2_000, 2_029)))
    assert len(repeats.raids("demo")) == 1
    let_pass(redis, 1_801)
    assert repeats.raids("demo") == [], "half an hour after its last comment it is over"


def test_a_new_article_of_a_site_with_busy_ones_is_in_no_raid(
    repeats: Repeats, redis: Redis
) -> None:
    for hour in range(3):
        count(repeats, *under(f"busy{hour}", range(100 * hour, 100 * hour + 25)))
        let_pass(redis, 600)
        count(repeats, *under(f"busy{hour}", [100 * hour + 99]))
    count(repeats, *under("new", range(1_000, 1_090)))
    assert repeats.raids("demo") == []


def test_copies_are_a_raid_on_their_own(repeats: Repeats) -> None:
    count(repeats, *(comment(n, f"{TEXT} {n}", article_id=f"a{n}") for n in range(19)))
    assert repeats.raids("demo") == []
    seen = count(repeats, comment(19, article_id="a19"))
    (raid,) = repeats.raids("demo")
    assert (raid.copies, raid.n_comments, raid.article_id) == (seen.group, 20, "a19")


def test_a_site_that_wants_no_raids_shown_has_none(repeats: Repeats) -> None:
    count(repeats, *(comment(n, article_id="a") for n in range(100)), factor=0)
    assert repeats.raids("demo") == []


# Behind the answer


def test_what_has_no_say_is_counted_behind_the_answer(repeats: Repeats, redis: Redis) -> None:
    for number in range(2 * AT_ONCE):
        repeats.note("demo", comment(number, article_id="a"), 5)
    assert redis.keys("*groups*") == []
    repeats.flush_if_due()
    assert {raid.n_comments for raid in repeats.raids("demo")} == {2 * AT_ONCE}
    repeats.flush_if_due()
    assert count(repeats, comment(-1)).n_copies == 2 * AT_ONCE + 1


def test_without_redis_a_count_that_has_a_say_is_an_error_and_another_is_dropped() -> None:
    repeats = Repeats(NOWHERE)
    with pytest.raises(StoreUnavailable):
        repeats.observe("demo", comment(1), 5)
    for number in range(MAX_PENDING + 10):
        repeats.note("demo", comment(number, "no"), 5)
    assert len(repeats._pending) == MAX_PENDING
    repeats.flush_if_due()
    assert not repeats._pending


# What a site makes of it


@pytest.fixture
def site() -> Site:
    return Site("demo", review={"toxicity": 1.0, "insult": 1.0}, random_sample_share=0.0)


def send(client: FlaskClient, key: str, number: int, text: str = TEXT, author: str = "") -> Any:
    body = {"id": f"c-{number}", "text": text, "author": {"id": author}, "article": {"id": "a-1"}}
    return client.post("/v1/comments", json=body, headers={"Authorization": f"Bearer {key}"})


def answer(client: FlaskClient, key: str, number: int, text: str = TEXT, author: str = "") -> Any:
    said = send(client, key, number, text, author).json
    return said["action"], said["reason"], said["n_copies"]


def test_by_default_copies_are_approved_and_the_desk_hears_of_the_flood(
    app: Flask, client: FlaskClient, api_key: str
) -> None:
    for number in range(40):
        assert answer(client, api_key, number) == ("approve", "clean", None)
    repeats = app.extensions["hakam"].repeats
    repeats.flush()
    assert {raid.n_comments for raid in repeats.raids("demo")} == {40}


def test_a_site_sees_copies_from_one_number_on_and_rejects_them_from_another(
    client: FlaskClient, api_key: str, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, repeat_review=3, repeat_reject=5))
    found = [answer(client, api_key, number) for number in range(6)]
    assert found == [
        ("approve", "clean", 1),
        ("approve", "clean", 2),
        ("review", "repeat", 3),
        ("review", "repeat", 4),
        ("reject", "repeat", 5),
        ("reject", "repeat", 6),
    ]
    assert answer(client, api_key, 0) == found[0], "the same comment again gets the same answer"


def test_what_everybody_writes_is_never_held_as_a_copy(
    client: FlaskClient, api_key: str, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, repeat_review=2, repeat_reject=3))
    for number, text in enumerate(COMMON * 3):
        assert answer(client, api_key, number, text)[0] == "approve"


def test_what_an_author_sends_beyond_the_number_of_an_hour_waits(
    client: FlaskClient, api_key: str, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, author_per_hour=3))
    found = [answer(client, api_key, n, f"yes {n}", "reader")[:2] for n in range(5)]
    assert found == 3 * [("approve", "clean")] + 2 * [("review", "flood")]
    assert answer(client, api_key, 9, "yes", "somebody")[0] == "approve"


def test_copies_wait_in_a_line_of_their_own(
    client: FlaskClient, api_key: str, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, repeat_review=1))
    for number in range(3):
        send(client, api_key, number, f"{TEXT} {number}")
    send(client, api_key, 9, "something else that is long enough to be counted as a copy of it")
    queue = ReviewQueue(redis)
    group = queue.item("demo", item_id_of("c-0")).comment.copies
    assert len(queue.waiting("demo", copies=group)) == 3
    lease = queue.lease("demo", "amal", copies=group)
    assert lease is not None
    assert len(queue.waiting("demo", copies=group)) == 2
    assert len(queue.waiting("demo")) == 3


def test_what_cannot_be_counted_is_seen_by_a_person_and_scored_all_the_same(
    client: FlaskClient, api_key: str, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, repeat_review=50))
    client_of_redis: Any = redis
    client_of_redis.set("{hakam:demo}:groups", "a key of another kind")
    said = send(client, api_key, 1).json
    assert (said["action"], said["reason"], said["n_copies"]) == ("review", "repeat", None)
    assert said["scores"]


def test_where_nobody_minds_copies_damaged_counts_hold_nothing_up(
    app: Flask, client: FlaskClient, api_key: str, redis: Redis
) -> None:
    client_of_redis: Any = redis
    client_of_redis.set("{hakam:demo}:groups", "a key of another kind")
    for number in range(3):
        assert answer(client, api_key, number) == ("approve", "clean", None)
    app.extensions["hakam"].repeats.flush()
    assert answer(client, api_key, 4) == ("approve", "clean", None)
