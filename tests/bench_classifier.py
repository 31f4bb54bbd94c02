"""How fast the classifier is, beside fastText and scikit-learn, in one run on one core.

Machines are noisy, so only ratios of times taken in turns count: each contender is timed in every
round, and its best round is kept. Prints a table; asserts nothing.

The opponents learn from our own comments, or from a part of those in the files and folders that are
named, as `hakam-train fit` reads them; the same comments are then scored. The more they learned
from, the more n-grams they know and the slower they are, so the second is the fairer comparison.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import fasttext
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from threadpoolctl import threadpool_limits

from models.registry import Registry
from training.datasets import read_corpus

DATA = Path(__file__).parent.parent / "training" / "data"
N_LEARNED = 20_000
N_BATCH = 1024
N_ALONE = 40
N_ROUNDS = 15


def comments(places: list[str]) -> tuple[list[str], list[int]]:
    """Return texts, in no order, and whether each is toxic."""
    corpus = read_corpus(
        places or [DATA / "samples.jsonl", DATA / "extra.jsonl", DATA / "hakamcheck"]
    )
    toxic = corpus.label("toxicity")
    rows = [
        (text.replace("\n", " "), int(share > 0.5))
        for text, share in zip(corpus.texts, toxic, strict=True)
        if text.strip() and share in (0, 1)
    ]
    random.Random(0).shuffle(rows)
    texts, labels = zip(*rows[:N_LEARNED], strict=True)
    return list(texts), list(labels)


def train_fasttext(texts: list[str], toxic: list[int]) -> fasttext.FastText._FastText:
    """Fit fastText's supervised classifier on the n-grams it is given for this task."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"__label__{t} {text}\n" for text, t in zip(texts, toxic, strict=True))
        file.flush()
        return fasttext.train_supervised(
            file.name, minn=2, maxn=5, wordNgrams=2, epoch=5, thread=1, verbose=0
        )


def best_times(contenders: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the shortest time of each over all rounds, in seconds."""
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(N_ROUNDS):
        for name, run in contenders.items():
            started = perf_counter()
            run()
            best[name] = min(best[name], perf_counter() - started)
    return best


def main() -> None:
    """Time everything and print the table."""
    started = perf_counter()
    artifact = Registry().load()
    loading = perf_counter() - started
    classifier = artifact.classifier
    texts, toxic = comments(sys.argv[1:])
    batch = (texts * (N_BATCH // len(texts) + 1))[:N_BATCH]
    alone = batch[:: N_BATCH // N_ALONE][:N_ALONE]
    fast = train_fasttext(texts, toxic).f
    plain = make_pipeline(
        make_union(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        ),
        LogisticRegression(C=10.0, max_iter=50),
    ).fit(texts, toxic)
    words = classifier.scorer

    def by_words_met_for_the_first_time() -> None:
        words._memory.clear()
        for text in alone:
            words.logits([text])

    short, longer = (" ".join(texts)[:n] for n in (10_000, 20_000))
    times = best_times(
        {
            "hakam, batch": lambda: classifier.predict_proba(batch),
            "fastText, batch": lambda: [fast.predict(t + "\n", 1, 0.0, "strict") for t in batch],
            "scikit-learn, batch": lambda: plain.predict_proba(batch),
            "hakam, evidence for the batch": lambda: classifier.explain(batch),
            "word scorer, batch": lambda: words.logits(batch),
            "word scorer, one by one": lambda: [words.logits([t]) for t in alone],
            "word scorer, words never met": by_words_met_for_the_first_time,
            "hakam, one by one": lambda: [classifier.predict_proba([t]) for t in alone],
            "scikit-learn, one by one": lambda: [plain.predict_proba([t]) for t in alone],
            "hakam, 10,000 letters": lambda: classifier.predict_proba([short]),
            "hakam, 20,000 letters": lambda: classifier.predict_proba([longer]),
        }
    )
    units = {name: N_BATCH if "batch" in name else N_ALONE for name in times}
    units["hakam, 10,000 letters"] = units["hakam, 20,000 letters"] = 1
    letters = sum(map(len, batch)) / N_BATCH
    print(f"artefact {artifact.version}; {N_BATCH} comments, {letters:.0f} letters each; one core")
    for name, seconds in times.items():
        print(f"  {name:32} {seconds / units[name] * 1e6:10.1f} us each")
    own, one = times["hakam, batch"], times["hakam, one by one"]
    size = artifact.manifest["model"]["bytes"]
    for what, measured, wanted in (
        ("throughput, of fastText's", times["fastText, batch"] / own, "at least 3"),
        ("throughput, of scikit-learn's", times["scikit-learn, batch"] / own, "at least 20"),
        (
            "one comment, scikit-learn's time",
            times["scikit-learn, one by one"] / one,
            "at least 15",
        ),
        (
            "evidence, of the time to score",
            times["hakam, evidence for the batch"] / own,
            "at most 2",
        ),
        (
            "twice the letters, of the time",
            times["hakam, 20,000 letters"] / times["hakam, 10,000 letters"],
            "about 2",
        ),
        ("artefact, MB", size / 1e6, "at most 16"),
        ("loading, s", loading, "at most 0.3"),
    ):
        print(f"  {what:34} {measured:8.2f}   ({wanted})")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
