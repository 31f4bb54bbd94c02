"""The artefact that the repository carries: it draws the line, is small, and is shared."""

import itertools
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import SAMPLE_COMMENTS
from models.classifier import READERS, Classifier
from models.features import words_alone
from models.normalize import normalize
from models.registry import Registry
from models.schema import LABELS, LabeledComment, read_comments

pytestmark = pytest.mark.slow

LINE = list(read_comments(Path(__file__).parent / "data" / "line.jsonl"))
WRITTEN = sorted(
    {
        comment.text
        for path in (SAMPLE_COMMENTS, SAMPLE_COMMENTS.with_name("extra.jsonl"))
        for comment in read_comments(path)
    }
)
SURE = 1.5  # logits above the review point
PADDING = {
    "kind": "\u0634\u0643\u0631\u0627 \u062c\u0645\u064a\u0644 \u0631\u0627\u0626\u0639"
    " \u0635\u062f\u064a\u0642\u064a \u0627\u0644\u0639\u0632\u064a\u0632"
    " \u0645\u0645\u062a\u0627\u0632 \u062a\u062d\u064a\u0627\u062a\u064a"
    " \u0648\u0631\u062f \u0633\u0644\u0627\u0645 \u062e\u064a\u0631",
    # thanks nice wonderful my dear friend excellent my greetings roses peace good
    "news": "\u0642\u0627\u0644 \u0627\u0644\u0648\u0632\u064a\u0631 \u0641\u064a"
    " \u0645\u0624\u062a\u0645\u0631 \u0627\u0645\u0633 \u0627\u0646"
    " \u0627\u0644\u062d\u0643\u0648\u0645\u0629 \u062a\u0639\u0645\u0644"
    " \u0639\u0644\u0649 \u062e\u0637\u0629",
    # the minister said in a conference yesterday that the government works on a plan
    "Latin": "the weather is nice today and we went to the market with our friends",
    "Cyrillic": "\u0441\u0435\u0433\u043e\u0434\u043d\u044f"
    " \u0445\u043e\u0440\u043e\u0448\u0430\u044f \u043f\u043e\u0433\u043e\u0434\u0430",
    "Han": "\u4eca\u5929 \u5929\u6c14 \u5f88 \u597d \u6211\u4eec \u53bb \u516c\u56ed",
}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Registry().load().classifier


def flagged(classifier: Classifier, texts: list[str], margin: float = 0.0) -> NDArray[np.bool_]:
    """Say which texts are at or above the review point of toxicity, by a margin of logits."""
    point = Registry().load().operating_points["toxicity"]["review"]["threshold"]
    scores = classifier.predict_proba(texts)[:, 0]
    at = np.log(point / (1 - point)) + margin
    return np.asarray(np.log(scores / (1 - scores)) >= at)


@pytest.mark.parametrize("comment", LINE, ids=lambda comment: comment.id)
def test_people_are_not_degraded_and_acts_are_free_to_be_judged(comment: LabeledComment) -> None:
    artifact = Registry().load()
    threshold = artifact.operating_points["toxicity"]["review"]["threshold"]
    fields = [field for field in (comment.text, comment.author_name) if field]
    scores = artifact.classifier.predict_proba(fields)[:, 0]
    assert bool(scores.max() >= threshold) == bool(comment.labels["toxicity"])


def test_two_readers_score_every_label_in_at_most_36_megabytes() -> None:
    artifact = Registry().load()
    assert artifact.classifier.labels == LABELS
    assert artifact.classifier.readers == READERS
    files = [*(Registry().root / artifact.version).iterdir()]
    weights = [file for file in files if file.name not in ("manifest.json", "MODEL_CARD.md")]
    assert artifact.manifest["model"]["bytes"] == sum(file.stat().st_size for file in weights)
    assert artifact.manifest["model"]["bytes"] <= 36e6


def test_its_weights_are_one_mapping_of_the_file_that_nobody_writes_to() -> None:
    classifier = Registry().load().classifier
    classifier.predict_proba([comment.text for comment in LINE])
    if sys.platform == "linux":
        blocks = Path("/proc/self/smaps").read_text(encoding="utf-8").split("VmFlags")
        ours = [block for block in blocks if str(Registry().root) in block]
        assert ours
        # No page of it is a copy of this worker's own.
        assert all(re.search(r"^Anonymous: +0 kB$", block, re.MULTILINE) for block in ours)
    assert not classifier.scorer.table.flags.writeable


@pytest.fixture(scope="module")
def insults(classifier: Classifier) -> list[str]:
    """Give 200 texts that are flagged beyond doubt."""
    sure = [
        t for t, is_sure in zip(WRITTEN, flagged(classifier, WRITTEN, SURE), strict=True) if is_sure
    ]
    assert len(sure) > 200
    return sure[:: len(sure) // 200][:200]


@pytest.mark.parametrize("n_words", [5, 10, 20, 50, 200])
@pytest.mark.parametrize("kind", PADDING)
def test_words_before_or_behind_an_insult_do_not_hide_it(
    classifier: Classifier, insults: list[str], kind: str, n_words: int
) -> None:
    words = itertools.islice(itertools.cycle(PADDING[kind].split()), n_words)
    padding = " ".join(words)
    for padded in (
        [f"{padding} {text}" for text in insults],
        [f"{text} {padding}" for text in insults],
        [f"{padding}. {text} {padding}" for text in insults],
    ):
        assert flagged(classifier, padded).mean() >= 0.97


@pytest.mark.timeout(900)  # many texts, and long ones
def test_repeats_and_blanks_do_not_hide_an_insult(
    classifier: Classifier, insults: list[str]
) -> None:
    every = flagged(classifier, WRITTEN)
    caught = [text for text, is_flagged in zip(WRITTEN, every, strict=True) if is_flagged]
    for times in (2, 3, 7, 40):
        for between in (" ", "\n\n", "   \u3164  "):
            assert flagged(classifier, [between.join([text] * times) for text in caught]).all()
    assert flagged(classifier, [f" \n {text}\t\u2003 " for text in caught]).all()


def test_an_insult_after_a_harmless_text_is_flagged(
    classifier: Classifier, insults: list[str]
) -> None:
    every = flagged(classifier, WRITTEN)
    harmless = [text for text, is_flagged in zip(WRITTEN, every, strict=True) if not is_flagged]
    joined = [f"{a} {b}" for a, b in zip(harmless[::7], itertools.cycle(insults), strict=False)]
    assert flagged(classifier, joined).mean() >= 0.97


def test_a_word_made_to_have_the_hash_of_a_known_word_is_an_unknown_word(
    classifier: Classifier,
) -> None:
    letters = "".join(map(chr, [*range(0x62A, 0x63B), *range(0x641, 0x649)]))
    donkey = "\u062d\u0645\u0627\u0631"
    made = [donkey + "".join(end) for end in itertools.product(letters, repeat=4)]
    hashed = words_alone(made).hashed
    alike = [made[i] for i in np.flatnonzero(np.isin(hashed, classifier.scorer.word_hashes))]
    found = [word for word in alike if normalize(word).text == word]
    assert found
    # What the known words weigh is of no matter to it.
    table = classifier.scorer.table.copy()
    table[1 : 1 + len(classifier.scorer.word_hashes)] = 9.0
    other = replace(classifier, scorer=replace(classifier.scorer, table=table))
    assert np.array_equal(other.decision_function(found), classifier.decision_function(found))
    assert not np.array_equal(other.predict_proba([donkey]), classifier.predict_proba([donkey]))
