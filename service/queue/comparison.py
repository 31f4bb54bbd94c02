"""Comparison of what a site knows of its comments with what the queue knows, after a loss.

It says of each comment what the site is to do, so that both know the same again; of those about
which both agree it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import InvalidRequest
from service.queue.records import item_id_of
from service.queue.review_queue import MAX_BULK, ReviewQueue

#: send: `POST /v1/comments`; tell: `POST /v1/decisions/external`; apply: do what was decided here.
Step = Literal["send", "tell", "apply"]


class Known(BaseModel):
    """What a site knows of a comment: whether it holds it, or what it was told."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=256)
    action: Literal["review", "approve", "reject"] = "review"


class Advice(BaseModel):
    """What a site is to do with a comment."""

    id: str
    do: Step
    action: str = ""  # with `tell` the site's, with `apply` that of the queue


def read_known(lines: Iterable[str]) -> Iterator[Known]:
    """Read JSON Lines; InvalidRequest names the line that is none."""
    for number, line in enumerate(lines, 1):
        try:
            yield Known.model_validate_json(line)
        except ValidationError:
            expected = 'expected {"id": ..., "action": "review", "approve" or "reject"}'
            raise InvalidRequest.of(f"line {number}", expected) from None


def compare(queue: ReviewQueue, site_id: str, known: Iterable[Known]) -> Iterator[Advice]:
    """Yield what is to be done, in the order of the comments."""
    rest = iter(known)
    while some := list(islice(rest, MAX_BULK)):
        yield from _compare(queue, site_id, some)


def _compare(queue: ReviewQueue, site_id: str, known: Sequence[Known]) -> Iterator[Advice]:
    ids = [item_id_of(one.id) for one in known]
    waiting = {item.id for item in queue.items(site_id, ids) if item.waits}
    for one, item_id, (_, action) in zip(known, ids, queue.standings(site_id, ids), strict=True):
        if one.action != "review":
            if one.action != action:
                yield Advice(id=one.id, do="tell", action=one.action)
        elif action:
            yield Advice(id=one.id, do="apply", action=action)
        elif item_id not in waiting:
            yield Advice(id=one.id, do="send")
