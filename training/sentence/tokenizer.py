"""Tokenizer of the sentence scorer: pieces of words, learned from normalized texts.

Source: Kudo 2018, "Subword regularization".
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from models.sentence_scorer import SIGNS, UNKNOWN, readings

LONGEST_PIECE = 16
"""Letters of a piece."""


def learn_tokenizer(texts: Sequence[str], n_pieces: int = 24_000) -> Tokenizer:
    """Learn pieces from texts; not quite the same ones each time, so keep what was learned."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=n_pieces,
        special_tokens=list(SIGNS),
        unk_token=SIGNS[UNKNOWN],
        max_piece_length=LONGEST_PIECE,
        show_progress=False,
    )
    tokenizer.train_from_iterator(readings(texts), trainer, length=len(texts))
    return tokenizer
