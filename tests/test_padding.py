"""What a text looks like never decides whether it is judged."""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from conftest import SAMPLE_COMMENTS
from models.artifact import Artifact
from models.schema import read_comments
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

SECRET = "empsec_1"
CORAL = "Coral Perspective/9.11.8"

# What a writer may put before or behind a text so that it looks like another language.
PADDINGS = {
    "one small word of Persian": "\u0645\u06cc",
    "two of Persian": "\u0627\u0633\u062a \u06a9\u0647",
    "one of Urdu": "\u06a9\u0648",
    "two of Urdu": "\u0627\u0648\u0631 \u06c1\u06cc\u06ba",
    "full-width Latin": "\uff48\uff49\uff59\uff4f" * 6,
    "fancy Latin": "\U0001d4f1\U0001d4f2" * 12,
    "superscript Latin": "\u02b0\u1da6" * 12,
    "Cyrillic": "\u043f\u0440\u0438\u0432\u0435\u0442" * 4,
    "Greek": "\u03b3\u03b5\u03b9\u03b1" * 6,
    "Chinese": "\u4f60\u597d\u5417" * 8,
    "Japanese": "\u3053\u3093" * 12,
    "Korean": "\uc548\ub155" * 12,
    "eighty Hangul fillers": "\u3164" * 80,
    "eighty Hangul choseong fillers": "\u115f" * 80,
}
# Texts of which the classifier can read no letter.
UNREADABLE = {
    "Cyrillic": "\u0438\u0434\u0438 \u0442\u044b",
    "Chinese": "\u4f60\u597d\u5417",
    "Hebrew": "\u05e9\u05dc\u05d5\u05dd",
    "Thai": "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "Ethiopic": "\u1230\u120b\u121d",
}
# "Thanks for the news."
PLAIN = "\u0634\u0643\u0631\u0627 \u0639\u0644\u0649 \u0627\u0644\u062e\u0628\u0631"
SIGNS = "@\u202c\u202d"  # around a word, which belong to it or not
WORDLESS = ["\N{GRINNING FACE}", "12 %", "!?", "\u0661\u0662", "\N{HEAVY BLACK HEART} ..."]

Ask = Callable[[str], bool]

_PRESENTED = {
    unicodedata.normalize("NFKC", chr(code)): chr(code)
    for code in (*range(0xFE8D, 0xFEF3, 4), *range(0xFE80, 0xFEF3))
    if len(unicodedata.normalize("NFKC", chr(code))) == 1
}


def references(text: str) -> str:
    """Write each letter as a character reference."""
    return "".join(f"&#{ord(c)};" for c in text)


DISGUISES: dict[str, Callable[[str], str]] = {
    "tags between letters": "<b></b>".join,
    "tags with attributes": '<i class="x">'.join,
    "comments between letters": "<!-- -->".join,
    "references": references,
    "references of invisible characters": "&zwnj;".join,
    "references of soft hyphens": "&shy;".join,
    "reversed letters in an override": lambda text: f"\u202d{text[::-1]}\u202c",
    "reversed shapes in an override": lambda text: (
        "\u202d" + "".join(_PRESENTED.get(c, c) for c in text)[::-1]
    ),
    "lone surrogates that became signs": "\ufffd".join,
    "a mention": lambda text: f"@{text}",
    "Latin letters between Arabic ones": "x".join,
    "circled letters": "\u24b6".join,
    "signs of several letters": "\u2122".join,
    "every letter twice": lambda text: "".join(2 * letter for letter in text),
}


@pytest.fixture
def site() -> Site:
    return Site("demo", random_sample_share=0.0, coral_secrets=(SECRET,))


@pytest.fixture(scope="session")
def insults(artifact: Artifact) -> list[str]:
    """Comments of the sample that the artefact is sure about, and the word that made it sure."""
    comments = [c.text for c in read_comments(SAMPLE_COMMENTS) if c.labels.get("insult")]
    classifier = artifact.classifier
    column = classifier.labels.index("insult")
    sure = [comments[i] for i in classifier.predict_proba(comments)[:, column].argsort()[-20:]]
    words = []
    for text, explained in zip(sure, classifier.explain(sure, "insult"), strict=True):
        words += [text[span.start : span.end] for span in explained.evidence(1)]
    words.sort(key=lambda word: -classifier.predict_proba([word])[0, column])
    return [*sure[-3:], *list(dict.fromkeys(words))[:3]]


@pytest.fixture
def send(client: FlaskClient, api_key: str) -> Callable[..., TestResponse]:
    def send(path: str, body: object, agent: str = "") -> TestResponse:
        raw = json.dumps(body).encode()
        signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        return client.post(
            path,
            data=raw,
            headers={
                "Authorization": f"Bearer {api_key}",
                "Content-Type": "application/json",
                "User-Agent": agent,
                "X-Coral-Signature": f"sha256={signature}",
            },
        )

    return send


def _perspective(send: Callable[..., TestResponse], agent: str) -> Ask:
    def held(text: str) -> bool:
        names = ("TOXICITY", "INSULT")
        body = {"comment": {"text": text}, "requestedAttributes": {name: {} for name in names}}
        answer = send("/v1alpha1/comments:analyze", body | {"languages": ["en"]}, agent)
        assert answer.status_code == 200, answer.text
        scores = answer.json["attributeScores"]  # type: ignore[index]
        return any(scores[name]["summaryScore"]["value"] >= 0.5 for name in names)

    return held


