"""Corpus: labelled comments from many sources, in parts that share no text.

Public sets repeat one another, and a text that was learned measures nothing. Two texts are the same
when their letters are (`key`), whatever sets they come from, and the letters decide which part a
text belongs to: the same one on every machine and in every year.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.comment_files import Names, open_comments
from models.errors import RecordError
from models.orthography import folding
from models.schema import LABELS, LabeledComment
from training import hakamcheck
from training.public_sets import (
    NEWS_SITES,
    PERMISSIVE,
    POLICIES,
    READ_ALONG_OUR_LINE,
    Row,
    domain_of,
    is_set,
    masked,
    policy_of,
    read_set,
    set_id,
)

OWN_LICENSE, OWN_QUALITY = "Apache-2.0", "A"
"""Of comments written for the project, and of what a site's moderators decided."""

OWN_SOURCES = ("sample", "hakam", "hakamcheck")
OWN_WEIGHT = 2.0
"""Of a comment of our own: there are few, and each makes a point."""

N_FOLDS = 5
ENOUGH_NEWS = 10_000  # texts from which it is known how news comes
MODERATOR_WEIGHT = 3.0
"""Weight of a moderator's decision against a row of a public set, for the site's own head."""


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
    """Comments in columns of equal length."""

    texts: list[str]  # with masked handles
    y: NDArray[np.float64]  # a column for each of LABELS: share of votes, NaN where not observed
    weight: NDArray[np.float64]
    source: NDArray[np.str_]
    domain: NDArray[np.str_]
    dialect: NDArray[np.str_]
    split: NDArray[np.str_]
    keys: NDArray[np.uint64]  # equal for equal letters
    permissive: NDArray[np.bool_]
    kind: NDArray[np.str_]  # what an example is about, where its source says so
    decided_at: NDArray[np.float64]  # seconds since 1970, NaN where nobody said when
    sampled: NDArray[np.float64]  # probability with which people were to see it; NaN where unknown
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
    """A corpus in parts that share no text."""

    train: Corpus
    validation: Corpus
    test: Corpus
    probes: Mapping[str, list[str]]  # by name, texts hardly any of which should be flagged
    unlabeled: list[str]  # further texts, each once
    news: Sequence[str] = ()  # what news sites get, whatever is known of it: to weigh rows by


