"""Artefact: one version of the classifier on disk, read without trust.

A version is a folder::

    slots.npy, table.npy ...   the arrays of the classifier, one file each, as NumPy writes them
    sentence.onnx              the graph of the sentence scorer, if there is one,
    tokenizer.json             and the pieces of words that it reads
    manifest.json              version, labels, digests, metrics, operating points
    MODEL_CARD.md              the same for people

Promise: nothing is read from a file before its SHA-256 equals the manifest's; a file holds finite
numbers, JSON or a graph of known operators (`models.sentence_scorer`), so none can run code;
nothing is loaded that does not know plain abuse from plain kindness (`CANARIES`), whether one
reader judges or two. Arrays are views of read-only memory maps, so that all workers of a machine
share one copy.

Sources: ``numpy.lib.format`` for the layout of ``.npy``, whose pickled objects are refused here.
"""

import hashlib
import io
import json
import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from models.classifier import ARRAYS, BLEND_ARRAYS, Classifier
from models.errors import ArtifactDamaged, ArtifactError, NotJson
from models.files import write_durably
from models.schema import LABELS, read_comments
from models.sentence_scorer import SentenceScorer
from models.strict_json import read_json

FORMAT, TWO_READERS = 3, 4
"""Form of the artefact: of one reader, of two. An artefact of another form is refused."""

LARGEST_NUMBER = 1e4
"""Weights and logits are far below it; an infinite or huge one would decide alone."""

CANARIES = Path(__file__).with_name("canaries.jsonl")
"""Comments that any artefact worth using judges right: plain abuse, plain kindness."""

CANARY_SHARE = 0.5
"""So many of each kind must be flagged, or left alone, at the artefact's own review points.

It is no measure of quality, and must not stop an artefact that learned from few comments; it stops
one that would approve everything, or nothing.
"""

_MANIFEST, _CARD = "manifest.json", "MODEL_CARD.md"
_GRAPH, _TOKENIZER = "sentence.onnx", "tokenizer.json"


