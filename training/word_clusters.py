"""Word clusters: words grouped by the contexts they stand in.

Skip-gram vectors (Mikolov et al. 2013) over all texts at hand, labelled or not, then k-means on
their directions at three levels, from coarse to fine (Brown et al. 1992 and Turian et al. 2010 use
such groups as features). What a classifier learns about an insult that it has seen then holds for
its neighbours that it has not. The same texts and seed give the same groups.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from models.errors import ModerationError
from models.normalize import normalize_batch
from training.design_matrix import Progress, WordClusters

LEVELS = (300, 1000, 4000)  # number of groups at each
MIN_COUNT = 4
N_EPOCHS = 6

_CHUNK = 4096


class GensimMissing(ModerationError):
    """Grouping words needs gensim, which is not installed."""


def cluster_words(
    texts: Sequence[str], *, seed: int = 0, progress: Progress | None = None
) -> WordClusters:
    """Group the words that occur at least `MIN_COUNT` times; ValueError if they are too few."""
    if not find_spec("gensim"):
        raise GensimMissing(
            "grouping words needs gensim, which the extra `train` brings up to Python 3.13: "
            "`make train`, or --no-word-vectors"
        )
    from gensim.models.word2vec import Word2Vec

    tell = progress or (lambda _, __: None)
    model = Word2Vec(
        _Sentences(texts),
        vector_size=150,
        window=5,
        sg=1,
        negative=8,
        sample=1e-4,
        min_count=MIN_COUNT,
        epochs=N_EPOCHS,
        workers=1,  # more would make the vectors depend on which thread comes first
        seed=seed,
        callbacks=[_epochs(tell)],
    )
    words: list[str] = model.wv.index_to_key
    if len(words) < max(LEVELS):
        raise ValueError(f"{len(words)} words occur {MIN_COUNT} times, {max(LEVELS)} are needed")
    directions = model.wv.vectors / np.linalg.norm(model.wv.vectors, axis=1, keepdims=True)
    levels = []
    for done, n_groups in enumerate(LEVELS):
        tell("grouping words", done / len(LEVELS))
        means = MiniBatchKMeans(n_groups, random_state=seed, batch_size=4096, n_init=1)
        levels.append(means.fit(directions).labels_.astype(np.int32))
    tell("grouping words", 1.0)
    return WordClusters(words, np.stack(levels))


class _Sentences:
    """The words of each text, as often as they are asked for."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._lines: list[str] = []
        for first in range(0, len(texts), _CHUNK):
            codes = normalize_batch(texts[first : first + _CHUNK]).codes
            text = codes.astype("<u4").tobytes().decode("utf-32-le")
            self._lines += text[1:-1].split("\n")

    def __iter__(self) -> Iterator[list[str]]:
        return (line.split() for line in self._lines)


def _epochs(tell: Progress) -> Any:
    """Return what gensim tells of each epoch, and which tells how many are done."""
    from gensim.models.callbacks import CallbackAny2Vec

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        def __init__(self) -> None:
            self.done = 0
            tell("learning word vectors", 0.0)

        def on_epoch_end(self, model: Any) -> None:
            self.done += 1
            tell("learning word vectors", self.done / N_EPOCHS)

    return Epochs()
