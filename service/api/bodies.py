"""Request bodies of every interface for machines: read, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from flask import current_app, request
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, core_schema

from models import strict_json
from models.errors import NotJson
from service.errors import FieldError, InvalidRequest, MalformedJson, UnsupportedMedia

MAX_VALUES = 40_000  # in one body; a thousand comments with all their context have half as many
MAX_ERRORS = 20  # a thousand wrong comments need not be answered with a thousand sentences

# Alternatives that are told apart by their shape; their names are no part of a field's path.
ONE, MANY, PARTS = SHAPES = "(one)", "(many)", "(parts)"

T = TypeVar("T")


def check_encoding() -> None:
    """Refuse a body that would have to be unpacked: how long it is would show too late."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("expected a body without Content-Encoding")


def raw_body(max_bytes: int) -> bytes:
    """Read a body of at most so many bytes; the limit of the settings holds as well."""
    request.max_content_length = min(max_bytes, current_app.config["MAX_CONTENT_LENGTH"])
    raw = request.get_data(cache=False)
    request.stream.read(1)  # of a body without Content-Length the limit shows only behind its end
    return raw


def read_json(raw: bytes) -> Any:
    """Read one JSON value, as strictly as `models.strict_json` and with few enough values in it."""
    try:
        value = strict_json.read_json(raw)
    except NotJson as error:
        raise MalformedJson(f"the body {error}") from None
    if len(raw) > MAX_VALUES:  # else it cannot have more
        _check_number_of_values(value)
    return value


def _check_number_of_values(value: Any) -> None:
    """Count before checking: each of a million wrong values would have an error of its own."""
    n_values, open_ones = 0, [value] if isinstance(value, dict | list) else []
    while open_ones and n_values <= MAX_VALUES:
        one = open_ones.pop()
        n_values += len(one)
        inner = one.values() if isinstance(one, dict) else one
        open_ones += [deeper for deeper in inner if isinstance(deeper, dict | list)]
    if n_values > MAX_VALUES:
        raise MalformedJson(f"the body has more than {MAX_VALUES:,} values")


def validate(kind: type[T] | TypeAdapter[T], value: Any, *, strict: bool = True) -> T:
    """Check a value against a model; at most `MAX_ERRORS` wrong fields are named."""
    adapter: TypeAdapter[T] = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
    try:
        return adapter.validate_python(value, strict=strict)
    except ValidationError as error:
        raise refusal_of(error) from None


def refusal_of(error: ValidationError) -> InvalidRequest:
    """Name the fields that a model found wrong, at most `MAX_ERRORS`."""
    details = error.errors(include_url=False, include_input=False)
    return InvalidRequest([_field_error(detail) for detail in details[:MAX_ERRORS]])


# What is said of a wrong field, by the name that pydantic has for the fault; what only the limit is
# missing of takes it from the fault.
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this request",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than_equal": "must be {ge} or more",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of a few digits",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "model_type": "must be an object",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode, without lone surrogates",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}
_PYDANTICS_OWN = frozenset(get_args(core_schema.ErrorType))


def _field_error(detail: ErrorDetails) -> FieldError:
    kind, limits = str(detail["type"]), detail.get("ctx", {})
    if kind in _PYDANTICS_OWN:
        if limits.get("field_type") == "Value":  # a string that another check has seen before
            kind = f"string_{kind}"
        sentence = _SENTENCES.get(kind, "is not what this field holds")
        message = (
            "must not be empty" if limits.get("min_length") == 1 else sentence.format(**limits)
        )
    else:
        message = detail["msg"]  # a sentence of ours
    return FieldError(_path(detail["loc"]), message)


def _path(loc: Sequence[str | int]) -> str:
    named = [part for part in loc if part not in SHAPES]
    parts = [f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in named]
    return "".join(parts).removeprefix(".")
