r"""Labels, reasons, evidence, and the labelled comment, which service and training exchange.

The service writes what moderators decided, training reads it beside the public sets, and both
meet only here. The module keeps one secret: the form of a labelled comment on disk, JSON Lines
(one JSON object per line, UTF-8, ``\n`` between lines), optionally compressed with gzip or xz.

A record needs ``id``, ``text``, ``labels`` and ``source``; the other fields are strings that are
left out when empty::

    {"id": "17", "text": "...", "labels": {"toxicity": 1.0, "insult": 1.0}, "source": "moderator"}

``labels`` holds only what was observed. A label that is missing is unknown, not 0: a comment that
a moderator rejected as an insult says nothing about spam.
"""

import gzip
import json
import lzma
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, Literal

from models.errors import NotJson, RecordError
from models.strict_json import read_json

LABELS = (
    "toxicity",
    "severe_toxicity",
    "insult",
    "profanity",
    "identity_attack",
    "threat",
    "spam",
    "religious_insult",
)
"""Every label, in the order of score columns. Their meaning is in the model card."""

UMBRELLA = "toxicity"
"""The label that is true of every abusive comment, whatever else is; spam alone is no abuse."""

REASONS: Mapping[str, tuple[str, ...]] = {
    "insult": ("insult",),
    "profanity": ("profanity",),
    "identity_attack": ("identity_attack",),
    "threat": ("threat",),
    "religious_insult": ("religious_insult",),
    "severe_toxicity": ("severe_toxicity",),
    "spam": ("spam",),
    "toxicity": ("toxicity",),
    "off_topic": (),
    "private_information": (),
}
"""Every reason for which people reject, in the order in which they choose, and the labels that it
names. A site may have reasons of its own, which name none."""


def observed_labels(action: str, labels: Collection[str]) -> dict[str, float]:
    """Return what a decision that names labels teaches; a label that is missing stays unknown.

    An approval observes the absence of every label that it does not name. A rejection observes the
    labels it names, and with any of them but spam `UMBRELLA`; of the others it says nothing.

    Examples
    --------
    >>> observed_labels("reject", ["insult"]), observed_labels("reject", REASONS["off_topic"])
    ({'insult': 1.0, 'toxicity': 1.0}, {})
    """
    named = dict.fromkeys(labels, 1.0)
    if action == "approve":
        return dict.fromkeys(LABELS, 0.0) | named
    return named | ({UMBRELLA: 1.0} if set(named) - {"spam"} else {})


Field = Literal["text", "author.name"]
"""What of a comment is scored: its text and the display name of its author."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A part of a comment that speaks for a label, or that a site has on its list.

    Attributes
    ----------
    field : {"text", "author.name"}
        Where it stands: in the text or in the display name.
    label : str
        One of `LABELS`.
    start : int
        First code point of the part, in the field as it was written.
    end : int
        Code point after the last.
    weight : float
        What it adds to the logit of the label, by the word scorer and, where that was asked, by
        the sentence scorer; 0 for a word of the site's list.
    """

    field: Field
    label: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class SentenceEvidence:
    """What the sentence as a whole says of a label, where the sentence scorer has read it.

    Attributes
    ----------
    field : {"text", "author.name"}
        Which was read: the text or the display name.
    label : str
        One of `LABELS`.
    weight : float
        What the sentence scorer adds to the logit of the label; below 0 it speaks against it.
    """

    field: Field
    label: str
    weight: float


@dataclass(frozen=True, slots=True)
class LabeledComment:
    """A comment and what is known about it.

    Parameters
    ----------
    id : str
        Identifies the comment within its source; not empty.
    text : str
        The comment as it was written, with at least one character that is not white space.
    labels : Mapping[str, float]
        Observed labels only, each in [0, 1]: 1 or 0, or the share of voters who saw it.
    source : str
        ``moderator``, ``policy``, ``site_feedback``, ``sample`` or the id of a public set.
    author_name, article_title : str
        What the reader saw beside the text.
    split : str
        ``train``, ``dev`` or ``test`` where the source fixes it.
    dialect, site, license : str
        Dialect of the text, site the comment came from, licence of the text.
    author_id, action, reason, moderator, decided_at : str
        Of a decision: whose comment it was, ``approve`` or ``reject``, reason code, who decided,
        when (ISO 8601). Training reads none of them; with them a lost queue is rebuilt.
    seen_for : str
        Of a decision: what brought the comment before a person, ``score``, ``random_sample``,
        ``uncertain`` or another reason of the policy. Only the random sample stands for all
        comments that were not flagged.
    sampling_probability : float or None
        Of a decision: with what probability a comment like it comes before a person, in (0, 1];
        None where that is not known, or where it was chosen by hand or by hesitation.

    Raises
    ------
    RecordError
        If a field has the wrong type, ``id``, ``text`` or ``source`` is empty, a string holds a
        lone surrogate, a label is not in `LABELS` or not a number in [0, 1], or
        ``sampling_probability`` is not in (0, 1].
    """

    id: str
    text: str
    labels: Mapping[str, float]
    source: str
    author_name: str = ""
    article_title: str = ""
    split: str = ""
    dialect: str = ""
    site: str = ""
    reason: str = ""
    decided_at: str = ""
    license: str = ""
    author_id: str = ""
    action: str = ""
    moderator: str = ""
    seen_for: str = ""
    sampling_probability: float | None = None

    def __post_init__(self) -> None:
        for name in _STRING_FIELDS:
            _check_string(name, getattr(self, name))
        if not isinstance(self.labels, Mapping):
            raise RecordError(f'field "labels": expected an object, got {_kind(self.labels)}')
        for label, share in self.labels.items():
            if label not in LABELS:
                known = ", ".join(LABELS)
                raise RecordError(f'field "labels": unknown label {label!r}; known are {known}')
            if not (_is_number(share) and 0 <= share <= 1):
                raise RecordError(f'field "labels.{label}": expected a number between 0 and 1')
        likely = self.sampling_probability
        if likely is not None and not (_is_number(likely) and 0 < likely <= 1):
            raise RecordError('field "sampling_probability": expected a number above 0 and up to 1')


