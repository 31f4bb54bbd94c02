r"""Labelled comments from many sets, as one corpus that cannot leak.

Public sets draw the line at different places, under different licences, and repeat one another.
The module keeps one secret: what each set is worth and what its labels mean in ours. `POLICIES`
is that knowledge as a table; everything else here applies it.

What it promises:

- **A label is learned only where it was observed.** ``y`` holds NaN where a set says nothing.
- **No leak.** Two texts are the same when their letters are (`key`). A text that is in the test
  part is in no other part, and one that is in the validation part is not in training, whatever
  set it comes from. The part is a function of the letters, so it is the same on every machine.
- **No names.** @handles are masked before anything else sees the text.

Sources of the judgements: the sets' own papers and files, and a reading of 30 rows of each class
of each set; the letters A-D grade what was read. What the labels mean is in the model card.
"""

import hashlib
import json
import lzma
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import RecordError
from models.schema import LABELS, LabeledComment, read_comments
from training import hakamcheck

PERMISSIVE = ("Apache-2.0", "MIT", "CC0-1.0", "CC-BY-4.0", "AFL-3.0", "BSD-3-Clause")
"""Licences that allow a model learned from the text to be passed on under Apache-2.0."""

N_FOLDS = 5
MODERATOR_WEIGHT = 3.0
"""Weight of a moderator's decision against a row of a public set, for the site's own head."""

_COLUMNS = "id\ttext\tlabel_raw\tsplit\toffensive\tkind"
_STRONG = ("profanity", "identity_attack", "threat")
_KINDS = {"identity_attack": "hate"} | {
    label: label for label in ("insult", "profanity", "threat", "spam")
}

Exceptions = Callable[[Mapping[str, Any], frozenset[str]], Mapping[str, float | None]]
"""From a row's raw labels and kinds to labels that differ from the rule; None is unknown."""


@dataclass(frozen=True)
class SetPolicy:
    """What a public set is worth, and how its labels become ours.

    The rule: ``toxicity`` is the set's ``offensive``; every other observed label is 1 if the kind
    of that name is given and 0 if not; nothing is observed where ``offensive`` is blank.

    Attributes
    ----------
    quality : str
        A good, B usable, C noisy or another definition.
    license : str
        As found beside the data; ``none stated`` where nothing was found.
    observes : tuple of str
        Labels the set says something about. Empty: its texts are used without labels.
    weight : float
        Of a row in the fit.
    domain : str
        Sets of one domain share a head; by default the set's id.
    test, validation : str
        What is never trained on: a value of the set's ``split`` column, or ``fold`` for a fifth
        (test) and a tenth (validation) of its texts; empty for nothing.
    dialect : str
        Where the whole set has one.
    exceptions : callable
        Where the set departs from the rule.
    """

    quality: str
    license: str
    observes: tuple[str, ...] = ()
    weight: float = 1.0
    domain: str = ""
    test: str = ""
    validation: str = ""
    dialect: str = ""
    exceptions: Exceptions = field(default=lambda raw, kinds: {})


def _alakrot(raw: Mapping[str, Any], _: frozenset[str]) -> Mapping[str, float | None]:
    """Three people voted: their share is the label."""
    share = raw["votes_offensive"] / 3
    return {"toxicity": share, "insult": share}


def _mpold(raw: Mapping[str, Any], _: frozenset[str]) -> Mapping[str, float | None]:
    """Only the most salient of hate and vulgarity was noted, so the other one is unknown."""
    return {
        "HS": {"profanity": None},
        "V": {"identity_attack": None, "insult": None},
    }.get(raw["sub"], {})


def _osact5(raw: Mapping[str, Any], _: frozenset[str]) -> Mapping[str, float | None]:
    """Hatred for an ideology (HS3) or a social class (HS5) is not an attack on an identity."""
    return {"identity_attack": None} if raw["hs"] in ("HS3", "HS5") else {}


