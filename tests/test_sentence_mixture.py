"""Rows that a sentence scorer goes on learning from."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_datasets import text, write_set

from models.schema import LABELS
from training.datasets import Split, read_corpus, split_corpus
from training.disguises.augmentation import disguised_copies
from training.sentence import mixture
from training.sentence.mixture import Row, Said, rows

SAYS = 0.6


def sentence(texts: list[str]) -> Said:
    """Say the same of all texts, and nothing of insults to religion."""
    known = [label for label in LABELS if label != "religious_insult"]
    return known, np.full((len(texts), len(known)), SAYS)


@pytest.fixture
def split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Split:
    monkeypatch.setattr(mixture, "N_JOINED", 40)
    write_set(tmp_path, "osact4", [(text(i), {}, "train", "0", "clean") for i in range(30)])
    write_set(tmp_path, "ajgt", [(text(i), "", "", "", "unknown") for i in range(100, 120)])
    read = [
        (f"{text(i)} {text(i + 1)} {text(i + 2)} {text(i + 3)}", code, "train", "0", "")
        for i, code in zip(range(1000, 1400, 10), ["I;kind=x", "N;kind=x"] * 20, strict=True)
    ]
    write_set(tmp_path, "contrast", read)
    return split_corpus(read_corpus([tmp_path]))


def by_text(mixed: list[Row]) -> dict[str, Row]:
    return {str(row["text"]): row for row in mixed}


def test_a_public_label_is_softened_by_what_the_scorer_says(split: Split) -> None:
    mixed = by_text(rows(split, sentence))
    row = mixed[split.train.texts[split.train.source.tolist().index("osact4")]]
    assert row["labels"] == dict.fromkeys(
        ("toxicity", "insult", "identity_attack"), pytest.approx(0.65 * SAYS)
    )


def test_a_public_label_that_contradicts_the_scorer_is_not_learned(split: Split) -> None:
    def sure(texts: list[str]) -> Said:
        return LABELS, np.full((len(texts), len(LABELS)), 0.9)

    row = by_text(rows(split, sure))[split.train.texts[split.train.source.tolist().index("osact4")]]
    assert row["labels"]["toxicity"] == pytest.approx(0.9)


def test_copies_in_disguise_have_the_labels_of_what_they_copy(split: Split) -> None:
    ours = split.train.select(split.train.source == "contrast")
    copied, copies = disguised_copies(ours.texts, 0)
    mixed = by_text(rows(split, sentence, seed=0))
    found = [(at, copy) for at, copy in zip(copied, copies, strict=True) if copy in mixed]
    assert found
    for at, copy in found:
        assert mixed[copy]["labels"]["insult"] == ours.label("insult")[at]


def test_rows_read_along_our_line_come_as_they_are_several_times(split: Split) -> None:
    mixed = rows(split, sentence)
    ours = [
        t for t, s in zip(split.train.texts, split.train.source, strict=True) if s == "contrast"
    ]
    counts = Counter(row["text"] for row in mixed)
    assert {counts[one] for one in ours} == {4}
    shares = {row["labels"]["insult"] for row in mixed if row["text"] in ours}
    assert shares == {0.0, 1.0}


def test_of_a_text_without_labels_the_readers_say_what_they_know(split: Split) -> None:
    def words(texts: list[str]) -> Said:
        return ["toxicity"], np.full((len(texts), 1), 0.4)

    row = by_text(rows(split, sentence, words))[split.unlabeled[0]]
    assert row["labels"]["toxicity"] == pytest.approx(0.7 * SAYS + 0.3 * 0.4)
    assert row["labels"]["insult"] == pytest.approx(SAYS)
    assert "religious_insult" not in row["labels"]


def test_abuse_among_harmless_comments_stays_abuse_and_harmless_ones_stay_harmless(
    split: Split,
) -> None:
    abusive = [
        one
        for one, share in zip(split.train.texts, split.train.label("insult"), strict=True)
        if share == 1
    ]
    single = {*split.train.texts, *split.unlabeled}
    joined = [
        row
        for row in rows(split, sentence)
        if row["text"] not in single and len(row["labels"]) == len(LABELS) and row["weight"] == 1
    ]
    assert len(joined) == 80
    for row in joined:
        has_abuse = any(one in row["text"] for one in abusive)
        assert row["labels"]["toxicity"] == float(has_abuse)


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(split: Split) -> None:
    assert rows(split, sentence, seed=1) == rows(split, sentence, seed=1)
    assert rows(split, sentence, seed=1) != rows(split, sentence, seed=2)
