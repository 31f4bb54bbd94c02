"""Artefacts on disk: saved whole, loaded without trust, promoted only when not worse.

A registry is a folder::

    CURRENT                    the version in use, one line
    HISTORY                    every promotion and rollback: time, verb, version
    2026.11.22-1/
        model.joblib           arrays and builtins, written by joblib without compression
        manifest.json          version, labels, digests, metrics, operating points
        MODEL_CARD.md          the same for people

The module keeps one secret: the life of these files. It promises that

- a version folder appears complete or not at all, and never changes afterwards;
- nothing is read from a model file before its SHA-256 equals the manifest's;
- nothing is loaded or promoted that does not know plain abuse from plain kindness (`CANARIES`);
- ``CURRENT`` always names a complete version, also when the machine stops half way.

What a model file may hold, and why it cannot run code, is the secret of `models.state_file`.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import ArtifactDamaged, ArtifactMissing, PromotionRefused
from models.schema import LABELS, read_comments
from models.state_file import read_state, weights_digest, write_state

if TYPE_CHECKING:
    from models.classifier import Classifier

FORMAT = 2
"""Form of the artefact. An artefact of another form is refused."""

TOLERANCES = {
    "auc": 0.005,
    "average_precision": 0.015,
    "macro_f1": 0.015,
    "accuracy": 0.01,
    "recall": 0.03,
    "flagged_share": -0.01,
    "ece": -0.01,
}
"""How much worse than the artefact in use a candidate may be, per metric and benchmark.

Positive: more is better; negative: less is better. The sizes are about twice the standard error
of a paired difference between two artefacts on one of the public benchmarks (bootstrap of the test
rows), so that noise alone seldom stops a promotion. On smaller benchmarks the metric's own standard
error is allowed. A metric not named here does not decide.
"""

CANARIES = Path(__file__).with_name("canaries.jsonl")
"""Comments that any artefact worth using judges right: plain abuse, plain kindness."""

CANARY_SHARE = 0.5
"""So many of each kind must be flagged, or left alone, at the artefact's own review points.

