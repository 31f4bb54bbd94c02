"""Card and report show the figures of the manifest, in words and pictures."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SAMPLE_COMMENTS
from models.artifact import Artifact
from models.registry import Registry
from training.datasets import read_corpus, split_corpus
from training.evaluation.held_out import curves
from training.release import Settings, release
from training.report import html_report, model_card, tables, write_report

pytestmark = pytest.mark.slow

TABLES = (
    "Toxicity on held-out parts, one head for all sites",
    "Labels at their review point",
    "Dialects",
    "Sets",
    "HakamCheck by function",
    "Disguised text",
    "Insults among harmless words",
    "Identity terms",
)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    registry = Registry(tmp_path_factory.mktemp("artifacts"))
    version = release(read_corpus([SAMPLE_COMMENTS]), Settings(word_vectors=False), registry)
    registry.promote(version)
    return registry.load()


@pytest.fixture(scope="module")
def card(artifact: Artifact) -> str:
    return model_card(artifact.manifest)


def test_the_card_names_version_labels_digest_and_what_it_learned_from(
    artifact: Artifact, card: str
) -> None:
    assert artifact.version in card
    assert artifact.manifest["model"]["sha256"]["table"] in card
    for label in artifact.manifest["labels"]:
        assert f"| {label} | review |" in card
    assert "| sample | Apache-2.0 | A | 477 |" in card


def test_the_card_says_in_which_steps_a_sentence_scorer_was_made(
    artifact: Artifact, card: str
) -> None:
    begun = {"step": "beginning", "base": "e5", "base_licence": "MIT"}
    first = [begun, {"step": "distil", "layers_kept": [0, 5, 11]}]
    parts = [{"share": 0.3, "steps": first}, {"share": 0.7, "steps": [{"step": "continue"}]}]
    steps = [{"step": "average", "of": parts}]
    told = model_card({**artifact.manifest, "sentence": {"labels": [], "steps": steps}})
    rows = told.split("## How its sentence scorer was made")[1].splitlines()
    assert [row.split(" | ")[0] for row in rows if row.startswith("| ")] == [
        "| step",
        "| ---",
        "| average",
        "| beginning",
        "| distil",
        "| continue",
    ]
    assert "| beginning | base e5, base_licence MIT |" in rows
    assert "shares [0.3, 0.7]" in told
    assert "sentence scorer was made" not in card


def test_the_card_says_what_it_is_not_for_and_what_it_gets_wrong(card: str) -> None:
    for heading in ("## What it must not be used for", "## What it gets wrong"):
        after = card.split(heading)[1]
        assert after.lstrip().startswith("- ")


def test_the_card_carries_every_table_of_the_evaluation(artifact: Artifact, card: str) -> None:
    found = tables(artifact.manifest["evaluation"])
    assert set(TABLES) <= set(found)
    for title, (_, rows) in found.items():
        assert f"## {title}" in card
        for row in rows:
            assert f"| {' | '.join(row)} |" in card


def test_the_card_quotes_no_comment(card: str) -> None:
    texts = read_corpus([SAMPLE_COMMENTS]).texts
    assert not [text for text in texts if text in card]


def test_a_card_of_permissive_text_says_so(artifact: Artifact) -> None:
    training = artifact.manifest["training"] | {"license": "permissive"}
    assert "permissively licensed ones alone" in model_card(
        dict(artifact.manifest) | {"training": training}
    )


def test_the_card_compares_with_the_version_in_use(artifact: Artifact) -> None:
    metrics = artifact.manifest["metrics"]
    worse = {"sample test": metrics["sample test"] | {"auc": 0.5}, "other rows": {"auc": 0.9}}
    beside = {"version": "2020.01.01-1", "metrics": worse}
    card = model_card(dict(artifact.manifest) | {"beside": beside})
    assert "## Beside 2020.01.01-1" in card
    auc = metrics["sample test"]["auc"]["value"]
    assert f"| sample test | auc | 0.500 | {auc:.3f} | {auc - 0.5:+.3f} |" in card
    assert "other rows" not in card


class Page(HTMLParser):
    """What a browser would find on a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.pictures: dict[str, bytes] = {}
        self.open: list[str] = []
        self.outside: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        address = found.get("src") or found.get("href") or ""
        if address.startswith("data:image/png;base64,"):
            self.pictures[found["alt"] or ""] = base64.b64decode(address.split(",")[1])
        elif address:
            self.outside.append(address)
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.slow
def test_the_report_is_one_well_formed_page_with_its_pictures_inside(
    artifact: Artifact, tmp_path: Path
) -> None:
    split = split_corpus(read_corpus([SAMPLE_COMMENTS]))
    drawn = curves(artifact.classifier, split.test)
    path = tmp_path / "new" / "report.html"
    write_report(path, artifact.manifest, artifact.manifest["evaluation"], drawn)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    assert page.outside == []
    assert set(page.pictures) == {
        "Precision and recall",
        "Reliability",
        "Confusion at the review point",
        "Dialects and sets",
        "Functions",
        "Disguises",
        "Terms of identity",
    }
    for picture in page.pictures.values():
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 3000


SECTIONS = (
    "benchmarks labels sets dialects probes evasion functions identity_terms "
    "as_flagged kinds as_news_comes"
)
EMPTY: dict[str, Any] = {section: {} for section in SECTIONS.split()}


