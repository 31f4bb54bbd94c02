"""The API Discovery document that Google's client libraries read before their first call.

Source: https://developers.google.com/discovery/v1/reference/apis
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

NAME, VERSION = "commentanalyzer", "v1alpha1"

#: Query parameters that any method takes; all but the key are accepted and change nothing.
PARAMETERS = (
    "$.xgafv",
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
)

_FORMATS = {"number": "float", "integer": "int32"}


def document(
    base_url: str, methods: Mapping[str, tuple[type[BaseModel], type[BaseModel]]]
) -> dict[str, Any]:
    """Describe the methods, each by the models of its request and response."""
    models = [model for pair in methods.values() for model in pair]
    _, schema = models_json_schema([(model, "validation") for model in models], by_alias=True)
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": f"{NAME}:{VERSION}",
        "name": NAME,
        "version": VERSION,
        "revision": "hakam",
        "title": "Hakam, compatible with the Perspective Comment Analyzer API",
        "protocol": "rest",
        "rootUrl": f"{base_url}/",
        "baseUrl": f"{base_url}/",
        "servicePath": "",
        "basePath": "",
        "batchPath": "batch",
        "parameters": {name: {"type": "string", "location": "query"} for name in PARAMETERS},
        "resources": {
            "comments": {"methods": {name: _method(name, *methods[name]) for name in methods}}
        },
        "schemas": {
            name: {"id": name, **_schema(definition)}
            for name, definition in schema["$defs"].items()
        },
    }


def _method(name: str, asked: type[BaseModel], answered: type[BaseModel]) -> dict[str, Any]:
    return {
        "id": f"{NAME}.comments.{name}",
        "path": f"{VERSION}/comments:{name}",
        "flatPath": f"{VERSION}/comments:{name}",
        "httpMethod": "POST",
        "parameters": {},
        "parameterOrder": [],
        "request": {"$ref": asked.__name__},
        "response": {"$ref": answered.__name__},
    }


def _schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Translate JSON Schema into the dialect of discovery documents."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].rpartition("/")[2]}
    if "anyOf" in schema:  # something or null: unset has no type of its own here
        return _schema(schema["anyOf"][0])
    kind = schema["type"]
    described: dict[str, Any] = {"type": kind}
    if kind in _FORMATS:
        described["format"] = _FORMATS[kind]
    if "enum" in schema:
        described |= {"enum": schema["enum"], "enumDescriptions": [""] * len(schema["enum"])}
    if kind == "array":
        described["items"] = _schema(schema["items"])
    if "properties" in schema:
        described["properties"] = {name: _schema(one) for name, one in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        described["additionalProperties"] = _schema(schema["additionalProperties"])
    return described
