"""HakamCheck, the functional suite: what it covers, and that its two parts share nothing."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from abusive_words import abusive_words

from models.normalize import normalize
from models.schema import LABELS
from training.disguises.transforms import TRANSFORMS
from training.hakamcheck import FOLDER, PARTS, Case, load, read_lines

DIALECTS = {"msa", "gulf", "levantine", "egyptian", "maghrebi", "iraqi"}
OTHER = {"train": "test", "test": "train"}
SAME_LETTERS = 0.5
"""Two templates are one if they share this much of their four-letter sequences."""


def template_text(template: Mapping[str, Any]) -> str:
    """Text and pen name of a template, without its slots."""
    written = f"{template['text']} {template.get('author_name', '')}"
    return re.sub(r"\{.*?\}|[\[\]]", "", written)


def letter_sequences(text: str) -> frozenset[str]:
    """The four-letter sequences of a normalized text."""
    folded = normalize(text).text
    return frozenset(folded[i : i + 4] for i in range(len(folded) - 3))


def functions() -> dict[str, Mapping[str, Any]]:
    return {function["function"]: function for function in read_lines(FOLDER / "functions.jsonl")}


@pytest.fixture(scope="module", params=PARTS)
def cases(request: pytest.FixtureRequest) -> list[Case]:
    return load(request.param)


def test_at_least_38_functions_and_1500_cases_are_tested(cases: list[Case]) -> None:
    assert len({case.function for case in cases}) >= 38
    assert len(cases) >= 1500


def test_every_function_has_at_least_ten_cases_in_each_part(cases: list[Case]) -> None:
    counts = Counter(case.function for case in cases)
    assert set(counts) == set(functions())
    assert min(counts.values()) >= 10


def test_every_dialect_is_tested_by_at_least_150_cases_of_each_part(cases: list[Case]) -> None:
    counts = Counter(case.dialect for case in cases)
    assert set(counts) == DIALECTS
    assert min(counts.values()) >= 150


def test_no_two_cases_are_the_same(cases: list[Case]) -> None:
    assert len({case.id for case in cases}) == len(cases)
    assert len({(case.text, case.author_name) for case in cases}) == len(cases)


def test_the_suite_is_the_same_every_time(cases: list[Case]) -> None:
    assert load(cases[0].part) == cases


def test_clean_cases_deny_every_label_and_abusive_cases_affirm_at_least_toxicity(
    cases: list[Case],
) -> None:
    abusive = {name for name, function in functions().items() if function["abusive"]}
    for case in cases:
        if case.function in abusive:
            assert case.labels["toxicity"] == 1
            assert set(case.labels.values()) == {1}
            assert set(case.labels) <= set(LABELS)
        else:
            assert case.labels == dict.fromkeys(LABELS, 0)


def test_no_slot_and_no_mark_of_a_template_is_left_in_a_case(cases: list[Case]) -> None:
    for case in cases:
        assert not set("{}[]") & set(case.text + case.author_name), case.id


def test_the_contrast_of_every_function_is_judged_the_other_way() -> None:
    known = functions()
    for function in known.values():
        assert known[function["contrast"]]["abusive"] != function["abusive"], function


def test_every_disguise_has_a_function() -> None:
    disguises = {
        name
        for function in functions().values()
        if function["abusive"]
        for name in function.get("transforms", ())
    }
    assert disguises == set(TRANSFORMS)


def test_a_disguise_changes_the_text_of_its_cases() -> None:
    plain = {
        template["text"].replace("[", "").replace("]", "")
        for part in PARTS
        for template in read_lines(FOLDER / f"{part}.jsonl")
    }
    disguised = defaultdict(list)
    for case in (case for part in PARTS for case in load(part)):
        disguised[case.function].append(case.text)
    for name, function in functions().items():
        if "transforms" in function:
            assert not plain & set(disguised[name])


def test_no_abusive_word_is_in_both_parts() -> None:
    lemmas: dict[str, set[str]] = {part: set() for part in (*PARTS, "both")}
    forms: dict[str, set[str]] = {part: set() for part in (*PARTS, "both")}
    for word in read_lines(FOLDER / "words.jsonl"):
        lemmas[word["part"]].add(word["lemma"])
        written = [*word["forms"].values(), *word.get("spellings", ())]
        forms[word["part"]] |= {normalize(form).text for form in written}
    assert not lemmas["train"] & lemmas["test"]
    assert not forms["train"] & forms["test"]


@pytest.mark.parametrize("part", PARTS)
def test_no_template_uses_an_abusive_word_of_the_other_part_in_any_inflection(part: str) -> None:
    for template in read_lines(FOLDER / f"{part}.jsonl"):
        text = template_text(template)
        assert not abusive_words(text, OTHER[part]), text


def test_an_abusive_word_is_found_with_the_particles_written_together_with_it() -> None:
    # wal-kilab, "and the dogs"; kilabukum, "your dogs"; kitab, "book"
    dog = "\u0643\u0644\u0628"
    text = (
        "\u0648\u0627\u0644\u0643\u0644\u0627\u0628 "
        "\u0643\u0644\u0627\u0628\u0643\u0645 "
        "\u0643\u062a\u0627\u0628"
    )
    assert abusive_words(text, "train") == [dog, dog]
    assert abusive_words(text, "test") == []


def test_no_template_of_the_test_part_resembles_one_of_the_training_part() -> None:
    sequences = {
        part: [
            (template_text(template), letter_sequences(template_text(template)))
            for template in read_lines(FOLDER / f"{part}.jsonl")
        ]
        for part in PARTS
    }
    for (learned, a), (tested, b) in product(sequences["train"], sequences["test"]):
        shared = len(a & b) / max(1, min(len(a), len(b)))
        assert shared < SAME_LETTERS, (learned, tested)


def test_no_template_is_written_twice() -> None:
    written = sorted(
        normalize(f"{template['text']} {template.get('author_name', '')}").text
        for part in PARTS
        for template in read_lines(FOLDER / f"{part}.jsonl")
    )
    assert all(a != b for a, b in pairwise(written))


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="train, test"):
        load("dev")


def test_a_template_of_an_unknown_function_or_without_words_for_its_slot_is_refused(
    tmp_path: Path,
) -> None:
    function = '{"function": "direct", "abusive": true, "labels": ["insult"]}\n'
    (tmp_path / "functions.jsonl").write_text(function)
    (tmp_path / "words.jsonl").write_text("")
    (tmp_path / "train.jsonl").write_text('{"function": "other", "dialect": "msa", "text": "x"}\n')
    with pytest.raises(ValueError, match="other"):
        load("train", tmp_path)
    template = '{"function": "direct", "dialect": "msa", "text": "{vile.plural}"}\n'
    (tmp_path / "train.jsonl").write_text(template)
    with pytest.raises(ValueError, match=r"vile\.plural"):
        load("train", tmp_path)
