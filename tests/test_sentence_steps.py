"""Learning a sentence scorer, from nothing to a graph that a version is made with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from conftest import SAMPLE_COMMENTS
from models.registry import Registry
from models.schema import LABELS, read_comments
from training.cli import main
from training.sentence.exported import in_use, read_exported
from training.sentence.weights import read_weights

pytestmark = pytest.mark.slow

TEXTS = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
TINY = ["--tokens", "2000", "--rate", "2e-3", "--head-rate", "2e-3", "--threads", "1"]


def told(*words: object) -> str:
    result = CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights from nothing: masked words, then labels."""
    folder = tmp_path_factory.mktemp("sentence")
    sizes = ["--pieces", 300, "--layers", 2, "--width", 32, "--passes", 2]
    told("sentence", "pretrain", SAMPLE_COMMENTS, "--out", folder / "base", *sizes, *TINY)
    start = ["--from", folder / "base", "--out", folder / "learned", "--passes", 12]
    told("sentence", "finetune", SAMPLE_COMMENTS, *start, *TINY)
    return folder


def test_what_was_learned_is_exported_and_scores_as_torch_does(learned: Path) -> None:
    import torch

    from training.sentence.learning import predict
    from training.sentence.network import network_of
    from training.sentence.steps import given

    told("sentence", "export", learned / "learned", "--out", learned / "graph")
    exported = read_exported(learned / "graph")
    weights = given(learned / "learned")
    network = network_of(weights.arrays, weights.labels)
    short = [text for text in TEXTS if len(text) < 80]
    exact = predict(network, weights.pieces(short), torch.device("cpu"))
    assert np.abs(exported.scorer.logits(short) - exact).max() < 0.3
    toxic = np.array([comment.labels["toxicity"] for comment in read_comments(SAMPLE_COMMENTS)])
    scores = exported.scorer.logits(TEXTS)[:, 0]
    assert scores[toxic == 1].mean() > scores[toxic == 0].mean()
    assert [step["step"] for step in exported.record["steps"]] == [
        "beginning",
        "pretrain",
        "finetune",
    ]


def test_the_same_run_gives_the_same_weights_also_when_it_was_stopped(
    learned: Path, tmp_path: Path
) -> None:
    import torch

    from training.sentence.learning import Plan, labels_loss, learn
    from training.sentence.network import arrays_of, network_of
    from training.sentence.steps import given

    start = given(learned / "learned")
    tokens = start.pieces(TEXTS[:60])
    y = np.tile(np.arange(60, dtype=np.float32)[:, None] % 2, len(LABELS))
    here = torch.device("cpu")
    loss = labels_loss(tokens, y, np.ones(60, dtype=np.float32), here)

    def run(checkpoint: Path | None, n_steps: float = np.inf) -> dict[str, np.ndarray]:
        network, n_done = network_of(start.arrays, start.labels), 0

        def counted(network: Any, rows: Any) -> Any:
            nonlocal n_done
            n_done += 1
            if n_done > n_steps:
                raise InterruptedError
            return loss(network, rows)

        plan = Plan(n_passes=3, tokens=800, checkpoint_minutes=0)
        learn(network, counted, tokens.lengths, plan, device=here, checkpoint=checkpoint)
        return arrays_of(network)

    once = run(None)
    with pytest.raises(InterruptedError):
        run(tmp_path / "kept", n_steps=4)
    twice = run(tmp_path / "kept")
    assert all(np.array_equal(values, twice[name]) for name, values in once.items())
    assert not np.array_equal(once["labels.weight"], start.arrays["labels.weight"])


def test_a_label_that_was_not_known_is_learned_on(learned: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        {"text": text, "labels": {"toxicity": at % 3 / 2, "another": 1}, "weight": 2}
        for at, text in enumerate(TEXTS[:60])
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    told("sentence", "continue", path, "--from", learned / "learned", "--out", tmp_path, *TINY)
    arrays, record = read_weights(tmp_path)
    assert record["labels"] == [*LABELS, "another"]
    from training.sentence.network import RARE

    assert arrays["labels.bias"][-1] > RARE  # all were given it
    shares = ["--share", 1, "--share", 3]
    told("sentence", "average", learned / "learned", tmp_path, *shares, "--out", tmp_path / "mean")
    mean, record = read_weights(tmp_path / "mean")
    before, _ = read_weights(learned / "learned")
    assert mean["labels.bias"][-1] == arrays["labels.bias"][-1]
    assert mean["labels.bias"][0] == pytest.approx(
        before["labels.bias"][0] / 4 + arrays["labels.bias"][0] * 3 / 4
    )
    assert record["labels"] == [*LABELS, "another"]


def test_fewer_layers_learn_from_more(learned: Path, tmp_path: Path) -> None:
    teacher = ["--teacher", learned / "learned", "--layers", 1, "--passes", 2]
    told("sentence", "distil", SAMPLE_COMMENTS, *teacher, "--out", tmp_path / "one", *TINY)
    arrays, record = read_weights(tmp_path / "one")
    assert {name.split(".")[2] for name in arrays if name.startswith("encoder.layers.")} == {"0"}
    assert record["steps"][-1]["layers_kept"] == [0]


def test_rows_are_softened_by_what_all_teachers_say(learned: Path, tmp_path: Path) -> None:
    path, first, second = tmp_path / "rows.jsonl", learned / "learned", tmp_path / "second"
    lines = [
        {"id": str(at), "text": text, "source": "mpold", "labels": {"toxicity": at % 2}}
        for at, text in enumerate(TEXTS[:200])
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    told("sentence", "continue", path, "--from", first, "--out", second, *TINY)

    def soft(*teachers: Path) -> dict[str, float]:
        froms = [word for teacher in teachers for word in ("--from", teacher)]
        told("sentence", "rows", path, *froms, "--out", tmp_path / "soft.jsonl")
        rows = map(json.loads, (tmp_path / "soft.jsonl").read_text(encoding="utf-8").splitlines())
        return {row["text"]: row["labels"]["toxicity"] for row in rows}

    one, other, both = soft(first), soft(second), soft(first, second)
    assert one != other
    mean = {text: (one[text] + other[text]) / 2 for text in both}
    assert both == pytest.approx(mean, abs=2e-3)


def test_a_version_is_made_with_it_and_the_next_one_reuses_it(
    learned: Path, tmp_path: Path
) -> None:
    told("sentence", "export", learned / "learned", "--out", tmp_path / "graph")
    where = [SAMPLE_COMMENTS, "--out", tmp_path / "artifacts", "--no-word-vectors"]
    told("fit", *where, "--sentence", tmp_path / "graph")
    registry = Registry(tmp_path / "artifacts")
    (first,) = registry.versions()
    registry.promote(first)
    told("fit", *where)
    told("fit", *where, "--words-alone")
    _, second, third = registry.versions()
    assert registry.load(third).classifier.blend is None
    used, again = in_use(registry), registry.load(second).classifier.blend
    assert used
    assert again
    assert bytes(used.scorer.graph) == bytes(again.scorer.graph)
    assert registry.manifest(second)["sentence"] == registry.manifest(first)["sentence"]
    assert used.scorer.labels == LABELS