def _sohateful(raw: Mapping[str, Any], kinds: frozenset[str]) -> Mapping[str, float | None]:
    """Offence that is aimed at nobody or at an organization is not an insult to people."""
    labels: dict[str, float | None] = {}
    if "hate" in kinds and not re.search("origin|religion|gender", str(raw["hate"])):
        labels["identity_attack"] = None
    if "insult" in kinds and "not-directed" in str(raw["directed"]):
        labels["insult"] = 0.0
    elif "insult" in kinds and not re.search("individual|people", str(raw["target"])):
        labels["insult"] = None
    if "spam" not in kinds and str(raw["spam"]) != "no":
        labels["spam"] = None
    return labels


def _aj(_: Mapping[str, Any], kinds: frozenset[str]) -> Mapping[str, float | None]:
    """Use the obscene only: what the forum deleted as offensive is often mere opinion."""
    return {"toxicity": None, "profanity": None} if "insult" in kinds else {}


def _aj_tweets(_: Mapping[str, Any], kinds: frozenset[str]) -> Mapping[str, float | None]:
    return {"insult": None} if "profanity" in kinds else {}


def _armi(raw: Mapping[str, Any], _: frozenset[str]) -> Mapping[str, float | None]:
    """Categories of misogyny; each says one thing and leaves the others open."""
    category = raw["category"]
    return {
        "insult": 1.0 if category in ("discredit", "damning") else None,
        "identity_attack": 1.0 if category.startswith(("stereotyping", "dominance")) else None,
    }


def _letmi(_: Mapping[str, Any], kinds: frozenset[str]) -> Mapping[str, float | None]:
    """Read its hate speech as threats to beat; its misogyny may aim at one woman or at all."""
    if "clean" in kinds:
        return {}
    return {
        "threat": float("hate" in kinds),
        "insult": 1.0 if "insult" in kinds else None,
        "identity_attack": None,
    }


def _kind_or_unknown(_: Mapping[str, Any], kinds: frozenset[str]) -> Mapping[str, float | None]:
    """Where hate is named alone, whether it insults as well was not asked."""
    return {"insult": None} if "hate" in kinds and "insult" not in kinds else {}


_MAIN = ("toxicity", "insult", "identity_attack")
_NONE = "none stated"