It is no measure of quality, and must not stop an artefact that learned from few comments; it stops
one that would approve everything, or nothing.
"""

_MODEL, _MANIFEST, _CARD = "model.joblib", "manifest.json", "MODEL_CARD.md"
_VERSION = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})-(\d+)")


@dataclass(frozen=True)
class Artifact:
    """A loaded artefact: what the service scores with.

    Attributes
    ----------
    version : str
        For example ``2026.11.22-1``: the day it was saved and its number on that day.
    classifier : Classifier
        Its arrays are read-only views of the memory-mapped model file.
    manifest : Mapping
        The content of ``manifest.json``.
    """

    version: str
    classifier: "Classifier"
    manifest: Mapping[str, Any]

    @property
    def operating_points(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """Thresholds by label and purpose (``review``, ``reject``), with precision and recall."""
        points: Mapping[str, Mapping[str, Mapping[str, float]]] = self.manifest["operating_points"]
        return points


class Registry:
    """The artefacts under one folder.

    Parameters
    ----------
    root : Path, optional
        The folder; by default the one inside the installed package, which holds the released
        artefact. It is created by the first `save`.
    """

    def __init__(self, root: Path = Path(__file__).parent / "artifacts") -> None:
        self.root = Path(root)

    def save(
        self,
        classifier: "Classifier",
        manifest: Mapping[str, Any],
        card: str | Callable[[Mapping[str, Any]], str],
    ) -> str:
        """Write a new version.

        Parameters
        ----------
        classifier : Classifier
            A fitted classifier; ``get_state()`` is what is stored.
        manifest : Mapping
            JSON values. Version, time, labels and digests are added here.
        card : str or callable
            The model card, or a function from the complete manifest to it.

        Returns
        -------
        str
            The new version. It is not in use before `promote`.

        Raises
        ------
        ArtifactError
            If the state holds anything but builtins and arrays of numbers.
        """
        state = classifier.get_state()
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".saving-", dir=self.root))
        try:
            sha256 = write_state(state, folder / _MODEL)
            complete = dict(manifest) | {
                "format": FORMAT,
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "labels": list(classifier.labels_),
                "model": {
                    "file": _MODEL,
                    "bytes": (folder / _MODEL).stat().st_size,
                    "sha256": sha256,
                    "weights_sha256": weights_digest(state),
                },
            }
            version = self._next_version()
            while True:
                complete = {"version": version} | complete | {"version": version}
                text = json.dumps(complete, ensure_ascii=False, indent=1, allow_nan=False)
                _write_durably(folder / _MANIFEST, text + "\n")
                _write_durably(folder / _CARD, card if isinstance(card, str) else card(complete))
                folder.chmod(0o755)
                try:
                    folder.rename(self.root / version)
                    break
                except OSError:
                    if not (self.root / version).exists():
                        raise
                    version = self._next_version()  # somebody else took this number
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _sync(self.root)
        return version

    def load(self, version: str | None = None) -> Artifact:
        """Load an artefact, by default the one in use.

        Raises
        ------
        ArtifactMissing
            If there is no such version, or none has been promoted.
        ArtifactDamaged
            If a file is missing, the digest differs from the manifest's, the content is not what
            an artefact may hold, or it judges the comments of `CANARIES` wrong.
        """
        # Imported late, so that manifests can be read and compared without the classifier.
        from models.classifier import Classifier

        version = self.current() if version is None else version
        manifest = self.manifest(version)
        if manifest["format"] != FORMAT:
            raise ArtifactDamaged(
                f"{self.root / version}: format {manifest['format']!r}, "
                f"this program reads {FORMAT}; fit a new version"
            )
        path = self.root / version / _MODEL
        state = read_state(path, manifest["model"]["sha256"])
        try:
            classifier = Classifier.from_state(state)
            labels = list(classifier.labels_)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ArtifactDamaged(f"{path}: not a classifier's state: {error}") from error
        if labels != manifest["labels"]:
            raise ArtifactDamaged(f"{path}: its labels are not those of the manifest")
        artifact = Artifact(version, classifier, manifest)
        _check_canaries(artifact, path)
        return artifact

    def manifest(self, version: str) -> dict[str, Any]:
        """Read and check the manifest of a version.

        Raises
        ------
        ArtifactMissing
            If there is no such version.
        ArtifactDamaged
            If the manifest is missing, not JSON, of another format or incomplete.
        """
        if not _VERSION.fullmatch(version) or not (self.root / version).is_dir():
            known = ", ".join(self.versions()) or "none"
            raise ArtifactMissing(f"{self.root}: no artefact {version!r}; there are: {known}")
        path = self.root / version / _MANIFEST
        try:
            manifest = json.loads(path.read_bytes())
            manifest["format"]  # whose figures can be compared, whatever form its weights have
            if manifest["version"] != version:
                raise ArtifactDamaged(f"{path}: names another version, {manifest['version']!r}")
            if not re.fullmatch("[0-9a-f]{64}", manifest["model"]["sha256"]):
                raise ArtifactDamaged(f"{path}: model.sha256 is not a SHA-256")
            _check_operating_points(manifest["operating_points"], manifest["labels"])
        except FileNotFoundError:
            raise ArtifactDamaged(f"{path}: missing") from None
        except KeyError as error:
            raise ArtifactDamaged(f"{path}: field {error} is missing") from None
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ArtifactDamaged(f"{path}: not a manifest: {error}") from None
        complete: dict[str, Any] = manifest
        return complete

    def versions(self) -> list[str]:
        """List every version, oldest first."""
        if not self.root.is_dir():
            return []
        names = [path.name for path in self.root.iterdir() if path.is_dir()]
        return sorted(filter(_VERSION.fullmatch, names), key=_age)

    def has_current(self) -> bool:
        """Say whether a version has been promoted."""
        return (self.root / "CURRENT").exists()

    def current(self) -> str:
        """Return the version in use.

        Raises
        ------
        ArtifactMissing
            If none has been promoted.
        """
        try:
            return (self.root / "CURRENT").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ArtifactMissing(f"{self.root}: no artefact has been promoted") from None

    def promote(self, version: str, *, force: bool = False) -> None:
        """Put a version in use, unless it is worse than the one in use.

        Parameters
        ----------
        version : str
        force : bool, default False
            Promote whatever the comparison says; the history then says ``promote --force``.

        Raises
        ------
        PromotionRefused
            If a metric of `TOLERANCES` is worse than allowed on a benchmark of the artefact in
            use, is missing there, or a label is lost. The message names every such place.
        ArtifactMissing, ArtifactDamaged
            If the version cannot be loaded.
        """
        previous = self._stack()[-1:]
        if previous and previous != [version] and not force:
            reasons = compare(self.manifest(previous[0]), self.manifest(version))
            if reasons:
                raise PromotionRefused(
                    f"{version} is worse than {previous[0]}, which is in use:\n  "
                    + "\n  ".join(reasons)
                )
        self.load(version)
        self._switch("promote --force" if force else "promote", version)

    def rollback(self) -> str:
        """Put the version that was in use before back in use, and return it.

        Rolling back twice goes two promotions back.

        Raises
        ------
        ArtifactMissing
            If no earlier promotion is known, or its version is gone.
        ArtifactDamaged
            If the earlier version cannot be loaded; the one in use then stays.
        """
        stack = self._stack()
        if len(stack) < 2:
            raise ArtifactMissing(f"{self.root}: there is no earlier artefact to roll back to")
        self.load(stack[-2])
        self._switch("rollback", stack[-2])
        return stack[-2]

    def _next_version(self) -> str:
        today = datetime.now(UTC).strftime("%Y.%m.%d")
        numbers = [_age(v)[3] for v in self.versions() if v.startswith(f"{today}-")]
        return f"{today}-{max(numbers, default=0) + 1}"

    def _switch(self, verb: str, version: str) -> None:
        """Point ``CURRENT`` to a version, then note it: a crash between the two is repaired."""
        _write_durably(self.root / "CURRENT", f"{version}\n")
        time = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.root / "HISTORY").open("a", encoding="utf-8") as history:
            history.write(f"{time}\t{verb}\t{version}\n")

    def _stack(self) -> list[str]:
        """Return the promoted versions that a rollback would walk back through, newest last."""
        stack: list[str] = []
        try:
            lines = (self.root / "HISTORY").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        for line in lines:
            _, verb, version = line.split("\t")
            if verb == "rollback":
                stack.pop()
            elif stack[-1:] != [version]:
                stack.append(version)
        if self.has_current() and stack[-1:] != [self.current()]:
            stack.append(self.current())
        return stack


def compare(current: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[str]:
    """Say where a candidate's manifest is worse than the current one's.

    Only benchmarks of the same name, measured on the same rows (their ``sha256``, where both
    state it), are compared.

    Returns
    -------
    list of str
        One sentence per place; empty if the candidate may replace the current artefact.
    """
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
            was, now = _value(old[metric]), _value(new[metric])
            loss = (was - now) if tolerance > 0 else (now - was)
            allowed = max(abs(tolerance), _noise(old[metric]))
            if not loss <= allowed:
                reasons.append(
                    f"{metric} on {benchmark}: {now:.4f}, was {was:.4f} "
                    f"(allowed to be worse by {allowed:.3f})"
                )
    return reasons


def _check_operating_points(points: Mapping[str, Any], labels: list[str]) -> None:
    """Raise ValueError unless every point is a threshold of one of the artefact's labels."""
    if labels != [label for label in LABELS if label in labels]:
        raise ValueError("labels are not those of this program, in its order")
    for label, purposes in points.items():
        if label not in labels:
            raise ValueError(f"operating point for {label!r}, which is not a label of the artefact")
        for purpose, point in purposes.items():
            threshold = point["threshold"]
            if purpose not in ("review", "reject") or not 0 <= threshold <= 1:
                raise ValueError(f"operating point {label}.{purpose}: threshold {threshold!r}")


