"""Perspective's messages, as the models that check them and that describe them to clients."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from service.api.schemas import Body
from service.api.schemas import MendedUnicode as Unicode


class Message(BaseModel):
    """A protocol buffer message in JSON: camelCase or snake_case, null for unset."""

    model_config = Body.model_config | ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    @model_validator(mode="before")
    @classmethod
    def _unset(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: one for name, one in value.items() if one is not None}
        return {} if value is None else value


def _number(value: Any) -> Any:
    """Protocol buffers read numbers in quotes too."""
    try:
        return float(value) if isinstance(value, str) and len(value) <= 32 else value
    except ValueError:
        return value


Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_number)]
Integer = Annotated[int, Field(ge=-(2**31), lt=2**31)]
TextType = Annotated[
    Unicode, Field(json_schema_extra={"enum": ["TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML"]})
]
SCORE_TYPES = ["SCORE_TYPE_UNSPECIFIED", "PROBABILITY", "STD_DEV_SCORE", "PERCENTILE", "RAW"]
ScoreType = Annotated[Unicode, Field(json_schema_extra={"enum": SCORE_TYPES})]


def _asks_for(*names: str) -> ConfigDict:
    """Say in the description what a request must have; what lacks it gets Perspective's words."""
    return ConfigDict(json_schema_extra={"required": list(names)})


class TextEntry(Message):
    """A text."""

    text: Unicode = ""
    type: TextType = "TEXT_TYPE_UNSPECIFIED"


class ArticleAndParentComment(Message):
    """What was commented on and replied to."""

    article: TextEntry = TextEntry()
    parent_comment: TextEntry = TextEntry()


class Context(Message):
    """What surrounds a comment, in one of two forms."""

    entries: list[TextEntry] = []
    article_and_parent_comment: ArticleAndParentComment | None = None


class AttributeParameters(Message):
    """How an attribute is wanted."""

    score_type: ScoreType = "SCORE_TYPE_UNSPECIFIED"
    score_threshold: Number = 0.0


class Score(Message):
    """A score."""

    value: Number = 0.0
    type: ScoreType = "SCORE_TYPE_UNSPECIFIED"


class SpanScore(Message):
    """A score of a part of a text, in UTF-16 units."""

    begin: Integer | None = None
    end: Integer | None = None
    score: Score = Score()


class AttributeScores(Message):
    """Scores of one attribute."""

    summary_score: Score | None = None
    span_scores: list[SpanScore] = []


class AnalyzeCommentRequest(Message):
    """A comment to be scored."""

    model_config = _asks_for("comment", "requestedAttributes")

    comment: TextEntry = TextEntry()
    context: Context = Context()
    requested_attributes: dict[Unicode, AttributeParameters] = {}
    span_annotations: bool = False
    languages: list[Unicode] = []
    do_not_store: bool = False
    client_token: Unicode = ""
    session_id: Unicode = ""
    community_id: Unicode = ""
    drop_unsupported_attributes: bool = False


class AnalyzeCommentResponse(Message):
    """Its scores."""

    attribute_scores: dict[Unicode, AttributeScores] = {}
    languages: list[Unicode] = []
    detected_languages: list[Unicode] = []
    client_token: Unicode = ""


class SuggestCommentScoreRequest(Message):
    """What a site says the scores should be."""

    model_config = _asks_for("comment", "attributeScores")

    comment: TextEntry = TextEntry()
    context: Context = Context()
    attribute_scores: dict[Unicode, AttributeScores] = {}
    languages: list[Unicode] = []
    community_id: Unicode = ""
    client_token: Unicode = ""
    session_id: Unicode = ""


class SuggestCommentScoreResponse(Message):
    """That it was received."""

    client_token: Unicode = ""
    detected_languages: list[Unicode] = []
    requested_languages: list[Unicode] = []
