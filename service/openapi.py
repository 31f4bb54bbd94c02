"""The OpenAPI 3.1 document, made from the live routes and from the models that check them.

Each view of the API carries an `Operation`; nothing is written down twice, so the document cannot
say what the service does not do.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from service.bodies import Problem

_REF = "#/components/schemas/{model}"


@dataclass(frozen=True)
class Operation:
    """What a view accepts and answers.

    Attributes
    ----------
    body : TypeAdapter or None
        Of the JSON body.
    query : type or None
        Model of the query parameters.
    answers : mapping
        Status -> a model, None for no body, or a media type for one without a model.
    needs_key : bool
        Whether a site's key is required.
    """

    answers: Mapping[int, Any]
    body: TypeAdapter[Any] | None = None
    query: type[BaseModel] | None = None
    needs_key: bool = True
    problems: tuple[int, ...] = ()


def document(app: Flask) -> dict[str, Any]:
    """Describe every route of `app` whose view carries an Operation."""
    paths: dict[str, dict[str, Any]] = {}
    schemas = _Schemas()
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        operation = getattr(view, "operation", None)
        if operation is None:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            described = _operation(rule.endpoint, view, operation, schemas)
            described["parameters"] = _path_parameters(path) + _query_parameters(operation.query)
            paths.setdefault(path, {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hakam",
            "version": version("hakam"),
            "summary": "Moderation of Arabic comments for news sites.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {"site_key": {"type": "http", "scheme": "bearer"}},
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


def _operation(endpoint: str, view: Any, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(view) or "").partition("\n")
    described: dict[str, Any] = {
        "operationId": endpoint.rpartition(".")[2],
        "summary": summary.rstrip("."),
        "description": description.strip(),
        "security": [{"site_key": []}] if operation.needs_key else [],
        "responses": {
            str(status): _answer(kind, schemas) for status, kind in operation.answers.items()
        },
    }
    problem = {"application/problem+json": {"schema": schemas.reference(Problem, "serialization")}}
    for status in _problems(operation):
        described["responses"][str(status)] = {"description": "Problem", "content": problem}
    if operation.body is not None:
        schema = schemas.reference(operation.body, "validation")
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _problems(operation: Operation) -> list[int]:
    statuses = set(operation.problems)
    if operation.needs_key:
        statuses |= {401, 429, 503}
    if operation.body is not None:
        statuses |= {400, 413, 415, 422}
    if operation.query is not None:
        statuses |= {422}
    return sorted(statuses)


def _answer(kind: Any, schemas: _Schemas) -> dict[str, Any]:
    if kind is None:
        return {"description": "Nothing to say"}
    if isinstance(kind, str):
        return {"description": "Answer", "content": {kind: {}}}
    schema = schemas.reference(kind, "serialization")
    return {"description": "Answer", "content": {"application/json": {"schema": schema}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in model.model_json_schema()["properties"].items()
    ]
