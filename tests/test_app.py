"""The application: what a process loads to serve."""

import json
import subprocess
import sys

import pytest

WITHOUT_LEARNING = """
import json, sys
for name in ("sklearn", "scipy", "joblib", "threadpoolctl"):
    sys.modules[name] = None  # to import it raises ImportError
from service.app import create_app
from service.config import Settings
client = create_app(Settings.from_environ()).test_client()
headers = {"Authorization": f"Bearer {sys.argv[1]}"}
answer = client.post("/v1/score", json={"text": "mar7aba"}, headers=headers)
print(json.dumps(answer.get_json()["scores"]))
"""


@pytest.mark.slow
def test_a_process_starts_and_scores_without_a_library_of_learning(
    environ: dict[str, str], api_key: str
) -> None:
    command = [sys.executable, "-c", WITHOUT_LEARNING, api_key]
    ended = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["toxicity"] >= 0
