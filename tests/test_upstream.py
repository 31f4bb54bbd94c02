"""Public sets made of the files that their makers published, without the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet

from models.errors import RecordError
from training import upstream
from training.cli import main
from training.public_sets import POLICIES, Row, policy_of, read_set
from training.upstream import UpstreamFile, build

SALAM = "\u0633\u0644\u0627\u0645"  # salam, "peace"


def text_file(content: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(content, encoding="utf-8")

    return write


def sheet(*rows: Sequence[object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        book = openpyxl.Workbook()
        for row in rows:
            book.worksheets[0].append(row)
        book.save(path)

    return write


def columns(**values: Sequence[str]) -> Callable[[Path], None]:
    return lambda path: parquet.write_table(pa.table(dict(values)), path)


VANETIK = ("text ID ", "text", "offensive", "offense strength", "sexism")
SOHATEFUL = ("NUM", "info_text", "Q1: Emotion", "Q4.1", " Q4.2:", "Q4.3", "Q4.4 :", "Q4.5", "Q4.6")
VOTES, NO = ("annotator1", "annotator2", "annotator3"), ("no",) * 3
# Of each set its files, with a row or two of no meaning, and what we read of them.
SETS: dict[str, tuple[Mapping[str, Callable[[Path], None]], list[tuple[str, Mapping[str, float]]]]]
SETS = {
    "mpold": (
        {
            "mpold.xlsx": sheet(
                ("Id", "Platform", "Comment", "Majority_Label", "Agreement", "Vulgar:V/Hate:HS"),
                (1, "Twitter", f"@a.b {SALAM}\n b", "Offensive", 66.666, "HS"),
            )
        },
        [(f"@USER {SALAM} b", {"toxicity": 1, "insult": 1, "identity_attack": 1})],
    ),
    "osact4": (
        {
            "OSACT2020-sharedTask-train.txt": text_file(f'"{SALAM}\tOFF\tHS\n'),
            "OSACT2020-sharedTask-dev.txt": text_file("a\tNOT_OFF\tNOT_HS\n"),
            "offenseval-ar-test-tweets-v1.tsv": text_file("id\ttweet\n8001\tb\n"),
            "ID5.xlsx": sheet(VANETIK, *[(0, "x", 0, "null", 0)] * 8000, (1, "b", 1, 1, 0)),
        },
        [
            (f'"{SALAM}', {"toxicity": 1, "insult": 1, "identity_attack": 1}),
            ("a", {"toxicity": 0, "insult": 0, "identity_attack": 0}),
            ("b", {"toxicity": 1, "insult": 1, "identity_attack": 1}),
        ],
    ),
    "osact5": (
        {
            "OSACT2022-sharedTask-train.txt": text_file("1\ta\tOFF\tHS1\tVLG\tNOT_VIO\n"),
            "OSACT2022-sharedTask-dev.txt": text_file("2\tb\tNOT_OFF\tNOT_HS\tNOT_VLG\tNOT_VIO\n"),
            "OSACT2022-sharedTask-test-tweets.txt": text_file("3\tc\n"),
        },
        [
            (
                "a",
                {"toxicity": 1, "identity_attack": 1, "profanity": 1, "threat": 0}
                | {"severe_toxicity": 1},
            ),
            ("b", dict.fromkeys(POLICIES["osact5"].observes, 0)),
            ("c", {}),
        ],
    ),
    "lhsab": (
        {"lhsab.tsv": text_file(f'Tweet\tClass\n"{SALAM}\n\nb"\thate\na\tnormal\n')},
        [
            (f"{SALAM} b", {"toxicity": 1, "insult": 1, "identity_attack": 1}),
            ("a", {"toxicity": 0, "insult": 0, "identity_attack": 0}),
        ],
    ),
    "thsab": (
        {"thsab.xlsx": sheet(("a", "abusive"))},
        [("a", {"toxicity": 1, "insult": 1, "identity_attack": 0})],
    ),
    "alakrot_youtube": (
        {
            "rabee.xlsx": sheet(
                ("Index", "commentText", "replies.commentText", *VOTES),
                (1, "a", None, "P", "n", "P"),
                (2, None, "b", "N", "N", "N"),
            )
        },
        [("a", {"toxicity": 2 / 3, "insult": 2 / 3}), ("b", {"toxicity": 0, "insult": 0})],
    ),
    "sohateful": (
        {
            "SoHateful.xlsx": sheet(
                (*SOHATEFUL, "Q6", "Q9"),
                (1, "a", "anger", "YES", "yes-directed", "individual", "gender", "Yes ", *NO),
            )
        },
        [
            (
                "a",
                {"toxicity": 1, "insult": 1, "identity_attack": 1, "profanity": 1, "threat": 0}
                | {"spam": 0, "severe_toxicity": 1},
            )
        ],
    ),
    "letmi": (
        {"ID14.xlsx": sheet(VANETIK, (1, "@real_name a", 1, "HS", 1), (None, None, 0, "null", 0))},
        [("@USER a", {"toxicity": 1, "threat": 1})],
    ),
    "armi2021": (
        {
            "ArMI2021_training.tsv": text_file(
                'tweet_id\ttext\tmisogyny\tcategory\r\n0\t"a ""b"""\tmisogyny\tdiscredit\r\n'
            )
        },
        [('a "b"', {"toxicity": 1, "insult": 1, "threat": 0})],
    ),
    "omcd": (
        {
            "train.csv": text_file(',comment,off\n7,"a\nb",1\n'),
            "test.csv": text_file(",comment,off\n8,c,0\n"),
        },
        [("a b", {"toxicity": 1, "insult": 1}), ("c", {"toxicity": 0, "insult": 0})],
    ),
    "dziriofn": (
        {
            f"{label}.json": text_file(
                json.dumps({"annotation": [{"ID": 1, "comment": label, "arabic": 1}]})
            )
            for label in ("normal", "offensive", "abusive")
        },
        [
            ("normal", {"toxicity": 0, "insult": 0, "profanity": 0}),
            ("offensive", {"toxicity": 1, "insult": 1, "profanity": 0}),
            ("abusive", {"toxicity": 1, "insult": 1, "profanity": 1}),
        ],
    ),
    "mlma_ar": (
        {
            "MLMA.csv": text_file(
                "HITId,tweet,sentiment,directness,annotator_sentiment,target,group\n"
                "1,a,hateful_normal,indirect,shock,gender,women\n2,b,normal,x,x,x,x\n"
                "3,c,fearful,x,x,x,x\n"
            )
        },
        [
            ("a", {"toxicity": 1, "identity_attack": 1}),
            ("b", {"toxicity": 0, "insult": 0, "identity_attack": 0}),
            ("c", {}),
        ],
    ),
    "alsafari_gulf": (
        {"sb.xlsx": sheet(("Tweet", "Class"), ("a", 1), ("b", 0))},
        [("a", {"toxicity": 1, "insult": 1}), ("b", {"toxicity": 0, "insult": 0})],
    ),
    "aj_comments": (
        {f"AJ-{part}.tsv": text_file(f"\ttext\tlevel\n0\t{part}\t-2\n") for part in
         ("train", "dev", "test")},
        [(part, {"toxicity": 1, "profanity": 1}) for part in ("train", "dev", "test")],
    ),
    "aj_tweets": (
        {f"tweet-{part}.tsv": text_file(f"\ttext\tlevel\n0\t{part}\t0\n") for part in
         ("train", "dev", "test")},
        [
            (part, {"toxicity": 0, "insult": 0, "profanity": 0})
            for part in ("train", "dev", "test")
        ],
    ),
    "egyptian5": (
        {
            f"{part}-egyptian-5-way.parquet": columns(text=[part], label=["Sexism"])
            for part in ("train", "test")
        },
        [(part, {"toxicity": 1, "identity_attack": 1}) for part in ("train", "test")],
    ),
}  # fmt: skip


