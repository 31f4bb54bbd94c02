"""The policy makes every verdict: `VERDICTS` is its whole behaviour, row by row."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.schema import LABELS
from service.rules.findings import Finding
from service.rules.policy import (
    ALWAYS_DRAWN,
    NEVER_DRAWN,
    RANDOM_SAMPLE_SHARE,
    AuthorHistory,
    Policy,
    Signals,
    random_draw,
)
from service.rules.repeats import Seen

REVIEW = {"toxicity": 0.5, "threat": 0.3, "insult": 0.4}
REJECT = {"toxicity": 0.95, "threat": 0.8}
DRAWN, NOT_DRAWN = 0.009, 0.01  # of the share 0.01
NEW, KNOWN, REJECTED = AuthorHistory(1, 0), AuthorHistory(9, 1), AuthorHistory(9, 2)
TRUSTED, NEARLY = AuthorHistory(5, 0, 5), AuthorHistory(4, 0, 4)
HELD = AuthorHistory(9, 3, 5, is_held=True)
COPIED = Seen("a group", n_copies=5, n_of_author=9)

CLEAN = {"toxicity": 0.1}
ABUSE = {"toxicity": 0.9}
THREAT = {"threat": 0.9}


def policy(**wishes: Any) -> Policy:
    wanted: dict[str, Any] = {
        "review": REVIEW,
        "random_sample_share": 0.01,
        "model_version": "2026.1",
    }
    return Policy(**wanted | wishes)


class Row(NamedTuple):
    """What is known of a comment, what the site wishes, and the verdict."""

    signals: Signals
    wishes: dict[str, Any]
    action: str
    reason: str
    label: str | None = None
    field: str | None = None
    score: float = 0.1
    p: float = 1.0


def sig(scores: dict[str, float] = CLEAN, name: dict[str, float] | None = None, **more: Any) -> Any:
    return Signals(scores, name, **more)


NO_SAMPLE: dict[str, Any] = {"random_sample_share": 0.0}
LENIENT: dict[str, Any] = {"unreadable": "approve"}
SWITCHED_OFF: dict[str, Any] = {"review": {"toxicity": 1.0}}
STRICT: dict[str, Any] = {"reject": REJECT}
WATCHING: dict[str, Any] = {"review_first_comments": 2, "review_after_rejections": 2}
TRUSTING: dict[str, Any] = {
    "trust_after": 5,
    "trusted_sample_share": 0.1,
    "sure": {"toxicity": 0.95, "threat": 0.95},
}
EVERYTHING: dict[str, Any] = {
    "listed": "text",
    "author": NEW,
    "readable": False,
    "draw": DRAWN,
    "chosen": True,
}

PHONE, NAMED_PHONE = Finding("text", "phone", 0, 10), Finding("author.name", "phone", 0, 10)
LINKED = Finding("text", "link", 0, 20)
SEES_DATA: dict[str, Any] = {"personal_data": "review"}
SEES_BOTH: dict[str, Any] = {"personal_data": "review", "links": "review"}
REJECTS_LINKS: dict[str, Any] = {"personal_data": "review", "links": "reject"}

# fmt: off
VERDICTS = [
    # Scores
    Row(sig(CLEAN), {}, "approve", "clean", p=0.01),
    Row(sig({}), {}, "approve", "clean", score=0.0, p=0.01),
    Row(sig({"toxicity": 0.49, "threat": 0.29}), {}, "approve", "clean", score=0.49, p=0.01),
    Row(sig({"toxicity": 0.5}), {}, "review", "score", "toxicity", "text", 0.5),
    Row(sig({"profanity": 1.0}), {}, "approve", "clean", score=1.0, p=0.01),
    Row(sig(ABUSE), SWITCHED_OFF, "approve", "clean", score=0.9, p=0.01),
    Row(sig({"toxicity": 1.0}), SWITCHED_OFF, "approve", "clean", score=1.0, p=0.01),
    Row(sig(CLEAN), {"review": {"spam": 0.0}}, "approve", "clean", p=0.01),  # not scored
    Row(sig(CLEAN), {"review": {"toxicity": 0.0}}, "review", "score", "toxicity", "text"),
    # The most telling label: any before toxicity, then the highest, then the text
    Row(sig({"toxicity": 0.99, "threat": 0.31}), {}, "review", "score", "threat", "text", 0.31),
    Row(sig({"insult": 0.7, "threat": 0.6}), {}, "review", "score", "insult", "text", 0.7),
    Row(sig({"insult": 0.6, "threat": 0.6}), {}, "review", "score", "insult", "text", 0.6),
    Row(sig(ABUSE, ABUSE), {}, "review", "score", "toxicity", "text", 0.9),
    # Pen names
    Row(sig(CLEAN, ABUSE), {}, "review", "score", "toxicity", "author.name", 0.9),
    Row(sig(ABUSE, {"insult": 0.5}), {}, "review", "score", "insult", "author.name", 0.5),
    Row(sig(CLEAN, {"toxicity": 0.2}), {}, "approve", "clean", score=0.2, p=0.01),
    # Rejection without a person, where a site asks for it
    Row(sig({"threat": 0.8}), STRICT, "reject", "score", "threat", "text", 0.8),
    Row(sig({"threat": 0.79}), STRICT, "review", "score", "threat", "text", 0.79),
    Row(sig(THREAT, {"threat": 0.95}), STRICT, "reject", "score", "threat", "author.name", 0.95),
    Row(sig({"insult": 1.0}, THREAT), STRICT, "reject", "score", "threat", "author.name", 0.9),
    Row(sig({"threat": 1.0}), {}, "review", "score", "threat", "text", 1.0),
    Row(sig({"spam": 0.9}), {"reject": {"spam": 0.9}}, "reject", "score", "spam", "text", 0.9),
    # Personal data and links
    Row(sig(findings=[PHONE]), {}, "approve", "clean", p=0.01),
    Row(sig(findings=[PHONE]), SEES_DATA, "review", "personal_data", None, "text"),
    Row(sig(findings=[NAMED_PHONE]), SEES_DATA, "review", "personal_data", None, "author.name"),
    Row(sig(findings=[LINKED]), SEES_DATA, "approve", "clean", p=0.01),
    Row(sig(findings=[LINKED]), SEES_BOTH, "review", "link", None, "text"),
    Row(sig(findings=[LINKED, PHONE]), SEES_BOTH, "review", "personal_data", None, "text"),
    Row(sig(findings=[PHONE, LINKED]), REJECTS_LINKS, "reject", "link", None, "text"),
    Row(sig(findings=[LINKED], draw=DRAWN), REJECTS_LINKS, "review", "random_sample", None, "text",
        p=0.01),
    Row(sig(ABUSE, findings=[LINKED]), REJECTS_LINKS, "reject", "link", None, "text", 0.9),
    Row(sig(ABUSE, findings=[PHONE]), SEES_DATA, "review", "score", "toxicity", "text", 0.9),
    Row(sig(THREAT, findings=[LINKED]), REJECTS_LINKS | STRICT, "reject", "score", "threat", "text",
        0.9),
    Row(sig(findings=[PHONE], listed="author.name"), SEES_DATA, "review", "personal_data", None,
        "text"),
    # Words of the site's list
    Row(sig(listed="text"), {}, "review", "listed", "toxicity", "text"),
    Row(sig(listed="author.name"), {}, "review", "listed", "toxicity", "author.name"),
    # The author's record
    Row(sig(author=NEW), {}, "approve", "clean", p=0.01),
    Row(sig(author=NEW), WATCHING, "review", "author"),
    Row(sig(author=KNOWN), WATCHING, "approve", "clean", p=0.01),
    Row(sig(author=REJECTED), WATCHING, "review", "author"),
    Row(sig(author=REJECTED), {"review_first_comments": 2}, "approve", "clean", p=0.01),
    Row(sig(author=NEW), {"review_after_rejections": 2}, "approve", "clean", p=0.01),
    Row(sig(author="unknown"), {"review_first_comments": 2}, "review", "author"),
    Row(sig(author="unknown"), {"review_after_rejections": 2}, "review", "author"),
    Row(sig(author="unknown"), {}, "approve", "clean", p=0.01),
    Row(sig(author=None), WATCHING, "approve", "clean", p=0.01),
    # Letters that cannot be read
    Row(sig(readable=False), {}, "review", "unsupported_language"),
    Row(sig(readable=False), LENIENT, "approve", "unsupported_language", p=0.01),
    # The random sample
    Row(sig(draw=DRAWN), {}, "review", "random_sample", p=0.01),
    Row(sig(draw=NOT_DRAWN), {}, "approve", "clean", p=0.01),
    Row(sig(draw=NEVER_DRAWN), {"random_sample_share": 1.0}, "approve", "clean"),
    Row(sig(draw=0.0), NO_SAMPLE, "approve", "clean", p=0.0),
    Row(sig(THREAT, draw=DRAWN), STRICT, "review", "random_sample", "threat", "text", 0.9, 0.01),
    Row(sig(readable=False, draw=DRAWN), LENIENT, "review", "random_sample", p=0.01),
    # Chosen, because the model hesitates: the nearest label, and never what is in the sample
    Row(sig({"toxicity": 0.3, "threat": 0.29}, chosen=True), {},
        "review", "uncertain", "threat", "text", 0.29),
    Row(sig({"toxicity": 0.3}, {"insult": 0.39}, chosen=True), {},
        "review", "uncertain", "insult", "author.name", 0.39),
    Row(sig({"toxicity": 0.3}, chosen=True, draw=DRAWN), {}, "review", "random_sample", score=0.3,
        p=0.01),
    Row(sig(ABUSE, chosen=True), {}, "review", "score", "toxicity", "text", 0.9),
    Row(sig({}, chosen=True), {}, "review", "uncertain", score=0.0),
    Row(sig({"toxicity": 0.3}, chosen=True, standing="waiting"), {},
        "review", "uncertain", "toxicity", "text", 0.3),
    Row(sig({"toxicity": 0.3}, chosen=True, standing="approve"), {},
        "approve", "decided", "toxicity", "text", 0.3),
    # Copies, and floods of an author
    Row(sig(seen=COPIED), {}, "approve", "clean", p=0.01),
    Row(sig(seen=COPIED), {"repeat_review": 5}, "review", "repeat", None, "text"),
    Row(sig(seen=COPIED), {"repeat_review": 6}, "approve", "clean", p=0.01),
    Row(sig(seen=COPIED), {"repeat_review": 2, "repeat_reject": 5}, "reject", "repeat", None,
        "text"),
    Row(sig(seen=COPIED, draw=DRAWN), {"repeat_reject": 5}, "review", "random_sample", None, "text",
        p=0.01),
    Row(sig(ABUSE, seen=COPIED), {"repeat_review": 5}, "review", "score", "toxicity", "text", 0.9),
    Row(sig(seen=COPIED, listed="text"), {"repeat_review": 5}, "review", "repeat", None, "text"),
    Row(sig(seen="unknown"), {"repeat_reject": 5}, "review", "repeat", None, "text"),
    Row(sig(seen="unknown"), {"author_per_hour": 9}, "review", "repeat", None, "text"),
    Row(sig(seen="unknown"), {}, "approve", "clean", p=0.01),
    Row(sig(seen=COPIED), {"author_per_hour": 9}, "approve", "clean", p=0.01),
    Row(sig(seen=COPIED), {"author_per_hour": 8}, "review", "flood"),
    Row(sig(seen=COPIED, readable=False), {"author_per_hour": 8}, "review", "flood"),
    # Letters, and pen names
    Row(sig(latin=True), {}, "approve", "clean", p=0.01),
    Row(sig(latin=True), {"latin_script": "review"}, "review", "latin_script", None, "text"),
    Row(sig(latin=True), {"latin_script": "reject"}, "reject", "latin_script", None, "text"),
    Row(sig(latin=False), {"latin_script": "reject"}, "approve", "clean", p=0.01),
    Row(sig(latin=True, draw=DRAWN), {"latin_script": "reject"}, "review", "random_sample", None,
        "text", p=0.01),
    Row(sig(ABUSE, latin=True), {"latin_script": "review"}, "review", "score", "toxicity", "text",
        0.9),
    Row(sig(nameless=True), {}, "approve", "clean", p=0.01),
    Row(sig(nameless=True), {"pen_names": "require"}, "review", "pen_name"),
    Row(sig({}, {"insult": 0.9}), {"pen_names": "require"}, "review", "score", "insult",
        "author.name", 0.9),
    Row(sig({"toxicity": 0.1}, {"insult": 0.9}), {"pen_names": "ignore"}, "approve", "clean",
        score=0.1, p=0.01),
    # What people made of the article
    Row(sig(article="held"), {}, "review", "article_held"),
    Row(sig(article="held", author=TRUSTED), TRUSTING, "review", "article_held"),
    Row(sig(ABUSE, article="held"), {}, "review", "score", "toxicity", "text", 0.9),
    Row(sig(THREAT, article="held"), STRICT, "reject", "score", "threat", "text", 0.9),
    Row(sig(article="closed"), {}, "reject", "article_closed"),
    Row(sig(article="closed", draw=DRAWN), {}, "reject", "article_closed"),
    Row(sig(THREAT, article="closed"), STRICT, "reject", "article_closed", score=0.9),
    Row(sig(article="closed", standing="approve"), {}, "approve", "decided"),
    Row(sig(article="closed", standing="waiting"), {}, "review", "waiting"),
    # Trusted authors: what is doubted passes but for a sample, what is certain never
    Row(sig(author=TRUSTED), TRUSTING, "approve", "clean", p=0.01),
    Row(sig(ABUSE, author=TRUSTED), TRUSTING, "approve", "trusted", "toxicity", "text", 0.9, 0.1),
    Row(sig(ABUSE, author=TRUSTED, draw=0.09), TRUSTING, "review", "random_sample", "toxicity",
        "text", 0.9, 0.1),
    Row(sig(ABUSE, author=TRUSTED, draw=0.1), TRUSTING, "approve", "trusted", "toxicity", "text",
        0.9, 0.1),
    Row(sig({"toxicity": 0.95}, author=TRUSTED), TRUSTING, "review", "score", "toxicity", "text",
        0.95),
    Row(sig(THREAT, author=TRUSTED), TRUSTING | STRICT, "review", "score", "threat", "text", 0.9),
    Row(sig(ABUSE, author=NEARLY), TRUSTING, "review", "score", "toxicity", "text", 0.9),
    Row(sig(ABUSE, author=TRUSTED), {}, "review", "score", "toxicity", "text", 0.9),
    Row(sig(ABUSE, author="unknown"), TRUSTING, "review", "score", "toxicity", "text", 0.9),
    Row(sig(author="unknown"), TRUSTING, "approve", "clean", p=0.01),
    Row(sig(ABUSE, author=TRUSTED, findings=[PHONE]), TRUSTING | SEES_DATA, "review",
        "personal_data", None, "text", 0.9),
    Row(sig(ABUSE, author=TRUSTED, seen=COPIED), TRUSTING | {"repeat_review": 5}, "review",
        "repeat", None, "text", 0.9),
    Row(sig(ABUSE, author=TRUSTED, listed="text"), TRUSTING, "review", "listed", "toxicity", "text",
        0.9),
    # Authors who are held for a while
    Row(sig(author=HELD), {"holds_authors": True}, "review", "author"),
    Row(sig(author=HELD), {}, "approve", "clean", p=0.01),
    Row(sig(ABUSE, author=HELD), TRUSTING | {"holds_authors": True}, "review", "score", "toxicity",
        "text", 0.9),
    Row(sig(author="unknown"), {"holds_authors": True}, "review", "author"),
    # A known answer looks like a comment of the sample
    Row(sig(draw=ALWAYS_DRAWN), {}, "review", "random_sample", p=0.01),
    Row(sig(draw=ALWAYS_DRAWN), NO_SAMPLE, "review", "random_sample", p=0.0),
    Row(sig(ABUSE, draw=ALWAYS_DRAWN), {}, "review", "score", "toxicity", "text", 0.9),
    Row(sig({"spam": 1.0}, draw=ALWAYS_DRAWN), {"reject": {"spam": 0.9}},
        "review", "random_sample", "spam", "text", 1.0, 0.01),
    # Whatever else is known, the first of these speaks: score, list, author, letters, sample
    Row(sig(ABUSE, **EVERYTHING), WATCHING, "review", "score", "toxicity", "text", 0.9),
    Row(sig(**EVERYTHING), WATCHING, "review", "listed", "toxicity", "text"),
    Row(sig(**EVERYTHING | {"listed": None}), WATCHING, "review", "author"),
    Row(sig(readable=False, draw=DRAWN), WATCHING, "review", "unsupported_language"),
    Row(sig(draw=DRAWN, chosen=True), WATCHING, "review", "random_sample", p=0.01),
    # A comment that came before
    Row(sig(standing="waiting"), {}, "review", "waiting"),
    Row(sig(THREAT, standing="waiting"), STRICT, "review", "waiting", "threat", "text", 0.9),
    Row(sig(ABUSE, standing="waiting"), {}, "review", "score", "toxicity", "text", 0.9),
    Row(sig(draw=DRAWN, standing="waiting"), {}, "review", "random_sample", p=0.01),
    Row(sig(ABUSE, standing="approve"), {}, "approve", "decided", "toxicity", "text", 0.9),
    Row(sig(CLEAN, standing="reject"), {}, "reject", "decided", p=0.01),
    Row(sig(THREAT, standing="approve"), STRICT, "approve", "decided", "threat", "text", 0.9),
    Row(sig(**EVERYTHING, standing="approve"), WATCHING, "approve", "decided", "toxicity", "text"),
]
# fmt: on


@pytest.mark.parametrize("row", VERDICTS)
def test_a_verdict_follows_from_the_signals_and_the_policy(row: Row) -> None:
    verdict = policy(**row.wishes).verdict(row.signals)
    assert (verdict.action, verdict.reason) == (row.action, row.reason)
    assert (verdict.label, verdict.field, verdict.score) == (row.label, row.field, row.score)
    assert (verdict.sampling_probability, verdict.model_version) == (row.p, "2026.1")


scores = st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1))
signals = st.builds(
    Signals,
    scores,
    st.none() | scores,
    readable=st.booleans(),
    listed=st.sampled_from(["text", "author.name", None]),
    author=st.sampled_from([NEW, KNOWN, REJECTED, TRUSTED, HELD, "unknown", None]),
    seen=st.sampled_from([COPIED, "unknown", None]),
    article=st.sampled_from(["held", None]),
    draw=st.floats(0, 1, exclude_max=True),
    standing=st.sampled_from(["waiting", "approve", None]),
)


@given(signals)
def test_out_of_the_box_nothing_is_rejected_without_a_person(known: Signals) -> None:
    assert policy().verdict(known).action != "reject"
    assert policy(**WATCHING).verdict(known).action != "reject"


@given(signals)
def test_the_same_signals_always_get_the_same_verdict(known: Signals) -> None:
    assert policy(**STRICT).verdict(known) == policy(**STRICT).verdict(known)


@given(scores, st.sampled_from(LABELS), st.floats(0, 1))
def test_a_higher_score_never_makes_a_milder_action(
    given: dict[str, float], label: str, score: float
) -> None:
    order = ["approve", "review", "reject"]
    higher = given | {label: max(score, given.get(label, 0.0))}
    before, after = (policy(**STRICT).verdict(Signals(s)).action for s in (given, higher))
    assert order.index(after) >= order.index(before)


def test_the_random_sample_has_the_share_it_says() -> None:
    draws = [random_draw("demo", f"c-{number}") for number in range(20_000)]
    share = sum(draw < 0.05 for draw in draws) / len(draws)
    assert share == pytest.approx(0.05, abs=0.005)
    assert all(0 <= draw < 1 for draw in draws)
    assert 0 < RANDOM_SAMPLE_SHARE < 0.05
