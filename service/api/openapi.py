"""The OpenAPI 3.1 document, made from the routes and from the models that check their requests."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from service.api.descriptions import MODELS, meaning
from service.api.schemas import Problem, WebhookMessage

View = TypeVar("View", bound=Callable[..., Any])

_REF = "#/components/schemas/{model}"


def _key_in(where: str, name: str, words: str) -> dict[str, str]:
    return {"type": "apiKey", "in": where, "name": name, "description": words}


_SECURITY = {
    "site_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "The key of a site, as `hakam sites add` prints it.",
    },
    "google_key": _key_in("query", "key", "The key of a site, where Google's clients put theirs."),
    "google_header": _key_in("header", "X-Goog-Api-Key", "The key of a site."),
    "coral_signature": _key_in(
        "header",
        "X-Coral-Signature",
        "`sha256=` and the hexadecimal HMAC-SHA-256 of the body, by a secret that was given with "
        "`hakam sites set --coral-secret`.",
    ),
}
_TAGS = {
    "/v1/moderations": "OpenAI",
    "/v1/models": "OpenAI",
    "/v1/comments": "Comments",
    "/v1/score": "Comments",
    "/v1/queue": "Review queue",
    "/v1/decisions": "Decisions",
    "/v1/authors": "Decisions",
    "/v1/policy": "Policy",
    "/v1/reports": "Readers' reports",
    "/v1alpha1": "Perspective",
    "/comments:": "Perspective",
    "/$discovery": "Perspective",
    "/integrations/coral": "Coral",
    "": "Operators",
}
_WEBHOOKS = {
    "decision.recorded": "A person has decided about a comment",
    "report.resolved": "Readers' reports about a comment are answered",
    "decision.undone": "A decision was taken back; the comment waits again",
    "webhook.test": "Somebody tries the webhook from the console; `data` is empty",
}


@dataclass(frozen=True)
class Lines:
    """An answer of JSON Lines, each of this model."""

    model: Any


@dataclass(frozen=True)
class Operation:
    """What a view accepts and answers."""

    # Status -> a model, None for no body, a media type for one without a model, or `Lines`.
    answers: Mapping[int, Any]
    body: Any = None  # a model, or a TypeAdapter of one
    query: type[BaseModel] | None = None
    problems: tuple[int, ...] = ()  # statuses of problem+json that do not follow from the rest
    security: tuple[str, ...] = ("site_key",)  # any of these is enough; () is open to all
    errors: Mapping[int, Any] | None = None  # of an interface that words errors in its own way: all
    headers: Mapping[str, str] = field(default_factory=dict)  # name -> meaning
    parameters: Mapping[str, str] = field(default_factory=dict)  # of the query, beside `query`


def describes(operation: Operation) -> Callable[[View], View]:
    """Let a view carry what it accepts and answers; it goes on as it is."""

    def mark(view: View) -> View:
        view.operation = operation  # type: ignore[attr-defined]
        return view

    return mark


def document(app: Flask, address: str = "") -> dict[str, Any]:
    """Describe every route of `app` whose view carries an Operation, and the webhooks."""
    paths: dict[str, dict[str, Any]] = {}
    schemas = _Schemas()
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        operation = getattr(view, "operation", None)
        if operation is None:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            described = _operation(path, view, operation, schemas)
            described["operationId"] = _operation_id(rule.endpoint, path)
            described["parameters"] = _parameters(path, operation)
            paths.setdefault(path, {})[method.lower()] = described
    webhooks = {name: _webhook(summary, schemas) for name, summary in _WEBHOOKS.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hakam",
            "version": version("hakam"),
            "summary": "Moderation of Arabic comments for news sites.",
            "description": "Send every comment to `POST /v1/comments`: the answer says whether to "
            "publish it, or that a person will decide. Hear of decisions by a signed webhook, or "
            "read `GET /v1/decisions`. The other interfaces speak as other services do, so that "
            "their clients need another address and nothing else.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": address or "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(_TAGS.values())],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": {name: _readable(name, one) for name, one in schemas.definitions.items()},
            "securitySchemes": _SECURITY,
        },
    }


class _Schemas:
    """Collects the schemas of the models that are referred to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def reference(self, kind: Any, mode: JsonSchemaMode) -> dict[str, Any]:
        adapter = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
        schema = adapter.json_schema(ref_template=_REF, mode=mode)
        self.definitions.update(schema.pop("$defs", {}))
        if schema.get("type") == "object" and "title" in schema:
            self.definitions[schema["title"]] = schema
            return {"$ref": _REF.format(model=schema["title"])}
        return schema


