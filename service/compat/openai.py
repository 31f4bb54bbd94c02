"""OpenAI's moderation and model endpoints: their wire format, and its categories in our labels.

Categories that we do not measure (docs/openai.md) are false with score 0 and apply to no input.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, g
from pydantic import BaseModel, Discriminator, Field, Tag
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from models.language import Language, identify_all
from service import problems
from service.api.bodies import MANY, ONE, PARTS, raw_body, read_json, validate
from service.api.keys import bearer_key, site_of
from service.api.openapi import Operation, describes
from service.api.pins import moderation_by
from service.api.schemas import MAX_COMMENTS, Body, MendedUnicode
from service.compat.answers import as_json
from service.errors import (
    InvalidRequest,
    MalformedJson,
    NotFound,
    RateLimited,
    Unauthorized,
    VersionNotKept,
    status_of,
)
from service.moderation import findings
from service.queue.records import Comment
from service.rules.policy import Policy
from service.services import services

MAX_BODY_BYTES = 32 * 1024 * 1024
MODEL = "hakam-"  # and the version of an artefact
#: Models of OpenAI's that its clients name; each means the version in use, as any other name does.
OPENAIS_MODELS = (
    "omni-moderation-latest",
    "omni-moderation-2024-09-26",
    "text-moderation-latest",
    "text-moderation-stable",
    "text-moderation-007",
)

blueprint = Blueprint("openai", __name__)


@dataclass(frozen=True)
class Category:
    """One of OpenAI's categories: true of a text when `all` (or any) of the labels are."""

    labels: tuple[str, ...] = ()
    all: bool = False

    def score(self, scores: Mapping[str, float]) -> float:
        """Return the score of the category, [0, 1]; 0 when no label of it is measured."""
        found = [scores[label] for label in self.labels if label in scores]
        if not found or (self.all and len(found) < len(self.labels)):
            return 0.0
        return min(found) if self.all else max(found)

    def holds(self, scores: Mapping[str, float], policy: Policy) -> bool:
        """Say whether the site's review thresholds are crossed."""
        crossed = [policy.flags(label, scores) for label in self.labels]
        return bool(crossed) and (all(crossed) if self.all else any(crossed))


CATEGORIES = {
    "harassment": Category(("toxicity", "insult")),
    "harassment/threatening": Category(("toxicity", "threat"), all=True),
    "hate": Category(("identity_attack",)),
    "hate/threatening": Category(("identity_attack", "threat"), all=True),
    "illicit": Category(),
    "illicit/violent": Category(),
    "self-harm": Category(),
    "self-harm/instructions": Category(),
    "self-harm/intent": Category(),
    "sexual": Category(),
    "sexual/minors": Category(),
    "violence": Category(("threat",)),
    "violence/graphic": Category(),
}


class TextPart(Body):
    """One part of an input; only text is measured."""

    type: Literal["text"]
    text: MendedUnicode


def _shape(value: Any) -> str:
    if not isinstance(value, list):
        return ONE
    return PARTS if value and isinstance(value[0], dict) else MANY


Many = Field(min_length=1, max_length=MAX_COMMENTS)

Input = Annotated[
    Annotated[MendedUnicode, Tag(ONE)]
    | Annotated[list[MendedUnicode], Many, Tag(MANY)]
    | Annotated[list[TextPart], Many, Tag(PARTS)],
    Discriminator(_shape),
]


class ModerationRequest(Body):
    """What is to be judged: a text, several texts, or one comment in parts."""

    input: Input
    model: Annotated[MendedUnicode, Field(max_length=256)] | None = None

    def comments(self) -> list[list[str]]:
        """Return the texts of each comment."""
        if isinstance(self.input, str):
            return [[self.input]]
        parts = [one.text for one in self.input if isinstance(one, TextPart)]
        return [parts] if parts else [[one] for one in self.input if isinstance(one, str)]

    def version(self) -> str | None:
        """Return the version of the artefact that is named; the names of others mean none."""
        name = self.model or ""
        return name.removeprefix(MODEL) if name.startswith(MODEL) else None


class Moderation(BaseModel):
    """What is said of one comment; each mapping is by the name of the category."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]


class Moderations(BaseModel):
    """Moderations as OpenAI answers them, one for each comment in the order of the request."""

    id: str = Field(description="Of this answer.")
    model: str = Field(description="Version of the artefact that scored.")
    results: list[Moderation]


class Model(BaseModel):
    """A name that may stand as `model` of a request."""

    id: str = Field(description="The name.")
    object: Literal["model"] = Field(default="model", description="Always `model`.")
    created: int = Field(description="Day of the version that scores, seconds since 1970.")
    owned_by: Literal["hakam"] = Field(default="hakam", description="Always `hakam`.")


class Models(BaseModel):
    """The names as OpenAI lists its models: versions that are kept, then names of OpenAI's."""

    object: Literal["list"] = Field(default="list", description="Always `list`.")
    data: list[Model] = Field(description="The names, the version in use first.")


