"""Mixture of rows that a sentence scorer goes on learning from, with soft targets.

What it once learned must stay while it learns more, and single labels are often wrong: the target
of a public row lies between its label and what the scorer already says of it. Rows read along our
line count as they are, several times over. Comments end to end teach that an insult among harmless
words is one, and that a long harmless comment is none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.schema import LABELS
from training.datasets import Corpus, Split
from training.public_sets import POLICIES, READ_ALONG_OUR_LINE

TIMES = {"annotated_news": 3, "contrast": 4, "contrast_2": 5}
TIMES_OWN = 2  # other rows written for the project
LABEL_SHARE = 0.35  # of the target of a public row; the rest is what the scorer says
LITTLE_WEIGHT = 0.6  # of rows of public sets that count for little in fitting as well
N_UNLABELED, UNLABELED_WEIGHT, WORDS_SHARE = 26_000, 0.7, 0.3
N_JOINED = 6500  # of either kind: abuse among harmless comments, harmless comments alone
JOINTS = (" ", "\N{ARABIC COMMA} ", ". ", "\n")

Row = Mapping[str, Any]
Said = tuple[Sequence[str], NDArray[np.float64]]  # labels, and probabilities, (n_texts, n_labels)
Reader = Callable[[list[str]], Said]


def rows(split: Split, sentence: Reader, words: Reader | None = None, seed: int = 0) -> list[Row]:
    """Return rows, ``{"text": ..., "labels": ..., "weight": ...}``, in random order."""
    chance = random.Random(seed)
    mixed = [
        *_labeled(split.train, sentence),
        *_unlabeled(split.unlabeled, sentence, words, chance),
        *_joined(split.train, chance),
    ]
    chance.shuffle(mixed)
    return mixed


def _labeled(train: Corpus, sentence: Reader) -> Iterator[Row]:
    public = np.isin(train.source, list(POLICIES)) & ~np.isin(train.source, READ_ALONG_OUR_LINE)
    targets = train.y.copy()
    said = _in_order(sentence([train.texts[i] for i in np.flatnonzero(public)]))
    observed = ~np.isnan(targets[public]) & ~np.isnan(said)
    mean = LABEL_SHARE * targets[public] + (1 - LABEL_SHARE) * said
    targets[public] = np.where(observed, mean, np.nan)
    for i, text in enumerate(train.texts):
        little = public[i] and train.weight[i] < POLICIES["omcd"].weight
        times = 1 if public[i] else TIMES.get(str(train.source[i]), TIMES_OWN)
        yield from [_row(text, targets[i], LITTLE_WEIGHT if little else 1.0)] * times


def _unlabeled(
    texts: Sequence[str], sentence: Reader, words: Reader | None, chance: random.Random
) -> Iterator[Row]:
    chosen = chance.sample(list(texts), min(N_UNLABELED, len(texts)))
    targets = _in_order(sentence(chosen))
    if words:
        by_words = _in_order(words(chosen))
        mean = (1 - WORDS_SHARE) * targets + WORDS_SHARE * by_words
        targets = np.where(np.isnan(by_words), targets, mean)
    for text, target in zip(chosen, targets, strict=True):
        yield _row(text, target, UNLABELED_WEIGHT)


def _joined(train: Corpus, chance: random.Random) -> Iterator[Row]:
    ours = np.isin(train.source, (*READ_ALONG_OUR_LINE, "hakam"))
    toxicity, most = train.label("toxicity"), np.nan_to_num(train.y).max(axis=1)
    long = np.array([len(text) > 25 for text in train.texts])
    abusive = np.flatnonzero(ours & (toxicity >= 0.9)).tolist()
    harmless = np.flatnonzero(ours & long & (most <= 0.05) & ~np.isnan(toxicity)).tolist()
    for is_abusive in (True, False):
        for _ in range(N_JOINED if abusive and harmless else 0):
            parts = chance.choices(harmless, k=chance.choice((1, 1, 2, 2, 3, 4)) + (not is_abusive))
            target = np.zeros(len(LABELS))
            if is_abusive:
                among = chance.choice(abusive)
                parts.insert(chance.randrange(len(parts) + 1), among)
                target = train.y[among]
            yield _row(chance.choice(JOINTS).join(train.texts[i] for i in parts), target, 1.0)


def _in_order(said: Said) -> NDArray[np.float64]:
    """Give probabilities a column for each of `LABELS`, NaN where a label is not known."""
    labels, told = said
    return np.stack(
        [
            told[:, labels.index(label)] if label in labels else np.full(len(told), np.nan)
            for label in LABELS
        ],
        axis=1,
    )


def _row(text: str, target: NDArray[np.float64], weight: float) -> Row:
    labels = {
        label: round(float(share), 3)
        for label, share in zip(LABELS, target, strict=True)
        if not np.isnan(share)
    }
    return {"text": text, "labels": labels, "weight": weight}
