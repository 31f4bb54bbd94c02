"""Proposals of thresholds for a site that moves in."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from conftest import SAMPLE_COMMENTS
from models.artifact import Artifact
from models.errors import RecordError
from models.schema import read_comments
from service.cli.main import hakam
from service.cli.thresholds import suggestions
from service.reports.thresholds import PastComment, read_export, suggest

N = 1_000
SCORES = np.linspace(0, 1, N)


def decided(scores: np.ndarray = SCORES, above: float = 0.7) -> list[PastComment]:
    return [PastComment("x", rejected=bool(score >= above)) for score in scores]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return tmp_path / "export.csv"


def written(export: Path, text: str) -> Path:
    export.write_text(text, encoding="utf-8")
    return export


# The export


def test_an_export_is_read_by_the_names_of_its_columns(export: Path) -> None:
    file = written(
        export,
        'id,Comment,Score,Status\n1,"a, b",0.5,rejected\n2,c,,approved\n3,d,1,pending\n4, ,0,1\n',
    )
    comments, understood = read_export(file)
    assert comments == [
        PastComment("a, b", 0.5, True),
        PastComment("c", None, False),
        PastComment("d", 1.0, None),
    ]
    assert understood.n_without_text == 1


def test_labelled_comments_count_as_decided_by_what_was_observed_of_the_label(export: Path) -> None:
    record = '{"id": "1", "text": "x", "labels": {"insult": 1}, "source": "ours"}'
    for label, rejected in (("insult", True), ("spam", None)):
        assert read_export(written(export, record), label=label)[0] == [
            PastComment("x", None, rejected)
        ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("id,words\n1,x\n", "no column is named text"),
        ("", "is empty"),
        ("text\n \n", "holds no comment"),
    ],
)
def test_an_export_that_cannot_be_used_is_refused_with_its_reason(
    export: Path, content: str, complaint: str
) -> None:
    with pytest.raises(RecordError, match=complaint):
        read_export(written(export, content))


# The proposals


def test_the_threshold_for_review_reaches_the_wanted_recall() -> None:
    found = {one.purpose: one for one in suggest(SCORES, decided(), recall=0.9)}
    assert found["review"].recall >= 0.9
    assert found["review"].threshold == found["balanced"].threshold, "0.73 has this recall too"
    assert found["balanced"].threshold == pytest.approx(0.7, abs=0.002)
    assert (found["balanced"].precision, found["balanced"].recall) == (1.0, 1.0)


def test_the_threshold_for_rejecting_reaches_the_wanted_precision_or_is_missing() -> None:
    rng = np.random.default_rng(7)
    noisy = [PastComment("x", rejected=bool(rng.random() < score)) for score in SCORES]
    found = {one.purpose: one for one in suggest(SCORES, noisy, precision=0.9)}
    assert found["reject"].precision >= 0.9
    assert found["reject"].precision_from < found["reject"].precision < found["reject"].precision_to
    coin = [PastComment("x", rejected=bool(rng.random() < 0.5)) for _ in SCORES]
    assert "reject" not in {one.purpose for one in suggest(SCORES, coin, precision=0.9)}


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.5000001, 0.9, 1.0]), st.booleans()),
        min_size=1,
        max_size=200,
    ),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_no_threshold_for_review_is_above_the_balanced_one_nor_that_above_the_one_for_rejecting(
    rows: list[tuple[float, bool]], recall: float, precision: float
) -> None:
    scores = np.array([score for score, _ in rows])
    comments = [PastComment("x", rejected=rejected) for _, rejected in rows]
    found = {
        one.purpose: one for one in suggest(scores, comments, recall=recall, precision=precision)
    }
    order = [found[one].threshold for one in ("review", "balanced", "reject") if one in found]
    assert order == sorted(order)
    assert found["review"].recall >= recall - 1e-9 or not scores.any()
    if "reject" in found:
        assert found["reject"].precision >= precision - 1e-9


def test_the_volume_is_the_share_of_all_comments_that_would_be_flagged() -> None:
    for one in suggest(SCORES, decided()):
        assert one.share == pytest.approx((one.threshold <= SCORES).mean())


def test_without_decisions_the_calibrated_scores_stand_in() -> None:
    unknown = [PastComment("x")] * N
    (review, *_) = suggest(SCORES, unknown, recall=0.9)
    flagged = SCORES[review.threshold <= SCORES]
    assert review.precision == pytest.approx(flagged.mean())
    assert review.recall == pytest.approx(flagged.sum() / SCORES.sum())


def test_a_handful_of_decisions_is_not_enough_to_judge_by() -> None:
    few = [*decided()[: N - 5], *[PastComment("x", rejected=True)] * 5]
    for comments in (few[:500], [PastComment("x")] * N):
        assert suggest(SCORES[: len(comments)], comments)


def test_the_same_volume_as_before_is_proposed_where_the_old_threshold_is_known() -> None:
    old = [PastComment("x", old_score=float(1 - score), rejected=None) for score in SCORES]
    found = {one.purpose: one for one in suggest(SCORES, old, old_threshold=0.8)}
    assert found["same volume"].share == pytest.approx(0.2, abs=0.002)
    with pytest.raises(RecordError, match="no column of old scores"):
        suggest(SCORES, decided(), old_threshold=0.8)


def test_equal_scores_are_never_torn_apart() -> None:
    scores = np.repeat([0.2, 0.8], N // 2)
    comments = decided(np.linspace(0, 1, N), above=0.4)
    for one in suggest(scores, comments):
        assert one.threshold in (0.2, 0.8)


def test_scores_that_are_all_zero_break_nothing() -> None:
    assert suggest(np.zeros(50), [PastComment("x")] * 50)


# The command


def test_the_command_scores_an_export_and_says_how_to_use_the_answer(
    artifact: Artifact, export: Path
) -> None:
    with export.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "decision", "score"])
        for comment in read_comments(SAMPLE_COMMENTS):
            toxic = comment.labels.get("toxicity", 0.0) > 0.5
            rows.writerow(
                [comment.text, "rejected" if toxic else "approved", 0.9 if toxic else 0.1]
            )
    answer = list(
        suggestions(artifact, export, "toxicity", recall=0.9, precision=0.9, old_threshold=0.8)
    )
    start = next(i for i, line in enumerate(answer) if "people's decisions" in line)
    assert "approved" in "".join(answer[:start]), "what was understood comes first"
    assert [line.split(":")[0].split()[-1] for line in answer[start + 3 : start + 6]] == [
        "review",
        "balanced",
        "reject",
    ]
    assert answer[-1].startswith("To use one: hakam sites set SITE --review toxicity=0.")
    with pytest.raises(RecordError, match="has not learned rudeness"):
        list(
            suggestions(artifact, export, "rudeness", recall=0.9, precision=0.9, old_threshold=None)
        )


def test_the_command_is_told_what_a_newsrooms_own_columns_and_words_mean(
    environ: dict[str, str], export: Path
) -> None:
    written(export, "Kommentar,Stand\n" + "a,gut\nb,weg\n" * 20)
    command = ["thresholds", "suggest", "--from", str(export), "--column", "text=Kommentar"]
    command += ["--column", "decision=Stand", "--word", "gut=approve", "--word", "weg=reject"]
    answer = CliRunner().invoke(hakam, command, env=environ)
    assert answer.exit_code == 0, answer.output
    assert "decisions: 20 approved, 20 rejected, 0 without" in answer.output
    assert "judged by people's decisions" in answer.output


def test_the_example_of_the_guide_has_the_form_of_what_the_command_says(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    guide = (Path(__file__).parent.parent / "docs/settings.md").read_text(encoding="utf-8")
    [(command, shown)] = re.findall(r"(?s)```\n\$ hakam (thresholds .*?)\n(.*?)```", guide)
    with Path("export.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["text", "status"])
        for comment in read_comments(SAMPLE_COMMENTS):
            toxic = comment.labels.get("toxicity", 0.0) > 0.5
            rows.writerow([comment.text, "rejected" if toxic else "approved"])
    answer = CliRunner().invoke(hakam, command.split(), env=environ)
    assert answer.exit_code == 0, answer.output
    assert form_of(answer.output) == form_of(shown)


def form_of(lines: str) -> list[str]:
    """Lines without their figures and the widths of their columns."""
    return [" ".join(re.sub(r"\d[\d.,-]*", "N ", line).split()) for line in lines.splitlines()]
