"""Strict JSON: the one reader of bodies, lines and manifests.

Secret: what Python's own reader lets pass, although RFC 8259 leaves it open or forbids it.
"""

import json
from typing import Any, NoReturn

from models.errors import NotJson


def read_json(raw: bytes | str) -> Any:
    """Read one JSON value.

    Parameters
    ----------
    raw : bytes or str
        UTF-8; a byte order mark before the value is passed over.

    Raises
    ------
    NotJson
        If it is not UTF-8 or not JSON, an object names a key twice, a number is NaN, Infinity or
        longer than 4,300 digits, or values are nested too deep. The message is the rest of a
        sentence and repeats nothing of what was read.
    """
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " * (error.lineno > 1)
        raise NotJson(f"is not JSON from {line}column {error.colno} on") from None
    except UnicodeDecodeError as error:
        raise NotJson(f"is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise NotJson("is nested too deep") from None
    except ValueError:  # int() of too many digits
        raise NotJson("has a number with too many digits") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):  # JSON leaves open which of the two counts
        raise NotJson("names a key twice")
    return names


def _refuse(_constant: str) -> NoReturn:
    raise NotJson("has a number that is not finite")