FIELDS = tuple(field.name for field in fields(LabeledComment))
_STRING_FIELDS = tuple(name for name in FIELDS if name not in ("labels", "sampling_probability"))
REQUIRED = ("id", "text", "labels", "source")
_JSON_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def read_comments(source: str | os.PathLike[str] | IO[Any]) -> Iterator[LabeledComment]:
    """Read labelled comments one by one.

    Parameters
    ----------
    source : path or file
        A path, compressed when it ends in ``.gz`` or ``.xz``, ``"-"`` for standard input, or an
        open file of text or bytes. Empty lines and a byte order mark at the start are passed
        over.

    Yields
    ------
    LabeledComment

    Raises
    ------
    RecordError
        If the file cannot be opened or decompressed, or a line is not a labelled comment. The
        message names file, line and field, and never repeats the comment's text.
    """
    with _opened(source, "rb") as (file, name):
        lines = enumerate(file, start=1)
        number = 0
        while True:
            try:
                number, line = next(lines)
                if number == 1 and isinstance(line, str):
                    line = line.removeprefix("\ufeff")
                comment = _parse(line) if line.strip() else None
            except StopIteration:
                return
            except RecordError as error:
                raise RecordError(f"{name}, line {number}: {error}") from None
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise RecordError(f"{name}, after line {number}: cannot be read: {error}") from None
            if comment is not None:
                yield comment


def write_comments(
    comments: Iterable[LabeledComment], target: str | os.PathLike[str] | IO[Any]
) -> int:
    """Write labelled comments as JSON Lines.

    The same comments give the same bytes: fields in the order of the class, labels in the order
    of `LABELS`, no time stamp in a compressed file.

    Parameters
    ----------
    comments : iterable of LabeledComment
    target : path or file
        As for `read_comments`; ``"-"`` is standard output.

    Returns
    -------
    int
        How many were written.

    Raises
    ------
    RecordError
        If the file cannot be opened.
    """
    count = 0
    with _opened(target, "wb") as (file, _):
        as_text = hasattr(file, "encoding")
        for comment in comments:
            line = json.dumps(_record(comment), ensure_ascii=False) + "\n"
            file.write(line if as_text else line.encode())
            count += 1
    return count


def _parse(line: bytes | str) -> LabeledComment:
    """One line to one labelled comment."""
    try:
        record = read_json(line.strip())
    except NotJson as error:
        raise RecordError(f"the line {error}") from None
    if not isinstance(record, dict):
        raise RecordError(f"expected an object, got {_kind(record)}")
    for name in record:
        if name not in FIELDS:
            raise RecordError(f"unknown field {name!r}; known are {', '.join(FIELDS)}")
    for name in REQUIRED:
        if name not in record:
            raise RecordError(f'field "{name}" is missing')
    return LabeledComment(**record)


def _record(comment: LabeledComment) -> dict[str, Any]:
    """Return the JSON object of a labelled comment; empty optional fields are left out."""
    record = {name: getattr(comment, name) for name in FIELDS}
    record["labels"] = {label: comment.labels[label] for label in LABELS if label in comment.labels}
    return {name: value for name, value in record.items() if value or name in REQUIRED}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_string(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise RecordError(f'field "{name}": expected a string, got {_kind(value)}')
    if name in REQUIRED and not value.strip():
        raise RecordError(f'field "{name}" is empty')
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RecordError(f'field "{name}": not valid Unicode (a lone surrogate)') from None


def _kind(value: object) -> str:
    return _JSON_KINDS.get(type(value), type(value).__name__)


@contextmanager
def _opened(place: str | os.PathLike[str] | IO[Any], mode: str) -> Iterator[tuple[Any, str]]:
    """Open a path, or hand on an open file or standard stream without closing it."""
    if not isinstance(place, str | os.PathLike):
        yield place, str(getattr(place, "name", "<stream>"))
        return
    if os.fspath(place) == "-":
        stream = sys.stdin if mode == "rb" else sys.stdout
        yield stream.buffer, f"<{stream.name.strip('<>')}>"
        stream.flush()
        return
    path = Path(place)
    try:
        raw = path.open(mode)
    except OSError as error:
        raise RecordError(f"{path}: cannot be opened: {error.strerror}") from None
    with raw:
        if path.suffix == ".gz":
            # Without a name and a time in the header, equal comments give equal files.
            with gzip.GzipFile(filename="", mode=mode, fileobj=raw, mtime=0) as gzipped:
                yield gzipped, str(path)
        elif path.suffix == ".xz":
            with lzma.LZMAFile(raw, mode) as xz:
                yield xz, str(path)
        else:
            yield raw, str(path)
