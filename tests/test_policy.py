"""What the policy says about scores."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.schema import LABELS
from service.rules.policy import AUDIT_SHARE, Policy, audit_draw
from service.sites.sites import Site

POINTS = {
    "toxicity": {"review": {"threshold": 0.5}, "reject": {"threshold": 0.95}},
    "threat": {"review": {"threshold": 0.3}, "reject": {"threshold": 0.9}},
    "insult": {"review": {"threshold": 0.4}},
}
score_maps = st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1))


def policy(**wishes: Any) -> Policy:
    return Policy.from_operating_points(
        POINTS, Site("demo", audit_share=0.01, **wishes), model_version="2026.1"
    )


def test_a_comment_below_every_threshold_is_approved() -> None:
    verdict = policy().verdict({"toxicity": 0.49, "threat": 0.29})
    assert (verdict.action, verdict.label, verdict.field) == ("approve", None, None)
    assert (verdict.reason, verdict.score) == ("clean", 0.49)


def test_a_score_at_the_threshold_goes_to_review() -> None:
    verdict = policy().verdict({"toxicity": 0.5})
    assert (verdict.action, verdict.label, verdict.field) == ("review", "toxicity", "text")
    assert (verdict.reason, verdict.sampling_probability) == ("score", 1.0)


@given(score_maps, st.none() | score_maps, st.floats(0, 1, exclude_max=True))
def test_out_of_the_box_nothing_is_rejected_without_a_person(
    text: dict[str, float], author: dict[str, float] | None, draw: float
) -> None:
    assert Policy.from_operating_points(POINTS).verdict(text, author, draw=draw).action != "reject"
    assert policy().verdict(text, author, draw=draw).action != "reject"


def test_a_site_that_sets_a_reject_threshold_rejects_from_there_on() -> None:
    strict = policy(reject={"threat": 0.8})
    assert strict.verdict({"threat": 0.8}).action == "reject"
    assert strict.verdict({"threat": 0.79}).action == "review"


def test_a_site_overrides_single_thresholds_and_keeps_the_others() -> None:
    own = policy(review={"toxicity": 0.2})
    assert own.verdict({"toxicity": 0.2}).label == "toxicity"
    assert own.verdict({"threat": 0.3}).label == "threat"


def test_a_threshold_of_one_switches_a_label_off() -> None:
    assert policy(review={"toxicity": 1.0}).verdict({"toxicity": 1.0}).action == "approve"


def test_an_insulting_pen_name_sends_a_harmless_comment_to_review() -> None:
    verdict = policy().verdict({"toxicity": 0.01}, {"toxicity": 0.9})
    assert (verdict.action, verdict.field, verdict.score) == ("review", "author.name", 0.9)


def test_the_verdict_names_a_telling_label_before_the_umbrella() -> None:
    assert policy().verdict({"toxicity": 0.99, "threat": 0.31}).label == "threat"


def test_the_verdict_names_the_highest_of_the_telling_labels() -> None:
    assert policy().verdict({"insult": 0.7, "threat": 0.6}).label == "insult"


def test_rejection_wins_over_review() -> None:
    verdict = policy(reject={"threat": 0.5}).verdict({"insult": 0.9}, {"threat": 0.6})
    assert (verdict.action, verdict.label, verdict.field) == ("reject", "threat", "author.name")


def test_a_draw_below_the_audit_share_shows_a_clean_comment_to_a_person() -> None:
    verdict = policy().verdict({"toxicity": 0.1}, draw=0.009)
    assert (verdict.action, verdict.reason) == ("review", "audit")
    assert verdict.sampling_probability == 0.01
    assert policy().verdict({"toxicity": 0.1}, draw=0.01).action == "approve"


def test_the_audit_also_shows_what_would_have_been_rejected() -> None:
    verdict = policy(reject={"threat": 0.8}).verdict({"threat": 0.9}, draw=0.0)
    assert (verdict.action, verdict.reason, verdict.label) == ("review", "audit", "threat")


def test_a_flagged_comment_is_never_called_an_audit() -> None:
    verdict = policy().verdict({"toxicity": 0.9}, draw=0.0)
    assert (verdict.reason, verdict.sampling_probability) == ("score", 1.0)


def test_letters_that_could_not_be_read_bring_a_text_before_a_person() -> None:
    verdict = policy().verdict({"toxicity": 0.1}, readable=False)
    assert (verdict.action, verdict.reason) == ("review", "unsupported_language")
    assert verdict.sampling_probability == 1.0
    approving = policy(unsupported_language="approve").verdict({"toxicity": 0.1}, readable=False)
    assert (approving.action, approving.reason) == ("approve", "unsupported_language")


@pytest.mark.parametrize(
    ("signals", "reason"),
    [
        ({"listed": "text", "watched": True, "readable": False}, "listed"),
        ({"watched": True, "readable": False}, "author"),
        ({"readable": False}, "unsupported_language"),
        ({}, "audit"),
    ],
)
def test_a_comment_is_called_drawn_only_where_nothing_else_wants_a_person_to_see_it(
    signals: dict[str, Any], reason: str
) -> None:
    quiet = policy().verdict({"toxicity": 0.1}, draw=0.0, **signals)
    assert (quiet.action, quiet.reason) == ("review", reason)
    flagged = policy().verdict({"toxicity": 0.9}, draw=0.0, **signals)
    assert (flagged.action, flagged.reason) == ("review", "score")


def test_the_verdict_carries_the_version_of_the_model() -> None:
    assert policy().verdict({}).model_version == "2026.1"


@given(score_maps, st.floats(0, 1, exclude_max=True))
def test_the_same_scores_always_get_the_same_verdict(scores: dict[str, float], draw: float) -> None:
    assert policy().verdict(scores, draw=draw) == policy().verdict(scores, draw=draw)


@given(score_maps, st.sampled_from(LABELS), st.floats(0, 1))
def test_a_higher_score_never_makes_a_milder_action(
    scores: dict[str, float], label: str, score: float
) -> None:
    order = ["approve", "review", "reject"]
    strict = policy(reject={"threat": 0.8, "toxicity": 0.9})
    higher = scores | {label: max(score, scores.get(label, 0.0))}
    before, after = strict.verdict(scores).action, strict.verdict(higher).action
    assert order.index(after) >= order.index(before)


def test_the_audit_draws_the_share_it_says() -> None:
    draws = [audit_draw("demo", f"c-{number}") for number in range(20_000)]
    share = sum(draw < 0.05 for draw in draws) / len(draws)
    assert share == pytest.approx(0.05, abs=0.005)
    assert all(0 <= draw < 1 for draw in draws)
    assert 0 < AUDIT_SHARE < 0.05