def _readable(model: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Give a model, and fields that have none of their own, words for readers of the API."""
    own = schema.get("description", "").partition("\n\n")[0]
    readable = schema | {"description": MODELS.get(model, own)}
    if "properties" in schema:
        readable["properties"] = {
            name: ({"description": words} if (words := meaning(model, name)) else {}) | one
            for name, one in schema["properties"].items()
        }
    return readable


def _operation_id(endpoint: str, path: str) -> str:
    """Name an operation; where a view has two routes, one has the missing version in its name."""
    name = endpoint.replace(".", "_").removeprefix("api_")
    return f"{name}_without_version" if path.startswith("/comments:") else name


def _operation(path: str, view: Any, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(view) or "").partition("\n")
    described: dict[str, Any] = {
        "summary": summary.rstrip("."),
        "description": description.strip() or summary,
        "tags": [next(tag for start, tag in _TAGS.items() if path.startswith(start))],
        "security": [{name: []} for name in operation.security],
        "responses": {
            str(status): _answer(kind, operation, schemas)
            for status, kind in operation.answers.items()
        },
    }
    for status, model in _errors(operation).items():
        schema = schemas.reference(model, "serialization")
        media = "application/problem+json" if model is Problem else "application/json"
        described["responses"][str(status)] = {
            "description": _MEANING.get(status, "Refused"),
            "content": {media: {"schema": schema}},
        }
    if operation.body is not None:
        schema = schemas.reference(operation.body, "validation")
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return described


_MEANING = {
    400: "The body is not what it should be",
    401: "A valid key or signature is required",
    403: "There is no key",
    404: "There is no such thing",
    409: "It contradicts what is stored; nothing was changed",
    410: "The decisions were archived or lost; it is said after which one to read on",
    413: "The body is too long",
    415: "The body is not JSON, or compressed",
    421: "The host is not the one that this service is reached under",
    422: "Fields are wrong; each is named",
    429: "Too many requests in this minute; see Retry-After",
    503: "The store cannot be reached; send it again after Retry-After, nothing is lost",
}


def _errors(operation: Operation) -> Mapping[int, Any]:
    if operation.errors is not None:
        return operation.errors
    statuses = set(operation.problems)
    if operation.security:
        statuses |= {401, 429, 503}
    if operation.body is not None:
        statuses |= {400, 413, 415, 422}
    if operation.query is not None:
        statuses |= {422}
    return dict.fromkeys(sorted(statuses), Problem)


def _answer(kind: Any, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done"}
    if operation.headers:
        answer["headers"] = {
            name: {"description": words, "schema": {"type": "string"}}
            for name, words in operation.headers.items()
        }
    if isinstance(kind, Lines):
        line = schemas.reference(kind.model, "serialization")
        answer["description"] = "JSON Lines: each line is an object of this schema"
        return answer | {"content": {"application/x-ndjson": {"schema": line}}}
    if isinstance(kind, str):
        return answer | {"content": {kind: {}}}
    if kind is None:
        return answer | {"description": "Done, and nothing to say"}
    schema = schemas.reference(kind, "serialization")
    return answer | {"content": {"application/json": {"schema": schema}}}


def _parameters(path: str, operation: Operation) -> list[dict[str, Any]]:
    found = [_parameter("path", name, meaning("", name)) for name in re.findall(r"{(\w+)}", path)]
    found += [
        _parameter("query", name, words, required=False)
        for name, words in operation.parameters.items()
    ]
    if operation.query is not None:
        schema = operation.query.model_json_schema()
        for name, one in schema["properties"].items():
            words = one.get("description") or meaning(operation.query.__name__, name)
            required = name in schema.get("required", ())
            found.append(_parameter("query", name, words, required=required) | {"schema": one})
    return found


def _parameter(where: str, name: str, words: str, *, required: bool = True) -> dict[str, Any]:
    about = {"name": name, "in": where, "required": required, "description": words}
    return about | {"schema": {"type": "string"}}


def _webhook(summary: str, schemas: _Schemas) -> dict[str, Any]:
    headers = {
        "webhook-id": "The same for every attempt to deliver this message",
        "webhook-timestamp": "Seconds since 1970, when it was sent",
        "webhook-signature": "By the site's secret, see https://www.standardwebhooks.com",
    }
    body = schemas.reference(WebhookMessage, "serialization")
    return {
        "post": {
            "summary": summary,
            "description": "Sent at least once to the webhook of the site, and in order for each "
            "comment. What is not answered by 2xx within ten seconds is sent again for a day; 410 "
            "puts the webhook out of use.",
            "parameters": [_parameter("header", *header) for header in headers.items()],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {"2XX": {"description": "It was received"}},
        }
    }
