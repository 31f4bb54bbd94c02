"""Release gate: what may be promoted, so that a real loss stops it and noise alone seldom does.

Both versions judge the same comments: the site's decisions that neither learned from, the suites
that are shipped, and public benchmarks where they are given. Where the manifests hold figures of
the same rows, those count as well. A site's moderators draw a line of their own, which need not be
that of a suite, so a site's model is compared there with its line moved until it flags as many. The
first version of a folder has nothing to be compared with. Every version must reach `FLOORS`. One
table says what decided.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from models.artifact import Artifact
from models.errors import ArtifactError
from models.registry import Registry
from training.datasets import N_FOLDS, Corpus
from training.decision_parts import late
from training.design_matrix import Progress
from training.evaluation.held_out import BENCHMARKS
from training.evaluation.measures import Measures
from training.evaluation.paired import (
    Difference,
    Judged,
    Suite,
    difference_in_auc,
    difference_in_right,
    judge,
    of_corpus,
    shipped,
    worse_slices,
)

# How much worse than the artefact in use a candidate may be; negative where less is better. About
# twice the standard error of a paired difference between two artefacts on a public benchmark
# (bootstrap of the test rows). On smaller ones the metric's own standard error is allowed.
TOLERANCES = {
    "auc": 0.005,
    "average_precision": 0.015,
    "macro_f1": 0.015,
    "accuracy": 0.01,
    "recall": 0.03,
    "flagged_share": -0.01,
    "ece": -0.01,
}

SITE = "the site's held-out decisions"
ALLOWED, ALLOWED_IN_PUBLIC = 0.0, 0.01
"""How much AUC, or share flagged as it must be, may surely be lost on the site's decisions, and on
public sets."""
ALLOWED_OF_OWN_LINE = 0.05
"""The same of a suite where the line of a site's moderators is compared with another."""
ALLOWED_IN_SLICE = 0.15
FLOORS = {"AUC": 0.7, "right": 0.5}
"""What a version must reach on each suite: the first of a folder in all, others as they flag."""
MOST_MS, MOST_BYTES = 50.0, 256_000_000
"""What a version may take for one comment alone, in the middle, and on disk."""
N_TIMED = 100


class PromotionRefused(ArtifactError):
    """The candidate is worse than the artefact in use; the message says where."""

    def __init__(self, message: str, findings: Sequence["Finding"]) -> None:
        super().__init__(message)
        self.findings = findings


