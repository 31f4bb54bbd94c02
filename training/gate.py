"""Release gate: what may be promoted, so that a real loss stops it and noise alone seldom does."""

from collections.abc import Mapping
from typing import Any

from models.errors import ArtifactError
from models.registry import Registry
from training.evaluation.measures import Measures

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


class PromotionRefused(ArtifactError):
    """The candidate is worse than the artefact in use; the message says where."""


def promote(registry: Registry, version: str, *, force: bool = False) -> None:
    """Put a version in use; PromotionRefused names every place where it is worse."""
    current = registry.current() if registry.has_current() else version
    if current != version and not force:
        reasons = compare(registry.manifest(current), registry.manifest(version))
        if reasons:
            places = "\n  ".join(reasons)
            raise PromotionRefused(
                f"{version} is worse than {current}, which is in use:\n  {places}"
            )
    registry.promote(version, forced=force)


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


def compare(current: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[str]:
    """Say where a candidate's manifest is worse than the current one's, on the same rows."""
    reasons = [
        f"it does not know the label {label}"
        for label in current["labels"]
        if label not in candidate["labels"]
    ]
    for benchmark, old in current.get("metrics", {}).items():
        new = candidate.get("metrics", {}).get(benchmark)
        if new is None:
            reasons.append(f"it was not measured on {benchmark}")
            continue
        if old.get("sha256") != new.get("sha256"):
            continue
        for metric, tolerance in TOLERANCES.items():
            if metric not in old:
                continue
            if metric not in new:
                reasons.append(f"{metric} was not measured on {benchmark}")
                continue
            was, now = value_of(old[metric]), value_of(new[metric])
            loss = (was - now) if tolerance > 0 else (now - was)
            allowed = max(abs(tolerance), _noise(old[metric]))
            if not loss <= allowed:
                reasons.append(
                    f"{metric} on {benchmark}: {now:.4f}, was {was:.4f} "
                    f"(allowed to be worse by {allowed:.3f})"
                )
    return reasons


def value_of(metric: Any) -> float:
    """Return a metric's value, given alone or with its interval."""
    return float(metric["value"] if isinstance(metric, Mapping) else metric)


def _noise(metric: Any) -> float:
    """Return the standard error of a metric given with its 95 % interval, else 0."""
    return (metric["high"] - metric["low"]) / 4 if isinstance(metric, Mapping) else 0.0
