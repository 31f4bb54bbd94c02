"""How good is a classifier, and for whom?

The module keeps one secret: how each figure is measured. Every figure is taken on rows that were
not trained on, at thresholds that were chosen on other rows, and carries the interval that its
number of rows deserves. The result is a tree of builtins, so that manifest, card and report show
the same figures.

Sources: Daume III 2007 for domain heads; Borkan et al. 2019, "Nuanced metrics for measuring
unintended bias", for subgroup, BPSN and BNSP AUC; Roettger et al. 2021, "HateCheck", for functional
suites.
"""

import hashlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.classifier import Explanation
from models.learning import Progress
from training import hakamcheck
from training.calibration import best_threshold, cuts, reliability
from training.datasets import N_FOLDS, Corpus, Split, leave_out, split_corpus
from training.evasion import TRANSFORMS
from training.hakamcheck import read_lines
from training.identity_terms import FOLDER as TERMS
from training.identity_terms import load_terms
from training.measures import Measures, auc, mean_of_folds, measure
from training.public_sets import domain_of

NEWS_SET, NEWS_RECALL = "mpold", 0.75
"""Comments under news posts, and the recall at which false alarms are compared."""

CROSS_VALIDATED = ("lhsab", "alakrot_youtube", "mpold")
"""Benchmarks without a published test part: grouped 5-fold."""

BENCHMARKS = {
    "osact4": "osact4 test",
    "osact5": "osact5 dev",
    "lhsab": "lhsab fold",
    "mpold": "mpold fold",
    "alakrot_youtube": "alakrot_youtube fold",
    "sohateful": "sohateful fold",
    "dziriofn": "dziriofn fold",
}
"""The held-out part of each benchmark, by set."""

SPLITTING = ("split_space", "split_dot", "split_star", "emoji_inside")
N_SPLIT_WORDS = 2


