"""Operations of the API: a view that gets its site, body and query checked, and is documented."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel, TypeAdapter
from werkzeug.exceptions import RequestEntityTooLarge

from service.api.bodies import raw_body, read_json, validate
from service.api.keys import bearer_key, site_of
from service.api.openapi import Lines, Operation
from service.errors import UnsupportedMedia

MAX_SINGLE_BODY_BYTES = 1024 * 1024  # one comment with all its context is far below

api = Blueprint("api", __name__)


def operation(
    method: str,
    rule: str,
    *,
    answers: Mapping[int, Any],
    name: str | None = None,
    body: Any = None,
    query: type[BaseModel] | None = None,
    needs_key: bool = True,
    max_body_bytes: int = MAX_SINGLE_BODY_BYTES,
    max_list_bytes: int = 0,
    problems: tuple[int, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a view of a function.

    The function is called with ``site`` when the operation needs a key, ``body`` and ``query`` when
    it has them, and the variables of the rule; it returns a value of the model of its only status,
    a pair of value and status, or a Response. A body that is a list may have `max_list_bytes`, if
    that is more. `name` is its id where that is not the function's.
    """
    adapter = None if body is None else TypeAdapter(body)
    spoken = {status: _adapter(kind) for status, kind in answers.items()}

    def register(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def answer(**arguments: Any) -> Response:
            if needs_key:
                arguments["site"] = site_of(bearer_key())
            if adapter is not None:
                arguments["body"] = _body(adapter, max_body_bytes, max_list_bytes)
            if query is not None:
                arguments["query"] = validate(query, request.args.to_dict(), strict=False)
            return _answer(view(**arguments), spoken)

        security = ("site_key",) if needs_key else ()
        answer.operation = Operation(  # type: ignore[attr-defined]
            answers, adapter, query, problems, security, headers=headers or {}
        )
        api.add_url_rule(rule, name, view_func=answer, methods=[method])
        return answer

    return register


def _adapter(kind: Any) -> TypeAdapter[Any] | None:
    return None if kind is None or isinstance(kind, str | Lines) else TypeAdapter(kind)


def _body(adapter: TypeAdapter[Any], max_bytes: int, max_list_bytes: int) -> Any:
    if not request.is_json:
        raise UnsupportedMedia("expected Content-Type: application/json")
    raw = raw_body(max(max_bytes, max_list_bytes))
    if len(raw) > max_bytes and not raw.lstrip(b" \t\r\n").startswith(b"["):
        raise RequestEntityTooLarge
    return validate(adapter, read_json(raw))


def _answer(result: Any, spoken: Mapping[int, TypeAdapter[Any] | None]) -> Response:
    if isinstance(result, Response):
        return result
    value, status = result if isinstance(result, tuple) else (result, next(iter(spoken)))
    adapter = spoken[status]
    if adapter is None:
        return Response(status=status)
    return Response(adapter.dump_json(value), status=status, content_type="application/json")
