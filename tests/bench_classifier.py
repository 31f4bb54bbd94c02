"""How fast the classifier is, beside fastText and scikit-learn, in one run on one core.

Machines are noisy, so times are those that the processor spent, and only ratios of times taken in
turns count: each contender is timed in every round, and its best round is kept. Prints a table;
asserts nothing.

The opponents learn from our own comments, or from a part of those in the files and folders that are
named, as `hakam-train fit` reads them; the same comments are then scored. The more they learned
from, the more n-grams they know and the slower they are, so the second is the fairer comparison.

What both readers cost is measured on comments of a news site, if the set is beside the project or
in a folder that is named, else on our own harmless ones. HAKAM_ARTIFACTS names other artefacts.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import thread_time

import fasttext
import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from threadpoolctl import threadpool_limits

from models.classifier import READ, Classifier
from models.registry import Registry
from training.cli import DEFAULT_ROOT
from training.datasets import read_corpus
from training.public_sets import read_set

ROOT = Path(__file__).parent.parent
DATA = ROOT / "training" / "data"
NEWS = "aoc_news_comments_unl.tsv.xz"
N_LEARNED = 20_000
N_BATCH = 1024
N_ALONE = 40
N_ROUNDS = 15
N_NEWS = 500
N_TWICE, N_LONG_WORDS, N_TURNS = 200, 60, 5  # comments that are read twice, timed one by one


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


def comments_under_news(places: list[str]) -> tuple[str, list[str]]:
    """Return what the comments are, and comments as news sites get them, none of them blank."""
    for folder in (*map(Path, places), ROOT.parent / "shared" / "datasets"):
        if (folder / NEWS).exists():
            what, texts = "comments of a news site", [row.text for row in read_set(folder / NEWS)]
            break
    else:
        corpus = read_corpus([DATA / "samples.jsonl", DATA / "extra.jsonl"])
        harmless = np.flatnonzero(corpus.label("toxicity") == 0)
        what, texts = "harmless comments of our own", [corpus.texts[i] for i in harmless]
    texts = [text for text in texts if text.strip()]
    random.Random(0).shuffle(texts)
    return what, texts


def read_twice(classifier: Classifier, texts: list[str]) -> list[str]:
    """Return those over which the words hesitate."""
    states = classifier.judge(texts)[1]
    return [text for text, state in zip(texts, states, strict=True) if state == READ]


def times_alone(classifier: Classifier, texts: list[str]) -> NDArray[np.float64]:
    """Return the shortest time of each text scored by itself, in seconds."""
    best = np.full(len(texts), np.inf)
    for _ in range(N_TURNS):
        for i, text in enumerate(texts):
            started = thread_time()
            classifier.predict_proba([text])
            best[i] = min(best[i], thread_time() - started)
    return best


def both_readers(classifier: Classifier, places: list[str]) -> None:
    """Print what a comment costs that is read twice, and what comments under news cost."""
    what, texts = comments_under_news(places)
    words = " ".join(texts).split()
    starts = range(0, min(len(words), N_LONG_WORDS * N_TWICE * 4), N_LONG_WORDS)
    long = [" ".join(words[start : start + N_LONG_WORDS]) for start in starts]
    twice = read_twice(classifier, texts[: 4 * N_TWICE])[:N_TWICE]
    long = read_twice(classifier, long)[:N_TWICE]
    news = texts[:N_NEWS]
    share = len(read_twice(classifier, news)) / len(news)
    alone, sixty, every = (times_alone(classifier, some) for some in (twice, long, news))
    by_words = times_alone(classifier.by_words_alone(), news)
    print(f"  both readers, on {what}, of which {share:.0%} are read twice, one by one:")
    for name, seconds, wanted in (
        ("read twice, median", np.median(alone), "at most 2.5"),
        (f"{N_LONG_WORDS} words, p99", np.quantile(sixty, 0.99), "at most 8"),
        ("mean of all", every.mean(), "at most 0.9"),
        ("mean of all, words alone", by_words.mean(), ""),
    ):
        print(f"    {name:32} {seconds * 1e3:8.2f} ms{f'   ({wanted})' if wanted else ''}")
    print(f"    {'of the time by words alone':32} {every.mean() / by_words.mean():8.2f}")


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
            started = thread_time()
            run()
            best[name] = min(best[name], thread_time() - started)
    return best


def main() -> None:
    """Time everything and print the table."""
    started = thread_time()
    artifact = Registry(Path(os.environ.get("HAKAM_ARTIFACTS", DEFAULT_ROOT))).load()
    loading = thread_time() - started
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
    words, by_words = classifier.scorer, classifier.by_words_alone()

    def by_words_met_for_the_first_time() -> None:
        words._memory.clear()
        for text in alone:
            words.logits([text])

    short, longer = (" ".join(texts)[:n] for n in (10_000, 20_000))
    times = best_times(
        {
            "by words, batch": lambda: by_words.predict_proba(batch),
            "fastText, batch": lambda: [fast.predict(t + "\n", 1, 0.0, "strict") for t in batch],
            "scikit-learn, batch": lambda: plain.predict_proba(batch),
            "by words, evidence for the batch": lambda: by_words.explain(batch),
            "word scorer, batch": lambda: words.logits(batch),
            "word scorer, one by one": lambda: [words.logits([t]) for t in alone],
            "word scorer, words never met": by_words_met_for_the_first_time,
            "by words, one by one": lambda: [by_words.predict_proba([t]) for t in alone],
            "scikit-learn, one by one": lambda: [plain.predict_proba([t]) for t in alone],
            "10,000 letters": lambda: classifier.predict_proba([short]),
            "20,000 letters": lambda: classifier.predict_proba([longer]),
        }
    )
    units = {name: N_BATCH if "batch" in name else N_ALONE for name in times}
    units["10,000 letters"] = units["20,000 letters"] = 1
    letters = sum(map(len, batch)) / N_BATCH
    print(f"artefact {artifact.version}; {N_BATCH} comments, {letters:.0f} letters each; one core")
    for name, seconds in times.items():
        print(f"  {name:32} {seconds / units[name] * 1e6:10.1f} us each")
    own, one = times["by words, batch"], times["by words, one by one"]
    size = artifact.manifest["model"]["bytes"]
    # What the opponents learned from our own comments is little, and that makes them fast.
    targets = ("at least 4", "at least 20") if sys.argv[1:] else ("at least 3", "at least 20")
    for what, measured, wanted in (
        ("throughput, of fastText's", times["fastText, batch"] / own, targets[0]),
        ("throughput, of scikit-learn's", times["scikit-learn, batch"] / own, targets[1]),
        (
            "one comment, scikit-learn's time",
            times["scikit-learn, one by one"] / one,
            "at least 15",
        ),
        (
            "evidence, of the time to score",
            times["by words, evidence for the batch"] / own,
            "at most 2",
        ),
        (
            "twice the letters, of the time",
            times["20,000 letters"] / times["10,000 letters"],
            "at most 2",
        ),
        ("one comment by words, us", one / N_ALONE * 1e6, "at most 100"),
        ("artefact, MB", size / 1e6, "at most 36 with both readers"),
        ("loading, s", loading, "at most 0.3"),
    ):
        print(f"  {what:34} {measured:8.2f}   ({wanted})")
    if len(classifier.readers) > 1:
        both_readers(classifier, sys.argv[1:])


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
