"""Sets and labelled comments as one corpus that cannot leak."""

import io
import json
import lzma
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import RecordError
from models.schema import LabeledComment, write_comments
from training.datasets import (
    MODERATOR_WEIGHT,
    N_FOLDS,
    Split,
    key,
    leave_out,
    read_corpus,
    split_corpus,
)
from training.public_sets import POLICIES

COLUMNS = ("id", "text", "label_raw", "split", "offensive", "kind")
Row = tuple[str, object, str, str, str]
# Words of no meaning, so that texts are as many as needed and differ in their letters.
SYLLABLES = (
    "\u0628\u0627",
    "\u062f\u0648",
    "\u0631\u064a",
    "\u0633\u0627",
    "\u0643\u0648",
    "\u0645\u064a",
)


def text(number: int) -> str:
    """Return the text of a number: its digits in syllables."""
    digits = np.base_repr(number + 6**6, 6)
    return " ".join(SYLLABLES[int(digit)] for digit in digits)


def write_set(folder: Path, set_id: str, rows: Sequence[Row], first: int = 0) -> Path:
    """Write a set as it is published: six columns, nothing quoted."""
    path = folder / f"{set_id}.tsv.xz"
    lines = ["\t".join(COLUMNS)]
    for i, (body, raw, split, offensive, kind) in enumerate(rows, first):
        cell = raw if isinstance(raw, str) else json.dumps(raw)
        lines.append("\t".join((str(i), body, cell, split, offensive, kind)))
    path.write_bytes(lzma.compress("\n".join([*lines, ""]).encode()))
    return path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0623\u0647\u0644\u0627", "\u0627\u0647\u0640\u0640\u0644\u0627\u064b!"),  # ahlan, hi
        ("\u0645\u062f\u0631\u0633\u0629 1", "\u0645\u062f\u0631\u0633\u0647 2"),  # madrasa, school
        ("Merci beaucoup", "@USER merci BEAUCOUP https://example.org/a"),
    ],
)
def test_texts_of_equal_letters_have_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