POLICIES: Mapping[str, SetPolicy] = {
    # Benchmarks, with parts that are never trained on.
    "osact4": SetPolicy("A-", _NONE, _MAIN, test="test", validation="dev"),
    "osact5": SetPolicy(
        "B",
        _NONE,
        ("toxicity", "profanity", "identity_attack", "threat", "severe_toxicity"),
        test="dev",
        validation="fold",
        exceptions=_osact5,
    ),
    "lhsab": SetPolicy("B+", _NONE, _MAIN, test="fold", validation="fold", dialect="levantine"),
    "mpold": SetPolicy(
        "A-",
        "Apache-2.0",
        (*_MAIN, "profanity"),
        test="fold",
        validation="fold",
        exceptions=_mpold,
    ),
    "alakrot_youtube": SetPolicy(
        "A-", _NONE, ("toxicity", "insult"), test="fold", validation="fold", exceptions=_alakrot
    ),
    "sohateful": SetPolicy(
        "B", _NONE, LABELS, test="fold", validation="fold", exceptions=_sohateful
    ),
    "dziriofn": SetPolicy(
        "B-",
        _NONE,
        ("toxicity", "insult", "profanity"),
        weight=0.8,
        test="fold",
        validation="fold",
        dialect="maghrebi",
    ),
    # Labelled sets to train on.
    "letmi": SetPolicy("B", _NONE, (*_MAIN, "threat"), dialect="levantine", exceptions=_letmi),
    # It holds positives only: with a domain of its own, the domain's bias would swallow it.
    "armi2021": SetPolicy("B", _NONE, (*_MAIN, "threat"), domain="letmi", exceptions=_armi),
    "omcd": SetPolicy("B-", _NONE, ("toxicity", "insult"), weight=0.8, dialect="maghrebi"),
    "alsafari_gulf": SetPolicy("B+", "CC-BY-SA-4.0", ("toxicity", "insult"), dialect="gulf"),
    "textdetox_pairs_ar": SetPolicy("B", "OpenRAIL++", ("toxicity", "insult"), weight=0.5),
    "egyptian5": SetPolicy(
        "B-", _NONE, _MAIN, weight=0.5, dialect="egyptian", exceptions=_kind_or_unknown
    ),
    "mlma_ar": SetPolicy("C", "MIT", _MAIN, weight=0.5, exceptions=_kind_or_unknown),
    "thsab": SetPolicy("C", _NONE, _MAIN, weight=0.5, dialect="maghrebi"),
    "aj_comments": SetPolicy("C", _NONE, ("toxicity", "profanity"), exceptions=_aj),
    "aj_tweets": SetPolicy(
        "C+",
        _NONE,
        ("toxicity", "insult", "profanity"),
        weight=0.5,
        dialect="egyptian",
        exceptions=_aj_tweets,
    ),
    # Texts without labels of ours. Half of the first two measures how much is flagged that
    # should not be; that half is read for nothing else.
    "aoc_news_comments_unl": SetPolicy("A", _NONE, test="half"),
    "arsarcasm_v2": SetPolicy("A", "MIT", test="half"),
    "ajgt": SetPolicy("B", "AFL-3.0"),
    "astd": SetPolicy("B", "GPL-2.0"),
    "darija_mendeley": SetPolicy("C", _NONE),
    "elecmorocco16_fb": SetPolicy("B", _NONE),
    "emotional_tone": SetPolicy("B", _NONE),
    "ghsd_saudi": SetPolicy("C-", _NONE),
    "hespress_comments": SetPolicy("B", _NONE),
    "lasr_reviews": SetPolicy("B", _NONE),
    "mac_darija_sent": SetPolicy("B", _NONE),
    "myc_youtube_sent": SetPolicy("B", _NONE),
    "saudi_irony": SetPolicy("B", "CC-BY-4.0"),
    "shami_unl": SetPolicy("B", "Apache-2.0"),
    "tsac_fb_sent": SetPolicy("B", "LGPL-3.0"),
    "tunizi_arabizi_sent": SetPolicy("B", _NONE),
    "tweets58k_sent": SetPolicy("B", "Apache-2.0"),
}
"""Every public set this project knows, and what it does with it."""

OWN = SetPolicy("A", "Apache-2.0", LABELS, test="fold", validation="fold")
"""Comments written for the project (source ``sample``), and what a site's moderators decided."""


