"""Suggested thresholds: by a site's past decisions, or by another service's scores.

Scores of two services cannot be compared by their numbers. So the comments of an export are scored
anew, and a threshold is proposed for each purpose with what it would have meant on them. Where no
decision is known, the calibrated scores stand in: of a hundred comments with score 0.3, thirty are
expected to be what the label says.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.characters import is_visible
from models.errors import RecordError
from service.reports.statistics import share_interval

# Names of columns and words for decisions, as `_plain` leaves them.
_TEXT = ("text", "comment", "body", "content", "النص", "نص", "التعليق", "تعليق")  # the first two
_OLD_SCORE = ("score", "toxicity", "old_score", "perspective", "الدرجة", "درجة")  # "score"
_DECISION = (
    *("decision", "action", "status", "label"),
    *("القرار", "قرار", "الحالة", "حالة"),  # "decision", "status"
)
_BAD_WORDS = (
    "1 true reject rejected delete deleted remove removed hide hidden block blocked spam trash",
    "toxic رفض مرفوض مرفوضة",  # "rejected"
    "حذف محذوف محذوفة أزيل مزال إزالة",  # "deleted", "removed"
    "حجب محجوب محجوبة منع ممنوع ممنوعة إخفاء مخفي مخفية",  # "blocked", "forbidden", "hidden"
    "مخالف مخالفة مسيء مسيئة سام سامة إهانة",  # "against the rules", "abusive", "toxic", "insult"
    "سبام إزعاج نعم",  # "spam", "nuisance", "yes"
)
_GOOD_WORDS = (
    "0 false approve approved publish published accept accepted allow allowed clean none",
    "قبول قبل مقبول مقبولة موافقة موافق ووفق",  # "accepted", "agreed to"
    "نشر منشور منشورة اعتماد معتمد معتمدة اعتمد",  # "published", "approved"
    "سماح مسموح مسموحة سليم سليمة نظيف نظيفة عادي عادية لا",  # "allowed", "clean", "usual", "no"
)
_BAD, _GOOD = (frozenset(" ".join(words).split()) for words in (_BAD_WORDS, _GOOD_WORDS))
_DELIMITERS = (",", ";", "\t", "|", "\N{ARABIC SEMICOLON}")

MIN_OF_EACH = 20  # with fewer comments of a kind a share says nothing
MIN_FLAGGED = 30  # as many must be above a threshold before its precision counts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PastComment:
    """One row of an export."""

    text: str
    old_score: float | None = None  # what another service said, [0, 1]
    rejected: bool | None = None  # what people decided


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A threshold and what it would have meant on the comments of the export."""

    purpose: str
    threshold: float  # flag from here on, [0, 1]
    precision: float  # of the flagged ones those deserving it, [0, 1]
    precision_from: float  # 95 % interval
    precision_to: float
    recall: float  # of the deserving ones those flagged, [0, 1]
    share: float  # of all those flagged, [0, 1]


def read_export(path: Path) -> list[PastComment]:
    """Read a CSV file with a header, in UTF-8, UTF-16 or the Arabic code page of Windows (cp1256).

    Of several columns of old scores or of decisions the first counts, and a decision in unknown
    words is none. Rows without a visible text are left out.
    """
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: cannot be opened: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecordError(f"{path}: not a text in UTF-8, UTF-16 or cp1256") from None
    try:
        comments = list(_rows(path, _reader(text)))
    except csv.Error as error:
        raise RecordError(f"{path}: not a CSV file: {error}") from None
    if not comments:
        raise RecordError(f"{path}: holds no comment")
    return comments