class OpenAIErrorDetail(BaseModel):
    """What is wrong."""

    message: str = Field(description="What is wrong, for people.")
    type: str = Field(description="The kind of error.")
    param: str | None = Field(description="The field that is wrong.")
    code: str | None = Field(description="What is wrong, for machines.")


class OpenAIError(BaseModel):
    """An error as OpenAI answers it."""

    error: OpenAIErrorDetail


@blueprint.post("/v1/moderations", strict_slashes=False)
@describes(
    Operation(
        {200: Moderations},
        ModerationRequest,
        errors=dict.fromkeys((400, 401, 409, 413, 415, 429, 503), OpenAIError),
    )
)
def moderations() -> Response:
    """Judge texts; nothing is stored."""
    site = site_of(bearer_key())
    asked = validate(ModerationRequest, read_json(raw_body(MAX_BODY_BYTES)))
    comments = asked.comments()
    g.n_comments = len(comments)
    moderation = moderation_by(asked.version())
    policy = moderation.policy(site)
    texts = [text for parts in comments for text in parts]
    ruled = iter([bool(findings(site, Comment("", text))) for text in texts])
    scores = moderation.scorer.scores(texts)
    read = iter(zip(scores, identify_all(texts), strict=True))
    results = [
        _result(list(islice(read, len(parts))), policy, ruled=any(list(islice(ruled, len(parts)))))
        for parts in comments
    ]
    model = f"{MODEL}{policy.model_version}"
    return as_json(
        Moderations(id=f"modr-{uuid.uuid4().hex}", model=model, results=results).model_dump()
    )


@blueprint.get("/v1/models", strict_slashes=False)
@describes(Operation({200: Models}, errors=dict.fromkeys((401, 429, 503), OpenAIError)))
def models() -> Response:
    """List the names that may stand as `model`."""
    site_of(bearer_key())
    return as_json(Models(data=_models()).model_dump())


@blueprint.get("/v1/models/<model>")
@describes(Operation({200: Model}, errors=dict.fromkeys((401, 404, 429, 503), OpenAIError)))
def model(model: str) -> Response:
    """Say whether a name is one of those that are listed."""
    site_of(bearer_key())
    found = next((one for one in _models() if one.id == model), None)
    if found is None:
        raise NotFound("the model does not exist")
    return as_json(found.model_dump())


def _models() -> list[Model]:
    in_use = services().artifact.version
    kept = [version for version in services().artifacts.versions() if version != in_use]
    versions = [in_use, *reversed(kept)]
    return [
        *(Model(id=f"{MODEL}{version}", created=_day(version)) for version in versions),
        *(Model(id=name, created=_day(in_use)) for name in OPENAIS_MODELS),
    ]


def _day(version: str) -> int:
    """Return when the day began that a version is named for; 0 where there is no such day."""
    with suppress(ValueError):
        day = datetime.strptime(version.partition("-")[0], "%Y.%m.%d").replace(tzinfo=UTC)
        return int(day.timestamp())
    return 0


def _result(
    parts: Sequence[tuple[Mapping[str, float], Language]], policy: Policy, *, ruled: bool
) -> Moderation:
    """Judge one comment by its worst part; `ruled`, where a rule of the site holds for it."""
    holds = {
        name: any(category.holds(scores, policy) for scores, _ in parts)
        for name, category in CATEGORIES.items()
    }
    # Scores say nothing of what could not be read, nor of what a rule finds: no category does.
    unread = policy.unreadable == "review" and not all(one.readable for _, one in parts)
    return Moderation(
        flagged=any(holds.values()) or unread or ruled,
        categories=holds,
        category_scores={
            name: round(max(category.score(scores) for scores, _ in parts), 7)
            for name, category in CATEGORIES.items()
        },
        category_applied_input_types={
            name: ["text"] if category.labels else [] for name, category in CATEGORIES.items()
        },
    )


@blueprint.errorhandler(Exception)
def refuse(error: Exception) -> Response:
    """Turn any error into the answer that OpenAI would give."""
    problems.note(error)
    param, code = None, None
    status, kind, message = status_of(error), "invalid_request_error", str(error)
    match error:
        case MethodNotAllowed():
            status, code = 405, "method_not_supported"
            taken = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
            message = f"Only {' and '.join(taken)} requests are accepted."
        case HTTPException():
            status = error.code or 500
            message = problems.sentence_of(error) or error.name
        case InvalidRequest():
            status, param, code = 400, error.errors[0].field or None, "invalid_value"
        case MalformedJson():
            message = f"We could not parse the JSON body of your request: {error}"
        case Unauthorized():
            message, code = "Incorrect API key provided.", "invalid_api_key"
        case VersionNotKept() | NotFound():
            param, code = "model", "model_not_found"
        case RateLimited():
            kind, code = "requests", "rate_limit_exceeded"
        case _ if status == 503:
            kind = "server_error"
        case _ if status == 500:
            kind, message = "server_error", "The server had an error processing your request."
    detail = OpenAIErrorDetail(message=message, type=kind, param=param, code=code)
    return as_json(OpenAIError(error=detail).model_dump(), status, problems.headers_of(error))
