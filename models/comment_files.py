"""Comment files: what the tables that people have say about comments.

Promise: whoever reads comments from a file reads them here, so that a column and a word mean the
same to all. What was understood is counted (`CommentFile.understood`) and can be told to people.

Secret: the names of columns and the words for decisions, English and Arabic. A *decision* observes
labels as in the service (`models.schema.observed_labels`); a rejection for which no reason is given
says that a comment is abusive. A column of *scores* is what another service said and teaches
nothing. A column named ``labels.insult`` is an observation: yes, no, or the share who said yes.
"""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

from models.characters import is_visible
from models.errors import RecordError
from models.orthography import folding
from models.schema import (
    FIELDS,
    LABELS,
    REASONS,
    REQUIRED,
    LabeledComment,
    observed_labels,
    read_comments,
)
from models.table_files import Row, Table, open_table

# Letters that many write one for another: hamza on ALEF, TEH MARBUTA, ALEF MAKSURA.
_FOLD = folding("\u0623\u0625\u0622\u0629\u0649")

_DECIDERS = ("moderator", "policy", "site_feedback")
APPROVE, REJECT, UNDECIDED = "approve", "reject", ""


def plain(word: str) -> str:
    r"""Return a word as words are compared: lower case, Latin digits, no vowel signs, no tatweel.

    Examples
    --------
    >>> plain(" Rejected "), plain("\u0661.0")
    ('rejected', '1')
    """
    return _plain_word(word) if len(word) <= _LONGEST_WORD else _plain_word.__wrapped__(word)


_LONGEST_WORD = 64  # that is remembered; a file has few words for decisions


@lru_cache(maxsize=10_000)
def _plain_word(word: str) -> str:
    known = unicodedata.normalize("NFC", word).strip().lower().replace("\N{ARABIC TATWEEL}", "")
    letters = (one for one in known if unicodedata.category(one) not in ("Mn", "Cf"))
    digits = "".join(str(unicodedata.digit(one, one)) for one in letters)
    digits = digits.translate(_FOLD)
    return re.sub(r"[\s_-]+", "_", re.sub(r"^(\d+)\.0+$", r"\1", digits))


def _words(*listed: str) -> frozenset[str]:
    return frozenset(plain(word) for words in listed for word in words.split(","))


_COLUMNS: Mapping[str, tuple[str, ...]] = {
    role: tuple(plain(name) for name in names.split(","))
    for role, names in {
        "text": "text,comment,body,content,comment_text,comment_body,message"
        ",النص,نص,التعليق,تعليق,نص التعليق",  # "the text", "the comment"
        "id": "id,comment_id,المعرف,رقم التعليق",  # "the identifier", "number of the comment"
        "decision": "decision,action,status,label,القرار,قرار,الحالة,حالة",  # "decision", "status"
        "reason": "reason,rejection_reason,السبب,سبب,سبب الرفض",  # "reason (of the rejection)"
        "score": "score,toxicity,old_score,perspective,الدرجة,درجة",  # "score"
        "decided_at": "decided_at,decision_time,timestamp,created_at,date,time,"
        "التاريخ,تاريخ,الوقت,تاريخ القرار",  # "date", "time", "date of the decision"
        "author_name": "author_name,author.name,author,اسم الكاتب,الكاتب,الاسم",  # "author", "name"
        "author_id": "author_id,author.id",
        "article_title": "article_title,article.title,عنوان المقال",  # "title of the article"
        "site": "site,site_id,الموقع",  # "site"
        "source": "source",
        "split": "split",
        "dialect": "dialect",
        "license": "license",
        "moderator": "moderator,المشرف",  # "moderator"
        "sampling_probability": "sampling_probability",
    }.items()
} | {f"labels.{label}": (f"labels.{label}", f"label_{label}", f"label.{label}") for label in LABELS}
_LABEL_ROLES = {f"labels.{label}": label for label in LABELS}
ROLES = tuple(_COLUMNS)
"""What a column can be."""

