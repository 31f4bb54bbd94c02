"""Steps of learning a sentence scorer, each from a folder of weights to another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from tokenizers import Tokenizer

from models.classifier import Classifier
from models.schema import LABELS
from training.blend import ENOUGH_POSITIVES, regression
from training.datasets import Corpus, Split
from training.design_matrix import Progress
from training.sentence.base import embeddings, read_base
from training.sentence.learning import Loss, Plan, labels_loss, learn, masked_loss, predict
from training.sentence.network import Network, arrays_of, network_of
from training.sentence.rows import in_pieces, read_rows
from training.sentence.tokenizer import learn_tokenizer
from training.sentence.tokens import Tokens, both
from training.sentence.weights import (
    HEAD_WIDTH,
    TOKENIZER,
    Arrays,
    Record,
    Shape,
    read_weights,
    write_weights,
)

__all__ = ["Given", "Plan", "Run", "beginning", "distil", "finetune"]
__all__ += ["given", "go_on", "pretrain", "said"]


@dataclass(frozen=True)
class Given:
    """Weights to start from."""

    arrays: Arrays
    tokenizer: Path
    record: Record

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the weights know."""
        return tuple(self.record["labels"])

    def pieces(self, texts: list[str]) -> Tokens:
        """Cut texts into pieces."""
        return in_pieces(texts, Tokenizer.from_file(str(self.tokenizer)))


