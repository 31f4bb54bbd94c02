"""Word scorer: the sum of the weights of a text's words, exactly explainable.

Promise: deterministic, no input or output; a text has the same logits alone or in any batch, in
time linear in its length. What is said of each code point sums to the logit.

Secret: the mathematics. Per label the score of a passage is additive in its distinct words, each
with the pair it makes with the word before it,

    logit = (sum of the weights of the words and pairs) / sqrt(max(4, n)) + bias

with n the number of plain n-grams. The weight of a word is the sum of the weights of the n-grams in
it (`models.features`), and is kept ready for the words that are known, so scoring is a sum of a few
table look-ups for each word. No word speaks against a label by more than `LEAST`. A text has the
highest score of its passages, which are the whole and, in a longer text, every few words in a row,
less a `MARGIN`: an insult weighs almost what it weighs by itself, whatever stands around it.

Of one text that comes alone the calls into NumPy cost more than the arithmetic. Its words are
looked up in a memory of words weighed before, and its passages are added up by one product of
matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from models.features import (
    N_BUCKETS,
    Passages,
    Words,
    buckets_of_pairs,
    earlier_in_text,
    gram_buckets,
    n_plain,
    pair_buckets,
    passages_of,
    spelled,
    sums_of,
    words_alone,
    words_of,
)
from models.normalize import (
    Batch,
    normalize_batch,
    plain_words,
    refuse_one_text,
    stretches,
)

# Scored at a time: what it takes stays in the processor's cache, and in bounds.
_CHUNK_TEXTS, _CHUNK_LETTERS = 512, 1 << 16
# A text of at most so many letters and words, given alone, is scored by fewer calls.
_FEW_LETTERS, _FEW_WORDS = 600, 64
# So many words are remembered then, of so many letters: some 10 MB.
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 1 << 15, 32
SHORTEST = 4
"""A text with fewer plain n-grams counts as having this many, so that one word cannot shout."""
LEAST = -1.0
"""The least that a word can weigh, lest kind words be a way to hide an insult."""
MARGIN = 0.4
"""How much higher a window must score than its whole text: the highest of many is high by chance.
Chosen on validation rows, between insults that harmless words hide and long harmless comments."""


@dataclass(frozen=True, eq=False)
class WordScorer:
    """The weights of words and n-grams, laid out for look-up.

    Attributes
    ----------
    slots : ndarray of int32, shape (N_BUCKETS,)
        Row of each bucket in `table`; row 0 is of no weight.
    word_hashes : ndarray of uint32, shape (n_known_words,)
        Hash of each known word, rising; the row of the first is 1.
    word_letters : ndarray of uint32, shape (n_letters,)
        Letters of the known words, end to end: a hash finds a word, its letters say whether it is.
    word_starts : ndarray of int32, shape (n_known_words + 1,)
        Where the letters of each known word begin, and their number.
    table : ndarray of float16, shape (n_table_rows, n_labels)
        Weights: none, those of known words, those of n-grams. Half precision is finer than their
        noise.
    intercepts : ndarray of float64, shape (n_labels,)

    Raises
    ------
    ValueError
        If an array has a wrong shape, type or value.
    """

    slots: NDArray[np.int32]
    word_hashes: NDArray[np.uint32]
    word_letters: NDArray[np.uint32]
    word_starts: NDArray[np.int32]
    table: NDArray[np.float16]
    intercepts: NDArray[np.float64]

    def __post_init__(self) -> None:
        n_words, whole = (
            len(self.word_hashes),
            (self.slots, self.word_hashes, self.word_letters, self.word_starts),
        )
        if (
            self.slots.shape != (N_BUCKETS,)
            or self.word_starts.shape != (n_words + 1,)
            or self.table.ndim != 2
            or self.intercepts.shape != self.table.shape[1:]
            or any(array.dtype.kind not in "iu" for array in whole)
            or self.table.dtype != np.float16
            or not 0 <= self.slots.min() <= self.slots.max() < len(self.table)
            or n_words >= len(self.table)
            or (self.word_starts[1:] < self.word_starts[:-1]).any()
            or (self.word_hashes[1:] <= self.word_hashes[:-1]).any()
            or self.word_starts[0] != 0
            or self.word_starts[-1] != len(self.word_letters)
        ):
            raise ValueError("an array of the word scorer has a wrong shape, type or value")

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Score texts.

        Parameters
        ----------
        texts : sequence of str, length n_texts

        Returns
        -------
        ndarray of float64, shape (n_texts, n_labels)

        Raises
        ------
        InvalidText
            If a text is not valid Unicode.
        TypeError
            If one text is given in place of many.
        """
        refuse_one_text(texts)
        if len(texts) == 1 and len(texts[0]) <= _FEW_LETTERS:
            names = plain_words(texts[0])
            if names is None:
                names = spelled(normalize_batch(texts).codes.view(np.uint32))
            if 0 < len(names) <= _FEW_WORDS:
                return self._logits_of_one(names)
        logits = np.empty((len(texts), len(self.intercepts)))
        for first, last in _chunks(texts):
            words = words_of(normalize_batch(texts[first:last]))
            passages = passages_of(words, last - first)
            sums = sums_of(passages, words, _with_lengths(self._weights(words), words))
            begin = (passages.kind == 0).nonzero()[0]
            np.maximum.reduceat(_scores(passages, sums), begin, out=logits[first:last])
        logits += self.intercepts
        return logits

    def explain(
        self, texts: Sequence[str], column: int
    ) -> Iterator[tuple[NDArray[np.float64], float]]:
        """Say what each code point adds to the logit of one label.

        The weight of a word is shared by its letters where it first stands; a pair's weight goes
        to its second word. The passage tells that speaks most for the label.

        Parameters
        ----------
        texts : sequence of str, length n_texts
        column : int
            Which label.

        Yields
        ------
        contributions : ndarray of float64, shape (len(text),)
        intercept : float
            What remains of the logit.
        """
        refuse_one_text(texts)
        for first, last in _chunks(texts):
            batch = normalize_batch(texts[first:last])
            per_code_point, margins = self._contributions(batch, column)
            starts = batch.starts.tolist()
            for start, end, margin in zip(starts, starts[1:], margins.tolist(), strict=False):
                yield per_code_point[start:end], float(self.intercepts[column] - margin)

    def count_words(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count the words of texts, and how many of them are not among the known words.

        Parameters
        ----------
        texts : sequence of str, length n_texts

        Returns
        -------
        ndarray of int64, shape (n_texts, 2)
            All words, and those that nothing is known of but their n-grams.
        """
        refuse_one_text(texts)
        counts = np.empty((len(texts), 2), dtype=np.int64)
        for first, last in _chunks(texts):
            words = words_of(normalize_batch(texts[first:last]))
            unknown = self._known(words, np.arange(len(words.text))) == 0
            counts[first:last, 0] = np.bincount(words.text, minlength=last - first)
            counts[first:last, 1] = np.bincount(words.text[unknown], minlength=last - first)
        return counts

    def _weights(self, words: Words) -> NDArray[np.float64]:
        """Weigh every word, the pair included that it makes with the word before it.

        Returns
        -------
        ndarray of float64, shape (n_words, n_labels)
        """
        weights = self._weights_apart(words).take(words.same, axis=0)
        return self._with_pairs(weights, pair_buckets(words, np.arange(len(weights))))

    def _with_pairs(
        self, weights: NDArray[np.float64], pairs: NDArray[np.uint32]
    ) -> NDArray[np.float64]:
        """Add the weights of pairs to those of words, in place; none weighs less than `LEAST`."""
        weights += self.table.take(self.slots.take(pairs), axis=0)
        return np.maximum(weights, LEAST, out=weights)

    def _weights_apart(self, words: Words) -> NDArray[np.float64]:
        """Weigh each distinct word by itself, where it first stands in the batch."""
        every = np.arange(len(words.same))
        distinct = (words.same == every).nonzero()[0]
        known = self._known(words, distinct)
        weights = np.zeros((len(every), len(self.intercepts)))
        weights[distinct] = self.table.take(known, axis=0)
        unknown = distinct[known == 0]
        if len(unknown):
            bucket, word = gram_buckets(words, unknown)
            row = self.slots.take(bucket)
            hit = (row > 0).nonzero()[0]
            adds = self.table.take(row[hit], axis=0)
            cells = unknown[word[hit], None] * adds.shape[1] + np.arange(adds.shape[1])
            weights += np.bincount(cells.ravel(), adds.ravel(), weights.size).reshape(weights.shape)
        return weights

    def _logits_of_one(self, names: list[str]) -> NDArray[np.float64]:
        """Score one text of few words: what it takes is the number of calls, not the arithmetic.

        Sums are without rounding, so that any order of adding gives the logits of a batch.
        """
        known = b"".join(self._remembered(names))
        rows = np.frombuffer(known).reshape(len(names), -1)
        hashed = rows[:, -1].astype(np.uint32)
        before = np.zeros_like(hashed)
        before[1:] = hashed[:-1]
        values = rows[:, :-1].copy()
        self._with_pairs(values[:, :-1], buckets_of_pairs(before, hashed))
        passages, counts = _passages_of_one(len(names))
        if len(set(names)) < len(names):
            counts = counts * (passages.first[:, None] > _earlier(names))
        logits: NDArray[np.float64] = _scores(passages, counts @ values).max(axis=0, keepdims=True)
        logits += self.intercepts
        return logits

    @cached_property
    def _memory(self) -> dict[str, bytes]:
        """What was found out of words: weights, number of n-grams and hash, as float64."""
        return {}

    def _remembered(self, names: list[str]) -> list[bytes]:
        """Look words up in the memory, and weigh those that are not there.

        Threads share the memory. When it is full it is emptied; threads that fill it at the same
        moment may each go beyond its bound by the words of one text.
        """
        memory = self._memory
        found = {name: memory.get(name) for name in names}
        missing = [name for name, row in found.items() if row is None]
        if missing:
            words = words_alone(missing)
            weights = _with_lengths(self._weights_apart(words), words)
            rows = np.concatenate((weights, words.hashed[:, None]), axis=1)
            fresh = dict(zip(missing, map(bytes, rows), strict=True))
            found |= fresh
            short = {name: row for name, row in fresh.items() if len(name) <= _LONGEST_REMEMBERED}
            if len(memory) + len(short) > _MOST_REMEMBERED:
                memory.clear()
            memory.update(short)
        return [row for name in names if (row := found[name]) is not None]

    def _known(self, words: Words, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the row of each chosen word, 0 where it is not known."""
        if not len(self.word_hashes):
            return np.zeros_like(chosen)
        hashed = words.hashed[chosen]
        at = np.minimum(self.word_hashes.searchsorted(hashed), len(self.word_hashes) - 1)
        start, stop = words.start[chosen], words.stop[chosen]
        begin, end = self.word_starts[at].astype(np.int64), self.word_starts[at + 1]
        alike = (self.word_hashes[at] == hashed) & (stop - start == end - begin)
        # Whoever wants to can find a word with a given hash, so every letter is compared.
        likely = alike.nonzero()[0]
        start, stop, begin = start[likely], stop[likely], begin[likely]
        ours, theirs = stretches(start, stop), stretches(begin, begin + stop - start)
        differ = words.codes[ours] != self.word_letters[theirs]
        alike[likely.repeat(stop - start)[differ]] = False
        row: NDArray[np.int64] = (at + 1) * alike
        return row

    def _contributions(
        self, batch: Batch, column: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Say what each code point of the original texts, end to end, adds to one label.

        With it goes what the passage that tells has to give away, for each text.
        """
        words = words_of(batch)
        values = _with_lengths(self._weights(words)[:, [column]], words)
        passages = passages_of(words, len(batch.breaks) - 1)
        sums = sums_of(passages, words, values)
        # Of a text's passages the one that speaks most for the label tells.
        told = _best(passages.text, _scores(passages, sums)[:, 0])
        first, stop, size = passages.first[told], passages.stop[told], sums[told, 1]
        word, of = stretches(first, stop), np.arange(len(told)).repeat(stop - first)
        counts = earlier_in_text(words)[word] < first[of]
        word, of = word[counts], of[counts]
        adds = values[word, 0] / np.sqrt(np.maximum(SHORTEST, size))[of]
        start, stop = words.start[word], words.stop[word]
        per_letter = (adds / (stop - start)).repeat(stop - start)
        where = batch.origin[stretches(start, stop)]
        told_by = np.bincount(where, per_letter, minlength=int(batch.starts[-1]))
        margins: NDArray[np.float64] = np.where(passages.kind[told] > 0, MARGIN, 0.0)
        return told_by.astype(np.float64), margins


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Cut texts into runs that are not too long; a text is never cut."""
    first, n_letters = 0, 0
    for last, text in enumerate(texts):
        n_letters += len(text)
        if last > first and (last - first == _CHUNK_TEXTS or n_letters > _CHUNK_LETTERS):
            yield first, last
            first, n_letters = last, len(text)
    if first < len(texts):
        yield first, len(texts)


@lru_cache(maxsize=_FEW_WORDS)
def _passages_of_one(n_words: int) -> tuple[Passages, NDArray[np.float64]]:
    """List the passages of a text of so many words, and which words each has, as 0 and 1."""
    passages = passages_of(words_alone(["x"] * n_words), 1)
    at = np.arange(n_words)
    inside = (passages.first[:, None] <= at) & (at < passages.stop[:, None])
    return passages, inside.astype(np.float64)


def _earlier(names: list[str]) -> list[int]:
    """Find the equal word that stands before each word of a text, -1 if there is none."""
    last: dict[str, int] = {}
    earlier = []
    for at, name in enumerate(names):
        earlier.append(last.get(name, -1))
        last[name] = at
    return earlier


def _with_lengths(weights: NDArray[np.float64], words: Words) -> NDArray[np.float64]:
    """Add a column with the number of n-grams that each word brings."""
    return np.concatenate((weights, n_plain(words)[:, None]), axis=1)


def _scores(passages: Passages, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide sums of weights by the root of the last column, the number of n-grams."""
    scores: NDArray[np.float64] = sums[:, :-1] / np.sqrt(np.maximum(SHORTEST, sums[:, -1:]))
    scores -= MARGIN * (passages.kind > 0)[:, None]
    return scores


def _best(text: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the passage of each text that scores highest; of equal ones the first."""
    order = np.lexsort((-scores, text))
    first = np.ones(len(order), dtype=bool)
    np.not_equal(text[order[1:]], text[order[:-1]], out=first[1:])
    return order[first]
