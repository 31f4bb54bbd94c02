r"""Public data sets: what each is worth, and what its labels mean in ours.

Public sets label by different rules and under different licences. The table `POLICIES` holds what
is known of each; the rest reads a set's file and applies it.

A label is learned only where it was observed: a row says nothing about a label of which its set
says nothing. @handles are masked before anything else sees the text.

Sources of the judgements: the sets' own papers and files, and a reading of 30 rows of each class
of each set; the letters A-D grade what was read. What the labels mean is in the model card.
"""

import json
import lzma
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from models.errors import RecordError
from models.schema import LABELS

SUFFIXES = (".tsv.xz", ".tsv")

# Licences that allow a model learned from the text to be passed on under Apache-2.0.
PERMISSIVE = ("Apache-2.0", "MIT", "CC0-1.0", "CC-BY-4.0", "AFL-3.0", "BSD-3-Clause")

COLUMNS = "id\ttext\tlabel_raw\tsplit\toffensive\tkind"
_STRONG = ("profanity", "identity_attack", "threat")
_KINDS = {"identity_attack": "hate"} | {
    label: label for label in ("insult", "profanity", "threat", "spam")
}

# From a row's raw labels and kinds to labels that differ from the rule; None is unknown.
Exceptions = Callable[[Mapping[str, Any], frozenset[str]], Mapping[str, float | None]]


@dataclass(frozen=True)
class SetPolicy:
    """What a public set is worth, and how its labels become ours.

    The rule: ``toxicity`` is the set's ``offensive``; every other observed label is 1 if the kind
    of that name is given and 0 if not; nothing is observed where ``offensive`` is blank.
    """

    quality: str  # A good, B usable, C noisy or another definition
    license: str
    observes: tuple[str, ...] = ()  # labels that it says something about
    weight: float = 1.0
    domain: str = ""  # sets of one domain share a head; by default the set's id, `SHARED` is none
    # Never trained on: a value of the set's ``split`` column, or ``fold`` for a fifth (test) and a
    # tenth (validation) of its texts; ``own`` for a fifth of a small set (validation).
    test: str = ""
    validation: str = ""
    # The weights that the released sentence scorer goes on from have learned rows to this number,
    # so that they cannot validate it.
    learned_before: int = 0
    dialect: str = ""
    let_stand: bool = False  # a site's moderators did: what is observed is presumed absent
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


# Letters of the labels in the sets that were read along our own line; N names none.
_CODES = {
    "I": "insult",
    "P": "profanity",
    "A": "identity_attack",
    "T": "threat",
    "R": "religious_insult",
    "S": "spam",
    "X": "severe_toxicity",
}
# Shares of readers who would say yes, where the one who read was in doubt (letter U).
DOUBTED_ABUSE, DOUBTED_PEACE = 0.65, 0.2


def _read_along_our_line(raw: Mapping[str, Any], _: frozenset[str]) -> Mapping[str, float | None]:
    """Every label was observed; a doubt is a share, because another reader may say otherwise."""
    codes = str(raw["codes"])
    named = {_CODES[code] for code in codes if code in _CODES}
    yes = DOUBTED_ABUSE if "U" in codes else 1.0
    labels = {label: yes if label in named else 0.0 for label in LABELS}
    if named - {"spam"}:
        labels["toxicity"] = yes
    elif "U" in codes and not named:
        labels["toxicity"] = DOUBTED_PEACE
    return dict(labels)


NEWS = "news"  # domain of the sets of comments under news
NEWS_SITES = ("aoc_news_comments_unl", "hespress_comments", "aj_comments")  # comments of news sites
SHARED = "shared"  # said of sets that have no domain: what they teach, all domains share

_MAIN = ("toxicity", "insult", "identity_attack")
_NONE = "none stated"

