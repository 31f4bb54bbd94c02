"""A sentence scorer of 300 pieces with weights by chance, for tests that need any."""

import numpy as np

from conftest import SAMPLE_COMMENTS
from models.schema import LABELS, read_comments
from models.sentence_scorer import SentenceScorer
from training.sentence.export import graph_of
from training.sentence.tokenizer import learn_tokenizer
from training.sentence.weights import Arrays

TEXTS = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
WIDTH, INNER, N_PIECES = 32, 64, 300


def tiny_arrays(n_layers: int = 2, n_labels: int = len(LABELS)) -> Arrays:
    """Return the weights of a network, by chance but the same each time."""
    random = np.random.default_rng(0)
    sizes = {
        "encoder.pieces": (N_PIECES, WIDTH),
        "encoder.positions": (128, WIDTH),
        "dense": (WIDTH, WIDTH),
        "labels": (n_labels, WIDTH),
    }
    norms = ["encoder.norm"]
    for at in range(n_layers):
        layer = f"encoder.layers.{at}"
        sizes |= {
            f"{layer}.attention_in": (3 * WIDTH, WIDTH),
            f"{layer}.attention_out": (WIDTH, WIDTH),
            f"{layer}.dense_in": (INNER, WIDTH),
            f"{layer}.dense_out": (WIDTH, INNER),
        }
        norms += [f"{layer}.attention_norm", f"{layer}.dense_norm"]
    arrays = {}
    for name, size in sizes.items():
        arrays[f"{name}.weight"] = random.normal(0, 0.3, size).astype(np.float32)
        if name not in ("encoder.pieces", "encoder.positions"):
            arrays[f"{name}.bias"] = random.normal(0, 0.1, size[0]).astype(np.float32)
    for name in norms:
        arrays[f"{name}.weight"] = np.ones(WIDTH, np.float32)
        arrays[f"{name}.bias"] = np.zeros(WIDTH, np.float32)
    return arrays


def tiny_tokenizer() -> bytes:
    """Return a tokenizer learned from the sample comments."""
    return learn_tokenizer(TEXTS, N_PIECES).to_str().encode()


def tiny_sentence_scorer() -> SentenceScorer:
    """Return the scorer of these."""
    return SentenceScorer(graph_of(tiny_arrays()), tiny_tokenizer(), LABELS)
