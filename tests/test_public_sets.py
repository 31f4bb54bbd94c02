"""Each public set says what it observed, in our labels, and nothing else."""

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import RecordError
from models.schema import LABELS
from training.public_sets import POLICIES, Row, read_set

COLUMNS = ("id", "text", "label_raw", "split", "offensive", "kind")
SALAM = "\u0633\u0644\u0627\u0645"  # salam, "peace"
USER = "\u0645\u0633\u062a\u062e\u062f\u0645"  # mustakhdim, "user"


def write_set(folder: Path, set_id: str, *cells: object, text: str = SALAM) -> Path:
    """Write a set of one row: raw labels, split, offensive, kind."""
    raw, *others = cells
    path = folder / f"{set_id}.tsv.xz"
    row = ["1", text, raw if isinstance(raw, str) else json.dumps(raw), *map(str, others)]
    path.write_bytes(lzma.compress("\n".join(["\t".join(COLUMNS), "\t".join(row), ""]).encode()))
    return path


def read_row(folder: Path, set_id: str, *cells: object, text: str = SALAM) -> Row:
    """Write a set of one row and read it."""
    (row,) = read_set(write_set(folder, set_id, *cells, text=text))
    return row


NOTHING = dict.fromkeys(LABELS, 0.0)


@pytest.mark.parametrize(
    ("set_id", "row", "expected"),
    [
        ("osact4", ({}, "1", "insult|hate"), {"toxicity": 1, "insult": 1, "identity_attack": 1}),
        ("osact4", ({}, "0", "clean"), {"toxicity": 0, "insult": 0, "identity_attack": 0}),
        (
            "osact5",
            ({"hs": "HS1"}, "1", "insult|hate|threat"),
            {"toxicity": 1, "profanity": 0, "identity_attack": 1, "threat": 1}
            | {"severe_toxicity": 1},
        ),
        # Hatred for an ideology is no attack on an identity; one strong kind says nothing.
        (
            "osact5",
            ({"hs": "HS3"}, "1", "insult|hate|profanity"),
            {"toxicity": 1, "profanity": 1, "threat": 0},
        ),
        ("mpold", ({"sub": "V"}, "1", "insult|profanity"), {"toxicity": 1, "profanity": 1}),
        (
            "mpold",
            ({"sub": "-"}, "1", "insult"),
            {"toxicity": 1, "insult": 1, "profanity": 0, "identity_attack": 0},
        ),
        ("alakrot_youtube", ({"votes_offensive": 0}, "0", "clean"), {"toxicity": 0, "insult": 0}),
        ("aj_comments", ("-2", "1", "profanity"), {"toxicity": 1, "profanity": 1}),
        ("aj_comments", ("-1", "1", "insult"), {}),
        ("aj_comments", ("0", "0", "clean"), {"toxicity": 0, "profanity": 0}),
        ("dziriofn", ({}, "1", "insult|profanity"), {"toxicity": 1, "insult": 1, "profanity": 1}),
        # Read along our own line: every label was observed, and a doubt is a share.
        (
            "annotated_news",
            ("IAX;from=mpold", "1", "insult|hate"),
            NOTHING | {"toxicity": 1} | {"insult": 1, "identity_attack": 1, "severe_toxicity": 1},
        ),
        (
            "annotated_news",
            ("RU;from=mpold", "1", ""),
            NOTHING | {"toxicity": 0.65, "religious_insult": 0.65},
        ),
        ("annotated_news", ("NU;from=mpold", "0", "clean"), NOTHING | {"toxicity": 0.2}),
        ("contrast", ("S;dialect=egy;kind=num;field=text", "0", "spam"), NOTHING | {"spam": 1}),
        ("contrast", ("N;dialect=egy;kind=num;field=text", "0", "clean"), NOTHING),
        ("armi2021", ({"category": "none"}, "", "unknown"), {}),
        (
            "armi2021",
            ({"category": "threat of violence"}, "1", "misogyny|threat"),
            {"toxicity": 1, "threat": 1},
        ),
        ("letmi", ({}, "1", "hate|misogyny"), {"toxicity": 1, "threat": 1}),
        ("egyptian5", ("Racism", "1", "hate"), {"toxicity": 1, "identity_attack": 1}),
        (
            "sohateful",
            (
                {"hate": "ideology", "directed": "yes", "target": "individual", "spam": "no"},
                "1",
                "insult|hate",
            ),
            {"toxicity": 1, "insult": 1, "profanity": 0, "threat": 0, "spam": 0},
        ),
        (
            "sohateful",
            (
                {"hate": "nan", "directed": "no-not-directed", "target": "nan", "spam": "yes"},
                "0",
                "spam",
            ),
            {"toxicity": 0, "severe_toxicity": 0, "insult": 0, "profanity": 0}
            | {"identity_attack": 0, "threat": 0, "spam": 1},
        ),
        ("arsarcasm_v2", ({"sentiment": "NEG"}, "", "unknown"), {}),
    ],
)
def test_each_set_says_only_what_it_observed(
    tmp_path: Path, set_id: str, row: tuple[object, str, str], expected: dict[str, float]
) -> None:
    raw, offensive, kind = row
    assert read_row(tmp_path, set_id, raw, "", offensive, kind).labels == expected