_WRITTEN = SetPolicy(
    "A-",
    "Apache-2.0",
    LABELS,
    weight=2.0,
    domain=SHARED,
    test="test",
    validation="own",
    exceptions=_read_along_our_line,
)

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
        domain=NEWS,
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
    # Read along our own line: each label means what the model card says. What they say of a text
    # replaces what a public set says of it.
    "annotated_news": SetPolicy(
        "A-",
        _NONE,
        LABELS,
        weight=2.0,
        domain=NEWS,
        test="test",
        validation="own",
        learned_before=20_000,
        exceptions=_read_along_our_line,
    ),
    # Written for the project, pen names among them: they teach what all sets share.
    "contrast": replace(_WRITTEN, validation=""),  # learned by the weights named below
    "contrast_2": _WRITTEN,
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
    # Half of the next two measures how much is flagged that should not be; that half is read for
    # nothing else. Readers' comments that a news site let stand teach the news domain what is
    # harmless there: with a domain of their own they would teach it nothing.
    "aoc_news_comments_unl": SetPolicy(
        "A", _NONE, (*_MAIN, "profanity"), weight=0.5, domain=NEWS, test="half", let_stand=True
    ),
    "arsarcasm_v2": SetPolicy("A", "MIT", test="half"),
    # Texts without labels of ours.
    "ajgt": SetPolicy("B", "AFL-3.0"),
    "astd": SetPolicy("B", "GPL-2.0"),
    "darija_mendeley": SetPolicy("C", _NONE),
    "elecmorocco16_fb": SetPolicy("B", _NONE),
    "emotional_tone": SetPolicy("B", _NONE),
    "ghsd_saudi": SetPolicy("C-", _NONE),
    "hespress_comments": SetPolicy(
        "B", _NONE, (*_MAIN, "profanity"), weight=0.5, domain=NEWS, let_stand=True
    ),
    "lasr_reviews": SetPolicy("B", _NONE),
    "mac_darija_sent": SetPolicy("B", _NONE),
    "myc_youtube_sent": SetPolicy("B", _NONE),
    "saudi_irony": SetPolicy("B", "CC-BY-4.0"),
    "shami_unl": SetPolicy("B", "Apache-2.0"),
    "tsac_fb_sent": SetPolicy("B", "LGPL-3.0"),
    "tunizi_arabizi_sent": SetPolicy("B", _NONE),
    "tweets58k_sent": SetPolicy("B", "Apache-2.0"),
}

WRITTEN = ("contrast", "contrast_2")  # by the project itself
# Sets whose labels mean what ours do; they stand for a text whatever other sets say of it.
READ_ALONG_OUR_LINE = ("annotated_news", *WRITTEN)


@dataclass(slots=True)
class Row:
    """A comment as its source gives it: text, observed labels, and how it is to be used."""

    text: str
    labels: Mapping[str, float]
    weight: float
    source: str
    domain: str
    dialect: str
    split: str
    license: str
    kind: str = ""  # what the example is about, where its source says so
    decided_at: str = ""  # when a moderator decided, ISO 8601
    sampled: float | None = None  # with what probability a moderator was to see it, where known


def domain_of(set_id: str) -> str:
    """Return the domain whose head a set's comments are scored with; else its own name."""
    domain = (set_id in POLICIES and POLICIES[set_id].domain) or set_id
    return "" if domain == SHARED else domain


def policy_of(path: Path) -> SetPolicy:
    """Return what is known of the set in a file."""
    name = set_id(path)
    if name not in POLICIES:
        raise RecordError(
            f"{path}: there is no policy for the set {name!r}; add one to training.public_sets, "
            "or turn the set into JSON Lines of labelled comments"
        )
    return POLICIES[name]


def is_set(path: Path) -> bool:
    """Say whether a file has the form of a public set: its name ends so, and its columns are."""
    if not path.name.endswith(SUFFIXES):
        return False
    try:
        with _opened(path) as file:
            return file.readline(2 * len(COLUMNS)).rstrip("\r\n") == COLUMNS
    except (OSError, EOFError, lzma.LZMAError, ValueError):
        return path.name.endswith(".tsv.xz")  # reading it says what is wrong


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8", newline="\n")
    return path.open(encoding="utf-8", newline="\n")


def set_id(path: Path) -> str:
    """Return the name of the set that a file holds."""
    return path.name.removesuffix(".xz").removesuffix(".tsv")


