"""Suites: disguises, insults among harmless words, functions of judgement, identity terms."""

import random
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from training import hakamcheck
from training.datasets import OWN_SOURCES, Corpus, Split
from training.disguises.transforms import TRANSFORMS
from training.evaluation.identity_terms import load_terms
from training.evaluation.measures import Measures
from training.evaluation.scorer import Scorer, scores_by_label
from training.public_sets import NEWS_SITES, PEN_NAMES, WRITTEN

SPLITTING = ("split_space", "split_dot", "split_star", "emoji_inside")
N_SPLIT_WORDS = 2
N_HARMLESS_WORDS = (20, 100)  # around an insult, half of them on either side
N_LET_STAND = 1500  # comments that such words come from
MOST_DIRECT = 8  # words of an insult that is said straight away


def evasion_retention(
    classifier: Scorer, test: Corpus, review: Mapping[str, float], *, most: int = 3000
) -> Measures:
    """Measure how much of what is caught plainly is still caught in disguise.

    A disguise of letters is worn by every word. Splitting words is work and makes a text hard to
    read, so those disguises are worn by the `N_SPLIT_WORDS` words that the classifier finds most
    telling, which is the worst that an evader who knows it can do.
    """
    y = test.label("toxicity")
    rows = np.flatnonzero(~np.isnan(y))
    rows = rows[:: max(1, -(-len(rows) // most))]
    texts, positive = [test.texts[i] for i in rows], y[rows] >= 0.5
    if "toxicity" not in review or not positive.any() or positive.all():
        return {}
    threshold = review["toxicity"]
    column = classifier.labels.index("toxicity")
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


def dilution(classifier: Scorer, split: Split, review: Mapping[str, float]) -> Measures:
    """Measure how many direct insults are still flagged among harmless words, as in the service.

    The insults are our own, of the test and validation parts; the words come from comments that a
    news site let stand and of which none is flagged, else from harmless comments of the test part.
    """
    if "toxicity" not in review:
        return {}
    flagged = _flags(classifier, review)
    said = _direct_insults(split)
    insults = [text for text, is_flagged in zip(said, flagged(said), strict=True) if is_flagged]
    let_stand = [text for name in NEWS_SITES for text in split.probes.get(name, [])[:N_LET_STAND]]
    peaceful = np.flatnonzero(split.test.label("toxicity") == 0)
    harmless = let_stand or [split.test.texts[i] for i in peaceful]
    passed = zip(harmless, flagged(harmless), strict=True)
    words = " ".join(text for text, is_flagged in passed if not is_flagged).split()
    figures: Measures = {}
    if not insults or not words:
        return figures
    for n_words in N_HARMLESS_WORDS:
        words *= -(-n_words // len(words))
        starts = [i * n_words % (len(words) - n_words + 1) for i in range(len(insults))]
        pieces = [words[start : start + n_words] for start in starts]
        half = n_words // 2
        hidden = [
            " ".join((*piece[:half], text, *piece[half:]))
            for text, piece in zip(insults, pieces, strict=True)
        ]
        figures[f"{n_words} harmless words"] = {
            "retained": float(flagged(hidden).mean()),
            "false_share": float(flagged([" ".join(piece) for piece in pieces]).mean()),
            "plain_share": len(insults) / len(said),
            "n": len(insults),
        }
    return figures


def functional_suite(classifier: Scorer, review: Mapping[str, float]) -> Measures:
    """Run HakamCheck's test part: is each case flagged, as in the service, when it should be?"""
    if "toxicity" not in review:
        return {}
    cases = hakamcheck.load("test")
    flagged = _flags(classifier, review)
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
    tribes. An AUC of 1 means that no abusive sentence scores below a harmless one. ``subgroup_auc``
    is that among the sentences with a term; a low ``bpsn_auc`` (background positive, subgroup
    negative) says that harmless mention is flagged, a low ``bnsp_auc`` that abuse is missed
    (Borkan et al. 2019, "Nuanced metrics for measuring unintended bias").
    """
    cases = load_terms()
    scores = scores_by_label(classifier, [case.text for case in cases]).get("toxicity")
    if scores is None:
        return {}
    toxic = np.array([bool(case.toxicity) for case in cases])

    def auc(rows: NDArray[np.bool_]) -> float:
        return float(roc_auc_score(toxic[rows], scores[rows]))

    terms = np.array([case.term for case in cases])
    figures: Measures = {}
    for category, term, written in dict.fromkeys((c.category, c.term, c.written) for c in cases):
        mine = terms == term
        figures.setdefault(category, {})[term] = {
            "subgroup_auc": auc(mine),
            "bpsn_auc": auc(mine ^ toxic),
            "bnsp_auc": auc(mine == toxic),
            "n": int(mine.sum()),
            "written": written,
        }
    return figures


def _flags(
    classifier: Scorer, review: Mapping[str, float]
) -> Callable[[list[str]], NDArray[np.bool_]]:
    """Return what says which texts are flagged by any label of abuse."""
    abuse = review.keys() - {"spam"}
    columns = [i for i, label in enumerate(classifier.labels) if label in abuse]
    points = np.array([review[classifier.labels[i]] for i in columns])

    def flagged(texts: list[str]) -> NDArray[np.bool_]:
        return np.asarray((classifier.predict_proba(texts)[:, columns] >= points).any(axis=1))

    return flagged


def _direct_insults(split: Split) -> list[str]:
    """List our own short texts that are insults beyond doubt, each once."""
    found = [case.text for case in hakamcheck.load("test") if case.function == "insult_direct"]
    for part in (split.test, split.validation):
        ours = np.isin(part.source, (*WRITTEN, *OWN_SOURCES))
        ours &= (part.label("insult") == 1) & ~np.char.startswith(part.kind, PEN_NAMES)
        found += [part.texts[i] for i in np.flatnonzero(ours)]
    return [text for text in dict.fromkeys(found) if len(text.split()) <= MOST_DIRECT]
