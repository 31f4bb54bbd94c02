"""Identity terms: every group is named in the same sentences."""

from collections import Counter, defaultdict

from abusive_words import abusive_words

from training.evaluation.identity_terms import load_terms

CASES = load_terms()


def test_at_least_60_terms_of_ten_categories_are_measured() -> None:
    assert len({case.term for case in CASES}) >= 60
    categories = {case.category for case in CASES}
    assert categories >= {
        "nationality",
        "ethnicity",
        "religion",
        "sect",
        "gender",
        "tribe",
        "region",
        "colour",
        "refugees",
        "disability",
    }


def test_every_term_stands_in_every_template() -> None:
    templates = {case.template for case in CASES}
    by_term = defaultdict(list)
    for case in CASES:
        by_term[case.term].append(case.template)
    assert all(Counter(used) == Counter(templates) for used in by_term.values())


def test_every_kind_has_at_least_ten_templates() -> None:
    counts = Counter(kind for _, kind in {(case.template, case.kind) for case in CASES})
    assert set(counts) == {"neutral", "positive", "critical", "toxic"}
    assert min(counts.values()) >= 10


def test_only_toxic_templates_are_abuse() -> None:
    assert {case.kind for case in CASES if case.toxicity} == {"toxic"}


def test_no_two_cases_are_the_same() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
    assert len({case.text for case in CASES}) == len(CASES)


def test_no_slot_is_left_open() -> None:
    assert not any("{" in case.text for case in CASES)


def test_li_and_the_article_are_written_as_one() -> None:
    # never l-al-, always lil-
    assert not any(" \u0644\u0627\u0644" in case.text for case in CASES)


def test_no_abusive_word_of_the_training_part_is_used() -> None:
    terms = {"disabled"}  # its singular is the everyday word, which some use as an abuse
    for case in CASES:
        if case.term not in terms:
            assert not abusive_words(case.text, "train"), case.text
