"""Routes of Google's Perspective API (``commentanalyzer`` v1alpha1).

The language goes by the script of the text, whatever ``languages`` says, so that a wrong setting
leaves no comment unscored; docs/perspective.md has all differences that a client may notice.
``analyze`` stores nothing unless the site wants it, and never when ``doNotStore`` is set.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from flask import Blueprint, Response, g, request
from pydantic import BaseModel

from models.characters import is_visible
from models.language import identify
from models.schema import UMBRELLA, LabeledComment
from service.address import base_url
from service.api.bodies import raw_body, read_json, validate
from service.api.keys import bearer_key, site_of
from service.api.openapi import Operation, describes
from service.compat.answers import as_json, withheld
from service.compat.perspective import discovery, errors
from service.compat.perspective.errors import MAX_BODY_BYTES, AnalyzerError
from service.compat.perspective.messages import (
    AnalyzeCommentRequest,
    AnalyzeCommentResponse,
    AttributeParameters,
    AttributeScores,
    Context,
    Message,
    SuggestCommentScoreRequest,
    SuggestCommentScoreResponse,
    TextEntry,
)
from service.compat.perspective.text import detect, in_utf16, sentences
from service.errors import Unauthorized
from service.queue.feedback import SOURCE
from service.queue.records import Comment
from service.rules.times import iso_time
from service.scoring import MAX_TEXT_BYTES
from service.services import services
from service.sites.site import Site

MAX_CONTEXT_BYTES = 1024 * 1024
# Coral waits 800 ms for a score. So many letters are scored in a tenth of that.
MAX_LETTERS_IN_TIME = 128 * 1024

#: Attribute -> our label. The six of Google's production set keep their names.
ATTRIBUTES = {
    "TOXICITY": "toxicity",
    "SEVERE_TOXICITY": "severe_toxicity",
    "IDENTITY_ATTACK": "identity_attack",
    "INSULT": "insult",
    "PROFANITY": "profanity",
    "THREAT": "threat",
}
ATTRIBUTES |= {f"{name}_EXPERIMENTAL": label for name, label in ATTRIBUTES.items()} | {
    "TOXICITY_FAST": "toxicity",
    "LIKELY_TO_REJECT": "toxicity",  # our definition of toxicity: what a moderator would take down
    "OBSCENE": "profanity",
    "SPAM": "spam",
}
#: Attributes that Google knew and we do not measure; clients drop them and try again.
NOT_MEASURED = frozenset(
    {
        "ATTACK_ON_AUTHOR",
        "ATTACK_ON_COMMENTER",
        "FLIRTATION",
        "INCOHERENT",
        "INFLAMMATORY",
        "SEXUALLY_EXPLICIT",
        "UNSUBSTANTIAL",
    }
)

blueprint = Blueprint("perspective", __name__)


M = TypeVar("M", bound=Message)


# The methods

GOOGLE: dict[str, Any] = {
    "security": ("google_key", "google_header", "site_key"),
    "errors": dict.fromkeys((400, 403, 415, 429, 503), errors.GoogleError),
}


@blueprint.post("/v1alpha1/comments:analyze", strict_slashes=False)
@blueprint.post("/comments:analyze", strict_slashes=False)
@describes(Operation({200: AnalyzeCommentResponse}, AnalyzeCommentRequest, **GOOGLE))
def analyze() -> Response:
    """Score a comment."""
    site = _caller()
    asked = _message(AnalyzeCommentRequest)
    g.asked_attributes = tuple(asked.requested_attributes)
    text = asked.comment.text
    if _is_coral():
        if len(text) > MAX_LETTERS_IN_TIME:
            raise AnalyzerError("COMMENT_TOO_LONG", "Comment text too long.")
    else:
        _check_visible(text)
    _check_type(asked.comment)
    _check_context(asked.context)
    wanted = _wanted(asked)
    g.n_comments = 1
    if site.queue_analyzed and not asked.do_not_store:
        services().moderation.submit(site, _comment(text, asked))
    detected, wanted = _measurable(site, text, asked, wanted)
    answer: dict[str, object] = {
        "attributeScores": _attribute_scores(text, wanted, asked.span_annotations),
        "languages": asked.languages or detected[:1],
        "detectedLanguages": detected,
    }
    return as_json(answer | ({"clientToken": asked.client_token} if asked.client_token else {}))


@blueprint.post("/v1alpha1/comments:suggestscore", strict_slashes=False)
@blueprint.post("/comments:suggestscore", strict_slashes=False)
@describes(Operation({200: SuggestCommentScoreResponse}, SuggestCommentScoreRequest, **GOOGLE))
def suggestscore() -> Response:
    """Take note of what the scores of a comment should be."""
    site = _caller()
    asked = _message(SuggestCommentScoreRequest)
    text = asked.comment.text
    _check_visible(text)
    _check_type(asked.comment)
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise AnalyzerError("COMMENT_TOO_LONG", "Comment text too long.")
    _check_context(asked.context)
    labels = _suggested_labels(asked.attribute_scores)
    if labels:
        comment = LabeledComment(
            id=asked.client_token or _digest(text),
            text=text,
            labels=labels,
            source=SOURCE,
            site=site.id,
            decided_at=iso_time(time.time(), "milliseconds"),
        )
        services().feedback.add(site, comment)
    g.n_comments = 1
    answer: dict[str, object] = {"detectedLanguages": detect(text)}
    if asked.languages:
        answer["requestedLanguages"] = asked.languages
    return as_json(answer | ({"clientToken": asked.client_token} if asked.client_token else {}))


@blueprint.get("/$discovery/rest")
@describes(Operation({200: "application/json"}, security=(), errors={421: errors.GoogleError}))
def describe() -> Response:
    """Describe the methods to Google's client libraries, which ask before their first call."""
    methods: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
        "analyze": (AnalyzeCommentRequest, AnalyzeCommentResponse),
        "suggestscore": (SuggestCommentScoreRequest, SuggestCommentScoreResponse),
    }
    return as_json(discovery.document(base_url(), methods))


