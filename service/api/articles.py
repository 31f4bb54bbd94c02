"""Articles over HTTP: hold all comments on one, close it, open it again; see what floods them."""

from __future__ import annotations

import math
import time
from typing import Annotated, Literal

from flask import g
from pydantic import BaseModel, Field

from service.api.operation import operation
from service.api.schemas import Body, Id, Line
from service.queue.repeats import Raid
from service.rules.times import iso_time
from service.services import services
from service.sites.levers import MAX_HOURS, Lever
from service.sites.site import Site

_HOUR_SECONDS = 3_600
_Hours = Annotated[int, Field(ge=1, le=MAX_HOURS)]


class _ArticleBody(Body):
    id: Id = Field(description="The site's id of the article.")


class Hold(_ArticleBody):
    """Which article, and for how long all its comments wait for a person."""

    hours: _Hours = Field(24, description="For how long, in hours.")
    moderator: Line = ""


class Closing(_ArticleBody):
    """Which article takes no more comments."""

    hours: _Hours | None = Field(
        None, description="For how long, in hours; without it, until it is opened again."
    )
    moderator: Line = ""


class Opening(_ArticleBody):
    """Which article is as it was before."""


class ArticleState(BaseModel):
    """What people made of an article."""

    id: str = Field(description="The site's id of the article.")
    state: Literal["held", "closed"] = Field(
        description="All its comments wait for a person, or none is taken"
    )
    until: str | None = Field(description="Until when, ISO 8601, UTC; null for no end")
    moderator: str


class Opened(BaseModel):
    """Whether the article was held or closed."""

    opened: bool = Field(description="False where it was open already")


@operation("GET", "/v1/articles", name="articles", answers={200: list[ArticleState]})
def index(site: Site) -> list[ArticleState]:
    """List the articles that are held or closed."""
    levers, now = services().sites.get(site.id).levers.values(), time.time()
    return [_state(lever) for lever in levers if lever.until > now]


@operation("GET", "/v1/raids", name="raids", answers={200: list[Raid]})
def raids(site: Site) -> list[Raid]:
    """List the floods on articles, and of copies, of the last half hour."""
    return services().repeats.raids(site.id)


@operation(
    "POST",
    "/v1/articles/hold",
    name="hold_article",
    body=Hold,
    answers={200: ArticleState},
    problems=(409,),
)
def hold(site: Site, body: Hold) -> ArticleState:
    """Let all comments on an article wait for a person, from a second later on."""
    until = time.time() + body.hours * _HOUR_SECONDS
    return _pull(site, Lever(body.id, "held", until, body.moderator))


@operation(
    "POST",
    "/v1/articles/close",
    name="close_article",
    body=Closing,
    answers={200: ArticleState},
    problems=(409,),
)
def close(site: Site, body: Closing) -> ArticleState:
    """Take no more comments on an article, from a second later on: they are rejected.

    What waits already is decided by people. A rejection because the article is closed counts
    against no author.
    """
    until = time.time() + body.hours * _HOUR_SECONDS if body.hours else math.inf
    return _pull(site, Lever(body.id, "closed", until, body.moderator))


@operation("POST", "/v1/articles/open", name="open_article", body=Opening, answers={200: Opened})
def open_again(site: Site, body: Opening) -> Opened:
    """Open an article again that was held or closed."""
    return Opened(opened=services().sites.release(site.id, body.id, by=g.origin))


def _pull(site: Site, lever: Lever) -> ArticleState:
    services().sites.pull(site.id, lever, by=g.origin)
    return _state(lever)


def _state(lever: Lever) -> ArticleState:
    until = None if lever.until == math.inf else iso_time(lever.until, "seconds")
    return ArticleState(
        id=lever.article_id, state=lever.state, until=until, moderator=lever.moderator
    )