def test_a_report_without_figures_is_still_a_page(artifact: Artifact) -> None:
    page = Page(html_report(artifact.manifest, EMPTY, {}))
    assert page.pictures == {}


def measured(value: float) -> dict[str, Any]:
    """What has the same value whatever is measured."""
    figure = {"value": value, "low": value, "high": value}
    names = ("auc", "average_precision", "macro_f1", "accuracy", "precision", "recall")
    return {"n": 100, "n_positive": 50} | dict.fromkeys(names, figure)


def test_what_others_published_stands_beside_ours_on_their_protocol_and_on_a_stricter_one() -> None:
    fitted = {
        "lhsab, random 15%": measured(0.91),
        "lhsab, random 15%, both readers": measured(0.92),
        "lhsab 5-fold": measured(0.88),
        "lhsab 5-fold, both readers": measured(0.89),
        "osact4 test": measured(0.9),
    }
    heads = {"osact4 test": measured(0.87)}
    found = tables(EMPTY | {"cross_validated": fitted, "benchmarks": heads})
    heads_of, rows = found["Beside what others published"]
    told = [dict(zip(heads_of, row, strict=True)) for row in rows]
    assert [row["benchmark"] for row in told] == ["osact4", "lhsab", "lhsab"]
    assert {row["figure"] for row in told[1:]} == {"accuracy", "macro-F1"}
    for row in told[1:]:
        assert (row["ours: words"][:5], row["ours: both"][:5]) == ("0.910", "0.920")
        assert (row["words"][:5], row["both"][:5]) == ("0.880", "0.890")
        assert row["theirs"]
        assert row["stricter"]
    # One head for all sites has the readers of the artefact.
    assert (told[0]["ours: both"], told[0]["words"], told[0]["both"][:5]) == ("", "", "0.870")


def test_sets_left_out_have_a_mean_for_words_and_one_for_both_readers() -> None:
    left_out = {}
    for i, source in enumerate(("osact4", "mpold", "lhsab")):
        left_out[f"{source} left out"] = measured(0.8 + i / 100)
        left_out[f"{source} left out, both readers"] = measured(0.9 + i / 100)
    found = tables(EMPTY | {"left_out": left_out})["Sets left out of training altogether"]
    assert [(row[0], row[2]) for row in found[1][-2:]] == [
        ("mean of 3 public sets", "0.810"),
        ("mean of 3 public sets, both readers", "0.910"),
    ]


def test_a_step_that_could_not_be_measured_somewhere_is_blank_there() -> None:
    slices = ("annotated_news", "annotated_news without doubt", "contrast", "contrast_2")
    steps: dict[str, Any] = {
        "all: words": {"public_auc": None} | {name: {} for name in (*slices, "pen names")}
    }
    steps["all: words"]["contrast"] = {"auc": 0.95, "precision": 0.9, "recall": 0.8}
    heads, (row,) = tables(EMPTY | {"steps": steps})["Gain of each step"]
    assert dict(zip(heads, row, strict=True))["contrast: AUC"] == "0.950"
    assert [cell for cell in row if cell] == ["all: words", "0.950", "0.900 / 0.800"]


def test_names_in_tables_cannot_become_markup(artifact: Artifact) -> None:
    gulf = artifact.manifest["evaluation"]["dialects"]["gulf"]
    evaluation = EMPTY | {"dialects": {"<b>|</b>": gulf}}
    manifest = dict(artifact.manifest) | {"evaluation": evaluation}
    assert "<b>" not in html_report(manifest, evaluation, {})
    row = next(line for line in model_card(manifest).splitlines() if "<b>" in line)
    assert len(re.findall(r" \| ", row)) == len(tables(evaluation)["Dialects"][0]) - 1


def drawn_text(text: str) -> bytes:
    """Return the picture of a text."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = FigureCanvasAgg(Figure(figsize=(2, 0.5)))
    canvas.figure.text(0.1, 0.3, text)
    canvas.draw()  # type: ignore[no-untyped-call]
    return bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call]


def test_arabic_is_drawn_joined_and_from_the_right() -> None:
    himar = "\u062d\u0645\u0627\u0631"  # himar, donkey
    # LEFT-TO-RIGHT OVERRIDE; isolated reh, final alef, medial meem, initial hah.
    assert drawn_text(himar) == drawn_text("\u202d\ufead\ufe8e\ufee4\ufea3")
    # The isolated forms are another picture.
    assert drawn_text(himar) != drawn_text("\u202d\ufead\ufe8d\ufee1\ufea1")


def test_every_letter_that_is_drawn_has_a_glyph(artifact: Artifact) -> None:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties())).get_charmap()
    terms = artifact.manifest["evaluation"]["identity_terms"]
    written = [term["written"] for category in terms.values() for term in category.values()]
    assert len(written) > 50
    for text in written:
        assert all(ord(letter) in known for letter in text)


def test_curves_of_a_stored_artifact_are_those_of_the_fitted_one(artifact: Artifact) -> None:
    test = split_corpus(read_corpus([SAMPLE_COMMENTS])).test
    drawn = curves(artifact.classifier, test)["toxicity"]
    at = np.searchsorted(drawn["recall"], 0.5)
    assert 0.5 < drawn["precision"][at] <= 1.0