@dataclass(frozen=True)
class Finding:
    """A row of the table: something that was looked at, and whether it stands in the way."""

    what: str
    measure: str
    present: str
    candidate: str
    interval: str  # of the difference
    allowed: str
    verdict: str  # better, worse, as good; "refused" decides

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of the table, as `HEADS` names them."""
        return (
            *(self.what, self.measure, self.present, self.candidate),
            *(self.interval, self.allowed, self.verdict),
        )

    @property
    def refuses(self) -> bool:
        """Whether this stands in the way."""
        return self.verdict == REFUSED

    @property
    def reason(self) -> str:
        """Say it in one line."""
        was = f", was {self.present}" if self.present else ""
        told = f" (difference {self.interval})" if self.interval else ""
        at_most = f", allowed {self.allowed}" if self.allowed else ""
        return f"{self.measure} on {self.what}: {self.candidate}{was}{told}{at_most}"


HEADS = ("comments", "measure", "in use", "candidate", "difference, 95 %", "allowed", "verdict")
REFUSED = "refused"


def promote(
    registry: Registry,
    version: str,
    *,
    force: bool = False,
    decisions: Corpus | None = None,
    benchmarks: Corpus | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """Put a version in use and say what was found; PromotionRefused names all that is worse.

    `decisions` are all of a site, those that were learned from among them; `benchmarks` the test
    rows of public sets.
    """
    present = _in_use(registry, version, force=force)
    found: list[Finding] = []
    if present is None or present.version != version:
        found = list(findings(registry.load(version), present, decisions, benchmarks, progress))
        reasons = [finding.reason for finding in found if finding.refuses]
        if reasons and not force:
            places = "\n  ".join(reasons)
            beside = f"worse than {present.version}, which is in use" if present else ""
            beside = beside or "not good enough"
            raise PromotionRefused(f"{version} is {beside}:\n  {places}", found)
    registry.promote(version, forced=force)
    return found


def _in_use(registry: Registry, version: str, *, force: bool) -> Artifact | None:
    """Return what a version is compared with; nothing where it is forced beside what is damaged."""
    if not registry.has_current():
        return None
    try:
        return registry.load()
    except ArtifactError as error:
        if force:
            return None
        raise PromotionRefused(
            f"{version} cannot be compared with what is in use: {error}; --force promotes it "
            "without that",
            [],
        ) from None


def findings(
    candidate: Artifact,
    present: Artifact | None,
    decisions: Corpus | None = None,
    benchmarks: Corpus | None = None,
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """Look at all that can be looked at, what decides first."""
    tell = progress or (lambda phrase, share: None)
    own_line = any(
        made.get("site") or made.get("on_top_of")
        for version in (candidate, present)
        for made in [version.manifest.get("training", {}) if version else {}]
    )
    if present:
        yield from _recorded(present.manifest, candidate.manifest)
    suites = [] if decisions is None else [_held_out(decisions, candidate, present)]
    suites += shipped()
    suites += [] if benchmarks is None else _by_set(benchmarks)
    for at, suite in enumerate(suites):
        tell(f"judging {suite.name}", at / len(suites))
        if not len(suite.texts):
            yield Finding(suite.name, "", "", "none", "", "", "not judged")
            continue
        ours = judge(candidate, suite)
        if present:
            line = suite.name == SITE or not own_line
            yield from _compared(suite, judge(present, suite), ours, as_flagged=line)
        yield from _above_floors(suite, ours, first=present is None)
    tell("timing", 1.0)
    yield from _costs(candidate, present)


def deciding_metrics(figures: Measures) -> Measures:
    """Pick the figures that decide on a promotion, by the names of `TOLERANCES`."""
    chosen: Measures = {}
    for name, measured in figures["benchmarks"].items():
        wanted = ("auc", "average_precision", "macro_f1", "accuracy", "sha256", "n")
        chosen[name] = {key: measured[key] for key in wanted if key in measured}
    for label, measured in figures["labels"].items():
        keys = ("auc", "average_precision", "ece", "sha256", "n")
        chosen[f"label {label}"] = {key: measured[key] for key in keys if key in measured}
    for name, measured in figures["probes"].items():
        share = measured.get("flagged_share_at_news_recall")
        if share is not None:
            chosen[name] = {"flagged_share": share, "n": measured["n"]}
    if figures["functions"]:
        overall = figures["functions"]["overall"]
        chosen["HakamCheck"] = {"accuracy": overall["accuracy"], "n": overall["n"]}
    return chosen


def _recorded(current: Mapping[str, Any], candidate: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare what both manifests say, where it is about the same rows."""
    for label in current["labels"]:
        if label not in candidate["labels"]:
            yield Finding(f"label {label}", "known", "yes", "no", "", "", REFUSED)
    for benchmark, old in current.get("metrics", {}).items():
        new = candidate.get("metrics", {}).get(benchmark)
        if new is None or old.get("sha256") != new.get("sha256"):
            continue
        for metric, tolerance in TOLERANCES.items():
            if metric not in old or metric not in new:
                continue
            was, now = value_of(old[metric]), value_of(new[metric])
            loss = (was - now) if tolerance > 0 else (now - was)
            allowed = max(abs(tolerance), _noise(old[metric]))
            yield Finding(
                f"{benchmark}, as recorded",
                metric,
                f"{was:.4f}",
                f"{now:.4f}",
                "",
                f"{allowed:.3f}",
                "as good" if loss <= allowed else REFUSED,
            )


def value_of(metric: Any) -> float:
    """Return a metric's value, given alone or with its interval."""
    return float(metric["value"] if isinstance(metric, Mapping) else metric)


def _noise(metric: Any) -> float:
    """Return the standard error of a metric given with its 95 % interval, else 0."""
    return (metric["high"] - metric["low"]) / 4 if isinstance(metric, Mapping) else 0.0