def _caller() -> Site:
    key = request.args.get("key") or request.headers.get("X-Goog-Api-Key") or bearer_key()
    if not key:
        raise Unauthorized("")
    return site_of(key)


def _is_coral() -> bool:
    """Say whether Coral asks, which takes an error for consent: it publishes what gets no score."""
    return request.headers.get("User-Agent", "").startswith("Coral Perspective/")


def _message(kind: type[M]) -> M:
    """Read the message; no body at all is a message without fields, as with Google."""
    raw = raw_body(MAX_BODY_BYTES)
    return validate(kind, read_json(raw) if raw else {})


# Checks, in the order in which clients have come to know them


def _check_visible(text: str) -> None:
    if not is_visible(text):
        raise AnalyzerError("COMMENT_EMPTY", "Comment must be non-empty.")


def _check_type(entry: TextEntry) -> None:
    if entry.type == "HTML":
        raise _invalid("Currently, only 'PLAIN_TEXT' comments are supported")
    if entry.type not in ("TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT"):
        raise _invalid("Unknown text type")


def _check_context(context: Context) -> None:
    pair = context.article_and_parent_comment
    if context.entries and pair is not None:
        raise _invalid(
            "Context can have either entries or article_and_parent_comment, "
            "but both fields were populated."
        )
    for entry in [*context.entries, *((pair.article, pair.parent_comment) if pair else ())]:
        if len(entry.text.encode()) > MAX_CONTEXT_BYTES:
            raise _invalid("Context entry too long.")


def _wanted(asked: AnalyzeCommentRequest) -> dict[str, AttributeParameters]:
    """Return the attributes that Perspective would know, whether or not we measure them."""
    if not asked.requested_attributes:
        raise AnalyzerError("NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes")
    wanted = {}
    for name, parameters in asked.requested_attributes.items():
        if name not in ATTRIBUTES and name not in NOT_MEASURED:
            if asked.drop_unsupported_attributes:
                continue
            raise _invalid(f"Unknown requested attribute: {name[:64]}")
        if parameters.score_type not in ("SCORE_TYPE_UNSPECIFIED", "PROBABILITY"):
            kind = parameters.score_type[:64]
            raise _invalid(f"Requested score type {kind} is not supported by attribute {name}")
        wanted[name] = parameters
    return wanted


def _measurable(
    site: Site, text: str, asked: AnalyzeCommentRequest, wanted: Mapping[str, AttributeParameters]
) -> tuple[list[str], dict[str, AttributeParameters]]:
    """Return the scripts of the text, and the wanted attributes that can be measured in them."""
    detected = detect(text)
    readable = identify(text).readable or site.unsupported_language == "approve"
    measured = _measured() if readable else frozenset()
    said_arabic = any(tag[:2].lower() == "ar" for tag in asked.languages)
    said = [] if said_arabic and not readable else asked.languages
    for name in wanted:
        if name not in measured and not asked.drop_unsupported_attributes:
            side = "requestedLanguages" if said else "detectedLanguages"
            tags = [tag[:64] for tag in said or detected]
            raise AnalyzerError(
                "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
                f"Attribute {name} does not support request languages: {', '.join(tags)}",
                {"languageNotSupportedByAttributeError": {side: tags, "attribute": name}},
            )
    return detected, {name: one for name, one in wanted.items() if name in measured}


