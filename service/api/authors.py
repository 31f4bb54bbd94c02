"""Authors over HTTP: count what was decided about one, hold all that they write, release them."""

from __future__ import annotations

import secrets
import time
from typing import Annotated

from pydantic import BaseModel, Field

from service.api.operation import operation
from service.api.schemas import Body, Id, Line
from service.errors import Conflict
from service.queue.authors import MAX_HOURS
from service.queue.records import AuthorRecord
from service.services import services
from service.sites.site import Site

_HOUR_SECONDS = 3_600


class AuthorQuery(Body):
    """Which author."""

    id: Id


class AuthorHold(Body):
    """Which author, and for how long all that they write waits for a person."""

    id: Id
    hours: Annotated[int, Field(ge=1, le=MAX_HOURS)] = Field(
        24, description="For how long, in hours."
    )
    moderator: Annotated[Line, Field(min_length=1, max_length=256)] = Field(
        "api", description="Who wants it, by a name that the site chose; it is shown on the desk."
    )
    request_id: Id | None = Field(
        None, description="The same request again, by this id, changes nothing."
    )


class AuthorRelease(Body):
    """Which author is held no longer."""

    id: Id
    moderator: Annotated[Line, Field(min_length=1, max_length=256)] = Field(
        "api", description="Who wants it, by a name that the site chose."
    )


class Released(BaseModel):
    """Whether the author was held."""

    released: bool = Field(description="False where the author was not held")


@operation("GET", "/v1/authors", name="author", query=AuthorQuery, answers={200: AuthorRecord})
def index(site: Site, query: AuthorQuery) -> AuthorRecord:
    """Count what was decided about an author's comments."""
    return services().queue.author(site.id, query.id)


@operation(
    "POST", "/v1/authors/hold", name="hold_author", body=AuthorHold, answers={200: AuthorRecord}
)
def hold(site: Site, body: AuthorHold) -> AuthorRecord:
    """Let all that an author writes wait for a person, from a second later on.

    No decision ends it before its time. The webhook is told (`author.held`).
    """
    services().authors.act(
        site.id,
        body.id,
        "hold",
        moderator=body.moderator,
        request_id=body.request_id or secrets.token_urlsafe(12),
        until=time.time() + body.hours * _HOUR_SECONDS,
    )
    return services().queue.author(site.id, body.id)


@operation(
    "POST",
    "/v1/authors/release",
    name="release_author",
    body=AuthorRelease,
    answers={200: Released},
)
def release(site: Site, body: AuthorRelease) -> Released:
    """Hold an author no longer, whatever made it so; the webhook is told (`author.released`)."""
    try:
        services().authors.act(
            site.id,
            body.id,
            "release",
            moderator=body.moderator,
            request_id=secrets.token_urlsafe(12),
        )
    except Conflict:
        return Released(released=False)
    return Released(released=True)