@settings(deadline=None)
@given(st.text(), st.text())
def test_keys_fit_in_64_bits_and_short_texts_are_told_apart(one: str, other: str) -> None:
    assert 0 <= key(one) < 2**64
    if len(one) < 4 > len(other) and one.split() != other.split():
        assert key(one) != key(other)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of sets that repeat one another, like the public ones."""
    write_set(
        tmp_path,
        "osact4",
        [(text(i), {}, "train", str(i % 2), "clean") for i in range(300)]
        + [(text(i), {}, "dev", str(i % 2), "clean") for i in range(280, 340)]
        + [(text(i), {}, "test", str(i % 2), "clean") for i in range(320, 380)]
        + [(text(320), {}, "test", "0", "clean")],
    )
    write_set(
        tmp_path,
        "lhsab",
        [(f"{text(i)} !", {}, "", str(i % 2), "clean") for i in range(250, 900)]
        + [(text(i), {}, "", str(i % 2), "clean") for i in range(800, 900)],
    )
    rows: list[Row] = [
        (text(i), {"sub": "-"}, "", str(i % 2), "insult" if i % 2 else "clean")
        for i in range(850, 1300)
    ]
    write_set(tmp_path, "mpold", rows)
    write_set(
        tmp_path,
        "omcd",
        [(text(i), "1", "train", "1", "insult") for i in range(700, 1500)],
    )
    write_set(
        tmp_path,
        "aoc_news_comments_unl",
        [(text(i), "DIAL_EGY", "dev", "", "unknown") for i in range(1400, 1900)],
    )
    write_set(
        tmp_path,
        "shami_unl",
        [(text(i), "x", "", "", "unknown") for i in [*range(2200), *range(100)]],
    )
    return tmp_path


def parts(split: Split) -> list[set[int]]:
    """Return the keys of each part, the most protected first."""
    probes = [body for texts in split.probes.values() for body in texts]
    texts = [split.test.texts, probes, split.validation.texts, split.train.texts, split.unlabeled]
    return [{key(body) for body in part} for part in texts]


def assert_nothing_shared(split: Split) -> None:
    found = parts(split)
    for i, part in enumerate(found):
        for other in found[i + 1 :]:
            assert not part & other


@pytest.mark.parametrize("fold", range(N_FOLDS))
def test_no_text_is_in_two_parts_whatever_set_it_came_from(folder: Path, fold: int) -> None:
    split = split_corpus(read_corpus([folder]), fold=fold)
    assert_nothing_shared(split)
    assert min(len(part) for part in parts(split)) > 0


def test_the_five_folds_test_every_text_of_a_set_once(folder: Path) -> None:
    corpus = read_corpus([folder])
    tested: list[int] = []
    for fold in range(N_FOLDS):
        test = split_corpus(corpus, fold=fold).test
        tested += list(test.keys[test.source == "lhsab"])
    assert sorted(tested) == sorted(corpus.keys[corpus.source == "lhsab"])


def test_a_published_test_part_keeps_its_rows_in_every_fold(folder: Path) -> None:
    corpus = read_corpus([folder])
    for fold in range(N_FOLDS):
        test = split_corpus(corpus, fold=fold).test
        assert (test.source == "osact4").sum() == 61


def test_a_set_that_is_left_out_is_wholly_tested_and_nowhere_trained(folder: Path) -> None:
    corpus = read_corpus([folder])
    split = leave_out(corpus, "lhsab")
    assert set(split.test.source) == {"lhsab"}
    assert len(split.test) == (corpus.source == "lhsab").sum()
    assert "lhsab" not in {*split.train.source, *split.validation.source}
    assert_nothing_shared(split)


def test_what_was_read_along_our_line_replaces_what_a_public_set_says(tmp_path: Path) -> None:
    n = 60
    texts = [text(i) for i in range(n)]
    write_set(tmp_path, "omcd", [(t, "1", "train", "1", "insult") for t in texts])
    write_set(tmp_path, "osact4", [(t, {}, "test", "1", "insult") for t in texts[:5]])
    read = [
        (t, "N;from=omcd", "test" if i < 10 else "train", "0", "clean") for i, t in enumerate(texts)
    ]
    write_set(tmp_path, "contrast_2", read)
    split = split_corpus(read_corpus([tmp_path]))
    assert set(split.train.source) == set(split.validation.source) == {"contrast_2"}
    assert not split.train.label("toxicity").any()
    assert sorted(zip(*np.unique(split.test.source, return_counts=True), strict=True)) == [
        ("contrast_2", 10),
        ("osact4", 5),
    ]
    assert len(split.train) + len(split.validation) == n - 10
    assert_nothing_shared(split)


def test_what_the_sentence_scorer_began_with_validates_nothing(tmp_path: Path) -> None:
    learned = POLICIES["annotated_news"].learned_before
    rows: list[Row] = [(text(i), "N;from=omcd", "train", "0", "clean") for i in range(100)]
    path = write_set(tmp_path, "annotated_news", rows, first=learned - 49)
    split = split_corpus(read_corpus([path]))
    begun_with = {text(i) for i in range(50)}
    assert begun_with <= set(split.train.texts)
    assert 0 < len(split.validation) < 50


def test_of_a_set_that_is_given_twice_the_first_counts(tmp_path: Path) -> None:
    for folder, words in (("ours", text(1)), ("theirs", text(2))):
        (tmp_path / folder).mkdir()
        row = (words, "N;kind=num;field=name", "test", "0", "clean")
        write_set(tmp_path / folder, "contrast", [row])
    corpus = read_corpus([tmp_path / "ours", tmp_path / "theirs"])
    assert (corpus.texts, corpus.kind.tolist()) == ([text(1)], ["name: num"])


def test_repeated_texts_of_a_set_become_one_row_with_the_mean_label(tmp_path: Path) -> None:
    rows: list[Row] = [(text(1), "1", "train", offensive, "clean") for offensive in "1100"]
    corpus = read_corpus([write_set(tmp_path, "omcd", rows)])
    assert len(corpus) == 1
    assert corpus.label("toxicity")[0] == 0.5


def test_a_permissive_split_learns_from_permissive_text_alone_but_is_measured_alike(
    folder: Path,
) -> None:
    corpus = read_corpus([folder])
    every, permissive = split_corpus(corpus), split_corpus(corpus, license="permissive")
    assert set(permissive.train.source) == {"mpold"}
    assert set(permissive.validation.source) == {"mpold"}
    assert permissive.test.texts == every.test.texts
    assert_nothing_shared(permissive)


def comments(**fields: Any) -> list[LabeledComment]:
    return [
        LabeledComment(str(i), text(i), {"insult": float(i % 2)}, **({"source": "sample"} | fields))
        for i in range(100)
    ]


def test_our_own_comments_bring_their_labels_dialect_and_part(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    write_comments([*comments(dialect="gulf"), *comments(split="test", source="other")], path)
    corpus = read_corpus([path])
    split = split_corpus(corpus)
    assert set(corpus.dialect[corpus.source == "sample"]) == {"gulf"}
    assert (split.test.source == "other").sum() == 100
    assert len(split.train) == 0
    assert corpus.permissive.all()


def test_decisions_form_the_sites_own_domain_and_weigh_more(tmp_path: Path) -> None:
    base, decided = tmp_path / "base.jsonl", tmp_path / "decisions.jsonl"
    write_comments(comments(), base)
    write_comments(comments(source="moderator", site="demo"), decided)
    corpus = read_corpus([base], [decided])
    theirs = corpus.source == "moderator"
    assert set(corpus.domain[theirs]) == {"site demo"}
    assert set(corpus.weight[theirs]) == {MODERATOR_WEIGHT}


def test_the_policys_own_verdicts_and_other_sites_decisions_are_not_learned(
    tmp_path: Path,
) -> None:
    base, decided = tmp_path / "base.jsonl", tmp_path / "decisions.jsonl"
    write_comments(comments(), base)
    write_comments(
        [*comments(source="policy", site="demo"), *comments(source="moderator", site="other")],
        decided,
    )
    corpus = read_corpus([base], [decided], site="demo")
    assert set(corpus.source) == {"sample"}


def test_every_file_read_is_listed_with_licence_and_digest(folder: Path) -> None:
    sources = {source.id: source for source in read_corpus([folder]).sources}
    assert sources["mpold"].license == "Apache-2.0"
    assert sources["mpold"].n_comments == 450
    assert len(sources["mpold"].sha256) == 64


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda folder: None, "holds no table"),
        (lambda folder: write_set(folder, "mystery", []), "no policy for the set 'mystery'"),
        (lambda folder: write_set(folder, "omcd", []), "not one labelled comment"),
    ],
)
def test_a_folder_that_holds_nothing_to_learn_from_is_refused(
    tmp_path: Path, write: Callable[[Path], object], complaint: str
) -> None:
    write(tmp_path)
    with pytest.raises(RecordError, match=complaint):
        read_corpus([tmp_path])


def test_a_table_is_learned_from_wherever_labelled_comments_are(tmp_path: Path) -> None:
    places, decisions = tmp_path / "places", tmp_path / "export.csv"
    places.mkdir()
    (places / "ours.tsv").write_text("text\tlabels.insult\n" + f"{text(1)}\tyes\n{text(2)}\tno\n")
    decisions.write_text(f"text;decision\n{text(3)};rejected\n{text(4)};approved\n")
    told: list[str] = []
    corpus = read_corpus([places], [decisions], site="demo", tell=told.append)
    assert corpus.label("insult").tolist()[:2] == [1.0, 0.0]
    assert corpus.label("toxicity").tolist()[2:] == [1.0, 0.0]
    assert corpus.weight.tolist()[2:] == [MODERATOR_WEIGHT] * 2
    assert corpus.domain.tolist()[2:] == ["site demo"] * 2, "who names no site is of this one"
    assert [line for line in told if not line.startswith(" ")] == [
        f"{places / 'ours.tsv'}: text in UTF-8, divided by tabs, 2 rows",
        f"{decisions}: text in UTF-8, divided by ';', 2 rows",
    ]


def test_a_table_that_says_nothing_of_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text,page\na,1\n")
    with pytest.raises(RecordError, match=r"no column says what was decided .* or observed"):
        read_corpus([path])


def test_comments_come_through_a_pipe_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    content = f"text;decision\n{text(1)};rejected\n{text(2)};approved\n"
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
        corpus = read_corpus(["-"])
        assert corpus.label("toxicity").tolist() == [1.0, 0.0]
        [source] = corpus.sources
        assert (source.file, len(source.sha256)) == ("-", 64)