def _check_canaries(artifact: Artifact, path: Path) -> None:
    """Raise ArtifactDamaged unless an artefact knows plain abuse from plain kindness."""
    canaries = list(read_comments(CANARIES))
    scores = artifact.classifier.predict_proba([comment.text for comment in canaries])
    points = artifact.operating_points
    review = [points.get(label, {}).get("review") for label in artifact.classifier.labels_]
    flagged = [
        any(point and score >= point["threshold"] for score, point in zip(row, review, strict=True))
        for row in scores
    ]
    for kind, should in (("abusive", True), ("harmless", False)):
        told = [
            is_flagged == should
            for comment, is_flagged in zip(canaries, flagged, strict=True)
            if bool(comment.labels["toxicity"]) == should
        ]
        if sum(told) < CANARY_SHARE * len(told):
            raise ArtifactDamaged(
                f"{path}: of {len(told)} plainly {kind} comments it judges {sum(told)} right"
            )


def _value(metric: Any) -> float:
    """Return a metric's value, given alone or with its interval."""
    return float(metric["value"] if isinstance(metric, Mapping) else metric)


def _noise(metric: Any) -> float:
    """Return the standard error of a metric given with its 95 % interval, else 0."""
    return (metric["high"] - metric["low"]) / 4 if isinstance(metric, Mapping) else 0.0


def _age(version: str) -> tuple[int, ...]:
    """Return what to sort a version by: year, month, day, number."""
    return tuple(map(int, re.findall(r"\d+", version)))


def _write_durably(path: Path, text: str) -> None:
    """Replace a file in one step: afterwards it holds the old text or the new one."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    Path(temporary).replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
