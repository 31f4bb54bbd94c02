"""API keys in requests."""

from __future__ import annotations

import pytest
from flask import Flask

from service.api.keys import bearer_key


@pytest.mark.parametrize(
    ("header", "key"),
    [("Bearer k", "k"), ("bearer  k ", "k"), ("Basic k", ""), ("Bearer", ""), ("", "")],
)
def test_a_key_is_what_follows_the_word_bearer(header: str, key: str) -> None:
    with Flask(__name__).test_request_context(headers={"Authorization": header}):
        assert bearer_key() == key