@dataclass(frozen=True)
class Run:
    """Where a step writes, and how it runs."""

    out: Path
    dropout: float
    threads: int
    progress: Progress

    @property
    def device(self) -> torch.device:
        """The graphics card, if there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def given(folder: Path) -> Given:
    """Read the weights of a folder."""
    arrays, record = read_weights(folder)
    return Given(arrays, folder / TOKENIZER, record)


def beginning(
    texts: Sequence[str],
    out: Path,
    *,
    base: Path | None,
    tokenizer: Path | None,
    n_pieces: int,
    n_layers: int,
    width: int,
) -> Given:
    """Start from a base, whose pieces are exchanged, or by chance; the tokenizer is learned first.

    A tokenizer that a stopped run left is taken up.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = tokenizer or out / TOKENIZER
    if not path.exists():
        learn_tokenizer(texts, n_pieces).save(str(path))
    pieces = Tokenizer.from_file(str(path))
    if base:
        read = read_base(base)
        arrays = read.arrays | {"encoder.pieces.weight": embeddings(read, pieces, texts)}
        name = {"base": base.name, "base_licence": "MIT", "base_sha256": _sha256(base)}
    else:
        shape = Shape(pieces.get_vocab_size(), n_layers, width, width // HEAD_WIDTH, 4 * width)
        torch.manual_seed(0)
        network = Network(shape, LABELS)
        with torch.no_grad():
            for values in network.parameters():
                if values.ndim > 1:
                    values.normal_(0, 0.02)
        arrays, name = arrays_of(network), {"base": ""}
    step = {"step": "beginning", "pieces": pieces.get_vocab_size()} | name
    return Given(arrays, path, {"labels": list(LABELS), "steps": [step]})


def pretrain(start: Given, texts: list[str], run: Run, plan: Plan) -> None:
    """Guess masked words."""
    tokens = start.pieces(texts)
    network = network_of(start.arrays, start.labels, dropout=run.dropout)
    loss = masked_loss(tokens, run.device)
    _learn(start, network, loss, tokens, run, plan, {"step": "pretrain", "texts_given": len(texts)})


def finetune(start: Given, corpus: Corpus, split: Split, run: Run, plan: Plan) -> None:
    """Learn the labels of the training part."""
    train = split.train
    tokens = start.pieces(train.texts)
    network = network_of(start.arrays, start.labels, LABELS, run.dropout)
    loss = labels_loss(
        tokens, train.y.astype(np.float32), train.weight.astype(np.float32), run.device
    )
    names, counts = np.unique(train.source, return_counts=True)
    sets = dict(zip(names.tolist(), counts.tolist(), strict=True))
    licences = {source.id: source.license for source in corpus.sources if source.id in sets}
    _learn(
        start, network, loss, tokens, run, plan,
        {"step": "finetune", "sets": sets, "licences": licences},
    )  # fmt: skip


def distil(
    teachers: Sequence[Given],
    split: Split,
    n_layers: int,
    words: Classifier | None,
    run: Run,
    plan: Plan,
) -> None:
    """Teach some of the layers of the first teacher.

    On labelled comments half the label counts and half what the teachers say; on others the
    teachers and the words of a classifier together, by a regression on the validation part.
    """
    first = teachers[0]
    n_taught = 1 + max(
        int(name.split(".")[2]) for name in first.arrays if name.startswith("encoder.layers.")
    )
    kept = np.linspace(0, n_taught - 1, n_layers).round().astype(int).tolist()
    learned, spare = first.pieces(split.train.texts), first.pieces(split.unlabeled)
    run.progress("asking the teachers", 0.0)
    say = said(teachers, learned, run)
    y = split.train.y[:, [LABELS.index(label) for label in first.labels]]
    soft = np.where(np.isnan(y), say, (y + say) / 2)
    soft_spare = said(teachers, spare, run)
    if words:
        soft_spare = _with_words(teachers, words, split, soft_spare, run)
    tokens = both(learned, spare)
    targets = np.concatenate([soft, soft_spare]).astype(np.float32)
    weight = np.concatenate([split.train.weight, np.ones(len(spare))]).astype(np.float32)
    network = network_of(_layers(first.arrays, kept), first.labels, dropout=run.dropout)
    loss = labels_loss(tokens, targets, weight, run.device)
    step = {"step": "distil", "layers_kept": kept, "teachers": len(teachers), "words": bool(words)}
    _learn(first, network, loss, tokens, run, plan, step)


def go_on(start: Given, rows: Sequence[Path], run: Run, plan: Plan) -> None:
    """Learn on from rows."""
    run.progress("reading rows", 0.0)
    read = read_rows(rows, Tokenizer.from_file(str(start.tokenizer)), start.labels)
    network = network_of(start.arrays, start.labels, read.labels, run.dropout)
    loss = labels_loss(read.tokens, read.y, read.weight, run.device)
    files = {path.name: _sha256(path) for path in rows}
    _learn(
        start, network, loss, read.tokens, run, plan,
        {"step": "continue", "rows": len(read.y), "files": files},
    )  # fmt: skip


def _learn(
    start: Given,
    network: Network,
    loss: Loss,
    tokens: Tokens,
    run: Run,
    plan: Plan,
    step: dict[str, Any],
) -> None:
    torch.set_num_threads(run.threads)
    checkpoint = run.out / "checkpoint.pt"
    done = learn(
        network,
        loss,
        tokens.lengths,
        plan,
        device=run.device,
        checkpoint=checkpoint,
        progress=run.progress,
        note=lambda text: click.echo(text, err=True),
    )
    record = {
        "labels": list(network.names),
        "steps": [*start.record["steps"], step | {"dropout": run.dropout} | done],
    }
    write_weights(run.out, arrays_of(network), start.tokenizer, record)
    checkpoint.unlink(missing_ok=True)


def said(teachers: Sequence[Given], tokens: Tokens, run: Run) -> NDArray[np.float64]:
    """Return the mean of the probabilities that teachers give."""
    torch.set_num_threads(run.threads)
    each_said = [
        expit(predict(network_of(each.arrays, each.labels), tokens, run.device))
        for each in teachers
    ]
    mean: NDArray[np.float64] = np.mean(each_said, axis=0)
    return mean


def _with_words(
    teachers: Sequence[Given],
    words: Classifier,
    split: Split,
    say: NDArray[np.float64],
    run: Run,
) -> NDArray[np.float64]:
    """Let the words of a classifier count as well, by a regression on the validation part."""
    validation, told = split.validation, say.copy()
    known = _logits(said(teachers, teachers[0].pieces(validation.texts), run))
    by_words = words.scorer.logits(validation.texts)
    by_words_here = words.scorer.logits(split.unlabeled)
    for column, label in enumerate(teachers[0].labels):
        y = validation.label(label)
        seen = ~np.isnan(y)
        given = y[seen] >= 0.5
        if label not in words.labels or not ENOUGH_POSITIVES <= given.sum() < len(given):
            continue
        at = words.labels.index(label)
        by_word, by_sentence, constant = regression(
            by_words[seen, at], known[seen, column], given, np.ones(len(given))
        )
        heard = by_sentence * _logits(say[:, column])
        told[:, column] = expit(by_word * by_words_here[:, at] + heard + constant)
    return told


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)))


def _layers(arrays: Arrays, kept: Sequence[int]) -> Arrays:
    """Keep some layers, numbered anew, and all else."""
    chosen = {}
    for name, values in arrays.items():
        if not name.startswith("encoder.layers."):
            chosen[name] = values
            continue
        _, _, number, rest = name.split(".", 3)
        if int(number) in kept:
            chosen[f"encoder.layers.{kept.index(int(number))}.{rest}"] = values
    return chosen


def _sha256(path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
