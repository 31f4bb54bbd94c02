"""Release: from labelled comments to a new version, in stages that can be resumed.

Words are grouped over all texts but the held-out ones; the classifier learns from the train part;
the validation part turns logits into probabilities and chooses operating points; the test part is
only measured.

With a work folder, what a stage made is kept there under a name that depends on all it was made
from: the files' digests, the settings and this program's own sources.
"""

import hashlib
import io
import json
import platform
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import models
import training
from models.classifier import Classifier
from models.errors import ArtifactError
from models.files import write_together
from models.registry import Registry
from models.schema import LABELS
from models.sentence_scorer import SentenceScorer
from training.calibration import calibrate
from training.datasets import Corpus, Split, site_domain, split_corpus
from training.design_matrix import Progress, WordClusters
from training.disguises.augmentation import COPY_WEIGHT, disguised_copies
from training.evaluation.folds import (
    Second,
    cross_validate,
    draw_as_published,
    leave_one_out,
    own_heads,
    released,
)
from training.evaluation.held_out import BENCHMARKS, evaluate
from training.evaluation.measures import Measures
from training.evaluation.steps import gains
from training.fit import Learner
from training.gate import deciding_metrics
from training.public_sets import NEWS, POLICIES, WRITTEN
from training.report import model_card
from training.sentence.exported import Exported

ENOUGH_FOR_RARE, ENOUGH_FOR_WORDS = 5000, 50_000
"""Texts from which rare n-grams can be spared, and from which words meet often enough to be
grouped."""


@dataclass(frozen=True)
class Settings:
    """What a release is made with, beside the comments."""

    license: str = "any"  # or permissive: which sets may be learned from
    site: str = ""  # whose decisions are learned and whose head is made; empty for news sites'
    seed: int = 0  # of the word vectors
    word_vectors: bool = True  # group words by their contexts: takes minutes, helps unseen sites


def release(
    corpus: Corpus,
    settings: Settings,
    registry: Registry,
    *,
    work: Path | None = None,
    sentence: Exported | None = None,
    benchmarks: bool = False,
    progress: Progress | None = None,
) -> str:
    """Fit, calibrate, measure and save a new version, which is not in use before it is promoted.

    The sentence scorer, if there is one, becomes its second reader as it is.
    """
    split = split_corpus(corpus, license=settings.license)
    with _folder(work) as kept:
        second = sentence.scorer if sentence else None
        learned, heads = fit(split, corpus, settings, kept, second, progress)
        classifier, points = calibrate(learned, split, second)
        figures = evaluate(classifier, points, split, progress=progress) | {"own_heads": heads}
        if benchmarks:
            figures |= measure_by_fitting(corpus, settings, kept, second, progress=progress)
    manifest = {
        "operating_points": points,
        "metrics": deciding_metrics(figures),
        "training": asdict(settings)
        | {
            "n_train": len(split.train),
            "n_validation": len(split.validation),
            "n_test": len(split.test),
            "sets": _sets(corpus, split),
            "parameters": _parameters(split, classifier),
        },
        "sentence": sentence.record if sentence else {},
        "libraries": libraries(),
        "evaluation": figures,
    }
    with suppress(ArtifactError):  # none is in use, or it is damaged, which its own reader says
        used = registry.manifest(registry.current())
        manifest["beside"] = {key: used.get(key, {}) for key in ("version", "metrics")}
    return registry.save(classifier, manifest, model_card)


def fit(
    split: Split,
    corpus: Corpus,
    settings: Settings,
    work: Path,
    sentence: SentenceScorer | None = None,
    progress: Progress | None = None,
) -> tuple[Classifier, Measures]:
    """Return the classifier before calibration, and what its domains' own heads measure.

    Read from the work folder where it is there.
    """
    digests = [source.sha256 for source in corpus.sources]
    if sentence:
        digests.append(hashlib.sha256(sentence.graph).hexdigest())
    made_from = _digest(digests, asdict(settings), _sources_digest())
    arrays_path = work / f"classifier-{made_from}.npz"
    heads_path = work / f"classifier-{made_from}.json"
    with _kept(heads_path, progress) as is_there:
        if is_there:
            kept = json.loads(heads_path.read_text(encoding="utf-8"))
            # Of a damaged file NumPy would leave the descriptor open.
            content = io.BytesIO(arrays_path.read_bytes())
            with np.load(content, allow_pickle=False) as arrays:
                return Classifier.from_arrays(kept["labels"], dict(arrays)), kept["own_heads"]
    clusters = None
    if settings.word_vectors:
        clusters = word_clusters(texts_for_words(split), settings.seed, work, progress)
    learner = build(split, clusters, seed=settings.seed, progress=progress)
    heads = own_heads(learner, split, sentence)
    classifier = head_for(learner, split, settings.site)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **classifier.arrays())
    kept = json.dumps({"labels": classifier.labels, "own_heads": heads})
    write_together({arrays_path: content.getvalue(), heads_path: kept.encode()})
    return classifier, heads