def written(folder: Path, name: str) -> dict[str, Path]:
    """Write the files of a set, and say where each is."""
    files = {}
    for file, write in SETS[name][0].items():
        files[file] = folder / file
        write(files[file])
    return files


def observed(row: Row) -> dict[str, float]:
    return dict(row.labels)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_made_of_its_files_and_read_like_every_set(tmp_path: Path, name: str) -> None:
    path, n_rows = build(name, written(tmp_path, name), tmp_path)
    assert policy_of(path) == POLICIES[name]
    rows = list(read_set(path))
    assert n_rows == len(rows)
    assert [(row.text, observed(row)) for row in rows] == SETS[name][1]


def test_every_set_that_can_be_made_is_known_with_its_files() -> None:
    known = upstream.upstream()
    assert known.keys() == SETS.keys() == upstream._MAKERS.keys()
    assert known.keys() <= POLICIES.keys()
    for name, files in known.items():
        assert {file.name for file in files} == SETS[name][0].keys()
        for file in files:
            assert len(file.sha256) == len(bytes.fromhex(file.sha256)) * 2 == 64
            assert file.places
            assert all(len(commit) == 40 for _, commit, _ in file.places)


def test_the_sets_are_listed_with_repository_revision_file_licence_and_digest() -> None:
    listed = CliRunner().invoke(main, ["datasets"]).output
    for name, policy in POLICIES.items():
        assert f"{name}: licence {policy.license}" in listed
    for files in upstream.upstream().values():
        for file in files:
            assert f"{file.name}, {file.n_bytes:,} bytes, sha256 {file.sha256}" in listed
            for repository, commit, path in file.places:
                assert f"https://github.com/{repository} at {commit}: {path}" in listed


def test_downloaded_files_are_known_by_their_digests_and_a_set_that_lacks_one_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "downloads", tmp_path / "sets"
    (folder / "deeper").mkdir(parents=True)
    known = {}
    for name in ("lhsab", "omcd"):
        known[name] = tuple(
            UpstreamFile(
                file, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest(), ()
            )
            for file, path in written(folder, name).items()
        )
    monkeypatch.setattr(upstream, "upstream", lambda: known)
    (folder / "lhsab.tsv").rename(folder / "deeper" / "whatever")
    (folder / "test.csv").write_text(",comment,off\n8,d,0\n")  # as long, but another
    result = CliRunner().invoke(main, ["datasets", "--build", str(folder), "--out", str(out)])
    assert result.exit_code == 0
    assert result.output == (
        f"lhsab: 2 rows in {out / 'lhsab.tsv.xz'}\nomcd: left out, missing test.csv\n"
    )
    assert [path.name for path in out.iterdir()] == ["lhsab.tsv.xz"]
    (folder / "deeper" / "whatever").unlink()
    refused = CliRunner().invoke(main, ["datasets", "--build", str(folder), "--out", str(out)])
    assert refused.exit_code == 2
    assert "no set has all of its files" in refused.stderr


def test_a_file_that_is_not_what_it_was_is_refused_without_its_text(tmp_path: Path) -> None:
    files = written(tmp_path, "lhsab")
    files["lhsab.tsv"].write_text(f"Tweet\tClass\n{SALAM}\n")
    with pytest.raises(RecordError, match="lhsab: its files cannot be read") as caught:
        build("lhsab", files, tmp_path)
    assert SALAM not in str(caught.value)
