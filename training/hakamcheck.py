"""HakamCheck: the functional suite for insult and abuse in Arabic comments.

A suite says what aggregate figures hide: which *function* of a moderator's judgement works (a
quoted insult is not an insult) and which does not. Each function has a contrast, the nearest
comment that must be judged the other way. The form follows HateCheck (Roettger et al. 2021).

The suite is four files of JSON Lines, written by hand:

``functions.jsonl``
    ``function``, whether its cases are ``abusive``, their ``labels``, what it is ``about``, its
    ``contrast``. An evasion function takes the ``templates`` of another name and writes each in
    the disguise of its ``transforms`` (`training.disguises.transforms`).
``words.jsonl``
    The abusive words, each with its ``part``, ``kind``, ``forms`` and, where not understood
    everywhere, ``dialects``; and groups of people, which are no insult and serve both parts.
``train.jsonl``, ``test.jsonl``
    The templates of the two parts. ``{vile.plural}`` is the plural of a word of kind *vile*
    (singular if no form is named); ``[...]`` marks the words that an evader would disguise.

No template and no abusive word is in both parts, so that a model which learns from the first is
honestly tested by the second; the tests hold other training examples to the same rule. A template
is filled with a few words, always the same ones.
"""

import json
import random
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.schema import LABELS
from training.disguises.transforms import TRANSFORMS

SUITES = Path(__file__).parent / "data"
FOLDER = SUITES / "hakamcheck"
PARTS = ("train", "test")
N_FILLINGS = 4  # cases that a template with slots gives, at most
N_HARMLESS_DISGUISES = 5  # of a harmless template: those of all would weigh too much

_SLOT = re.compile(r"\{(\w+)(?:\.(\w+))?\}")
_MARKED = re.compile(r"\[([^\[\]]*)\]")
_TO_THE = re.compile(r"(?<!\w)\u0644\u0627\u0644(?=\w{2})")
# Nobody writes one word of a sentence so: who leaves out dots or changes script does it always.
_WHOLE_TEXT = ("dotless", "arabizi")


@dataclass(frozen=True, slots=True)
class Case:
    """A comment and how it must be judged."""

    id: str
    function: str
    text: str
    author_name: str
    dialect: str
    # Of text or name. A clean case has 0 for every label, an abusive one 1 for toxicity and those
    # that are beyond doubt, and says nothing of the others.
    labels: Mapping[str, int]
    part: str


def load(part: str, folder: Path = FOLDER) -> list[Case]:
    """Expand one part of the suite; no two cases have the same text and name."""
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, not {part!r}")
    functions = list(read_lines(folder / "functions.jsonl"))
    words = [word for word in read_lines(folder / "words.jsonl") if word["part"] in (part, "both")]
    templates: dict[str, list[Mapping[str, Any]]] = {
        function.get("templates", function["function"]): [] for function in functions
    }
    for template in read_lines(folder / f"{part}.jsonl"):
        if template["function"] not in templates:
            raise ValueError(f"{part}.jsonl: no function {template['function']!r}")
        templates[template["function"]].append(template)

    cases = []
    seen: set[tuple[str, str]] = set()
    for function in functions:
        of_function = templates[function.get("templates", function["function"])]
        number = 0
        for comment in _comments(function, of_function, words):
            if (comment["text"], comment["author_name"]) in seen:
                continue
            seen.add((comment["text"], comment["author_name"]))
            number += 1
            cases.append(
                Case(
                    id=f"{function['function']}-{part}-{number:03d}",
                    function=function["function"],
                    labels=_labels(function),
                    part=part,
                    **comment,
                )
            )
    return cases


def read_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """Read the objects of a file of JSON Lines."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def join_particles(text: str) -> str:
    """Write li- and the article al- as one, lil-, where filling a slot brought them together."""
    return _TO_THE.sub("\u0644\u0644", text)


def _labels(function: Mapping[str, Any]) -> dict[str, int]:
    if not function["abusive"]:
        return dict.fromkeys(LABELS, 0)
    return {label: 1 for label in LABELS if label == "toxicity" or label in function["labels"]}


def _comments(
    function: Mapping[str, Any],
    templates: Sequence[Mapping[str, Any]],
    words: Sequence[Mapping[str, Any]],
) -> Iterator[dict[str, str]]:
    """Yield the comments of a function: text, author_name and dialect."""
    names = function.get("transforms", ())
    for position, template in enumerate(templates):
        fillings = _fillings(template, words)
        if not names:
            yield from fillings
        elif function["abusive"]:
            # Each disguise hides another word of the list.
            filling = fillings[zlib.crc32(function["function"].encode()) % len(fillings)]
            yield from _disguised(filling, names)
        else:
            turn = position * N_HARMLESS_DISGUISES
            chosen = [names[(turn + k) % len(names)] for k in range(N_HARMLESS_DISGUISES)]
            yield from _disguised(fillings[0], chosen)


def _fillings(
    template: Mapping[str, Any], words: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    """Fill the slots of a template with up to `N_FILLINGS` choices of words."""
    comment = {
        "text": template["text"],
        "author_name": template.get("author_name", ""),
        "dialect": template["dialect"],
    }
    slots = _SLOT.findall(comment["text"] + comment["author_name"])
    fitting = {slot: _fitting(slot, words, template) for slot in slots}
    if not slots:
        return [comment]
    start = zlib.crc32(template["text"].encode())
    n_fillings = min(N_FILLINGS, max(len(forms) for forms in fitting.values()))
    return [_filled(comment, fitting, start + k) for k in range(n_fillings)]


def _fitting(
    slot: tuple[str, str], words: Sequence[Mapping[str, Any]], template: Mapping[str, Any]
) -> list[str]:
    """Return the forms that may stand in a slot, in the order of ``words.jsonl``."""
    kind, form = slot
    dialect = template["dialect"]
    forms = [
        word["forms"][name]
        for word in words
        if word["kind"] == kind and dialect in word.get("dialects", [dialect])
        for name in [form or ("oblique" if word["part"] == "both" else "singular")]
        if name in word["forms"]
    ]
    if not forms:
        slot_name = ".".join(filter(None, slot))
        raise ValueError(f"no word fills {slot_name!r} in {template['text']!r}")
    return forms


def _filled(
    comment: Mapping[str, str], fitting: Mapping[tuple[str, str], Sequence[str]], turn: int
) -> dict[str, str]:
    """Fill text and pen name; the second slot of a kind takes another word than the first."""
    n_filled = 0

    def word(match: re.Match[str]) -> str:
        nonlocal n_filled
        forms = fitting[match.group(1), match.group(2) or ""]
        n_filled += 1
        return forms[(turn + n_filled * (1 + len(forms) // 2)) % len(forms)]

    return {field: join_particles(_SLOT.sub(word, written)) for field, written in comment.items()}


def _disguised(comment: Mapping[str, str], names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Write the marked words of a comment in disguises, or all of it where that is the custom."""
    marked = [i for i, token in enumerate(comment["text"].split()) if "[" in token]
    text = _MARKED.sub(r"\1", comment["text"])
    for name in names:
        rng = random.Random(f"{name} {text}")
        words = None if name in _WHOLE_TEXT else marked
        disguised = TRANSFORMS[name](text, rng, words)
        if disguised != text:  # tatweel changes nothing where no letter joins
            yield {**comment, "text": disguised}
