"""Upstream files of the public sets: where they are, and how each becomes a set that we read.

The texts are other people's and are not in this repository. ``data/upstream.json`` names for each
set the files it is made of, by their digests, with the repositories that hold them. Who has
downloaded them gets the sets from `build`: six columns, tab-separated, nothing quoted
(`training.public_sets`). Nothing here uses the network.

Secret: the forms of these files, and what their labels are called. A ``kind`` is a reading of a
set's own label; what the label means in ours, `training.public_sets` decides.
"""

from __future__ import annotations

import csv
import hashlib
import json
import lzma
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import RecordError
from models.files import write_durably
from training.public_sets import COLUMNS

_TABLE = Path(__file__).parent / "data" / "upstream.json"


@dataclass(frozen=True)
class UpstreamFile:
    """A file as somebody published it."""

    name: str
    n_bytes: int
    sha256: str
    places: tuple[tuple[str, str, str], ...]  # repository on GitHub, commit, path


@dataclass(frozen=True)
class SetRow:
    """A row of a set as it is written."""

    id: str
    text: str
    raw: str | Mapping[str, Any]
    split: str
    offensive: str
    kind: str

    @property
    def line(self) -> str:
        """Write the row: blanks and breaks of a line are one blank, names of people are masked."""
        text = _NAME.sub("@USER", _BLANKS.sub(" ", self.text).strip())
        raw = self.raw if isinstance(self.raw, str) else json.dumps(self.raw, ensure_ascii=False)
        return "\t".join((self.id, text, raw, self.split, self.offensive, self.kind))


_BLANKS = re.compile(r"(?:[ \t\n\r\f\v]|_x000D_)+")  # the last as spreadsheets write a return
_NAME = re.compile(r"@(?!USER\b)[^\s:@!\N{ARABIC COMMA}]+")

Files = Mapping[str, Path]


def upstream() -> dict[str, tuple[UpstreamFile, ...]]:
    """Return the files of each set that is known."""
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    return {
        name: tuple(
            UpstreamFile(
                one["file"],
                one["bytes"],
                one["sha256"],
                tuple((place["repo"], place["commit"], place["path"]) for place in one["sources"]),
            )
            for one in files
        )
        for name, files in table.items()
    }


def found(folder: Path) -> dict[str, Path]:
    """Find upstream files in a folder, whatever they are called there, by their digests."""
    wanted = {one.n_bytes for files in upstream().values() for one in files}
    return {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size in wanted
    }


def build(name: str, files: Files, out: Path) -> tuple[Path, int]:
    """Make a set of its files, by their names upstream; return where it is and its rows.

    Raises
    ------
    RecordError
        If a file is not what it was.
    """
    try:
        rows = [row.line for row in _MAKERS[name](files)]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise RecordError(f"{name}: its files cannot be read: {type(error).__name__}") from None
    content = "\n".join([COLUMNS, *rows, ""]).encode()
    path = out / f"{name}.tsv.xz"
    write_durably(path, lzma.compress(content, preset=6))
    return path, len(rows)


# Forms of files


def _tabs(path: Path) -> list[list[str]]:
    """Lines cut at tabs, nothing quoted."""
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return [line.rstrip("\r").split("\t") for line in lines if line.strip()]


def _csv(path: Path, delimiter: str = ",") -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file, delimiter=delimiter)


