"""What stands around a comment: its parent, its conversation, and what was decided near it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from test_authors_page import in_english, words
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture
from test_console import console as console  # noqa: PLC0414 - a fixture
from test_console import flag as flag  # noqa: PLC0414 - a fixture
from test_console import queue as queue  # noqa: PLC0414 - a fixture

from service.queue.context import N_DECIDED, N_READ, N_WAITING, Context, Contexts
from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue

Flag = Callable[..., str]


@pytest.fixture
def about(redis: Redis, queue: ReviewQueue) -> Callable[[str], Context]:
    """What is known around an item."""

    def about(item_id: str) -> Context:
        return Contexts(redis).of("demo", queue.item("demo", item_id))

    return about


class Desk:
    def __init__(self, queue: ReviewQueue) -> None:
        self.queue, self.n = queue, 0

    def decide(self, action: str, moderator: str = "amal") -> Decision:
        """Decide what is most urgent."""
        self.n += 1
        lease = self.queue.lease("demo", moderator)
        assert lease
        draft = Decision(action, moderator=moderator, request_id=f"r{self.n}")
        return self.queue.decide("demo", lease.item.id, lease.token, draft)


@pytest.fixture
def desk(queue: ReviewQueue) -> Desk:
    return Desk(queue)


def test_the_parent_is_found_with_the_last_word_on_it(
    flag: Flag, desk: Desk, about: Callable[[str], Context]
) -> None:
    flag("p", "what came first", 0.99, author_name="Parent")
    answer = flag("c", "an answer", 0.5, parent_id="p")
    found = about(answer)
    assert found.parent
    assert found.parent.comment.text == "what came first"
    assert (found.parent_state, found.parent_action) == ("pending", "")
    rejection = desk.decide("reject")
    assert about(answer).parent_action == "reject"
    desk.queue.appeal("demo", rejection.id, "why?")
    assert about(answer).parent_action == "reject"
    desk.decide("approve", "basma")
    assert about(answer).parent_action == "approve", "the appeal has the last word"


def test_a_parent_that_is_not_kept_and_a_comment_that_is_nobodys_answer_have_none(
    flag: Flag, about: Callable[[str], Context]
) -> None:
    assert about(flag("c1", parent_id="gone", article_id="a")).parent is None
    assert about(flag("c2", article_id="a")).parent is None
    assert about(flag("c3")) == Context()


def test_of_a_conversation_the_parent_its_answers_and_their_neighbours_are_shown(
    flag: Flag, about: Callable[[str], Context]
) -> None:
    own = flag("c", article_id="a", parent_id="p")
    flag("answer", article_id="a", parent_id="c")
    flag("neighbour", article_id="a", parent_id="p")
    flag("stranger", article_id="a")
    flag("elsewhere", article_id="b", parent_id="c")
    found = about(own)
    assert {item.comment.id for item in found.waiting} == {"answer", "neighbour"}
    assert not found.goes_on


def test_of_a_long_line_little_is_looked_at_and_the_page_says_so(
    flag: Flag, about: Callable[[str], Context]
) -> None:
    own = flag("c", score=0.5, article_id="a")
    for number in range(N_WAITING + 3):
        flag(f"answer{number}", score=0.5, article_id="a", parent_id="c")
    found = about(own)
    assert (len(found.waiting), found.goes_on) == (N_WAITING, True)
    far = flag("d", score=0.4, article_id="b")
    for number in range(N_READ):
        flag(f"more{number}", score=0.99, article_id="b")
    flag("answer", score=0.4, article_id="b", parent_id="d")
    found = about(far)
    assert (list(found.waiting), found.goes_on) == ([], True)


def test_what_was_decided_last_under_the_article_is_shown_once_while_it_stands(
    flag: Flag, desk: Desk, about: Callable[[str], Context]
) -> None:
    own = flag("c", score=0.1, article_id="a")
    for number in range(N_DECIDED + 3):
        flag(f"c{number}", f"text {number}", 0.9, article_id="a")
    made = [desk.decide("reject") for _ in range(N_DECIDED + 3)]
    flag("other", "elsewhere", 0.9, article_id="b")
    desk.decide("reject")
    decided = [one.comment_id for one in about(own).decided]
    assert decided == [one.comment_id for one in made[::-1][:N_DECIDED]]
    desk.queue.undo("demo", made[-1].item_id, "amal", "undo")
    decided = [one.comment_id for one in about(own).decided]
    assert decided == [one.comment_id for one in made[-2::-1][:N_DECIDED]]


def test_the_page_shows_all_of_it_and_says_what_cannot_be_shown(
    console: Console, flag: Flag, desk: Desk
) -> None:
    in_english(console)
    flag("p", "what came first", 0.99, author_name="Parent", article_id="a")
    desk.decide("reject")
    flag("c", "an answer", 0.98, parent_id="p", article_id="a")
    flag("d", "one more answer", 0.5, parent_id="p", article_id="a", author_name="Other")
    page = words(console.get("/demo/work"))
    assert "In answer to Parent · rejected what came first" in page
    assert "Also waiting in this conversation Other" in page
    assert "one more answer" in page
    assert "Decided lately under this article" in page
    assert "Comments that the machine let pass are not kept" in page
    desk.queue.release("demo", *_held(desk))
    flag("e", "orphan", 0.999, parent_id="q", article_id="b")
    page = words(console.get("/demo/work?label="))
    assert "The site sent no text of it, and none is kept here." in page


def _held(desk: Desk) -> tuple[str, Any]:
    (item,) = desk.queue.held("demo")
    return item.id, 1


def test_what_the_site_sent_of_the_parent_goes_before_what_is_kept(
    console: Console, flag: Flag
) -> None:
    flag("p", "kept words", 0.2)
    flag("c", "an answer", 0.98, parent_id="p", parent_text="sent words")
    page = console.get("/demo/work")
    assert "sent words" in page
    assert "kept words" not in page


def test_personal_data_around_a_comment_is_masked_until_somebody_asks(
    console: Console, flag: Flag, desk: Desk
) -> None:
    numbers = [f"+2010012345{n}" for n in range(10, 13)]
    flag("p", f"call {numbers[0]}", 0.99, article_id="a")
    desk.decide("reject")
    flag("d", f"or {numbers[1]}", 0.5, parent_id="c", article_id="a", author_name=numbers[2])
    flag("c", "an answer", 0.98, parent_id="p", article_id="a")
    form = console.open()
    page = console.get("/demo/work")
    assert not any(number in page for number in numbers)
    shown = console.post(f"{form['path']}/personal-data", token=form["token"])
    assert all(number in shown for number in numbers)


def test_the_page_of_a_comment_shows_what_it_answers_and_how_that_was_decided(
    console: Console, flag: Flag, desk: Desk
) -> None:
    in_english(console)
    flag("p", "what came first", 0.99, author_name="Parent", article_id="a")
    desk.decide("reject")
    answer = flag("c", "an answer", 0.98, parent_id="p", article_id="a")
    page = words(console.get(f"/demo/items/{answer}"))
    assert "In answer to Parent \N{MIDDLE DOT} rejected what came first" in page
    assert "Decided lately under this article" in page