@dataclass(frozen=True)
class Artifact:
    """A loaded artefact: what the service scores with.

    Attributes
    ----------
    version : str
        For example ``2026.11.22-1``: the day it was saved and its number on that day.
    classifier : Classifier
        Its arrays are read-only views of the memory-mapped files.
    manifest : Mapping
        The content of ``manifest.json``.
    """

    version: str
    classifier: Classifier
    manifest: Mapping[str, Any]

    @property
    def operating_points(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """Thresholds by label and purpose (``review``, ``reject``), with precision and recall."""
        points: Mapping[str, Mapping[str, Mapping[str, float]]] = self.manifest["operating_points"]
        return points


def write_classifier(classifier: Classifier, folder: Path) -> dict[str, Any]:
    """Write the arrays of a classifier and return what the manifest must say of them.

    Raises
    ------
    ArtifactError
        If an array holds anything but finite numbers.
    """
    digests, n_bytes = {}, 0
    for name, array in classifier.arrays().items():
        try:
            _check_kind(array.dtype)
            _check_finite(array)
        except ArtifactError as error:
            raise ArtifactError(f"{name}: {error}") from None
        content = io.BytesIO()
        npy.write_array(content, array, version=(1, 0), allow_pickle=False)
        write_durably(folder / f"{name}.npy", content.getvalue())
        digests[name] = hashlib.sha256(content.getbuffer()).hexdigest()
        n_bytes += content.tell()
    model: dict[str, Any] = {"bytes": n_bytes, "sha256": digests}
    if classifier.blend:
        sentence = classifier.blend.scorer
        for name, held in ((_GRAPH, sentence.graph), (_TOKENIZER, sentence.tokenizer)):
            write_durably(folder / name, bytes(held))
            digests[name] = hashlib.sha256(held).hexdigest()
            model["bytes"] += len(held)
        model["sentence_labels"] = list(sentence.labels)
    return {
        "format": TWO_READERS if classifier.blend else FORMAT,
        "labels": list(classifier.labels),
        "model": model,
    }


def write_manifest(folder: Path, manifest: Mapping[str, Any], card: str) -> None:
    """Write the manifest and the model card of a version."""
    text = json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False)
    write_durably(folder / _MANIFEST, f"{text}\n".encode())
    write_durably(folder / _CARD, card.encode())


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check the manifest of a version, whatever form its arrays have.

    Raises
    ------
    ArtifactDamaged
        If the manifest is missing, not JSON, of another version or incomplete.
    """
    path = folder / _MANIFEST
    try:
        manifest: dict[str, Any] = read_json(path.read_bytes())
        if manifest["version"] != folder.name:
            raise ArtifactDamaged(f"{path}: names another version, {manifest['version']!r}")
        if manifest["format"] in (FORMAT, TWO_READERS):
            digests = manifest["model"]["sha256"]
            if not all(re.fullmatch("[0-9a-f]{64}", digests[name]) for name in _files(manifest)):
                raise ArtifactDamaged(f"{path}: model.sha256 holds what is not a SHA-256")
        _check_operating_points(manifest["operating_points"], manifest["labels"])
    except FileNotFoundError:
        raise ArtifactDamaged(f"{path}: missing") from None
    except KeyError as error:
        raise ArtifactDamaged(f"{path}: field {error} is missing") from None
    except NotJson as error:
        raise ArtifactDamaged(f"{path}: {error}") from None
    except OSError as error:
        raise ArtifactDamaged(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ArtifactDamaged(f"{path}: not a manifest: {error}") from None
    return manifest


def load(folder: Path) -> Artifact:
    """Load a version.

    Raises
    ------
    ArtifactDamaged
        If a file is missing, a digest differs from the manifest's, the content is not what an
        artefact may hold, or it judges the comments of `CANARIES` wrong.
    """
    manifest = read_manifest(folder)
    if manifest["format"] not in (FORMAT, TWO_READERS):
        raise ArtifactDamaged(
            f"{folder}: format {manifest['format']!r}, this program reads {FORMAT} and "
            f"{TWO_READERS}; fit a new version"
        )
    digests = manifest["model"]["sha256"]
    names = [name for name in _files(manifest) if "." not in name]
    arrays = {name: read_array(folder / f"{name}.npy", digests[name]) for name in names}
    try:
        sentence = None
        if manifest["format"] == TWO_READERS:
            sentence = SentenceScorer(
                _mapped(folder / _GRAPH, digests[_GRAPH]),
                _mapped(folder / _TOKENIZER, digests[_TOKENIZER]),
                manifest["model"]["sentence_labels"],
            )
        classifier = Classifier.from_arrays(manifest["labels"], arrays, sentence)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ArtifactDamaged(f"{folder}: not a classifier: {error}") from error
    try:
        check_canaries(classifier, manifest["operating_points"])
    except ArtifactError as error:
        raise ArtifactDamaged(f"{folder}: {error}") from None
    return Artifact(folder.name, classifier, manifest)


def check_canaries(
    classifier: Classifier, points: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> None:
    """Have a classifier judge `CANARIES`, with both its readers and by words alone.

    Raises
    ------
    ArtifactError
        If it does not know plain abuse from plain kindness at these operating points.
    """
    canaries = list(read_comments(CANARIES))
    review = [points.get(label, {}).get("review") for label in classifier.labels]
    for judge in (classifier, classifier.by_words_alone()) if classifier.blend else (classifier,):
        flagged = [
            any(p and score >= p["threshold"] for score, p in zip(row, review, strict=True))
            for row in judge.predict_proba([comment.text for comment in canaries])
        ]
        for kind, should in (("abusive", True), ("harmless", False)):
            right = [
                is_flagged == should
                for comment, is_flagged in zip(canaries, flagged, strict=True)
                if bool(comment.labels["toxicity"]) == should
            ]
            if sum(right) < CANARY_SHARE * len(right):
                raise ArtifactError(
                    f"of {len(right)} plainly {kind} comments it judges {sum(right)} right"
                )


def read_array(path: Path, sha256: str) -> NDArray[Any]:
    """Read an array from a file that nobody needs to trust.

    Parameters
    ----------
    path : Path
    sha256 : str
        What the digest of the file must be, 64 hexadecimal digits.

    Returns
    -------
    ndarray
        Finite numbers: a read-only view of the memory-mapped file.

    Raises
    ------
    ArtifactDamaged
        If the file is missing, has another digest, or holds anything else.
    """
    mapped = _mapped(path, sha256)
    try:
        array = _view(mapped)
        _check_finite(array)
    except Exception as error:  # a hostile file can fail in any way
        raise ArtifactDamaged(f"{path}: not an array of a model: {error}") from error
    return array


def _files(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Name what a version consists of: arrays, and files by their full names."""
    if manifest["format"] == TWO_READERS:
        return (*ARRAYS, *BLEND_ARRAYS, _GRAPH, _TOKENIZER)
    return ARRAYS


def _mapped(path: Path, sha256: str) -> mmap.mmap:
    """Map a file into memory if its digest is the one that is expected."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise ArtifactDamaged(f"{path}: missing") from None
    except OSError as error:
        raise ArtifactDamaged(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ArtifactDamaged(f"{path}: cannot be read: {error}") from None
    # The digest is taken from the very map the array will come from, not from a second reading.
    if hashlib.sha256(mapped).hexdigest() != sha256:
        raise ArtifactDamaged(f"{path}: its SHA-256 is not the one in the manifest")
    return mapped


def _view(mapped: mmap.mmap) -> NDArray[Any]:
    """Return the array of a file in NumPy's format as a view of its map."""
    if npy.read_magic(mapped) != (1, 0):
        raise ArtifactError("a version of the format that is not written here")
    shape, in_columns, dtype = npy.read_array_header_1_0(mapped)
    _check_kind(dtype)
    return np.ndarray(shape, dtype, mapped, mapped.tell(), order="F" if in_columns else "C")


def _check_kind(dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biuf" or not dtype.isnative:
        raise ArtifactError(f"an array of {dtype}, not of numbers of this machine")


def _check_finite(array: NDArray[Any]) -> None:
    if array.dtype.kind == "f" and not (np.abs(array) <= LARGEST_NUMBER).all():
        raise ArtifactError("a number that is not finite, or too large")


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