def read_corpus(
    places: Iterable[Path | str],
    decisions: Iterable[Path | str] = (),
    *,
    site: str = "",
    names: Names | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Corpus:
    """Read sets and comments; texts of equal letters within one set are one row.

    Of HakamCheck the training part is read, of a set that is given twice the first file. Decisions
    of a site's moderators (of all sites if none is named) form the site's own domain and weigh
    `MODERATOR_WEIGHT`; a decision that names no site is of the one that is named here. What the
    policy decided alone is left out: a classifier must not learn from its own verdicts.

    `names` says what columns and words mean that nobody would guess; `tell` is told, line by line,
    what was understood.
    """
    rows: list[Row] = []
    sources: list[Source] = []
    for path in _files(places):
        if path.is_dir():
            read = [row for case in hakamcheck.load("train", path) for row in _case_rows(case)]
            quality = OWN_QUALITY
            path = path / "train.jsonl"  # noqa: PLW2901 -- what is read stands there
        elif is_set(path):
            if set_id(path) in {row.source for row in rows}:
                continue
            read = list(read_set(path))
            quality = policy_of(path).quality
            tell(f"{path}: public set {set_id(path)}, {len(read):,} rows")
        else:
            read = [_own_row(comment) for comment in read_file(path, names, tell)]
            quality = OWN_QUALITY
        rows += read
        sources += _sources(read, path, quality)
    n_elsewhere = n_of_policy = 0
    for path in map(Path, decisions):
        read = []
        for comment in read_file(path, names, tell):
            if comment.source == "policy":
                n_of_policy += 1
            elif site not in ("", comment.site or site):
                n_elsewhere += 1
            else:
                read.append(_decided_row(replace(comment, site=comment.site or site)))
        rows += read
        sources += _sources(read, path, OWN_QUALITY)
    if not rows:
        fault = "there is not one labelled comment in what was given"
        if n_elsewhere:
            fault += f"; {n_elsewhere:,} decisions are of other sites than {site!r}"
        if n_of_policy:
            fault += f"; {n_of_policy:,} decisions the policy took alone"
        raise RecordError(fault)
    return _merged(rows, tuple(sources))


def read_file(
    path: Path | str, names: Names | None = None, tell: Callable[[str], None] = lambda line: None
) -> list[LabeledComment]:
    """Read the comments of a file in any form, and tell what was understood of it.

    Raises
    ------
    RecordError
        If it cannot be read, or says nothing of decisions or labels.
    """
    with open_comments(path, names) as file:
        comments = [row.comment for row in file.rows()]
    for line in file.understood.lines():
        tell(line)
    if comments and not file.says_labels:
        raise RecordError(
            f"{path}: no column says what was decided (decision, action, status) or observed "
            "(labels.insult); --column decision=NAME names it"
        )
    return comments


def split_corpus(
    corpus: Corpus,
    *,
    fold: int = 0,
    license: str = "any",  # noqa: A002
    without: Sequence[str] = (),
) -> Split:
    """Cut a corpus into parts that share no text.

    The fifth named `fold` of the sets without a fixed test part is their test part. A released
    model uses fold 0; a benchmark that is reported by cross-validation uses all five. With the
    license ``permissive``, only permissively licensed text and our own is learned from, and from
    the sets named in `without` nothing; the figures are measured on the same rows as otherwise.
    """
    return _cut(corpus, _parts(corpus, fold, without), license)


def leave_out(corpus: Corpus, source: str) -> Split:
    """Make the whole of one set the test part, as a site sees it that has no labels yet."""
    part = _parts(corpus, 0)
    part[part == _TEST] = _NOWHERE
    part[(corpus.source == source) & corpus.labeled] = _TEST
    return _cut(corpus, part, "any")


def draw_at_random(corpus: Corpus, source: str, share: float) -> Split:
    """Make a random share of one set its test part, out of that of fold 0; the rest is learned.

    Who learned from the train part of fold 0 has seen no text of it.
    """
    part = _parts(corpus, 0)
    mine = (corpus.source == source) & corpus.labeled
    tested = np.flatnonzero(mine & (part == _TEST))
    n_tested = round(share * mine.sum())
    if n_tested > len(tested):
        raise ValueError(f"a share of {share} is more than the test part of {source}")
    part[np.random.default_rng(0).permutation(tested)[n_tested:]] = _TRAIN
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
# ALEF WASLA, ALEF MAKSURA, TEH MARBUTA; TATWEEL goes. Hamza above or below and madda are combining
# marks once the text is decomposed, and marks are no letters.
_FOLD = folding("\u0671\u0649\u0629") | {0x640: ""}
_ARRAYS = (
    *("y", "weight", "source", "domain", "dialect", "split", "keys", "permissive", "kind"),
    *("decided_at", "sampled"),
)
_TRAIN, _VALIDATION, _TEST, _PROBE, _NOWHERE = range(5)


def _files(places: Iterable[Path | str]) -> Iterator[Path]:
    for place in map(Path, places):
        if (place / "functions.jsonl").exists():
            yield place
        elif place.is_dir():
            found = [path for path in sorted(place.iterdir()) if _IN_FOLDERS.search(path.name)]
            if not found:
                raise RecordError(f"{place}: holds no table (.tsv, .csv, .jsonl, .parquet)")
            yield from found
        else:
            yield place


_IN_FOLDERS = re.compile(r"\.(tsv|csv|jsonl|ndjson|parquet|xlsx)(\.gz|\.xz|\.bz2)?$")


def _sources(rows: Sequence[Row], path: Path, quality: str) -> list[Source]:
    """Summarize what a file holds, one entry per source."""
    if path == Path("-"):  # what came through a pipe is known by its texts
        sha256 = hashlib.sha256("\n".join(row.text for row in rows).encode()).hexdigest()
    else:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    summaries = []
    for name in dict.fromkeys(row.source for row in rows):
        licenses = [row.license for row in rows if row.source == name]
        stated = " and ".join(sorted(set(licenses)))
        summaries.append(Source(name, path.name, stated, quality, len(licenses), sha256))
    return summaries


def _own_row(comment: LabeledComment) -> Row:
    """One comment written for the project, or another set in our own format."""
    own = comment.source in OWN_SOURCES
    return Row(
        text=masked(comment.text),
        labels=comment.labels,
        weight=OWN_WEIGHT if own else 1.0,
        source=comment.source,
        # Without a domain of their own, our examples teach what all sets share.
        domain="" if own else domain_of(comment.source),
        dialect=comment.dialect,
        split={"test": "test", "dev": "dev", "train": "own"}.get(comment.split, "own fold"),
        license=comment.license or OWN_LICENSE,
    )


def _decided_row(comment: LabeledComment) -> Row:
    row = _own_row(comment)
    row.weight = MODERATOR_WEIGHT if comment.source == "moderator" else 1.0
    row.domain = site_domain(comment.site)
    row.decided_at = comment.decided_at
    row.sampled = comment.sampling_probability
    row.split = "fold"
    row.license = OWN_LICENSE  # the site may do with its own comments as it likes
    return row


def _case_rows(case: hakamcheck.Case) -> Iterator[Row]:
    """Yield text and pen name of a case; which of them is abusive, the function says."""
    harmless: Mapping[str, float] = dict.fromkeys(LABELS, 0.0)
    pen_name = case.function.startswith("pen_name")
    for text, labels in (
        (case.text, harmless if pen_name else case.labels),
        (case.author_name, case.labels if pen_name else harmless),
    ):
        if text:
            yield Row(
                text=text,
                labels=labels,
                weight=OWN_WEIGHT,
                source="hakamcheck",
                domain="",
                dialect=case.dialect,
                split="train",
                license=OWN_LICENSE,
            )


def _merged(rows: Sequence[Row], sources: tuple[Source, ...]) -> Corpus:
    """Make columns of rows; rows of one source and of equal letters become one."""
    groups: dict[tuple[object, ...], list[Row]] = {}
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
        kind=np.array([row.kind for row in kept]),
        decided_at=np.array([_first(group) for group in groups.values()]),
        sampled=np.array([_likeliest(group) for group in groups.values()]),
        sources=sources,
    )


