"""Answers of the compatible interfaces: JSON that stays JSON in whatever a browser takes it for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, g

from service.problems import note
from service.services import services

_MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"})


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer in pure ASCII, without a character that means anything in HTML."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False).translate(_MARKUP)
    kind = "application/json; charset=UTF-8"
    return Response(text, status=status, headers=headers, content_type=kind)


def withheld(interface: str, error: Exception, reason: str, value: Any) -> Response:
    """Answer that a comment is withheld that could not be judged: an error would publish it."""
    note(error)
    if isinstance(g.error, str):
        g.error = f"withheld: {reason}"
    services().metrics.count_withheld(interface, reason)
    return as_json(value)