_REASONS: Mapping[str, str] = {
    plain(word): reason
    for reason, words in {
        **{reason: reason for reason in REASONS},
        "toxicity": "toxicity,toxic,abuse,abusive,offensive,إساءة,مسيء,مسيئة,سام,سامة,إساءة أخرى",
        "severe_toxicity": "severe_toxicity,severe abuse,إساءة شديدة",
        "insult": "insult,insulting,إهانة,شتم,شتيمة,سب,قذف",
        "profanity": "profanity,obscene,obscenity,بذاءة,بذيء,ألفاظ نابية,لفظ بذيء",
        "identity_attack": "identity_attack,hate,hate_speech,خطاب كراهية,كراهية,عنصرية",
        "threat": "threat,تهديد",
        "religious_insult": "religious_insult,blasphemy,إساءة إلى الدين,ازدراء الأديان",
        "spam": "spam,ads,advertisement,سبام,إزعاج,إعلان,إعلان مزعج",
        "off_topic": "off_topic,خارج الموضوع",
        "private_information": "private_information,معلومات خاصة",
    }.items()
    for word in words.split(",")
}
_REJECTED = _words(
    "1,true,yes,y,reject,rejected,delete,deleted,remove,removed,hide,hidden,block,blocked,trash",
    "trashed,bad,رفض,مرفوض,مرفوضة",  # "rejected"
    "حذف,محذوف,محذوفة,أزيل,مزال,إزالة",  # "deleted", "removed"
    "حجب,محجوب,محجوبة,منع,ممنوع,ممنوعة,إخفاء,مخفي,مخفية",  # "blocked", "forbidden", "hidden"
    "مخالف,مخالفة,نعم",  # "against the rules", "yes"
)
_APPROVED = _words(
    "0,false,no,n,approve,approved,publish,published,accept,accepted,allow,allowed,clean,none",
    "normal,neutral,ok,okay,keep,kept,good,ham,visible,not_offensive,not_toxic",
    "قبول,قبل,مقبول,مقبولة,موافقة,موافق,ووفق",  # "accepted", "agreed to"
    "نشر,منشور,منشورة,اعتماد,معتمد,معتمدة,اعتمد",  # "published", "approved"
    "سماح,مسموح,مسموحة,سليم,سليمة,نظيف,نظيفة,عادي,عادية,لا",  # "allowed", "clean", "usual", "no"
)
_PENDING = _words(
    ",pending,new,open,queued,waiting,held,hold,review,in_review,unmoderated,null,nan,n/a",
    "معلق,معلقة,قيد المراجعة,انتظار,في الانتظار,جديد,جديدة",  # "pending", "under review", "new"
)