@dataclass(frozen=True)
class Source:
    """A set, or what one file holds of one source, for the manifest and the card."""

    id: str
    file: str
    license: str
    quality: str
    n_comments: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Corpus:
    """Comments in columns of equal length.

    Attributes
    ----------
    texts : list of str
        With masked handles.
    y : float64 ndarray (n_comments, n_labels)
        In the order of `LABELS`; NaN where not observed, shares of votes where people voted.
    weight : float64 ndarray (n_comments,)
    source, domain, dialect, split : ndarray of str (n_comments,)
    keys : uint64 ndarray (n_comments,)
        Equal for equal letters.
    permissive : bool ndarray (n_comments,)
    sources : tuple of Source
    """

    texts: list[str]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    source: NDArray[np.str_]
    domain: NDArray[np.str_]
    dialect: NDArray[np.str_]
    split: NDArray[np.str_]
    keys: NDArray[np.uint64]
    permissive: NDArray[np.bool_]
    sources: tuple[Source, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Corpus":
        """Return the comments that a mask or an array of indices names."""
        indices = np.flatnonzero(rows) if rows.dtype == bool else rows
        columns = {name: getattr(self, name)[indices] for name in _ARRAYS}
        return replace(self, texts=[self.texts[i] for i in indices], **columns)

    @cached_property
    def labeled(self) -> NDArray[np.bool_]:
        """Where at least one label was observed."""
        return np.asarray(~np.isnan(self.y).all(axis=1))

    def label(self, label: str) -> NDArray[np.float64]:
        """Return one column of ``y``."""
        column: NDArray[np.float64] = self.y[:, LABELS.index(label)]
        return column


@dataclass(frozen=True)
class Split:
    """A corpus in parts that share no text.

    Attributes
    ----------
    train, validation, test : Corpus
        Labelled comments, for the fit, for calibration and operating points, for the figures.
    probes : Mapping[str, list of str]
        Texts that nobody labelled and hardly any of which should be flagged, by name.
    unlabeled : list of str
        Further texts, each once.
    """

    train: Corpus
    validation: Corpus
    test: Corpus
    probes: Mapping[str, list[str]]
    unlabeled: list[str]


def read_corpus(
    places: Iterable[Path | str], decisions: Iterable[Path | str] = (), *, site: str = ""
) -> Corpus:
    """Read sets and labelled comments.

    Parameters
    ----------
    places : iterable of path
        Folders with ``.tsv.xz`` sets and ``.jsonl`` files (also ``.gz``, ``.xz``), or such files;
        HakamCheck's folder, of which the training part is read.
    decisions : iterable of path
        Labelled comments that a site's moderators decided. They form the site's own domain and
        weigh `MODERATOR_WEIGHT`. What the policy decided alone (source ``policy``) is left out: a
        classifier must not learn from its own verdicts.
    site : str
        Take only this site's decisions; empty takes all.

    Returns
    -------
    Corpus
        Texts of equal letters within one set are one row, whose labels are the mean.

    Raises
    ------
    RecordError
        If a file cannot be read, a set is not in `POLICIES`, or there is nothing to read.
    """
    rows: list[_Row] = []
    sources: list[Source] = []
    for path in _files(places):
        if path.is_dir():
            read = [row for case in hakamcheck.load("train", path) for row in _case_rows(case)]
            quality = OWN.quality
            path = path / "train.jsonl"  # noqa: PLW2901 -- what is read stands there
        elif path.name.endswith(".tsv.xz"):
            set_id = path.name.removesuffix(".tsv.xz")
            policy = _policy(set_id, path)
            read = list(_set_rows(path, set_id, policy))
            quality = policy.quality
        else:
            read = [_own_row(comment) for comment in read_comments(path)]
            quality = OWN.quality
        rows += read
        sources += _sources(read, path, quality)
    for path in map(Path, decisions):
        read = [
            _decided_row(comment)
            for comment in read_comments(path)
            if comment.source != "policy" and site in ("", comment.site)
        ]
        rows += read
        sources += _sources(read, path, OWN.quality)
    if not rows:
        raise RecordError("there is not one labelled comment in what was given")
    return _merged(rows, tuple(sources))


def split_corpus(corpus: Corpus, *, fold: int = 0, license: str = "any") -> Split:  # noqa: A002
    """Cut a corpus into parts that share no text.

    Parameters
    ----------
    corpus : Corpus
    fold : int
        Which fifth of the sets without a fixed test part is their test part. A released model
        uses fold 0; a benchmark that is reported by cross-validation uses all five.
    license : {"any", "permissive"}
        ``permissive`` trains, calibrates and chooses thresholds on permissively licensed text and
        our own alone; the figures are measured on the same rows as ever.
    """
    part = _parts(corpus, fold)
    return _cut(corpus, part, license)


def leave_out(corpus: Corpus, source: str) -> Split:
    """Make the whole of one set the test part, as a site sees it that has no labels yet."""
    part = _parts(corpus, 0)
    part[part == _TEST] = _NOWHERE
    part[(corpus.source == source) & corpus.labeled] = _TEST
    return _cut(corpus, part, "any")


def site_domain(site: str) -> str:
    """Return the name of the domain that a site's decisions form."""
    return f"site {site}".strip()


def key(text: str) -> int:
    """Return a number that is equal for texts of equal letters.

    Case, marks, tatweel, digits, signs, emoji, handles and links do not count, nor which alef,
    ya, waw or ta marbuta was written. A text of fewer than four letters counts as it is.
    """
    bare = _LINK_OR_HANDLE.sub(" ", text)
    folded = unicodedata.normalize("NFKD", bare).translate(_FOLD).lower()
    letters = "".join(filter(str.isalpha, folded))
    if len(letters) < 4:
        letters = " ".join(text.split())
    return int.from_bytes(hashlib.md5(letters.encode(), usedforsecurity=False).digest()[:8], "big")


_LINK_OR_HANDLE = re.compile(r"@\S+|https?://\S+|www\.\S+|\bURL\b")
# ARABIC LETTER ALEF WASLA, ALEF MAKSURA, TEH MARBUTA and TATWEEL; hamza above or below and
# madda are combining marks once the text is decomposed, and marks are no letters.
_FOLD = str.maketrans(
    {"\N{ARABIC LETTER ALEF WASLA}": "\N{ARABIC LETTER ALEF}"}
    | {"\N{ARABIC LETTER ALEF MAKSURA}": "\N{ARABIC LETTER YEH}"}
    | {"\N{ARABIC LETTER TEH MARBUTA}": "\N{ARABIC LETTER HEH}"}
    | {"\N{ARABIC TATWEEL}": None}
)
# The word for "user" that one set writes before the sign instead of a name.
_MASKED_HANDLE = re.compile(r"@\w+|\u0645\u0633\u062a\u062e\u062f\u0645@")

_ARRAYS = ("y", "weight", "source", "domain", "dialect", "split", "keys", "permissive")
_TRAIN, _VALIDATION, _TEST, _PROBE, _NOWHERE = range(5)


@dataclass(slots=True)
class _Row:
    text: str
    labels: Mapping[str, float]
    weight: float
    source: str
    domain: str
    dialect: str
    split: str
    license: str


def _policy(set_id: str, path: Path) -> SetPolicy:
    if set_id not in POLICIES:
        raise RecordError(
            f"{path}: there is no policy for the set {set_id!r}; add one to training.datasets, "
            "or turn the set into JSON Lines of labelled comments"
        )
    return POLICIES[set_id]


def _files(places: Iterable[Path | str]) -> Iterator[Path]:
    for place in map(Path, places):
        if (place / "functions.jsonl").exists():
            yield place
        elif place.is_dir():
            found = [
                path
                for path in sorted(place.iterdir())
                if re.search(r"\.tsv\.xz$|\.jsonl(\.gz|\.xz)?$", path.name)
            ]
            if not found:
                raise RecordError(f"{place}: holds no .tsv.xz and no .jsonl file")
            yield from found
        else:
            yield place


def _sources(rows: Sequence[_Row], path: Path, quality: str) -> list[Source]:
    """Summarize what a file holds, one entry per source."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    summaries = []
    for name in dict.fromkeys(row.source for row in rows):
        licenses = [row.license for row in rows if row.source == name]
        stated = " and ".join(sorted(set(licenses)))
        summaries.append(Source(name, path.name, stated, quality, len(licenses), sha256))
    return summaries


def _set_rows(path: Path, set_id: str, policy: SetPolicy) -> Iterator[_Row]:
    """Read a set: six columns, tab-separated, nothing quoted."""
    number = 0
    try:
        with lzma.open(path, "rt", encoding="utf-8", newline="\n") as file:
            if file.readline().rstrip("\r\n") != _COLUMNS:
                raise RecordError(f"{path}, line 1: the columns must be {_COLUMNS.split()}")
            for number, line in enumerate(file, start=2):
                cells = line.rstrip("\r\n").split("\t")
                if len(cells) != 6:
                    raise RecordError(f"{path}, line {number}: {len(cells)} columns, expected 6")
                _, text, raw_cell, split, offensive, kind = cells
                raw = _raw(raw_cell)
                labels = _labels(policy, raw, offensive, frozenset(kind.split("|")))
                yield _Row(
                    text=_masked(text.replace("<LF>", "\n")),
                    labels=labels,
                    weight=policy.weight,
                    source=set_id,
                    domain=policy.domain or set_id,
                    dialect=_dialect(raw) or policy.dialect,
                    split=_fixed_part(policy, raw, split),
                    license=policy.license,
                )
    except (OSError, EOFError, lzma.LZMAError, ValueError, KeyError) as error:
        raise RecordError(f"{path}, after line {number}: cannot be read: {error}") from None


def _labels(
    policy: SetPolicy, raw: Mapping[str, Any], offensive: str, kinds: frozenset[str]
) -> Mapping[str, float]:
    """Apply a set's policy to one row."""
    if offensive not in ("0", "1"):
        return {}
    labels: dict[str, float | None] = {"toxicity": float(offensive)} if policy.observes else {}
    for label, kind in _KINDS.items():
        if label in policy.observes:
            labels[label] = float(kind in kinds)
    labels |= policy.exceptions(raw, kinds)
    if "severe_toxicity" in policy.observes:
        # Two strong kinds are severe, none is not; one may be either, so it says nothing.
        strong = [labels.get(label) for label in _STRONG]
        labels["severe_toxicity"] = (
            1.0 if strong.count(1.0) >= 2 else 0.0 if strong.count(0.0) == len(strong) else None
        )
    return {label: share for label, share in labels.items() if share is not None}


def _raw(cell: str) -> Mapping[str, Any]:
    """Return the set's own labels; a cell that holds no object is one label without a name."""
    if cell.startswith("{"):
        raw: Mapping[str, Any] = json.loads(cell)
        return raw
    return {"": cell}


_DIALECTS = {
    "egypt": "egyptian",
    "gulf": "gulf",
    "levant": "levantine",
    "magreb": "maghrebi",
    "msa": "msa",
    "DIAL_EGY": "egyptian",
    "DIAL_GLF": "gulf",
    "DIAL_LEV": "levantine",
    "MSA": "msa",
}


def _dialect(raw: Mapping[str, Any]) -> str:
    return _DIALECTS.get(str(raw.get("dialect", raw.get(""))), "")


def _fixed_part(policy: SetPolicy, raw: Mapping[str, Any], split: str) -> str:
    """Return ``test``, ``dev`` or ``train`` where the set fixes it, ``fold`` where letters do."""
    if policy.test == "half":
        # Only what people called negative: praise says nothing about false alarms.
        return "half" if raw.get("sentiment", "NEG") == "NEG" else "train"
    if split and split == policy.test:
        return "test"
    if split and split == policy.validation:
        return "dev"
    if policy.validation == "fold":
        return "fold" if policy.test == "fold" else "validation fold"
    return "train"


def _own_row(comment: LabeledComment) -> _Row:
    """One comment written for the project, or another set in our own format."""
    return _Row(
        text=_masked(comment.text),
        labels=comment.labels,
        weight=1.0,
        source=comment.source,
        domain=comment.source,
        dialect=comment.dialect,
        split={"test": "test", "dev": "dev", "train": "own"}.get(comment.split, "own fold"),
        license=comment.license or OWN.license,
    )


def _decided_row(comment: LabeledComment) -> _Row:
    row = _own_row(comment)
    row.weight = MODERATOR_WEIGHT if comment.source == "moderator" else 1.0
    row.domain = site_domain(comment.site)
    row.split = "fold"
    row.license = OWN.license  # the site may do with its own comments as it likes
    return row


def _case_rows(case: hakamcheck.Case) -> Iterator[_Row]:
    """Yield text and pen name of a case; which of them is abusive, the function says."""
    harmless: Mapping[str, float] = dict.fromkeys(LABELS, 0.0)
    pen_name = case.function.startswith("pen_name")
    for text, labels in (
        (case.text, harmless if pen_name else case.labels),
        (case.author_name, case.labels if pen_name else harmless),
    ):
        if text:
            yield _Row(
                text=text,
                labels=labels,
                weight=1.0,
                source="hakamcheck",
                domain="sample",
                dialect=case.dialect,
                split="train",
                license=OWN.license,
            )


def _masked(text: str) -> str:
    return _MASKED_HANDLE.sub("@USER", text)


def _merged(rows: Sequence[_Row], sources: tuple[Source, ...]) -> Corpus:
    """Make columns of rows; rows of one source and of equal letters become one."""
    groups: dict[tuple[object, ...], list[_Row]] = {}
    for i, row in enumerate(rows):
        # A published test part keeps its number of rows, repeated ones included.
        apart = i if row.split == "test" else None
        groups.setdefault((row.source, key(row.text), bool(row.labels), apart), []).append(row)
    kept = [group[0] for group in groups.values()]
    y = np.full((len(kept), len(LABELS)), np.nan)
    for i, group in enumerate(groups.values()):
        for j, label in enumerate(LABELS):
            shares = [row.labels[label] for row in group if label in row.labels]
            if shares:
                y[i, j] = sum(shares) / len(shares)
    return Corpus(
        texts=[row.text for row in kept],
        y=y,
        weight=np.array([row.weight for row in kept]),
        source=np.array([row.source for row in kept]),
        domain=np.array([row.domain for row in kept]),
        dialect=np.array([row.dialect for row in kept]),
        split=np.array([row.split for row in kept]),
        keys=np.array([number for _, number, _, _ in groups], dtype=np.uint64),
        permissive=np.array([row.license in PERMISSIVE for row in kept]),
        sources=sources,
    )


def _parts(corpus: Corpus, fold: int) -> NDArray[np.int64]:
    """Say for every row which part it belongs to, before texts in two parts are removed."""
    folds = (corpus.keys % np.uint64(N_FOLDS)).astype(np.int64)
    even = (corpus.keys // np.uint64(N_FOLDS)) % np.uint64(2) == 0
    next_fold = (fold + 1) % N_FOLDS
    by_fold = np.isin(corpus.split, ("fold", "own fold"))
    part = np.full(len(corpus), _TRAIN)
    part[by_fold & (folds == fold)] = _TEST
    part[(by_fold | (corpus.split == "validation fold")) & (folds == next_fold) & even] = (
        _VALIDATION
    )
    # Our own sets are small: a whole fifth goes to validation, so that every label is there.
    part[np.isin(corpus.split, ("own", "own fold")) & (folds == next_fold)] = _VALIDATION
    part[corpus.split == "dev"] = _VALIDATION
    part[corpus.split == "test"] = _TEST
    part[~corpus.labeled] = _NOWHERE
    part[(corpus.split == "half") & even] = _PROBE
    return part


def _cut(corpus: Corpus, part: NDArray[np.int64], license: str) -> Split:  # noqa: A002
    """Remove from every part what a more protected part holds, and make the split."""
    allowed = corpus.permissive | (license != "permissive")
    keys = corpus.keys
    tested = np.unique(keys[part == _TEST])
    probed = keys[part == _PROBE]
    held_out = np.unique(np.concatenate([tested, probed, keys[part == _VALIDATION]]))
    train = (part == _TRAIN) & allowed & ~np.isin(keys, held_out)
    validation = (part == _VALIDATION) & allowed & ~np.isin(keys, np.union1d(tested, probed))
    spare = (part == _NOWHERE) & ~corpus.labeled & allowed
    spare &= ~np.isin(keys, np.union1d(held_out, keys[train]))
    _, first = np.unique(keys[spare], return_index=True)
    unlabeled = np.flatnonzero(spare)[np.sort(first)]
    probes = {
        str(source): [corpus.texts[i] for i in np.flatnonzero((part == _PROBE) & of_source)]
        for source in np.unique(corpus.source[part == _PROBE])
        for of_source in [corpus.source == source]
    }
    return Split(
        train=corpus.select(train),
        validation=corpus.select(validation),
        test=corpus.select(part == _TEST),
        probes=probes,
        unlabeled=[corpus.texts[i] for i in unlabeled],
    )