@pytest.fixture
def interfaces(send: Callable[..., TestResponse]) -> dict[str, Ask]:
    """Ask each interface whether a text should be held back."""

    def scored(text: str) -> bool:
        answer = send("/v1/score", {"text": text})
        return bool(answer.json["action"] != "approve")  # type: ignore[index]

    def submitted(text: str) -> bool:
        id_ = hashlib.sha256(text.encode()).hexdigest()
        answer = send("/v1/comments", {"id": id_, "text": text})
        assert answer.status_code in (200, 202), answer.text
        return bool(answer.json["action"] != "approve")  # type: ignore[index]

    def flagged(text: str) -> bool:
        return bool(send("/v1/moderations", {"input": text}).json["results"][0]["flagged"])  # type: ignore[index]

    def withheld(text: str) -> bool:
        body = {
            "action": "NEW",
            "comment": {"body": text},
            "author": {"id": "a", "role": "COMMENTER"},
            "story": {"id": "s", "url": ""},
        }
        answer = send("/integrations/coral/moderate?site=demo", body)
        assert answer.status_code in (200, 204), answer.text
        return answer.status_code == 200

    return {
        "score": scored,
        "comments": submitted,
        "perspective": _perspective(send, ""),
        "coral toxicity": _perspective(send, CORAL),
        "openai": flagged,
        "coral phase": withheld,
    }


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
def test_no_padding_changes_what_becomes_of_an_insult(
    interfaces: dict[str, Ask], insults: list[str], padding: str
) -> None:
    passed = [
        (name, ascii(padded))
        for name, held in interfaces.items()
        for text in insults
        for padded in (text, f"{text} {padding}", f"{padding} {text}", f"{text}\n{padding}.")
        if not held(padded)
    ]
    assert passed == []


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_no_way_in_takes_an_insult_that_a_page_shows(
    interfaces: dict[str, Ask],
    insults: list[str],
    disguise: Callable[[str], str],
) -> None:
    words = [text for text in insults if " " not in text]
    passed = [
        (name, ascii(disguise(word)))
        for name, held in interfaces.items()
        for word in words
        if not held(disguise(word))
    ]
    assert len(words) == 3
    assert passed == []


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_evidence_marks_a_disguised_insult_where_it_is_written(
    send: Callable[..., TestResponse], insults: list[str], disguise: Callable[[str], str]
) -> None:
    for word in (text for text in insults if " " not in text):
        written = disguise(word)
        text = f"{PLAIN} <p> {written}\r\n&lt;{PLAIN}</p>"
        answer = send("/v1/score", {"text": text}).json
        assert answer is not None
        heaviest = answer["evidence"][0]
        marked = text[heaviest["start"] : heaviest["end"]]
        assert marked.strip(SIGNS) == written.strip(SIGNS), ascii(text)


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_text_without_a_letter_that_could_be_read_goes_before_a_person(
    send: Callable[..., TestResponse], interfaces: dict[str, Ask], text: str
) -> None:
    answer = send("/v1/score", {"text": text}).json
    assert answer is not None
    assert (answer["action"], answer["reason"]) == ("review", "unsupported_language")
    assert answer["scores"]
    assert answer["unsupported_language"].startswith("und-")
    for name in ("comments", "coral toxicity", "openai", "coral phase"):
        assert interfaces[name](text), name


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_site_may_have_texts_approved_of_which_no_letter_could_be_read(
    send: Callable[..., TestResponse],
    interfaces: dict[str, Ask],
    site: Site,
    redis: Redis,
    api_key: str,
    text: str,
) -> None:
    Sites(redis).update(replace(site, unsupported_language="approve"))
    answer = send("/v1/score", {"text": text}).json
    assert answer is not None
    assert (answer["action"], answer["reason"]) == ("approve", "unsupported_language")
    assert answer["scores"]
    assert [name for name, held in interfaces.items() if held(text)] == []


@pytest.mark.parametrize("text", WORDLESS, ids=ascii)
def test_a_text_without_letters_is_no_other_language(
    send: Callable[..., TestResponse], interfaces: dict[str, Ask], text: str
) -> None:
    answer = send("/v1/score", {"text": text}).json
    assert answer is not None
    assert (answer["action"], answer["reason"]) == ("approve", "clean")
    assert [name for name, held in interfaces.items() if held(text)] == []


def test_a_flagged_text_is_flagged_by_its_score_whatever_it_is_tagged(
    send: Callable[..., TestResponse], insults: list[str]
) -> None:
    urdu = "\u06cc\u06c1 \u0628\u06c1\u062a"
    text = f"{insults[-1]} {urdu} {urdu} {urdu} {urdu}"
    answer = send("/v1/score", [{"text": insults[-1]}, {"text": text}]).json
    assert answer is not None
    alone, padded = answer
    assert padded["unsupported_language"] in ("ur", None)
    assert (padded["action"], padded["reason"]) == (alone["action"], "score")


def test_what_could_not_be_read_is_queued_with_that_reason(
    send: Callable[..., TestResponse], app: Flask, api_key: str
) -> None:
    sent = send("/v1/comments", {"id": "c-1", "text": UNREADABLE["Cyrillic"]})
    assert sent.status_code == 202
    lease = app.extensions["hakam"].queue.lease("demo", "amal")
    assert lease is not None
    assert lease.item.why == "unsupported_language"
    assert (lease.item.verdict.label, lease.item.verdict.sampling_probability) == (None, 1.0)