def _sheet(path: Path) -> Iterator[tuple[Any, ...]]:
    try:
        import openpyxl
    except ImportError:
        raise RecordError(f"{path}: openpyxl reads it: pip install openpyxl") from None
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    yield from book.worksheets[0].iter_rows(values_only=True)
    book.close()


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows of a sheet by the names of its first row."""
    rows = _sheet(path)
    names = [str(name).strip() for name in next(rows)]
    for row in rows:
        if row[0] is not None or row[1] is not None:
            yield dict(zip(names, row, strict=False))


def _kinds(*kinds: str | bool) -> str:
    return "|".join(kind for kind in kinds if isinstance(kind, str)) or "clean"


# Sets


def _mpold(files: Files) -> Iterator[SetRow]:
    for row in _records(files["mpold.xlsx"]):
        sub = next(str(row[name]) for name in row if name.startswith("Vulgar"))
        offensive = row["Majority_Label"] == "Offensive"
        raw = {
            "label": row["Majority_Label"],
            "agreement": round(float(row["Agreement"]), 2),
            "sub": sub,
            "platform": row["Platform"],
        }
        kind = _kinds(offensive and "insult", "HS" in sub and "hate", "V" in sub and "profanity")
        yield SetRow(str(row["Id"]), row["Comment"], raw, "", str(int(offensive)), kind)


def _osact4(files: Files) -> Iterator[SetRow]:
    for split in ("train", "dev"):
        for i, (text, off, hate) in enumerate(
            _tabs(files[f"OSACT2020-sharedTask-{split}.txt"]), start=1
        ):
            yield _osact4_row(f"{split}{i}", text, split, off == "OFF", hate == "HS")
    tweets = _tabs(files["offenseval-ar-test-tweets-v1.tsv"])[1:]
    gold = list(_records(files["ID5.xlsx"]))[8000:]
    for i, ((_, text), label) in enumerate(zip(tweets, gold, strict=True), start=1):
        yield _osact4_row(
            f"test{i}", text, "test", _is(label["offensive"]), _is(label["offense strength"])
        )


def _osact4_row(row_id: str, text: str, split: str, offensive: bool, hate: bool) -> SetRow:
    raw = {"off": "OFF" if offensive else "NOT_OFF", "hs": "HS" if hate else "NOT_HS"}
    kind = _kinds(offensive and "insult", hate and "hate")
    return SetRow(row_id, text, raw, split, str(int(offensive)), kind)


def _is(cell: Any) -> bool:
    return str(cell) in ("1", "1.0", "True")


def _osact5(files: Files) -> Iterator[SetRow]:
    for split in ("train", "dev"):
        for row_id, text, off, hate, vulgar, violence in _tabs(
            files[f"OSACT2022-sharedTask-{split}.txt"]
        ):
            raw = {"off": off, "hs": hate, "vulgar": vulgar, "violence": violence}
            kind = _kinds(
                off == "OFF" and "insult",
                hate != "NOT_HS" and "hate",
                hate == "HS6" and "misogyny",
                vulgar == "VLG" and "profanity",
                violence == "VIO" and "threat",
            )
            yield SetRow(row_id, text, raw, split, str(int(off == "OFF")), kind)
    for row_id, text in _tabs(files["OSACT2022-sharedTask-test-tweets.txt"]):
        yield SetRow(row_id, text, "", "test", "", "unknown")


_NORMAL_ABUSIVE_HATE = {
    "normal": ("0", "clean"),
    "abusive": ("1", "insult"),
    "hate": ("1", "insult|hate"),
}


def _lhsab(files: Files) -> Iterator[SetRow]:
    lines = files["lhsab.tsv"].read_text(encoding="utf-8").split("\n")
    # Three texts are quoted, because they go over several lines.
    reader = csv.reader([f"{line}\n" for line in lines if line], delimiter="\t")
    n_lines = next(reader) and 0
    for text, label in reader:
        yield SetRow(str(n_lines), text, label, "", *_NORMAL_ABUSIVE_HATE[label])
        n_lines = reader.line_num - 1


def _thsab(files: Files) -> Iterator[SetRow]:
    for i, (text, label, *_) in enumerate(_sheet(files["thsab.xlsx"])):
        yield SetRow(str(i), str(text), label, "", *_NORMAL_ABUSIVE_HATE[label])


def _alakrot(files: Files) -> Iterator[SetRow]:
    for row in _records(files["rabee.xlsx"]):
        votes = [str(row[f"annotator{i}"]).strip().upper() for i in (1, 2, 3)]
        n_offensive = votes.count("P")
        text = row["commentText"] or row["replies.commentText"]
        offensive = str(int(n_offensive >= 2))
        raw = {"annotators": votes, "votes_offensive": n_offensive}
        yield SetRow(
            str(row["Index"]), str(text), raw, "", offensive, _kinds(n_offensive >= 2 and "insult")
        )


def _sohateful(files: Files) -> Iterator[SetRow]:
    columns = {
        "off": "Q4.1",
        "directed": "Q4.2",
        "target": "Q4.3",
        "hate": "Q4.4",
        "vulgar": "Q4.5",
        "violence": "Q4.6",
        "sarcasm": "Q6",
        "spam": "Q9",
        "emotion": "Q1",
    }
    for row in _records(files["SoHateful.xlsx"]):
        raw = {}
        for name, start in columns.items():
            cell = next(row[key] for key in row if key.startswith(start))
            raw[name] = "nan" if cell is None else str(cell)
            if name != "emotion":
                raw[name] = raw[name].strip().lower()
        off, spam = raw["off"] == "yes", raw["spam"].startswith("yes")
        hate = off and raw["hate"] not in ("no", "nan")
        kind = _kinds(
            off and "insult",
            hate and "hate",
            hate and "gender" in raw["hate"] and "misogyny",
            off and raw["vulgar"] == "yes" and "profanity",
            off and raw["violence"] == "yes" and "threat",
            spam and "spam",
        )
        offensive = {"yes": "1", "no": "0"}.get(raw["off"], "")
        kind = kind if offensive or spam else "unknown"
        number = "nan" if row["NUM"] is None else f"{float(row['NUM'])}"
        yield SetRow(number, str(row["info_text"]), raw, "", offensive, kind)


def _letmi(files: Files) -> Iterator[SetRow]:
    for row in _records(files["ID14.xlsx"]):
        misogyny, offensive = int(row["sexism"]), int(row["offensive"])
        strength = None if row["offense strength"] == "null" else row["offense strength"]
        raw = {"offensive": offensive, "misogyny": misogyny, "strength": strength}
        worst = "hate" if strength == "HS" else "insult"
        kind = _kinds(bool(offensive) and worst, bool(misogyny) and "misogyny")
        yield SetRow(f"{float(row['text ID'])}", row["text"], raw, "", str(offensive), kind)


def _armi(files: Files) -> Iterator[SetRow]:
    for row in _csv(files["ArMI2021_training.tsv"], "\t"):
        misogyny, category = row["misogyny"], row["category"]
        raw = {"misogyny": misogyny, "category": category}
        kind = "unknown"
        if misogyny == "misogyny":
            kind = _kinds(
                category in ("discredit", "damning") and "insult",
                "misogyny",
                category.startswith("threat") and "threat",
                "sexual" in category and "sexual",
            )
        offensive = "1" if misogyny == "misogyny" else ""
        yield SetRow(row["tweet_id"], row["text"], raw, "train", offensive, kind)


def _omcd(files: Files) -> Iterator[SetRow]:
    for split in ("train", "test"):
        for row in _csv(files[f"{split}.csv"]):
            off = row["off"]
            yield SetRow(
                f"{split}{row['']}",
                row["comment"],
                off,
                split,
                off,
                _kinds(off == "1" and "insult"),
            )


def _dziriofn(files: Files) -> Iterator[SetRow]:
    kinds = {
        "normal": ("0", "clean"),
        "offensive": ("1", "insult"),
        "abusive": ("1", "insult|profanity"),
    }
    scripts = {0: "latin?", 1: "arabic?", 2: "mixed?"}
    for label, (offensive, kind) in kinds.items():
        text = files[f"{label}.json"].read_text(encoding="utf-8")
        for row in json.loads(text)["annotation"]:
            raw = {"label": label, "script": scripts[row["arabic"]]}
            yield SetRow(f"{label}{row['ID']}", row["comment"], raw, "", offensive, kind)


def _mlma(files: Files) -> Iterator[SetRow]:
    for row in _csv(files["MLMA.csv"]):
        raw = {name: row[name] for name in ("sentiment", "directness", "target", "group")}
        kinds = set(row["sentiment"].split("_"))
        bad = kinds & {"abusive", "hateful", "offensive", "disrespectful"}
        offensive = "1" if bad else "0" if kinds == {"normal"} else ""
        kind = _kinds(
            bool(bad - {"hateful"}) and "insult",
            "hateful" in kinds and "hate",
            bool(bad) and row["target"] == "gender" and "misogyny",
        )
        yield SetRow(
            row["HITId"], row["tweet"], raw, "", offensive, kind if offensive else "unknown"
        )


def _alsafari(files: Files) -> Iterator[SetRow]:
    for i, row in enumerate(_records(files["sb.xlsx"])):
        bad = str(int(row["Class"]))
        yield SetRow(str(i), row["Tweet"], bad, "", bad, "insult|hate" if bad == "1" else "clean")


def _aj(name: str) -> Callable[[Files], Iterator[SetRow]]:
    def rows(files: Files) -> Iterator[SetRow]:
        for split in ("train", "dev", "test"):
            for i, row in enumerate(_csv(files[f"{name}-{split}.tsv"], "\t")):
                level = row["level"]
                kind = {"0": "clean", "-1": "insult", "-2": "profanity"}[level]
                yield SetRow(f"{split}{i}", row["text"], level, split, str(int(level != "0")), kind)

    return rows


def _egyptian5(files: Files) -> Iterator[SetRow]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise RecordError("egyptian5: pyarrow reads it: pip install pyarrow") from None
    kinds = {
        "Neutral": "clean",
        "Offensive": "insult",
        "Racism": "hate",
        "Religious Discrimination": "hate",
        "Sexism": "hate|misogyny",
    }
    for split in ("train", "test"):
        rows: Iterable[Mapping[str, str]] = parquet.read_table(
            files[f"{split}-egyptian-5-way.parquet"]
        ).to_pylist()
        for i, row in enumerate(rows):
            offensive = str(int(row["label"] != "Neutral"))
            yield SetRow(
                f"{split}{i}", row["text"], row["label"], split, offensive, kinds[row["label"]]
            )


_MAKERS: Mapping[str, Callable[[Files], Iterator[SetRow]]] = {
    "mpold": _mpold,
    "osact4": _osact4,
    "osact5": _osact5,
    "lhsab": _lhsab,
    "alakrot_youtube": _alakrot,
    "sohateful": _sohateful,
    "letmi": _letmi,
    "armi2021": _armi,
    "omcd": _omcd,
    "dziriofn": _dziriofn,
    "mlma_ar": _mlma,
    "alsafari_gulf": _alsafari,
    "aj_comments": _aj("AJ"),
    "aj_tweets": _aj("tweet"),
    "egyptian5": _egyptian5,
    "thsab": _thsab,
}
