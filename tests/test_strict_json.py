"""Strict JSON: what leaves a doubt about its meaning is not read."""

import pytest

from models.errors import NotJson
from models.strict_json import read_json


def test_one_value_is_read_whatever_stands_around_it() -> None:
    assert read_json(b'\xef\xbb\xbf {"a": [1, "\xd8\xa7"]} \n') == {"a": [1, "\u0627"]}
    assert read_json('{"a": {"a": null}}') == {"a": {"a": None}}


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "is not JSON from column 1 on"),
        (b'{"secret": 1,}', "is not JSON from column 1"),
        (b'{\n"a"}', "is not JSON from line 2, column 4 on"),
        (b"1 2", "is not JSON from column 3 on"),
        (b'"\xff"', "is not UTF-8 at byte 1"),
        (b'{"a": {"b": 1, "b": 2}}', "names a key twice"),
        (b"[NaN]", "has a number that is not finite"),
        (b"[-Infinity]", "has a number that is not finite"),
        (b"1" * 5000, "has a number with too many digits"),
        (b"[" * 100_000, "is nested too deep"),
    ],
)
def test_what_is_not_read_is_told_without_repeating_it(raw: bytes, complaint: str) -> None:
    with pytest.raises(NotJson, match=complaint) as refused:
        read_json(raw)
    assert "secret" not in str(refused.value)
