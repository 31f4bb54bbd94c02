"""Network of the sentence scorer: pieces of words, transformer layers, one logit per label.

An encoder as in BERT (Devlin et al. 2019; layer norms behind each step), the mean over the pieces,
a dense layer and the labels. For pretraining, the pieces that were masked are guessed from the
encoder's last layer, with the weights of the pieces themselves (Press and Wolf 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.sentence_scorer import PAD
from training.sentence.weights import Arrays, Shape, WeightsUnusable, shape_of

RARE = -4.0
"""The logit at which a label starts that was never learned."""


class Layer(nn.Module):
    """Attention over all pieces, then two dense layers on each."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.n_heads, self.dropout = shape.n_heads, dropout
        self.attention_in = nn.Linear(shape.width, 3 * shape.width)
        self.attention_out = nn.Linear(shape.width, shape.width)
        self.attention_norm = nn.LayerNorm(shape.width, 1e-12)
        self.dense_in = nn.Linear(shape.width, shape.inner)
        self.dense_out = nn.Linear(shape.inner, shape.width)
        self.dense_norm = nn.LayerNorm(shape.width, 1e-12)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Return the layer's output, (n_texts, n_positions, width)."""
        n_texts, length, width = x.shape
        parts = self.attention_in(x).view(n_texts, length, 3, self.n_heads, width // self.n_heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, dropout_p=dropout
        )
        mixed = self.attention_out(mixed.transpose(1, 2).reshape(n_texts, length, width))
        x = self.attention_norm(x + functional.dropout(mixed, self.dropout, self.training))
        inner = self.dense_out(functional.gelu(self.dense_in(x)))
        return self.dense_norm(x + functional.dropout(inner, self.dropout, self.training))


class Encoder(nn.Module):
    """Pieces of texts to a vector for each."""

    def __init__(self, shape: Shape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.pieces = nn.Embedding(shape.n_pieces, shape.width)
        self.positions = nn.Embedding(shape.n_positions, shape.width)
        self.norm = nn.LayerNorm(shape.width, 1e-12)
        self.layers = nn.ModuleList(Layer(shape, dropout) for _ in range(shape.n_layers))

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors, (n_texts, n_positions, width)."""
        x = self.norm(self.pieces(ids) + self.positions.weight[: ids.shape[1]])
        x = functional.dropout(x, self.dropout, self.training)
        seen = (ids != PAD)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, seen)
        return x


class Network(nn.Module):
    """An encoder with the two things it learns to say: labels and masked pieces."""

    def __init__(self, shape: Shape, labels: tuple[str, ...], dropout: float = 0.1) -> None:
        super().__init__()
        self.shape, self.names, self.dropout = shape, labels, dropout
        self.encoder = Encoder(shape, dropout)
        self.dense = nn.Linear(shape.width, shape.width)
        self.labels = nn.Linear(shape.width, len(labels))
        self.guess = nn.Linear(shape.width, shape.width)
        self.guess_norm = nn.LayerNorm(shape.width)
        self.guess_bias = nn.Parameter(torch.zeros(shape.n_pieces))

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits, (n_texts, n_labels); `PAD` fills short texts up."""
        x = self.encoder(ids)
        seen = (ids != PAD)[..., None].to(x.dtype)
        mean = (x * seen).sum(1) / seen.sum(1)
        mean = functional.dropout(mean, self.dropout, self.training)
        told = functional.dropout(torch.tanh(self.dense(mean)), self.dropout, self.training)
        return self.labels(told)

    def guesses(self, ids: Tensor, masked: Tensor) -> Tensor:
        """Return logits over all pieces at the positions that a mask names."""
        x = self.guess_norm(functional.gelu(self.guess(self.encoder(ids)[masked])))
        return functional.linear(x, self.encoder.pieces.weight, self.guess_bias)


def network_of(
    arrays: Mapping[str, NDArray[np.float32]],
    known: Sequence[str],
    labels: Sequence[str] | None = None,
    dropout: float = 0.1,
) -> Network:
    """Make a network of arrays; a label that they do not know starts as never given."""
    labels = tuple(labels or known)
    shape = shape_of(arrays)
    network = Network(shape, labels, dropout)
    arrays = dict(arrays)
    if "labels.weight" in arrays:
        rows = np.zeros((len(labels), shape.width), dtype=np.float32)
        bias = np.full(len(labels), RARE, dtype=np.float32)
        for row, label in enumerate(labels):
            if label in known:
                rows[row] = arrays["labels.weight"][known.index(label)]
                bias[row] = arrays["labels.bias"][known.index(label)]
        arrays |= {"labels.weight": rows, "labels.bias": bias}
    told = {name: torch.from_numpy(values) for name, values in arrays.items()}
    try:
        missing, unknown = network.load_state_dict(told, strict=False)
    except RuntimeError as error:
        raise WeightsUnusable(f"arrays of no network: {error}") from None
    missing = [name for name in missing if not name.startswith(("guess", "dense", "labels"))]
    if missing or unknown:
        raise WeightsUnusable(f"arrays missing: {missing}, arrays not known: {unknown}")
    return network


def arrays_of(network: Network) -> Arrays:
    """Return the weights of a network by their names."""
    return {
        name: values.detach().float().cpu().numpy() for name, values in network.state_dict().items()
    }
