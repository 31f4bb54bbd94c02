"""A site's own model: a version that goes on learning from what moderators decided.

The earliest decisions are learned from, later ones calibrate, the latest are held out to be
measured and to face the gate; no text is in two parts. All that is needed is the decisions and the
version that judges today: its weights are where learning starts (`training.adaptation`), its maps
from logit to probability are moved and stretched, and its review points follow as far as decisions
tell of all comments (`training.site_points`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.artifact import Artifact
from models.classifier import Classifier
from models.errors import ModerationError
from models.registry import Registry
from models.schema import LABELS
from training.adaptation import ENOUGH, MIN_DF, MORE_ROWS, C, adapted, enough, log_odds
from training.datasets import Corpus, Split
from training.decision_parts import LEARNED, Parts, parts_of
from training.design_matrix import Progress
from training.evaluation.held_out import on_rows
from training.gate import deciding_metrics
from training.offset_regression import OffsetLogisticRegression
from training.release import libraries
from training.report import model_card
from training.site_points import Points, ReviewPoint, site_points

STRENGTH = 1.0
"""Inverse strength of the ridge that draws a map towards the version's."""
FLATTEST = 0.2  # a map is never made flatter than so: more of a label is no evidence against it

_NO_SUITES: dict[str, Any] = {
    name: {} for name in ("probes", "evasion", "dilution", "functions", "identity_terms")
}
"""The gate runs the suites, on this version and the one in use."""


class SiteModel(NamedTuple):
    """What was learned from a site's decisions."""

    classifier: Classifier
    points: dict[str, Any]  # by label and purpose
    review: ReviewPoint


class TooFewDecisions(ModerationError):
    """The decisions do not suffice to learn from; the message says what is missing."""


def check_enough(decisions: Corpus, n_all: int) -> None:
    """Raise TooFewDecisions unless something can be learned of abuse; it says what is missing."""
    toxicity = decisions.label("toxicity")
    counts = {
        "rejections for abuse": int((toxicity > 0.5).sum()),
        "approvals": int((toxicity < 0.5).sum()),
    }
    missing = [f"{ENOUGH - n} more {kind}" for kind, n in counts.items() if n < ENOUGH]
    if missing:
        raise TooFewDecisions(
            f"{n_all} decisions are too few to learn from: {' and '.join(missing)} are needed "
            f"among the earliest {LEARNED:.0%} ({ENOUGH} of each kind); later ones calibrate "
            "and are held out"
        )


def release_site_model(
    decisions: Corpus,
    site: str,
    registry: Registry,
    *,
    base: Artifact | None = None,
    progress: Progress | None = None,
) -> str:
    """Learn from a site's decisions, measure what was held out and save the new version.

    It goes on from `base`, by default `base_of` the registry.
    """
    base = base_of(registry) if base is None else base
    parts = parts_of(decisions)
    classifier, points, review = site_model(
        base.classifier, base.operating_points, parts, progress=progress
    )
    split = Split(parts.learned, parts.calibrating, parts.held_out, {}, [])
    figures = on_rows(classifier, points, split) | _NO_SUITES
    known = base.manifest.get("training", {})
    manifest = {
        "operating_points": points,
        "metrics": deciding_metrics(figures),
        "training": {
            "license": known.get("license", "any"),
            "site": site,
            "seed": known.get("seed", 0),
            "word_vectors": known.get("word_vectors", False),
            "on_top_of": base.version,
            "n_train": known.get("n_train", 0) + len(parts.learned),
            "n_validation": len(parts.calibrating),
            "n_test": len(parts.held_out),
            "learned_until": _json_time(parts.learned_until),
            "calibrated_until": _json_time(parts.calibrated_until),
            "review_point": review._asdict(),
            "sets": [*known.get("sets", []), *_sources(decisions, parts)],
            "parameters": {
                "C": C,
                "min_df": MIN_DF,
                "more_rows": MORE_ROWS,
                "labels": list(classifier.labels),
                "learned_labels": [
                    label for label in classifier.labels if enough(parts.learned.label(label))
                ],
                "n_known_words": len(classifier.scorer.word_hashes),
            },
        },
        "sentence": base.manifest.get("sentence", {}),
        "libraries": libraries(),
        "evaluation": figures,
    }
    return registry.save(classifier, manifest, model_card)


def base_of(registry: Registry) -> Artifact:
    """Return the version that a site's model goes on from.

    It is the one in use, or, where that was made from it in this way, the one it was made from, so
    that no decision counts twice; in a folder without any the released one.
    """
    if not registry.has_current():
        return Registry().load()
    made = registry.manifest(registry.current()).get("training", {})
    first = made.get("on_top_of", "")
    if first in registry.versions():
        return registry.load(first)
    released = Registry()
    return released.load(first) if first in released.versions() else registry.load()


def _sources(decisions: Corpus, parts: Parts) -> list[dict[str, Any]]:
    learned = parts.learned.source
    return [
        asdict(source) | {"n_train": int((learned == source.id).sum())}
        for source in decisions.sources
    ]


def _json_time(seconds: float) -> float | None:
    return None if np.isnan(seconds) else seconds


def site_model(
    version: Classifier,
    points: Points,
    parts: Parts,
    *,
    progress: Progress | None = None,
) -> SiteModel:
    """Learn from a site's decisions on top of a version."""
    n_all = len(parts.learned) + len(parts.calibrating) + len(parts.held_out)
    check_enough(parts.learned, n_all)
    columns = [LABELS.index(label) for label in version.labels]
    learned = adapted(
        version,
        parts.learned.texts,
        parts.learned.y[:, columns],
        parts.learned.weight / parts.learned.weight.max(),
        progress=progress,
    )
    later = parts.calibrating
    y = later.y[:, columns]
    classifier = recalibrated(learned, later.texts, y)
    before, after = (
        one.predict_proba(later.texts) if len(later) else np.zeros(y.shape)
        for one in (version, classifier)
    )
    found, review = site_points(version.labels, points, y, before, after, later.sampled)
    return SiteModel(classifier, found, review)


def recalibrated(
    classifier: Classifier, texts: Sequence[str], y: NDArray[np.float64]
) -> Classifier:
    """Move and stretch the maps to probabilities as comments say that no weight was learned from.

    Two numbers for each label, drawn towards the maps as they are (after Platt 1999): a map drawn
    anew through few comments, all chosen by a model, would say nothing true of the others.
    """
    maps = classifier.calibration.copy()
    odds = log_odds(classifier, texts) if len(texts) else np.zeros(y.shape)
    for column in range(len(maps)):
        seen = ~np.isnan(y[:, column]) & (y[:, column] != 0.5)
        given = y[seen, column] > 0.5
        if len(np.unique(given)) < 2:
            continue
        x = odds[seen, column]
        told = OffsetLogisticRegression(C=STRENGTH, fit_intercept=False).fit(
            np.stack((x / np.abs(x).mean(), np.ones_like(x)), axis=1), given, offset=x
        )
        stretch = max(FLATTEST, 1 + told.coef_[0, 0] / np.abs(x).mean())
        maps[column, 1] = stretch * maps[column, 1] + told.coef_[0, 1]
    return replace(classifier, calibration=maps)
