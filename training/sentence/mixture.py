"""Mixture of rows that a sentence scorer goes on learning from, with soft targets.

What it once learned must stay while it learns more, and single labels are often wrong: the target
of a public row lies between its label and what the scorer already says of it, and a label that
contradicts the scorer is not learned (of 1,449 such labels that were read again, 58 % were wrong).
Rows read along our line count as they are, several times over. Copies in disguise have the targets
of what they copy. Comments end to end, and comments among words of no meaning, teach that an insult
among harmless words is one, and that a long harmless comment is none.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.schema import LABELS
from training.datasets import Corpus, Split
from training.disguises.augmentation import disguised_copies
from training.public_sets import POLICIES, READ_ALONG_OUR_LINE

TIMES = {"annotated_news": 3, "contrast": 4, "contrast_2": 5}
TIMES_OWN = 2  # other rows written for the project
LABEL_SHARE = 0.35  # of the target of a public row; the rest is what the scorer says
CONTRADICTS = 0.75  # further than this from what the scorer says, a public label is not learned
COPY_SHARE = 0.5  # of the weight of a row, for its copy in disguise
LITTLE_WEIGHT = 0.6  # of rows of public sets that count for little in fitting as well
N_UNLABELED, UNLABELED_WEIGHT, WORDS_SHARE = 26_000, 0.7, 0.3
N_JOINED = 15_000  # of either kind: abuse among harmless words, harmless words alone
PADDED_SHARE, MOST_PADDING = 0.55, 50  # of these, so many are a comment among so many words
JOINTS = (" ", "\N{ARABIC COMMA} ", ". ", "\n")

Row = Mapping[str, Any]
Said = tuple[Sequence[str], NDArray[np.float64]]  # labels, and probabilities, (n_texts, n_labels)
Reader = Callable[[list[str]], Said]


def rows(split: Split, sentence: Reader, words: Reader | None = None, seed: int = 0) -> list[Row]:
    """Return rows, ``{"text": ..., "labels": ..., "weight": ...}``, in random order."""
    chance = random.Random(seed)
    mixed = [
        *_labeled(split.train, sentence, seed),
        *_unlabeled(split.unlabeled, sentence, words, chance),
        *_joined(split.train, chance),
    ]
    chance.shuffle(mixed)
    return mixed


def _labeled(train: Corpus, sentence: Reader, seed: int) -> Iterator[Row]:
    public = np.isin(train.source, list(POLICIES)) & ~np.isin(train.source, READ_ALONG_OUR_LINE)
    targets = train.y.copy()
    said = _in_order(sentence([train.texts[i] for i in np.flatnonzero(public)]))
    targets[public] = _softened(train.y[public], said)
    weights = np.where(public & (train.weight < POLICIES["omcd"].weight), LITTLE_WEIGHT, 1.0)
    for i, text in enumerate(train.texts):
        times = 1 if public[i] else TIMES.get(str(train.source[i]), TIMES_OWN)
        yield from [_row(text, targets[i], weights[i])] * times
    abusive = np.nan_to_num(train.y).max(axis=1) >= 0.5
    copied = np.flatnonzero(~public | abusive).tolist()
    for at, copy in zip(*disguised_copies([train.texts[i] for i in copied], seed), strict=True):
        yield _row(copy, targets[copied[at]], COPY_SHARE * weights[copied[at]])


def _softened(labels: NDArray[np.float64], said: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = LABEL_SHARE * labels + (1 - LABEL_SHARE) * said
    mean = np.where(np.abs(labels - said) > CONTRADICTS, said, mean)
    return np.where(np.isnan(said), labels, mean)


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
            if is_abusive:
                at = chance.choice(abusive)
                text, target = train.texts[at], train.y[at]
            else:
                text, target = train.texts[chance.choice(harmless)], np.zeros(len(LABELS))
            if chance.random() < PADDED_SHARE:
                n_words = chance.randint(3, MOST_PADDING)
                parts = [_padding(train, harmless, n_words, chance)]
                if chance.random() < 0.3:
                    parts.append(_padding(train, harmless, n_words, chance))
            else:
                chosen = chance.choices(harmless, k=chance.choice((1, 1, 2, 2, 3)))
                parts = [train.texts[i] for i in chosen]
            parts.insert(chance.randrange(len(parts) + 1), text)
            yield _row(chance.choice(JOINTS).join(parts), target, 1.0)


def _padding(train: Corpus, harmless: Sequence[int], n_words: int, chance: random.Random) -> str:
    """Return words of a harmless comment, a few of them over and over, or letters of no script."""
    words = train.texts[chance.choice(harmless)].split()
    kind = chance.random()
    if kind < 0.2:
        first, last = chance.choice(_OTHER_LETTERS)
        words = [
            "".join(chr(chance.randint(first, last)) for _ in range(chance.randint(1, 8)))
            for _ in range(chance.randint(3, 15))
        ]
    elif kind < 0.5:
        words = words[: chance.randint(2, 12)]
    return " ".join(itertools.islice(itertools.cycle(words), n_words))


_OTHER_LETTERS = ((0x61, 0x7A), (0x430, 0x44F), (0x30, 0x39))  # Latin, Cyrillic, digits


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