def _held_out(decisions: Corpus, candidate: Artifact, present: Artifact | None) -> Suite:
    """Leave out the decisions that either version learned from or was calibrated by."""
    rows = np.ones(len(decisions), dtype=bool)
    for version in (candidate, present):
        made = version.manifest.get("training", {}) if version else {}
        if "calibrated_until" in made:
            rows &= late(decisions, made["calibrated_until"])
        elif any(told["id"] == "moderator" and told["n_train"] for told in made.get("sets", ())):
            rows &= decisions.keys % np.uint64(N_FOLDS) == 0  # learned beside public sets
    return of_corpus(SITE, decisions.select(rows), ALLOWED)


def _by_set(benchmarks: Corpus) -> Iterator[Suite]:
    """Make a suite of each public set's test rows."""
    for source in np.unique(benchmarks.source):
        name = BENCHMARKS.get(str(source), f"{source} test")
        rows = benchmarks.select(benchmarks.source == source)
        yield of_corpus(name, rows, ALLOWED_IN_PUBLIC)


def _compared(
    suite: Suite, present: Judged, candidate: Judged, *, as_flagged: bool
) -> Iterator[Finding]:
    told, allowed = "right", suite.allowed
    if not as_flagged:
        told, allowed = "right, as many flagged", ALLOWED_OF_OWN_LINE
        n_flagged = int(present.flagged.sum())
        present, candidate = present.flagging(n_flagged), candidate.flagging(n_flagged)
    for measure, difference in (
        ("AUC", difference_in_auc(suite, present, candidate)),
        (told, difference_in_right(suite, present, candidate)),
    ):
        if difference:
            yield _finding(suite.name, measure, difference, allowed)
    for name, difference in worse_slices(suite, present, candidate, ALLOWED_IN_SLICE):
        yield _finding(f"{suite.name}: {name}", told, difference, ALLOWED_IN_SLICE)


def _finding(what: str, measure: str, difference: Difference, allowed: float) -> Finding:
    verdict = "as good"
    if difference.high < 0:
        verdict = REFUSED if difference.value < -allowed else "worse"
    elif difference.low > 0:
        verdict = "better"
    return Finding(
        f"{what} ({difference.n:,})",
        measure,
        f"{difference.first:.3f}",
        f"{difference.second:.3f}",
        f"{difference.low:+.3f} to {difference.high:+.3f}",
        f"-{allowed:.3f}",
        verdict,
    )


def _above_floors(suite: Suite, judged: Judged, *, first: bool) -> Iterator[Finding]:
    """Hold a version against the floors; where it was compared, only a floor it misses is told."""
    if suite.name == SITE:
        return
    for measure, difference in (
        ("AUC", difference_in_auc(suite, judged, judged)),
        ("right", difference_in_right(suite, judged, judged)),
    ):
        if difference:
            reached = difference.second >= FLOORS[measure]
            if first or not reached:
                yield Finding(
                    f"{suite.name} ({difference.n:,})",
                    measure,
                    "",
                    f"{difference.second:.3f}",
                    "",
                    f"at least {FLOORS[measure]}",
                    "good enough" if reached else REFUSED,
                )


def _costs(candidate: Artifact, present: Artifact | None) -> Iterator[Finding]:
    """Say what a version takes; only what no service could bear stands in the way."""
    texts = next(shipped()).texts[:N_TIMED]
    for measure, told, form, most in (
        ("processor ms for a comment", lambda a: _milliseconds(a, texts), "{:.2f}", MOST_MS),
        ("bytes", lambda a: a.manifest["model"]["bytes"], "{:,}", MOST_BYTES),
    ):
        now = told(candidate)
        was = form.format(told(present)) if present else ""
        verdict = "bearable" if now <= most else REFUSED
        allowed = f"at most {most:,.0f}"
        yield Finding("this machine", measure, was, form.format(now), "", allowed, verdict)


def _milliseconds(artifact: Artifact, texts: Sequence[str]) -> float:
    """Return the time of a processor, which does not depend on what else the machine does."""
    taken = []
    for text in texts:
        begun = process_time()
        artifact.classifier.predict_proba([text])
        taken.append(process_time() - begun)
    return 1000 * median(taken)