def _first(rows: Sequence[Row]) -> float:
    """Say when rows were first decided; NaN where none has a time, or what it has is none."""
    times = []
    for row in rows:
        try:
            times.append(datetime.fromisoformat(row.decided_at).timestamp())
        except (ValueError, OverflowError):
            continue
    return min(times, default=np.nan)


def _likeliest(rows: Sequence[Row]) -> float:
    """Say with what probability rows were to be seen; NaN where nobody knows of any."""
    return max((row.sampled for row in rows if row.sampled is not None), default=np.nan)


def _parts(corpus: Corpus, fold: int, without: Sequence[str] = ()) -> NDArray[np.int64]:
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
    part[np.isin(corpus.source, without) & np.isin(part, (_TRAIN, _VALIDATION))] = _NOWHERE
    # Where a text was read along our own line, what a public set says of it teaches nothing.
    careful = np.isin(corpus.source, READ_ALONG_OUR_LINE) & corpus.labeled & (part != _NOWHERE)
    public = np.isin(corpus.source, list(POLICIES)) & ~careful
    again = public & np.isin(corpus.keys, corpus.keys[careful])
    part[again & np.isin(part, (_TRAIN, _VALIDATION))] = _NOWHERE
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
    news = np.flatnonzero(np.isin(corpus.source, NEWS_SITES) & ~np.isin(keys, held_out) & allowed)
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
        news=[corpus.texts[i] for i in news[:: max(1, len(news) // ENOUGH_NEWS)]],
    )