def _decoded(raw: bytes) -> str:
    """Decode a file by its byte order mark, else by where its first letter has a zero byte."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    if b"\0" in raw[:2]:
        return raw.decode("utf-16-be" if raw[0] == 0 else "utf-16-le")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        if b"\0" in raw:  # no text in any code page
            raise
        if fault.start and fault.end == len(raw) and fault.reason == "unexpected end of data":
            raise  # UTF-8 that was cut off
        return raw.decode("cp1256")


def _reader(text: str) -> csv.DictReader[str]:
    """Read with the delimiter under which the header has most columns that we know."""
    first, _, rest = text.partition("\n")
    if named := re.fullmatch(r"sep=(.)\r?", first):  # Excel's way to name it
        return csv.DictReader(io.StringIO(rest, newline=""), delimiter=named[1])

    def n_known(delimiter: str) -> int:
        names = next(csv.reader([first], delimiter=delimiter), [])
        return sum(_plain(name) in (*_TEXT, *_OLD_SCORE, *_DECISION) for name in names)

    best = max(_DELIMITERS, key=n_known)  # the first of equals
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=best)


def _plain(word: str) -> str:
    """Return a word in lower case, digits plain, without blanks, vowel signs and tatweel."""
    known = unicodedata.normalize("NFC", word).strip().lower().replace("\N{ARABIC TATWEEL}", "")
    letters = (one for one in known if unicodedata.category(one) not in ("Mn", "Cf"))
    return "".join(str(unicodedata.digit(one, one)) for one in letters)


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[PastComment]:
    columns = {_plain(name or ""): name for name in reader.fieldnames or ()}
    text, score, decision = (
        next((columns[name] for name in names if name in columns), None)
        for names in (_TEXT, _OLD_SCORE, _DECISION)
    )
    if text is None:
        raise RecordError(f"{path}: no column is named {', '.join(_TEXT)}")
    for row in reader:
        if not is_visible(row[text] or ""):
            continue
        said = _plain(row[decision] or "") if decision else ""
        yield PastComment(
            row[text],
            _old_score(path, reader.line_num, row[score]) if score else None,
            True if said in _BAD else False if said in _GOOD else None,
        )


def _old_score(path: Path, line: int, word: str | None) -> float | None:
    plain = _plain(word or "").replace("\N{ARABIC DECIMAL SEPARATOR}", ".").replace(",", ".")
    if not plain:
        return None
    try:
        score = float(plain)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise RecordError(f"{path}, line {line}: the score is not a number from 0 to 1")
    return score


def suggest(
    scores: Floats,
    comments: Sequence[PastComment],
    *,
    recall: float = 0.9,
    precision: float = 0.95,
    old_threshold: float | None = None,
) -> list[Suggestion]:
    """Propose thresholds, none above the next, by the scores of one label.

    "review" is the highest of the wanted recall, "balanced" that of the best F1, "reject" the
    lowest of the wanted precision, if any has it, and "same volume" flags as many as the site did
    by old scores from `old_threshold` on.
    """
    known, truth = deserving(scores, comments)
    found = []
    order = np.argsort(-scores[known], kind="stable")
    ranked, hits = scores[known][order], np.cumsum(truth[order])
    n_flagged = np.arange(1, len(ranked) + 1)
    # Only between different scores can a threshold lie.
    cut = np.append(ranked[1:] < ranked[:-1], True)
    precisions = hits / n_flagged
    recalls = hits / hits[-1] if hits[-1] else np.ones(len(hits))

    reached = np.flatnonzero(cut & (recalls >= min(recall, 1 - 1e-12)))
    f1 = np.where(cut, 2 * precisions * recalls / np.maximum(precisions + recalls, 1e-12), -1.0)
    balanced = ranked[int(f1.argmax())]
    found.append(("review", float(min(ranked[reached[0]], balanced))))
    found.append(("balanced", float(balanced)))
    enough = (precisions >= precision) & (n_flagged >= MIN_FLAGGED) & (ranked >= balanced)
    sure = np.flatnonzero(cut & enough)
    if len(sure):
        found.append(("reject", float(ranked[sure[-1]])))
    if old_threshold is not None:
        found.append(("same volume", _same_volume(scores, comments, old_threshold)))
    return [
        _measured(purpose, threshold, scores, known, truth)
        for purpose, threshold in dict.fromkeys(found)
    ]


def deserving(scores: Floats, comments: Sequence[PastComment]) -> tuple[NDArray[np.bool_], Floats]:
    """Return which comments can be judged by, and how much each of those deserves the label."""
    if has_decisions(comments):
        known = np.array([c.rejected is not None for c in comments])
        return known, np.array([float(c.rejected) for c in comments if c.rejected is not None])
    return np.ones(len(comments), dtype=np.bool_), scores.copy()


def has_decisions(comments: Sequence[PastComment]) -> bool:
    """Say whether people's decisions are enough to judge by."""
    n_bad = sum(c.rejected is True for c in comments)
    return min(n_bad, sum(c.rejected is False for c in comments)) >= MIN_OF_EACH


def _same_volume(scores: Floats, comments: Sequence[PastComment], old_threshold: float) -> float:
    scored = np.array([c.old_score is not None for c in comments])
    if not scored.any():
        raise RecordError("an old threshold was given, but the export has no column of old scores")
    old = np.array([c.old_score for c in comments if c.old_score is not None])
    n_flagged = int((old >= old_threshold).sum())
    ranked = np.sort(scores[scored])[::-1]
    return float(ranked[n_flagged - 1]) if n_flagged else 1.0


def _measured(
    purpose: str, threshold: float, scores: Floats, known: NDArray[np.bool_], truth: Floats
) -> Suggestion:
    flagged = scores[known] >= threshold
    n_flagged, hits = int(flagged.sum()), float(truth[flagged].sum())
    low, high = share_interval(round(hits), n_flagged)
    return Suggestion(
        purpose,
        threshold,
        hits / n_flagged if n_flagged else 0.0,
        low,
        high,
        hits / truth.sum() if truth.sum() else 0.0,
        float((scores >= threshold).mean()),
    )