@dataclass(frozen=True)
class Names:
    """What the columns and words of one file mean, where nobody would guess it.

    Attributes
    ----------
    columns : Mapping[str, str]
        From one of `ROLES` to the name of the column; the empty name is no column.
    words : Mapping[str, str]
        From a word for a decision to ``approve``, ``reject`` or one of `REASONS`.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in self.columns:
            if role not in ROLES:
                raise RecordError(f"no column is a {role!r}; there are {', '.join(ROLES)}")
        for meaning in self.words.values():
            if meaning not in (APPROVE, REJECT, *REASONS):
                known = ", ".join((APPROVE, REJECT, *REASONS))
                raise RecordError(f"no word means {meaning!r}; words mean {known}")

    @classmethod
    def given(cls, columns: Iterable[str], words: Iterable[str]) -> Names:
        """Read pairs as people write them: ``ROLE=NAME`` and ``WORD=MEANING``."""
        columns, words = tuple(columns), tuple(words)
        if not all("=" in pair for pair in columns + words):
            raise RecordError("expected ROLE=NAME for a column, WORD=MEANING for a word")
        return cls(
            dict(pair.split("=", 1) for pair in columns),
            dict(pair.rsplit("=", 1) for pair in words),
        )


@dataclass(frozen=True, slots=True)
class FileRow:
    """A comment, and what else its row says."""

    line: int
    comment: LabeledComment
    old_score: float | None = None  # what another service said, [0, 1]


@dataclass
class Understood:
    """What was understood of a file: its form, its columns, and how many rows say what."""

    name: str
    form: str
    columns: dict[str, str] = field(default_factory=dict)  # by role
    unused: tuple[str, ...] = ()
    n_rows: int = 0
    n_without_text: int = 0
    n_unread_times: int = 0
    first_time: str = ""
    last_time: str = ""
    decisions: Counter[str] = field(default_factory=Counter)
    unknown_words: Counter[str] = field(default_factory=Counter)  # by role
    first_unknown: dict[str, int] = field(default_factory=dict)  # line, by role
    labels: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    n_old_scores: int = 0

    def lines(self) -> list[str]:
        """Say it to people, a line each; no line repeats what a comment says."""
        rows = f", {self.n_rows:,} rows" if self.n_rows else ""
        told = [f"{self.name}: {self.form}{rows}"]
        roles = ", ".join(
            f"{role} is {_shown(name)}" for role, name in self.columns.items() if name
        )
        if roles:
            told.append(f"  columns: {roles}")
        if self.unused:
            told.append(f"  not used: {', '.join(map(_shown, self.unused))}")
        if self.n_without_text:
            told.append(f"  left out: {self.n_without_text:,} rows without a visible text")
        if self.decisions:
            n_undecided = self.decisions[UNDECIDED]
            told.append(
                f"  decisions: {self.decisions[APPROVE]:,} approved, "
                f"{self.decisions[REJECT]:,} rejected, {n_undecided:,} without"
            )
        for role, n in self.unknown_words.items():
            told.append(
                f"  {role}: {n:,} rows in unknown words, the first in line "
                f"{self.first_unknown[role]:,}; they count as none (--word says what a word means)"
            )
        told += [
            f"  {label}: {counts['yes']:,} yes, {counts['no']:,} no"
            + f", {counts['divided']:,} divided" * bool(counts["divided"])
            for label, counts in self.labels.items()
        ]
        if self.n_old_scores:
            told.append(f"  scores of another service: {self.n_old_scores:,}")
        if self.first_time:
            told.append(f"  from {self.first_time} to {self.last_time}")
        if self.n_unread_times:
            told.append(f"  times that are not ISO 8601, left out: {self.n_unread_times:,}")
        return told


class CommentFile:
    """A file of comments, open: labelled comments as JSON Lines, or any table.

    `understood` is complete once `rows` was read to its end.
    """

    def __init__(self, table: Table, names: Names) -> None:
        self.table = table
        self._source = Path(table.name).name.partition(".")[0] or "table"
        self._words = {plain(word): meaning for word, meaning in names.words.items()}
        self._asked = {role: plain(name) for role, name in names.columns.items()}
        self._roles = lru_cache(maxsize=1_000)(self._find_roles)
        tops = {name.partition(".")[0] for name in table.columns}
        self.is_labeled = (
            table.is_json and not names.columns and set(REQUIRED) <= tops <= set(FIELDS)
        )
        columns = self._roles(table.columns)
        for role, asked in self._asked.items():
            if asked and role not in columns:
                raise RecordError(f"{table.name}: there is no column for {role} of that name")
        if not self.is_labeled and "text" not in columns and not table.is_json:
            raise RecordError(
                f"{table.name}: no column is named {', '.join(_COLUMNS['text'])}; "
                "--column text=NAME names it"
            )
        used = set(columns.values())
        unused = tuple(name for name in table.columns if name and name not in used)
        self.understood = Understood(
            table.name,
            "labelled comments, one a line" if self.is_labeled else table.form,
            {} if self.is_labeled else dict(columns),
            () if self.is_labeled else unused,
        )

    @property
    def says_labels(self) -> bool:
        """Whether a column says anything of decisions or labels."""
        return self.is_labeled or any(
            role == "decision" or role.startswith("labels.") for role in self.understood.columns
        )

    def cells(self) -> Iterator[tuple[int, Row]]:
        """Yield the line of every row, and its cells by what they are (`ROLES`)."""
        for line, row in self.table.rows():
            roles = self._roles(tuple(row))
            if "text" not in roles:
                raise RecordError(f"{self.table.name}, line {line}: has no text")
            if roles.keys() - self.understood.columns.keys():
                self.understood.columns |= roles
            yield line, {role: row[name] for role, name in roles.items()}

    def rows(self) -> Iterator[FileRow]:
        """Yield what the file says about comments; rows without a visible text are counted only.

        Raises
        ------
        RecordError
            If a row is wrong.
        """
        told = self.understood
        if self.is_labeled:
            for comment in read_comments(cast("IO[bytes]", _Named(self.table))):
                told.n_rows += 1
                self._count(comment)
                yield FileRow(told.n_rows, comment)
            return
        for line, cells in self.cells():
            told.n_rows += 1
            if not is_visible(cells["text"]):
                told.n_without_text += 1
                continue
            row = self._row(line, cells)
            self._count(row.comment)
            told.n_old_scores += row.old_score is not None
            yield row

    def _find_roles(self, names: tuple[str, ...]) -> dict[str, str]:
        """Say which column has which role; of several the one whose name is listed first."""
        by_plain: dict[str, str] = {}
        for name in names:
            by_plain.setdefault(plain(name), name)
        found = {}
        for role, known in _COLUMNS.items():
            wanted = (self._asked[role],) if role in self._asked else known
            for one in wanted:
                if one and one in by_plain:
                    found[role] = by_plain[one]
                    break
        # What a column was said to be, it is nothing else.
        asked = {found[role] for role in self._asked if role in found}
        return {
            role: name for role, name in found.items() if role in self._asked or name not in asked
        }

    def _row(self, line: int, cells: Row) -> FileRow:
        action, labels = self._decision(line, cells)
        for role, label in _LABEL_ROLES.items():
            share = _share(cells.get(role, ""), yes_or_no=True)
            if share is None:
                continue
            if math.isnan(share):
                self._fault(line, role, "expected yes, no or a number from 0 to 1")
            labels[label] = share
        score = _share(cells.get("score", ""))
        if score is not None and math.isnan(score):
            self._fault(line, "score", "the score is not a number from 0 to 1")
        likely = _share(cells.get("sampling_probability", ""))
        if likely is not None and not likely > 0:
            self._fault(line, "sampling_probability", "expected a number above 0 and up to 1")
        source = cells.get("source", "").strip()
        if "decision" in cells and source not in _DECIDERS:
            source = "moderator"  # where the comment came from, it may say
        others = {
            role: cells[role].strip()
            for role in ("site", "split", "dialect", "license", "moderator", "author_id")
            if role in cells
        }
        try:
            comment = LabeledComment(
                id=cells.get("id", "").strip() or str(line),
                text=cells["text"],
                labels=labels,
                source=source or self._source,
                author_name=cells.get("author_name", ""),
                article_title=cells.get("article_title", ""),
                reason=self._reason(cells.get("reason", "")) or "",
                decided_at=self._time(cells.get("decided_at", "")),
                action=action,
                sampling_probability=likely,
                **others,
            )
        except RecordError as error:
            raise RecordError(f"{self.table.name}, line {line}: {error}") from None
        return FileRow(line, comment, score)

    def _decision(self, line: int, cells: Row) -> tuple[str, dict[str, float]]:
        """Return what was decided and what it teaches."""
        told = self.understood
        if "decision" not in cells:
            return UNDECIDED, {}
        word = plain(cells["decision"])
        meaning = self._meaning(word)
        if meaning is None:
            told.unknown_words["decision"] += 1
            told.first_unknown.setdefault("decision", line)
            meaning = UNDECIDED
        if meaning in (UNDECIDED, APPROVE):
            labels = observed_labels(APPROVE, ()) if meaning else {}
            return meaning, labels
        reason = meaning if meaning in REASONS else None
        given = cells.get("reason", "").strip()
        if given and reason is None:
            reason = self._reason(given)
            if reason is None:  # one that is not ours names no label
                told.unknown_words["reason"] += 1
                told.first_unknown.setdefault("reason", line)
                return REJECT, {}
        return REJECT, observed_labels(REJECT, REASONS[reason or "toxicity"])

    def _meaning(self, word: str) -> str | None:
        if word in self._words:
            return self._words[word]
        if word in _PENDING:
            return UNDECIDED
        if word in _APPROVED:
            return APPROVE
        return REJECT if word in _REJECTED else _REASONS.get(word)

    def _reason(self, written: str) -> str | None:
        word = plain(written)
        said = self._words.get(word, _REASONS.get(word))
        return said if said in REASONS else None

    def _time(self, written: str) -> str:
        time = iso_time(written)
        self.understood.n_unread_times += time is None
        return time or ""

    def _count(self, comment: LabeledComment) -> None:
        told = self.understood
        if comment.action or "decision" in told.columns:
            told.decisions[comment.action] += 1
        for label, share in comment.labels.items():
            kind = "yes" if share == 1 else "no" if share == 0 else "divided"
            told.labels[label][kind] += 1
        if comment.decided_at:
            told.first_time = min(told.first_time or comment.decided_at, comment.decided_at)
            told.last_time = max(told.last_time, comment.decided_at)

    def _fault(self, line: int, role: str, fault: str) -> None:
        column = _shown(self.understood.columns[role])
        raise RecordError(f"{self.table.name}, line {line}, column {column}: {fault}")


@contextmanager
def open_comments(
    place: str | os.PathLike[str], names: Names | None = None
) -> Iterator[CommentFile]:
    """Open a file of comments, whatever its form; ``"-"`` is standard input.

    Raises
    ------
    RecordError
        If it cannot be opened or holds no texts. The message names file, line and column, and
        never repeats a comment's text.
    """
    names = names or Names()
    asked = {plain(name) for name in names.columns.values()}
    with open_table(place, lambda name: plain(name) in _KNOWN or plain(name) in asked) as table:
        yield CommentFile(table, names)


_KNOWN = frozenset(name for names in _COLUMNS.values() for name in names)


class _Named:
    """The lines of a table, under the name that the user knows it by."""

    def __init__(self, table: Table) -> None:
        self.name = table.name
        self._lines = table.lines

    def __iter__(self) -> Iterator[str]:
        return self._lines()


def iso_time(written: str) -> str | None:
    """Return a time in ISO 8601, the empty string where none is given, None for what is none.

    Seconds and milliseconds since 1970 are understood as well. A time without a zone stays so.

    Examples
    --------
    >>> iso_time("2026-01-02 03:04"), iso_time("1767323040"), iso_time("02/01/26")
    ('2026-01-02T03:04:00', '2026-01-02T03:04:00+00:00', None)
    """
    text = written.strip()
    if not text:
        return ""
    if not text.isascii():
        text = "".join(str(unicodedata.digit(one, one)) for one in text)
    try:
        if re.fullmatch(r"\d{9,11}(\.\d+)?|\d{12,14}", text):
            seconds = float(text) / (1000 if re.fullmatch(r"\d{12,14}", text) else 1)
            return datetime.fromtimestamp(seconds, UTC).isoformat()
        return datetime.fromisoformat(text.replace("/", "-")).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def _share(written: str, *, yes_or_no: bool = False) -> float | None:
    """Return a number in [0, 1], None where none is given, NaN for what is none."""
    if not written:
        return None
    word = plain(written).replace("\N{ARABIC DECIMAL SEPARATOR}", ".").replace(",", ".")
    if not word:
        return None
    if yes_or_no and word in _REJECTED | _APPROVED:
        return float(word in _REJECTED)
    try:
        share = float(word)
    except ValueError:
        return math.nan
    return share if 0 <= share <= 1 else math.nan


def _shown(name: str) -> str:
    """Show the name of a column: a header may be a comment by mistake, so only its beginning."""
    visible = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)
    return f'"{visible[:30]}"' if len(visible) <= 30 else f'"{visible[:29]}\N{HORIZONTAL ELLIPSIS}"'