def read_set(path: Path) -> Iterator[Row]:
    """Read a set: six columns, tab-separated, nothing quoted, compressed with xz or not."""
    name = set_id(path)
    policy = policy_of(path)
    number = 0
    try:
        with _opened(path) as file:
            if file.readline().rstrip("\r\n") != COLUMNS:
                raise RecordError(f"{path}, line 1: the columns must be {COLUMNS.split()}")
            for number, line in enumerate(file, start=2):
                cells = line.rstrip("\r\n").split("\t")
                if len(cells) != 6:
                    raise RecordError(f"{path}, line {number}: {len(cells)} columns, expected 6")
                row_id, text, raw_cell, split, offensive, kind = cells
                raw = _raw(raw_cell)
                labels = _labels(policy, raw, offensive, frozenset(kind.split("|")))
                yield Row(
                    text=masked(text.replace("<LF>", "\n")),
                    labels=labels,
                    weight=policy.weight,
                    source=name,
                    domain=domain_of(name),
                    dialect=_DIALECTS.get(str(raw.get("dialect", raw.get(""))), "")
                    or policy.dialect,
                    split=_fixed_part(policy, raw, split, row_id),
                    license=policy.license,
                    kind=_kind(raw),
                )
    except (OSError, EOFError, lzma.LZMAError, ValueError, KeyError) as error:
        raise RecordError(f"{path}, after line {number}: cannot be read: {error}") from None


def masked(text: str) -> str:
    """Return a text without the names of people it addresses."""
    return _MASKED_HANDLE.sub("@USER", text)


# The word for "user" that one set writes before the sign instead of a name.
_MASKED_HANDLE = re.compile(r"@\w+|\u0645\u0633\u062a\u062e\u062f\u0645@")


def _labels(
    policy: SetPolicy, raw: Mapping[str, Any], offensive: str, kinds: frozenset[str]
) -> Mapping[str, float]:
    """Apply a set's policy to one row."""
    if policy.let_stand:
        return dict.fromkeys(policy.observes, 0.0)
    if offensive not in ("0", "1"):
        return {}
    labels: dict[str, float | None] = {"toxicity": float(offensive)} if policy.observes else {}
    for label, kind in _KINDS.items():
        if label in policy.observes:
            labels[label] = float(kind in kinds)
    exceptions = policy.exceptions(raw, kinds)
    labels |= exceptions
    if "severe_toxicity" in policy.observes and "severe_toxicity" not in exceptions:
        # Two strong kinds are severe, none is not; one may be either, so it says nothing.
        strong = [labels.get(label) for label in _STRONG]
        labels["severe_toxicity"] = (
            1.0 if strong.count(1.0) >= 2 else 0.0 if strong.count(0.0) == len(strong) else None
        )
    return {label: share for label, share in labels.items() if share is not None}


def _raw(cell: str) -> Mapping[str, Any]:
    """Return the set's own labels: a JSON object, ``codes;name=value ...``, or one label alone."""
    if cell.startswith("{"):
        raw: Mapping[str, Any] = json.loads(cell)
        return raw
    if _CODED.fullmatch(cell):
        codes, *pairs = cell.split(";")
        return {"codes": codes} | dict(pair.split("=") for pair in pairs)
    return {"": cell}


_CODED = re.compile(r"[A-Z]+(;[a-z]+=[\w-]+)+")


def _kind(raw: Mapping[str, Any]) -> str:
    """Return what an example is about; what pen names are about stands apart."""
    kind = str(raw.get("kind", ""))
    return f"{PEN_NAMES} {kind}" if kind and raw.get("field") == "name" else kind


PEN_NAMES = "name:"  # begins the kinds of pen names

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
    "egy": "egyptian",
    "lev": "levantine",
    "glf": "gulf",
    "irq": "iraqi",
    "mgh": "maghrebi",
}


def _fixed_part(policy: SetPolicy, raw: Mapping[str, Any], split: str, row_id: str) -> str:
    """Return ``test``, ``dev`` or ``train`` where the set fixes it, ``fold`` where letters do."""
    if policy.test == "half":
        # Only what people called negative: praise says nothing about false alarms.
        return "half" if raw.get("sentiment", "NEG") == "NEG" else "train"
    if split and split == policy.test:
        return "test"
    if split and split == policy.validation:
        return "dev"
    if policy.validation == "own":
        return "own" if int(row_id.rpartition("-")[2]) > policy.learned_before else "train"
    if policy.validation == "fold":
        return "fold" if policy.test == "fold" else "validation fold"
    return "train"
