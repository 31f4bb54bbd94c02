"""A service whose artefact has two readers: who judges, and what is said of the sentence."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from flask import Flask
from redis import Redis
from test_console import PASSWORD, Console

from conftest import SAMPLE_COMMENTS, await_condition, hakam, served, settings_in
from models.artifact import Artifact
from models.classifier import READ, SKIPPED, Blend, Classifier
from models.normalize import normalize
from models.registry import Registry
from models.schema import LABELS, read_comments
from models.sentence_scorer import LONGEST, MOST_LEFT_OUT, SentenceScorer
from service.accounts.accounts import Accounts
from service.app import create_app
from service.rules.disguises import readings
from service.scoring import MAX_ASKED
from service.sites.site import Site
from service.sites.sites import Sites

SENTENCE = 10.0  # weight of what the sentence scorer says, where it decides
Post = Callable[[str, Any], Any]


def blend_of(classifier: Classifier) -> Blend:
    assert classifier.blend
    return classifier.blend


@pytest.fixture(scope="session")
def trusting(two_readers: Path) -> Artifact:
    """The same, but all texts are read twice and it is the sentence scorer that decides."""
    artifact = Registry(two_readers).load()
    blend = blend_of(artifact.classifier)
    weights = blend.weights.copy()
    weights[READ] = 0.01, SENTENCE, 0.0
    blend = replace(blend, weights=weights, floors=np.repeat([[-np.inf], [np.inf]], len(LABELS), 1))
    return replace(artifact, classifier=replace(artifact.classifier, blend=blend))


@pytest.fixture(scope="session")
def flagged(trusting: Artifact) -> str:
    """A text of some words that the sentence scorer finds bad."""
    texts = [one.text for one in read_comments(SAMPLE_COMMENTS) if 5 <= len(one.text.split()) <= 9]
    told = trusting.classifier.explain(texts, "insult")
    return texts[int(np.argmax([one.sentence for one in told]))]


@pytest.fixture
def app(environ: dict[str, str], redis: Redis, trusting: Artifact) -> Flask:
    app = create_app(settings_in(environ), redis=redis, artifact=trusting)
    app.testing = True
    return app


@pytest.fixture
def site() -> Site:
    """A site that looks at insults only."""
    review = dict.fromkeys(LABELS, 1.0) | {"insult": 0.3}
    return Site("demo", random_sample_share=0.0, review=review)


def post_to(app: Flask, api_key: str) -> Post:
    headers = {"Authorization": f"Bearer {api_key}"}
    return lambda path, body: app.test_client().post(path, json=body, headers=headers).get_json()


@pytest.fixture
def post(app: Flask, api_key: str) -> Post:
    return post_to(app, api_key)


def test_an_answer_names_the_readers_of_its_text(
    environ: dict[str, str], redis: Redis, two_readers: Path, api_key: str
) -> None:
    app = create_app(settings_in(environ | {"HAKAM_ARTIFACTS": str(two_readers)}), redis=redis)
    texts = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    texts = [text for text in texts if len(readings(text)) == 1]
    _, states = app.extensions["hakam"].artifact.classifier.judge(texts)
    assert {SKIPPED, READ} == set(states.tolist())
    answers = post_to(app, api_key)("/v1/score", [{"text": text} for text in texts])
    for state, answer in zip(states.tolist(), answers, strict=True):
        expected = ["words", "sentence"] if state == READ else ["words"]
        assert answer["readers"] == expected
    plain = [answer for answer in answers if answer["readers"] == ["words"]]
    assert plain
    assert not any(answer["sentence"] for answer in plain)
    read = texts[states.tolist().index(READ)]
    skipped = texts[[answer["readers"] for answer in answers].index(["words"])]
    by_name = post_to(app, api_key)("/v1/score", {"text": skipped, "author": {"name": read}})
    assert by_name["readers"] == ["words", "sentence"], "the display name was read twice"


def test_readiness_names_the_readers(
    environ: dict[str, str], redis: Redis, two_readers: Path, app: Flask, artifact: Artifact
) -> None:
    environ = environ | {"HAKAM_ARTIFACTS": str(two_readers)}
    without = create_app(settings_in(environ | {"HAKAM_SENTENCE_SCORER": "off"}), redis=redis)
    of_words = create_app(settings_in(environ), redis=redis, artifact=artifact)
    for service, readers in (
        (app, ["words", "sentence"]),
        (without, ["words"]),
        (of_words, ["words"]),
    ):
        assert service.test_client().get("/readyz").get_json()["readers"] == readers


def test_with_the_sentence_scorer_off_every_interface_judges_by_words_alone(
    environ: dict[str, str], redis: Redis, two_readers: Path, api_key: str, flagged: str
) -> None:
    environ = environ | {"HAKAM_ARTIFACTS": str(two_readers), "HAKAM_SENTENCE_SCORER": "off"}
    post = post_to(create_app(settings_in(environ), redis=redis), api_key)
    alone = Registry(two_readers).load().classifier.by_words_alone()
    scores = dict(zip(alone.labels, alone.predict_proba([flagged])[0].tolist(), strict=True))
    answer = post("/v1/score", {"text": flagged})
    assert answer["readers"] == ["words"]
    assert answer["scores"] == pytest.approx(scores, abs=1e-6)
    body = {"comment": {"text": flagged}, "requestedAttributes": {"INSULT": {}}}
    told = post(f"/v1alpha1/comments:analyze?key={api_key}", body)
    told = told["attributeScores"]["INSULT"]["summaryScore"]["value"]
    assert told == pytest.approx(scores["insult"], abs=1e-6)


@pytest.mark.parametrize(("value", "readers"), [("on", "words and sentence"), ("off", "words")])
def test_hakam_check_says_which_readers_judge(
    environ: dict[str, str], redis: Redis, two_readers: Path, value: str, readers: str
) -> None:
    environ = environ | {"HAKAM_ARTIFACTS": str(two_readers), "HAKAM_SENTENCE_SCORER": value}
    checked = hakam("check", environ=environ, stdout=subprocess.PIPE)
    said, _ = checked.communicate(timeout=60)
    assert checked.returncode == 0
    assert f", read by {readers}\n" in said


@pytest.mark.parametrize("value", ["on", "off"])
def test_thresholds_are_suggested_by_the_scores_that_the_service_would_give(
    environ: dict[str, str], two_readers: Path, tmp_path: Path, value: str
) -> None:
    texts = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    export = tmp_path / "export.csv"
    export.write_text("text\n" + "\n".join(f'"{text}"' for text in texts), encoding="utf-8")
    environ = environ | {"HAKAM_ARTIFACTS": str(two_readers), "HAKAM_SENTENCE_SCORER": value}
    command = ("thresholds", "suggest", "--from", str(export))
    said, _ = hakam(*command, environ=environ, stdout=subprocess.PIPE).communicate(timeout=60)
    from service.cli.thresholds import suggestions

    artifact = Registry(two_readers).load()
    if value == "off":
        artifact = replace(artifact, classifier=artifact.classifier.by_words_alone())
    expected = suggestions(
        artifact, export, "toxicity", recall=0.9, precision=0.95, old_threshold=None
    )
    assert said.splitlines() == list(expected)


# What the sentence as a whole adds


def test_an_answer_says_in_one_number_what_the_sentence_adds(
    post: Post, trusting: Artifact, flagged: str
) -> None:
    answer = post("/v1/score", {"text": flagged, "author": {"name": flagged}})
    (explained,) = trusting.classifier.explain([flagged], "insult")
    assert explained.sentence > 0
    weight = round(explained.sentence, 4)
    assert answer["sentence"] == [
        {"field": "text", "label": "insult", "weight": weight},
        {"field": "author.name", "label": "insult", "weight": weight},
    ]


def in_language(console: Console, language: str) -> str:
    console.post("/language", language=language)
    return console.get("/demo/work")


def test_a_moderator_sees_what_the_sentence_as_a_whole_adds(
    post: Post, app: Flask, redis: Redis, flagged: str
) -> None:
    sent = {"id": "c1", "text": flagged, "author": {"name": flagged}}
    answer = post("/v1/comments", sent)
    item = app.test_client().get(
        f"/v1/queue/items/{answer['review']['item_id']}",
        headers={"Authorization": f"Bearer {Sites(redis).rotate_key('demo')}"},
    )
    assert item.get_json()["sentence"] == answer["sentence"]
    Accounts(redis).add("samira", PASSWORD, "moderator")
    console = Console(app).log_in()
    weight = f"+{answer['sentence'][0]['weight']:.1f}"
    english = in_language(console, "en")
    assert f'<p class="whole">The sentence as a whole: {weight} (' in english
    assert f'<p class="whole">The pen name as a whole: {weight} (' in english
    # "The sentence as a whole"; the sign stays on the left of its number.
    arabic = in_language(console, "ar")
    whole = "\u0627\u0644\u062c\u0645\u0644\u0629 \u0628\u0645\u062c\u0645\u0644\u0647\u0627"
    assert f'<p class="whole">{whole}: \u200e{weight} (' in arabic


def test_where_the_sentence_says_more_than_its_words_each_word_is_marked_by_what_it_changes(
    post: Post, trusting: Artifact, flagged: str
) -> None:
    classifier = trusting.classifier
    answer = post("/v1/score", {"text": flagged})
    assert answer["evidence"], "words that the word scorer knows nothing of are shown as well"
    labels = classifier.labels.index("insult")

    def sentence(text: str) -> float:
        logits = blend_of(classifier).scorer.logits([text])[0]
        return SENTENCE * float(logits[blend_of(classifier).columns[labels]])

    (explained,) = classifier.explain([flagged], "insult")
    n_alone = 0
    for part in answer["evidence"]:
        start, end = part["start"], part["end"]
        if " " in normalize(flagged[start:end]).text.strip():
            continue  # a word and a sign are left out one after the other
        without = flagged[:start] + flagged[end:]
        changes = sentence(flagged) - sentence(" ".join(without.split()))
        by_words = float(explained.contributions[start:end].sum())
        assert part["weight"] == pytest.approx(changes + by_words, abs=1e-3)
        assert part["weight"] > 0
        n_alone += 1
    assert n_alone


def test_the_sentence_scorer_is_asked_about_words_of_so_many_fields_of_a_request_and_no_more(
    post: Post, trusting: Artifact, flagged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = SentenceScorer.changes

    def noted(self: SentenceScorer, text: str) -> Any:
        asked.append(text)
        return ask(self, text)

    monkeypatch.setattr(SentenceScorer, "changes", noted)
    answers = post("/v1/score", [{"text": flagged}] * (MAX_ASKED + 5))
    assert len(asked) == MAX_ASKED
    assert all(answer["sentence"] for answer in answers)
    assert len({answer["action"] for answer in answers}) == 1


def counted(scorer: SentenceScorer) -> tuple[SentenceScorer, list[int]]:
    runs: list[int] = []

    class Counted(SentenceScorer):
        def _run(self, ids: list[int]) -> Any:
            runs.append(len(ids))
            return super()._run(ids)

    other = Counted(scorer.graph, scorer.tokenizer, scorer.labels)
    runs.clear()
    return other, runs


def test_what_a_word_changes_costs_a_bounded_number_of_readings(trusting: Artifact) -> None:
    scorer, runs = counted(blend_of(trusting.classifier).scorer)
    text = " ".join(["no"] * 30)
    changes = scorer.changes(text)
    assert 2 < len(runs) <= 1 + MOST_LEFT_OUT
    assert changes.shape == (len(text), len(scorer.labels))
    assert np.array_equal(changes, scorer.changes(text))
    runs.clear()
    assert not scorer.changes(" ".join(["word"] * LONGEST)).any(), "not read at once"
    assert not scorer.changes("").any()
    assert not runs


# Processes


def new_workers(server: psutil.Process, before: set[psutil.Process]) -> set[psutil.Process]:
    """The two workers of a server once none of those before is left, else none."""
    workers = set(server.children())
    return workers if len(workers) == 2 and not workers & before else set()


@pytest.mark.slow
def test_each_worker_scores_by_both_readers_and_alike_after_a_reload_too(
    environ: dict[str, str], redis: Redis, two_readers: Path, api_key: str, tmp_path: Path
) -> None:
    environ = environ | {"HAKAM_ARTIFACTS": str(two_readers), "HAKAM_WORKERS": "2"}
    texts = [comment.text for comment in read_comments(SAMPLE_COMMENTS)][:60]
    bodies = [{"text": text} for text in texts]
    here = create_app(settings_in(environ), redis=redis)
    expected = post_to(here, api_key)("/v1/score", bodies)
    assert {len(answer["readers"]) for answer in expected} == {1, 2}

    def answers_of(worker: psutil.Process, workers: set[psutil.Process]) -> Any:
        """Let no other worker answer."""
        for other in workers - {worker}:
            other.suspend()
        try:
            headers = {"Authorization": f"Bearer {api_key}"}
            answer = httpx.post(f"{url}/v1/score", json=bodies, headers=headers, timeout=50.0)
            return answer.json()
        finally:
            for other in workers - {worker}:
                other.resume()

    before: set[psutil.Process] = set()
    with served(environ, tmp_path / "log") as url:
        port = int(url.rpartition(":")[2])
        (server,) = (
            one
            for one in psutil.Process().children()
            if any(c.laddr.port == port for c in one.net_connections())
        )
        for _ in range(2):
            workers = await_condition(
                partial(new_workers, server, before), what="two new workers", seconds=60.0
            )
            for worker in workers:
                assert answers_of(worker, workers) == expected
            before = workers
            server.send_signal(signal.SIGHUP)


def loaded(code: str) -> set[str]:
    """Run it in a process of its own; return the modules that are there then."""
    code += "\nimport sys; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


def test_no_import_makes_a_session_and_an_artefact_of_words_loads_no_runtime_for_it(
    artifacts: Path, two_readers: Path
) -> None:
    heavy = {"onnxruntime", "tokenizers"}
    assert not heavy & loaded("import service.run.application, service.cli.main")
    load = "import pathlib, models.registry as m; m.Registry(pathlib.Path({!r})).load()"
    assert not heavy & loaded(load.format(str(artifacts)))
    assert heavy <= loaded(load.format(str(two_readers)))
