"""Clients that others wrote get right verdicts, unmodified, and the documents say which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from foreign_clients import AS_OF, CLIENTS, Client, ask, has_node, install, recording
from test_coral import abusive, harmless

from models.artifact import Artifact
from service.compat.openai import OPENAIS_MODELS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # each is installed first

__all__ = ["abusive", "harmless"]  # fixtures

DOCUMENT = (Path(__file__).parent.parent / "docs" / "clients.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.label)
def test_a_client_that_others_wrote_gets_right_verdicts_and_the_documents_say_so(
    client: Client,
    server: str,
    api_key: str,
    artifact: Artifact,
    abusive: str,
    harmless: str,
    tmp_path: Path,
) -> None:
    if client.node and not has_node():
        pytest.skip("no node and npm on this machine")
    with recording(server, tmp_path) as recorder:
        command = install(client, tmp_path)
        asked = ask(client, command, tmp_path, recorder, api_key, abusive, harmless)
    assert asked.flagged == [True, False]
    names = {f"hakam-{artifact.version}", *OPENAIS_MODELS}
    assert asked.models is None or set(asked.models) == names
    assert asked.wrong_key
    assert f"{asked.row}\n" in DOCUMENT


def test_the_table_of_clients_names_no_other_client() -> None:
    rows = re.findall(r"(?m)^\| (PyPI|npm) `([^`]+)` \|", DOCUMENT)
    assert rows == [("npm" if one.node else "PyPI", one.name) for one in CLIENTS]
    assert AS_OF in DOCUMENT