class Scorer(Protocol):
    """What is measured: a fresh classifier or a loaded one."""

    labels_: tuple[str, ...]

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities (n_comments, n_labels)."""

    def explain(self, texts: Sequence[str], label: str = "toxicity") -> Sequence[Explanation]:
        """Return what each code point adds to the logit."""


class FreshScorer(Scorer, Protocol):
    """A classifier that was just fitted and still has the heads of its domains."""

    def for_domain(self, domain: str) -> Scorer:
        """Return the classifier with the head of one domain."""


def evaluate(
    classifier: Scorer,
    operating_points: Mapping[str, Any],
    split: Split,
    *,
    progress: Progress | None = None,
) -> Measures:
    """Measure a classifier on everything that its training did not see.

    Parameters
    ----------
    classifier : Scorer
        Loaded or fresh; only the head that it scores with is measured.
    operating_points : Mapping
        As in the manifest; the ``review`` threshold of each label is what flags.
    split : Split
        Its test part and probes are measured; its validation part chooses the threshold of each
        benchmark.
    progress : callable, optional
        Called with a phrase and the share that is done.

    Returns
    -------
    dict
        ``benchmarks``, ``labels``, ``dialects``, ``sets``, ``probes``, ``evasion``,
        ``functions``, ``identity_terms``; sections without rows are empty.
    """
    tell = progress or (lambda phrase, share: None)
    review = {label: points["review"]["threshold"] for label, points in operating_points.items()}
    tell("scoring the test rows", 0.0)
    scores = _scores(classifier, split.test.texts)
    validation = _scores(classifier, split.validation.texts)
    figures: Measures = {
        "benchmarks": _benchmarks(split, scores, validation),
        "labels": _labels(split.test, scores, review),
        "sets": _slices(split.test, scores, review, split.test.source),
        "dialects": _slices(split.test, scores, review, split.test.dialect),
    }
    tell("scoring what nobody should flag", 0.2)
    figures["probes"] = _probes(classifier, split, scores, review)
    tell("disguising the test rows", 0.3)
    figures["evasion"] = evasion_retention(classifier, split.test, review)
    tell("running the functional suite", 0.8)
    figures["functions"] = functional_suite(classifier, review)
    tell("comparing identity terms", 0.9)
    figures["identity_terms"] = identity_term_bias(classifier)
    return figures


def own_heads(classifier: FreshScorer, split: Split) -> Measures:
    """Measure each benchmark by the head of its own domain, as a site with labels gets it.

    Thresholds come from the benchmark's own validation rows.
    """
    column = classifier.labels_.index("toxicity")
    figures: Measures = {}
    for source, name in BENCHMARKS.items():
        test, validation = _of(split.test, source), _of(split.validation, source)
        if len(test) and len(validation):
            own = classifier.for_domain(domain_of(source))
            held_out = own.predict_proba(validation.texts)[:, column]
            scores = own.predict_proba(test.texts)[:, column]
            threshold = best_threshold(validation.label("toxicity"), held_out)
            figures[name] = measure(test.label("toxicity"), scores, threshold)
    return figures


def cross_validate(
    corpus: Corpus,
    build: Callable[[Split], FreshScorer],
    sets: Iterable[str] = CROSS_VALIDATED,
    *,
    progress: Progress | None = None,
) -> Measures:
    """Measure by grouped 5-fold, each set by the head of its own domain.

    One classifier per fold serves all sets: a fifth of every set is left out of it together.
    Texts of equal letters are in one fold. Each fold's threshold comes from rows of the training
    folds that were held out of the fit.

    Returns
    -------
    dict
        By set, as from `measure`; AUC and average precision are means over the folds.
    """
    margins: dict[str, list[NDArray[np.float64]]] = {}
    truths: dict[str, list[NDArray[np.float64]]] = {}
    ranked: dict[str, list[Measures]] = {}
    for fold in range(N_FOLDS):
        if progress:
            progress(f"fold {fold + 1} of {N_FOLDS}", fold / N_FOLDS)
        split = split_corpus(corpus, fold=fold)
        classifier = build(split)
        column = classifier.labels_.index("toxicity")
        for source in sets:
            test, validation = _of(split.test, source), _of(split.validation, source)
            own = classifier.for_domain(domain_of(source))
            held_out = own.predict_proba(validation.texts)[:, column]
            scores = own.predict_proba(test.texts)[:, column]
            y = test.label("toxicity")
            threshold = best_threshold(validation.label("toxicity"), held_out)
            margins.setdefault(source, []).append(scores - threshold)
            truths.setdefault(source, []).append(y)
            ranked.setdefault(source, []).append(measure(y, scores, threshold))
    figures: Measures = {}
    for source, folds in margins.items():
        pooled = measure(np.concatenate(truths[source]), np.concatenate(folds), 0.0)
        for name in ("auc", "average_precision"):
            pooled[name] = mean_of_folds([fold[name] for fold in ranked[source]])
        figures[f"{source} 5-fold"] = pooled
    return figures


def leave_one_out(
    corpus: Corpus,
    build: Callable[[Split], Scorer],
    sets: Iterable[str] = tuple(BENCHMARKS),
    *,
    progress: Progress | None = None,
) -> Measures:
    """Measure each set by a classifier that never saw a label of it.

    The head that all sets share scores; the threshold is that of the best macro-F1 on the
    validation rows of the others.
    """
    figures: Measures = {}
    chosen = [source for source in sets if (corpus.source == source).any()]
    for i, source in enumerate(chosen):
        if progress:
            progress(f"without {source}", i / len(chosen))
        split = leave_out(corpus, source)
        classifier = build(split)
        column = classifier.labels_.index("toxicity")
        held_out = classifier.predict_proba(split.validation.texts)[:, column]
        threshold = best_threshold(*_observed(split.validation.label("toxicity"), held_out))
        scores = classifier.predict_proba(split.test.texts)[:, column]
        figures[f"{source} left out"] = measure(split.test.label("toxicity"), scores, threshold)
    return figures


def evasion_retention(
    classifier: Scorer, test: Corpus, review: Mapping[str, float], *, most: int = 3000
) -> Measures:
    """Measure how much of what is caught plainly is still caught in disguise.

    A disguise of letters is worn by every word. Splitting words is work and makes a text hard to
    read, so those disguises are worn by the `N_SPLIT_WORDS` words that the classifier finds most
    telling, which is the worst that an evader who knows it can do.

    Parameters
    ----------
    classifier : Scorer
    test : Corpus
    review : Mapping
        The review threshold of ``toxicity``.
    most : int
        No more than this many rows, evenly taken, are disguised.

    Returns
    -------
    dict
        By transformation: ``retained``, the share of the flagged positives that stays flagged;
        ``false_share``, the share of the negatives that is flagged when they are disguised alike;
        ``plain_false_share`` without a disguise; and ``n``, the flagged positives.
    """
    y = test.label("toxicity")
    rows = np.flatnonzero(~np.isnan(y))
    rows = rows[:: max(1, -(-len(rows) // most))]
    texts, positive = [test.texts[i] for i in rows], y[rows] >= 0.5
    if "toxicity" not in review or not positive.any() or positive.all():
        return {}
    threshold = review["toxicity"]
    column = classifier.labels_.index("toxicity")
    flagged = classifier.predict_proba(texts)[:, column] >= threshold
    telling = [
        [len(text[: span.start].split()) for span in explained.evidence(N_SPLIT_WORDS)]
        for text, explained in zip(texts, classifier.explain(texts), strict=True)
    ]
    figures: Measures = {}
    for name, disguise in TRANSFORMS.items():
        words = telling if name in SPLITTING else [None] * len(texts)
        disguised = [
            disguise(text, random.Random(f"{name} {i}"), chosen)
            for i, (text, chosen) in enumerate(zip(texts, words, strict=True))
        ]
        still = classifier.predict_proba(disguised)[:, column] >= threshold
        caught = positive & flagged
        figures[name] = {
            "retained": float(still[caught].mean()) if caught.any() else 1.0,
            "false_share": float(still[~positive].mean()),
            "plain_false_share": float(flagged[~positive].mean()),
            "n": int(caught.sum()),
        }
    return figures


def functional_suite(classifier: Scorer, review: Mapping[str, float]) -> Measures:
    """Run HakamCheck's test part: is each case flagged exactly when it should be?

    A case is flagged if its text or its author's name reaches the review point of any label of
    abuse, as in the service; spam is none.

    Returns
    -------
    dict
        By function: ``accuracy``, ``n``, and the ``failed`` cases' ids; where harmless cases
        failed, the text of the first as ``example``; and ``overall``.
    """
    if "toxicity" not in review:
        return {}
    cases = hakamcheck.load("test")
    columns = [
        i for i, label in enumerate(classifier.labels_) if label in review and label != "spam"
    ]
    points = np.array([review[classifier.labels_[i]] for i in columns])

    def flagged(texts: list[str]) -> NDArray[np.bool_]:
        return np.asarray((classifier.predict_proba(texts)[:, columns] >= points).any(axis=1))

    found = flagged([case.text for case in cases])
    named = [i for i, case in enumerate(cases) if case.author_name]
    found[named] |= flagged([cases[i].author_name for i in named])
    right = found == [bool(case.labels["toxicity"]) for case in cases]
    figures: Measures = {
        "overall": {"accuracy": float(right.mean()), "n": len(cases), "failed": []}
    }
    for function in dict.fromkeys(case.function for case in cases):
        mine = [i for i, case in enumerate(cases) if case.function == function]
        failed = [cases[i] for i in mine if not right[i]]
        figures[function] = {
            "accuracy": float(right[mine].mean()),
            "n": len(mine),
            "failed": [case.id for case in failed],
        }
        # Abuse is named by its id alone and not shown where nobody expects it.
        if failed and not failed[0].labels["toxicity"]:
            figures[function]["example"] = failed[0].text
    return figures


def identity_term_bias(classifier: Scorer) -> Measures:
    """Measure how much a score changes with who is mentioned.

    Template sentences, abusive and not, are filled with terms for peoples, sects, genders and
    tribes. An AUC of 1 means that no abusive sentence scores below a harmless one.

    Returns
    -------
    dict
        By category, by term: ``subgroup_auc`` among the sentences with the term; ``bpsn_auc``,
        background positive against subgroup negative: low if harmless mention is flagged;
        ``bnsp_auc``, background negative against subgroup positive: low if abuse is missed;
        and the term as it is ``written``.
    """
    cases = load_terms()
    written = {term["term"]: term["plural"] for term in read_lines(TERMS / "terms.jsonl")}
    scores = _scores(classifier, [case.text for case in cases]).get("toxicity")
    if scores is None:
        return {}
    toxic = np.array([bool(case.toxicity) for case in cases])
    terms = np.array([case.term for case in cases])
    figures: Measures = {}
    for term, category in dict.fromkeys((case.term, case.category) for case in cases):
        mine = terms == term
        figures.setdefault(category, {})[term] = {
            "subgroup_auc": auc(scores[mine & toxic], scores[mine & ~toxic]),
            "bpsn_auc": auc(scores[~mine & toxic], scores[mine & ~toxic]),
            "bnsp_auc": auc(scores[mine & toxic], scores[~mine & ~toxic]),
            "n": int(mine.sum()),
            "written": written[term],
        }
    return figures


def curves(classifier: Scorer, test: Corpus) -> Measures:
    """Return what the report draws: per label precision and recall by threshold, reliability."""
    drawn: Measures = {}
    for label, scores in _scores(classifier, test.texts).items():
        y, observed = _observed(test.label(label), scores)
        if 0 < (y >= 0.5).sum() < len(y):
            at, bins = cuts(y, observed), reliability((y >= 0.5).astype(np.float64), observed)
            drawn[label] = {
                "recall": at.recall,
                "precision": at.precision,
                "mean_score": bins.mean_score,
                "share": bins.share,
                "n": bins.n,
            }
    return drawn


def _benchmarks(
    split: Split,
    scores: Mapping[str, NDArray[np.float64]],
    validation: Mapping[str, NDArray[np.float64]],
) -> Measures:
    """Measure toxicity on the held-out part of each set, by one head for all."""
    figures: Measures = {}
    truth, held_out = split.test.label("toxicity"), split.validation.label("toxicity")
    for source in np.unique(split.test.source):
        rows = (split.test.source == source) & ~np.isnan(truth)
        others = (split.validation.source == source) & ~np.isnan(held_out)
        if not rows.any() or "toxicity" not in scores:
            continue
        # A set without validation rows of its own is judged at everybody's threshold.
        others = others if others.any() else ~np.isnan(held_out)
        threshold = best_threshold(held_out[others], validation["toxicity"][others])
        name = BENCHMARKS.get(str(source), f"{source} test")
        figures[name] = measure(truth[rows], scores["toxicity"][rows], threshold)
        figures[name]["sha256"] = _rows_digest(split.test, rows, "toxicity")
    return figures


def _labels(
    test: Corpus, scores: Mapping[str, NDArray[np.float64]], review: Mapping[str, float]
) -> Measures:
    """Measure every label at its review point on all rows where it was observed."""
    figures: Measures = {}
    for label, column in scores.items():
        y, observed = _observed(test.label(label), column)
        if len(y) and label in review:
            hard = (y >= 0.5).astype(np.float64)
            error = reliability(hard, observed).error
            figures[label] = measure(y, observed, review[label]) | {"ece": error}
            rows = ~np.isnan(test.label(label))
            figures[label]["sha256"] = _rows_digest(test, rows, label)
    return figures


def _slices(
    test: Corpus,
    scores: Mapping[str, NDArray[np.float64]],
    review: Mapping[str, float],
    names: NDArray[np.str_],
) -> Measures:
    """Measure toxicity at its review point in every slice that is large enough to say something."""
    y = test.label("toxicity")
    figures: Measures = {}
    if "toxicity" not in review:
        return figures
    for name in np.unique(names[names != ""]):
        rows = (names == name) & ~np.isnan(y)
        if rows.sum() >= 10:
            figures[str(name)] = measure(y[rows], scores["toxicity"][rows], review["toxicity"])
    return figures


def _probes(
    classifier: Scorer,
    split: Split,
    scores: Mapping[str, NDArray[np.float64]],
    review: Mapping[str, float],
) -> Measures:
    """Measure how much is flagged of texts hardly any of which should be.

    Beside the review point, the point at which `NEWS_RECALL` of the offensive news comments would
    be flagged, so that artefacts with different review points can be compared.
    """
    figures: Measures = {}
    if not split.probes or "toxicity" not in review:
        return figures
    news = (split.test.source == NEWS_SET) & (split.test.label("toxicity") >= 0.5)
    positives = scores["toxicity"][news]
    for name, texts in split.probes.items():
        every = _scores(classifier, texts)
        flagged = every["toxicity"]
        by_any = [every[label] >= threshold for label, threshold in review.items()]
        figures[name] = {
            "n": len(texts),
            "flagged_share": float((flagged >= review["toxicity"]).mean()),
            "flagged_share_by_any_label": float(np.any(by_any, axis=0).mean()),
        }
        if len(positives):
            point = np.quantile(positives, 1 - NEWS_RECALL)
            figures[name] |= {
                "news_recall": float((positives >= review["toxicity"]).mean()),
                "flagged_share_at_news_recall": float((flagged >= point).mean()),
            }
    return figures


def _scores(classifier: Scorer, texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return a column of probabilities per label."""
    columns = classifier.predict_proba(texts)
    return {label: columns[:, i] for i, label in enumerate(classifier.labels_)}


def _rows_digest(corpus: Corpus, rows: NDArray[np.bool_], label: str) -> str:
    """Return a digest of what was measured: which texts, and what is true of them."""
    keys, positive = corpus.keys[rows], corpus.label(label)[rows] >= 0.5
    order = np.lexsort((positive, keys))
    rows_as_bytes = keys[order].tobytes() + positive[order].tobytes()
    return hashlib.sha256(rows_as_bytes).hexdigest()[:16]


def _observed(
    y: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = ~np.isnan(y)
    return y[known], scores[known]


def _of(corpus: Corpus, source: str) -> Corpus:
    return corpus.select((corpus.source == source) & ~np.isnan(corpus.label("toxicity")))
