"""Moderators keep notes about authors and articles: few, short, and not for longer than texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis import Redis

from service.errors import Conflict, Forbidden, InvalidRequest
from service.queue.authors import Authors
from service.queue.notes import MAX_NOTE_LENGTH, MAX_NOTES, Notes
from service.queue.retention import Retention
from service.sites.site import Site
from service.sites.sites import Sites

DAY_MS = 86_400_000
RETENTION, TEXTS = "{hakam:demo}:retention", "{hakam:demo}:texts"


@pytest.fixture
def site() -> Site:
    return Site("demo", retention_days=30)


@pytest.fixture
def notes(redis: Redis, api_key: str) -> Notes:
    return Notes(redis)


def add(notes: Notes, note_id: str = "n1", text: str = "was warned by mail", **more: Any) -> None:
    asked = {"moderator": "samira"} | more
    notes.add("demo", "author_id", "u", note_id=note_id, text=text, **asked)


def kept(redis: Redis, author_id: str = "u") -> list[tuple[str, str]]:
    page = Authors(redis, Sites(redis)).page("demo", author_id)
    return [(note.moderator, note.text) for note in page.notes]


def age(redis: Redis, days: int, member: str) -> None:
    client: Any = redis
    facet = member.partition(":")[2]
    client.zincrby(RETENTION, -days * DAY_MS, member)
    record = json.loads(client.hget(TEXTS, facet))
    for note in record["notes"]:
        note["at"] -= days * DAY_MS
    client.hset(TEXTS, facet, json.dumps(record))


def due(redis: Redis) -> str:
    client: Any = redis
    [member] = [one for one in client.zrange(RETENTION, 0, -1) if one.startswith("notes:")]
    return str(member)


def test_a_note_is_kept_once_with_who_wrote_it_and_the_newest_comes_first(
    notes: Notes, redis: Redis
) -> None:
    add(notes, "n1")
    add(notes, "n1")
    add(notes, "n2", " knows the editor ", moderator="omar")
    assert kept(redis) == [("omar", "knows the editor"), ("samira", "was warned by mail")]
    assert kept(redis, "other") == []


def test_so_many_notes_are_kept_and_none_is_lost_for_one_more(notes: Notes, redis: Redis) -> None:
    for number in range(MAX_NOTES):
        add(notes, f"n{number}", f"note {number}")
    with pytest.raises(Conflict):
        add(notes, "more")
    assert len(kept(redis)) == MAX_NOTES
    assert notes.remove("demo", "author_id", "u", "n0", "samira", senior=False)
    add(notes, "more")
    assert kept(redis)[0] == ("samira", "was warned by mail")


@pytest.mark.parametrize("text", ["", "  ", "x" * (MAX_NOTE_LENGTH + 1)])
def test_a_note_that_is_empty_or_too_long_is_refused_by_its_field(notes: Notes, text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        add(notes, text=text)
    assert [error.field for error in refusal.value.errors] == ["note"]


def test_a_note_is_removed_by_who_wrote_it_or_a_senior(notes: Notes, redis: Redis) -> None:
    add(notes)
    with pytest.raises(Forbidden):
        notes.remove("demo", "author_id", "u", "n1", "omar", senior=False)
    assert notes.remove("demo", "author_id", "u", "n1", "omar", senior=True)
    assert not notes.remove("demo", "author_id", "u", "n1", "omar", senior=True)
    client: Any = redis
    assert (client.hlen(TEXTS), client.zcard(RETENTION)) == (0, 0)


def test_notes_go_after_the_sites_retention_period_each_by_its_own_age(
    notes: Notes, redis: Redis
) -> None:
    retention = Retention(redis, Sites(redis))
    add(notes, "n1", "the old one")
    age(redis, 20, due(redis))
    add(notes, "n2", "the new one")
    age(redis, 11, due(redis))
    retention.sweep(force=True)
    assert kept(redis) == [("samira", "the new one")]
    age(redis, 20, due(redis))
    retention.sweep(force=True)
    client: Any = redis
    assert (client.hlen(TEXTS), client.zcard(RETENTION)) == (0, 0)


def test_an_erased_author_takes_the_notes_along_and_no_others(notes: Notes, redis: Redis) -> None:
    add(notes)
    notes.add("demo", "article_id", "u", note_id="n", moderator="omar", text="about an article")
    Retention(redis, Sites(redis)).erase("demo", "u")
    client: Any = redis
    assert kept(redis) == []
    assert "about an article" in str(client.hgetall(TEXTS))


def test_notes_that_are_damaged_hide_nothing_else(notes: Notes, redis: Redis) -> None:
    add(notes)
    client: Any = redis
    (field,) = client.hgetall(TEXTS)
    client.hset(TEXTS, field, "no")
    assert kept(redis) == []
    add(notes, "n2", "written after that")
    assert kept(redis) == [("samira", "written after that")]