def _measured() -> frozenset[str]:
    """Attributes for which the artefact has the label, or what it can be derived from."""
    labels = set(services().artifact.classifier.labels) | {"severe_toxicity"}
    return frozenset(name for name, label in ATTRIBUTES.items() if label in labels)


def _invalid(message: str) -> AnalyzerError:
    return AnalyzerError("INVALID_REQUEST", message)


# Scores


def _attribute_scores(
    text: str, wanted: Mapping[str, AttributeParameters], by_sentence: bool
) -> dict[str, object]:
    by_sentence = by_sentence and len(text) <= MAX_TEXT_BYTES  # else they are too many
    spans = sentences(text) if by_sentence else []
    whole, *parts = services().moderation.scorer.scores([text, *(text[a:b] for a, b in spans)])
    begun = list(in_utf16(text, spans or [(0, len(text))]))
    answer: dict[str, object] = {}
    for name, parameters in wanted.items():
        label, threshold = ATTRIBUTES[name], parameters.score_threshold
        values = [_value(scores, label) for scores in parts or [whole]]
        found: dict[str, object] = {}
        span_scores = [
            {"begin": begin, "end": end, "score": _score(value)}
            for (begin, end), value in zip(begun, values, strict=True)
            if value >= threshold
        ]
        if span_scores:
            found["spanScores"] = span_scores
        if (summary := _value(whole, label)) >= threshold:
            found["summaryScore"] = _score(summary)
        if found:
            answer[name] = found
    return answer


def _value(scores: Mapping[str, float], label: str) -> float:
    """Return the score of a label; where the artefact has not learned it, that of all abuse."""
    return scores.get(label, scores[UMBRELLA])


def _score(value: float) -> dict[str, object]:
    return {"value": round(value, 7), "type": "PROBABILITY"}


def _suggested_labels(suggested: Mapping[str, AttributeScores]) -> dict[str, float]:
    """Labels of a suggestion; of several attributes or spans of one label the highest counts."""
    if not suggested:
        raise _invalid("Missing attribute_scores")
    labels: dict[str, float] = {}
    for name, scores in suggested.items():
        if name not in ATTRIBUTES and name not in NOT_MEASURED:
            raise _invalid(f"Unknown attribute: {name[:64]}")
        given = [scores.summary_score] if scores.summary_score else []
        for span in scores.span_scores:
            if span.begin is None or span.end is None or not 0 <= span.begin < span.end:
                raise _invalid(f"Attribute {name} has a span without begin and end")
            given.append(span.score)
        if not given:
            raise _invalid(f"Attribute {name} has neither summary_score nor span_scores")
        for score in given:
            if score.type not in ("SCORE_TYPE_UNSPECIFIED", "PROBABILITY"):
                raise _invalid(f"Score type {score.type[:64]} is not supported")
            if not 0 <= score.value <= 1:
                raise _invalid(f"Attribute {name} has a score outside of 0 to 1")
            if label := ATTRIBUTES.get(name):
                labels[label] = max(score.value, labels.get(label, 0.0))
    return labels


def _comment(text: str, asked: AnalyzeCommentRequest) -> Comment:
    pair = asked.context.article_and_parent_comment
    parent = pair.parent_comment.text if pair else ""
    return Comment(
        id=asked.client_token[:256] or _digest(text),
        text=text,
        parent_text=parent if len(parent.encode()) <= MAX_TEXT_BYTES else "",
    )


def _digest(text: str) -> str:
    return "perspective:" + hashlib.sha256(text.encode()).hexdigest()[:32]


@blueprint.errorhandler(Exception)
def _refuse(error: Exception) -> Response:
    """Give a comment of Coral that could not be judged the highest score: Coral withholds it."""
    asks = request.path.rstrip("/").endswith(":analyze")
    if not asks or not _is_coral() or isinstance(error, Unauthorized):
        return errors.answer(error)
    reason = error.error_type if isinstance(error, AnalyzerError) else type(error).__name__
    names = g.get("asked_attributes") or (*ATTRIBUTES, *sorted(NOT_MEASURED))
    highest = {"summaryScore": _score(1.0)}
    return withheld(
        "perspective", error, reason, {"attributeScores": dict.fromkeys(names, highest)}
    )