def test_comments_that_a_site_let_stand_are_presumed_harmless(tmp_path: Path) -> None:
    row = read_row(tmp_path, "aoc_news_comments_unl", "MSA", "dev", "", "unknown")
    assert set(row.labels.values()) == {0.0}
    assert row.domain == read_row(tmp_path, "mpold", {"sub": "-"}, "", "0", "clean").domain


def test_votes_become_shares(tmp_path: Path) -> None:
    row = read_row(tmp_path, "alakrot_youtube", {"votes_offensive": 2}, "", "1", "insult")
    assert row.labels == pytest.approx({"toxicity": 2 / 3, "insult": 2 / 3})


def test_every_policy_observes_known_labels_and_names_its_licence() -> None:
    for policy in POLICIES.values():
        assert set(policy.observes) <= set(LABELS)
        assert policy.license
        assert policy.quality[0] in "ABC"
        assert 0 < policy.weight <= 2


def test_handles_are_masked_and_line_breaks_restored(tmp_path: Path) -> None:
    text = f"@some_reader {SALAM}<LF>{USER}@ {SALAM}"
    row = read_row(tmp_path, "osact4", {}, "train", "0", "clean", text=text)
    assert row.text == f"@USER {SALAM}\n@USER {SALAM}"


@pytest.mark.parametrize(
    ("set_id", "cells", "part"),
    [
        ("osact4", ({}, "test", "0", "clean"), "test"),
        ("osact4", ({}, "dev", "0", "clean"), "dev"),
        ("osact4", ({}, "train", "0", "clean"), "train"),
        ("osact5", ({"hs": "NOT_HS"}, "dev", "0", "clean"), "test"),
        ("osact5", ({"hs": "NOT_HS"}, "train", "0", "clean"), "validation fold"),
        ("lhsab", ("normal", "", "0", "clean"), "fold"),
        ("omcd", ("0", "train", "0", "clean"), "train"),
        ("aoc_news_comments_unl", ("DIAL_EGY", "dev", "", "unknown"), "half"),
        ("arsarcasm_v2", ({"sentiment": "NEG"}, "train", "", "unknown"), "half"),
        ("arsarcasm_v2", ({"sentiment": "POS"}, "train", "", "unknown"), "train"),
    ],
)
def test_what_may_never_be_trained_on_is_fixed_by_the_set(
    tmp_path: Path, set_id: str, cells: tuple[object, ...], part: str
) -> None:
    assert read_row(tmp_path, set_id, *cells).split == part


@pytest.mark.parametrize(
    ("set_id", "raw", "dialect"),
    [
        ("lhsab", "normal", "levantine"),
        ("arsarcasm_v2", {"dialect": "magreb"}, "maghrebi"),
        ("aoc_news_comments_unl", "DIAL_GLF", "gulf"),
        ("osact4", {}, ""),
    ],
)
def test_the_dialect_is_the_rows_or_the_sets(
    tmp_path: Path, set_id: str, raw: object, dialect: str
) -> None:
    assert read_row(tmp_path, set_id, raw, "", "0", "clean").dialect == dialect


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (
            lambda path: path.write_bytes(lzma.compress(b"id\ttext\n")),
            "line 1: the columns must be",
        ),
        (
            lambda path: write_set(path.parent, "mpold", "", "", "", "", text="a\tb"),
            "line 2: 7 columns, expected 6",
        ),
        (
            lambda path: write_set(path.parent, "mpold", "{]", "", "1", "insult"),
            "after line 2: cannot be read",
        ),
        (lambda path: path.write_bytes(b"no archive"), "after line 0: cannot be read"),
        (lambda path: None, "after line 0: cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_naming_file_and_line(
    tmp_path: Path, write: Callable[[Path], object], complaint: str
) -> None:
    path = tmp_path / "mpold.tsv.xz"
    write(path)
    with pytest.raises(RecordError, match=complaint):
        list(read_set(path))


def test_an_unknown_set_is_refused_naming_the_place_to_add_it(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"'mystery'; add one to training\.public_sets"):
        list(read_set(write_set(tmp_path, "mystery", "", "", "1", "insult")))