def build(
    split: Split,
    clusters: WordClusters | None = None,
    *,
    labels: tuple[str, ...] = LABELS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Learner:
    """Fit the weights on the train part of a split, for those labels that can be learned."""
    train = split.train
    learner = _learner(split, clusters, labels)
    copied, copies = disguised_copies(train.texts, seed)
    rows = [*range(len(train)), *copied]
    weight = train.weight[rows]
    weight[len(train) :] *= COPY_WEIGHT
    return learner.fit(
        [*train.texts, *copies],
        train.y[rows][:, [LABELS.index(label) for label in learner.labels]],
        domains=[str(domain) for domain in train.domain[rows]],
        sample_weight=weight,
        progress=progress,
    )


def fresh_fits(
    corpus: Corpus, settings: Settings, work: Path | None, progress: Progress | None = None
) -> Callable[..., Learner]:
    """Return what fits the words on a split, of toxicity alone if no labels are named.

    The words are grouped over texts of no benchmark, once for all fits.
    """
    clusters = None
    if settings.word_vectors:
        split = split_corpus(corpus)
        others = split.train.select(~np.isin(split.train.source, list(BENCHMARKS)))
        texts = [*others.texts, *split.unlabeled]
        with _folder(work) as kept:
            clusters = word_clusters(texts, settings.seed, kept, progress)

    def refit(split: Split, labels: tuple[str, ...] = ("toxicity",)) -> Learner:
        return build(split, clusters, labels=labels, progress=progress)

    return refit


def measure_by_fitting(
    corpus: Corpus,
    settings: Settings,
    work: Path | None,
    sentence: SentenceScorer | None = None,
    *,
    recorded: Second | None = None,
    progress: Progress | None = None,
) -> Measures:
    """Measure what one fitted classifier cannot show: all folds, sets never seen, steps alone.

    The sentence scorer is heard where it learned nothing that is tested, or by what is recorded of
    others.
    """
    refit = fresh_fits(corpus, settings, work, progress)
    second = recorded or released(sentence)
    folds = cross_validate(corpus, refit, second=second, progress=progress)
    return {
        "cross_validated": folds | draw_as_published(corpus, refit, second=second),
        "left_out": leave_one_out(corpus, refit, second=second, progress=progress),
        "steps": gains(corpus, refit, sentence, progress=progress),
    }


def word_clusters(
    texts: list[str], seed: int, work: Path, progress: Progress | None = None
) -> WordClusters:
    """Group the words of texts by their contexts, or read the groups made before."""
    from training import word_clusters as grouping

    made_from = _digest(texts, seed, Path(grouping.__file__).read_text(encoding="utf-8"))
    words_path, levels_path = work / f"words-{made_from}.txt", work / f"words-{made_from}.npy"
    with _kept(words_path, progress) as is_there:
        if is_there:
            words = words_path.read_text(encoding="utf-8").split("\n")
            return WordClusters(words, np.load(io.BytesIO(levels_path.read_bytes())))
    clusters = grouping.cluster_words(texts, seed=seed, progress=progress)
    content = io.BytesIO()
    np.save(content, clusters.levels)
    # The words last: where they are, both are whole.
    write_together(
        {levels_path: content.getvalue(), words_path: "\n".join(clusters.words).encode()}
    )
    return clusters


@contextmanager
def _kept(path: Path, progress: Progress | None) -> Iterator[bool]:
    """Say whether a stage was finished before; what is damaged of it is made anew."""
    is_there = path.exists()
    try:
        yield is_there
    except _DAMAGED:
        if progress:
            progress(f"{path}: is damaged, so it is made anew", 0.0)


# What reading anything but the arrays and JSON that were written may raise.
_DAMAGED = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    """Make the work folder, or one that lasts as long as the work."""
    if work is None:
        with TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        work.mkdir(parents=True, exist_ok=True)
        yield work


def texts_for_words(split: Split) -> list[str]:
    """List the texts that words are grouped by.

    Without our own comments and moderators' decisions, where there are others: those change
    often, are few, and would have the slowest stage done again each time.
    """
    public = np.isin(split.train.source, list(POLICIES.keys() - set(WRITTEN)))
    train = split.train.select(public) if public.any() else split.train
    return [*train.texts, *split.unlabeled]


def head_for(learner: Learner, split: Split, site: str = "") -> Classifier:
    """Choose the head: the site's own, or the news sites' for all sites, which are news sites."""
    if site:
        try:
            return learner.for_domain(site_domain(site))
        except KeyError:
            raise ValueError(f"there is no decision of the site {site!r} to learn from") from None
    return learner.for_domain(NEWS if NEWS in split.train.domain else "")


def _learner(
    split: Split, clusters: WordClusters | None = None, labels: tuple[str, ...] = LABELS
) -> Learner:
    return Learner(
        labels=tuple(label for label in labels if _has_both_kinds(split.train, label)),
        word_clusters=clusters,
        # Rare n-grams are left out of a large corpus; in a small one all are rare.
        min_df=4 if len(split.train) >= ENOUGH_FOR_RARE else 1,
    )


def _has_both_kinds(corpus: Corpus, label: str) -> bool:
    y = corpus.label(label)
    return bool((y > 0.5).any() and (y < 0.5).any())


def _sets(corpus: Corpus, split: Split) -> list[dict[str, Any]]:
    """List what was read, and how much of it was learned from."""
    names, counts = np.unique(split.train.source, return_counts=True)
    n_train = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return [asdict(source) | {"n_train": n_train.get(source.id, 0)} for source in corpus.sources]


def _parameters(split: Split, classifier: Classifier) -> dict[str, Any]:
    parameters: dict[str, Any] = _learner(split).get_params(deep=False)
    del parameters["word_clusters"]
    n_known_words = len(classifier.scorer.word_hashes)
    return parameters | {"labels": list(classifier.labels), "n_known_words": n_known_words}


def libraries() -> dict[str, str]:
    """Name the versions of what a version was made with."""
    names = ("numpy", "scipy", "scikit-learn", "joblib")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _sources_digest() -> str:
    """Return the digest of the code that a fitted classifier and its figures depend on."""
    folders = [Path(package.__path__[0]) for package in (models, training)]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return _digest([path.read_text(encoding="utf-8") for path in files if path.stem not in _APART])


_APART = ("artifact", "registry", "schema", "errors", "gate", "report", "pictures", "cli")
