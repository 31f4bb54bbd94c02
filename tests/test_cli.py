"""The command hakam, on a real Redis."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest
import structlog
from arriving import enqueue
from click.testing import CliRunner, Result
from flask import Flask
from redis import Redis

from conftest import RedisServer
from models.artifact import Artifact
from models.registry import Registry
from models.schema import LabeledComment, write_comments
from service.accounts.accounts import Accounts
from service.app import create_app
from service.cli.main import hakam
from service.config import Settings
from service.queue.decisions import DecisionStream
from service.queue.reader_links import read_link
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.api_keys import name_of
from service.sites.known_sites import KnownSites
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites

Command = Callable[..., Result]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def command(redis_server: RedisServer, redis: Redis, tmp_path: Path) -> Command:
    """Run ``hakam`` with words on the emptied Redis, whatever this checkout has run before."""

    def run(*words: str, **environ: str) -> Result:
        environ = {"HAKAM_REDIS_URL": redis_server.url, "HAKAM_VAR": str(tmp_path)} | environ
        return CliRunner().invoke(hakam, words, env=environ)

    return run


def test_a_new_site_gets_a_key_that_opens_it(command: Command, redis: Redis) -> None:
    result = command("sites", "add", "north", "--name", "The North")
    assert result.exit_code == 0, result.output
    site = KnownSites(Sites(redis)).authenticate(result.output.strip())
    assert site is not None
    assert (site.id, site.name) == ("north", "The North")


def test_a_site_may_set_its_policy(command: Command, redis: Redis) -> None:
    command("sites", "add", "north", "--review", "insult=0.4", "--random-sample-share", "0")
    result = command("sites", "set", "north", "--reject", "insult=0.9", "--reject", "threat=0.8")
    assert (result.exit_code, result.output) == (0, "")
    site = Sites(redis).get("north")
    assert (site.review, site.random_sample_share) == ({"insult": 0.4}, 0.0)
    assert site.reject == {"insult": 0.9, "threat": 0.8}


def test_a_site_may_have_unreadable_texts_approved(command: Command, redis: Redis) -> None:
    command("sites", "add", "north")
    assert Sites(redis).get("north").unsupported_language == "review"
    assert command("sites", "set", "north", "--unsupported-language", "approve").exit_code == 0
    assert Sites(redis).get("north").unsupported_language == "approve"
    assert command("sites", "set", "north", "--unsupported-language", "reject").exit_code == 2


def test_a_webhook_gets_a_secret_that_is_shown_once(command: Command, redis: Redis) -> None:
    result = command("sites", "add", "north", "--webhook-url", "http://127.0.0.1:9/hook")
    _key, secret = result.output.split()
    assert secret == Sites(redis).get("north").webhook_secret
    assert secret.startswith("whsec_")
    assert command("sites", "set", "north", "--name", "N").output == ""


# One value of each setting in the words of the command, and what the site holds then.
WISHES: dict[str, tuple[tuple[str, ...], Any]] = {
    "name": (("--name", "The North"), "The North"),
    "review": (("--review", "insult=0.4", "--review", "threat=0"), {"insult": 0.4, "threat": 0}),
    "reject": (("--reject", "threat=0.99"), {"threat": 0.99}),
    "unsupported_language": (("--unsupported-language", "approve"), "approve"),
    "block_words": (("--block-word", "one", "--block-word", "two words"), ("one", "two words")),
    "allow_words": (("--allow-word", "three"), ("three",)),
    "personal_data": (("--personal-data", "reject"), "reject"),
    "links": (("--links", "review"), "review"),
    "allow_hosts": (("--allow-host", "news.example"), ("news.example",)),
    "review_first_comments": (("--review-first-comments", "2"), 2),
    "review_after_rejections": (("--review-after-rejections", "3"), 3),
    "repeat_review": (("--repeat-review", "5"), 5),
    "repeat_reject": (("--repeat-reject", "50"), 50),
    "author_per_hour": (("--author-per-hour", "20"), 20),
    "raid_factor": (("--raid-factor", "0"), 0),
    "trust_after": (("--trust-after", "10"), 10),
    "trusted_sample_share": (("--trusted-sample-share", "0.2"), 0.2),
    "warn_after": (("--warn-after", "2"), 2),
    "hold_after": (("--hold-after", "3"), 3),
    "hold_hours": (("--hold-hours", "48"), 48),
    "label_weights": (("--label-weight", "threat=2.5"), {"threat": 2.5}),
    "time_target_seconds": (("--time-target-seconds", "600"), 600),
    "shadow": (("--shadow", Registry().current()), Registry().current()),
    "shadow_share": (("--shadow-share", "0.5"), 0.5),
    "retention_days": (("--retention-days", "30"), 30),
    "random_sample_share": (("--random-sample-share", "0"), 0.0),
    "drift_alarm": (("--drift-alarm", "0.5"), 0.5),
    "uncertain_per_day": (("--uncertain-per-day", "50"), 50),
    "second_opinion_share": (("--second-opinion-share", "0.1"), 0.1),
    "known_answer_share": (("--known-answer-share", "0.02"), 0.02),
    "webhook_url": (("--webhook-url", "https://news.example/"), "https://news.example/"),
    "webhook_secret": (("--webhook-secret", SECRET), SECRET),
    "webhook_private": (("--webhook-private",), True),
    "requests_per_minute": (("--requests-per-minute", "600"), 600),
    "queue_analyzed": (("--queue-analyzed",), True),
    "coral_secrets": (("--coral-secret", "empsec_a"), ("empsec_a",)),
    "coral_url": (("--coral-url", "https://coral.example/"), "https://coral.example/"),
    "coral_token": (("--coral-token", "t"), "t"),
    "webhook_old_secret": (("--webhook-old-secret", SECRET), SECRET),
    "reader_link_old_secret": (("--reader-link-old-secret", "f" * 32), "f" * 32),
    "reader_link_secret": (("--reader-link-secret", "f" * 32), "f" * 32),
    "notice_addresses": (
        ("--notice-address", "json://hooks.news.example"),
        ("json://hooks.news.example",),
    ),
    "latin_script": (("--latin-script", "review"), "review"),
    "pen_names": (("--pen-names", "require"), "require"),
    "notice_language": (("--notice-language", "en"), "en"),
    "quiet_hours": (("--quiet-hours", "22:00-07:00"), "22:00-07:00"),
    "time_zone": (("--time-zone", "Asia/Riyadh"), "Asia/Riyadh"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_of_a_site_is_set_and_set_back_by_an_option(
    command: Command, redis: Redis, name: str
) -> None:
    words, value = WISHES[name]
    command("sites", "add", "north")
    assert command("sites", "set", "north", *words).exit_code == 0
    assert getattr(Sites(redis).get("north"), name) == value
    back = command("sites", "set", "north", "--default", name.replace("_", "-"))
    assert back.exit_code == 0
    assert getattr(Sites(redis).get("north"), name) == getattr(Site("north"), name)
    if name == "webhook_url":
        assert Sites(redis).get("north").webhook_secret


@pytest.mark.parametrize("verb", ["add", "set"])
def test_a_version_on_trial_that_is_not_kept_is_refused_with_those_that_are(
    command: Command, redis: Redis, artifacts: Path, tmp_path: Path, verb: str
) -> None:
    if verb == "set":
        command("sites", "add", "north")
    kept = Registry(artifacts).current()
    wrong = ("sites", verb, "north", "--shadow", "2001.01.01-1")
    result = command(*wrong, HAKAM_ARTIFACTS=str(artifacts))
    assert (result.exit_code, f"shadow: expected one of {kept}" in result.output) == (2, True)
    result = command(*wrong, HAKAM_ARTIFACTS=str(tmp_path))
    assert (result.exit_code, "no version is kept" in result.output) == (2, True)
    assert [site.shadow for site in Sites(redis).list()] == [""] * (verb == "set")


def test_a_site_is_changed_while_the_version_on_its_trial_is_no_longer_kept(
    command: Command, redis: Redis
) -> None:
    Sites(redis).add(Site("north", shadow="2001.01.01-1"))
    assert command("sites", "set", "north", "--name", "The North").exit_code == 0
    assert Sites(redis).get("north").shadow == "2001.01.01-1"


@pytest.mark.parametrize("name", ["coral_token", "webhook_secret"])
def test_a_secret_is_read_where_no_list_of_commands_shows_it(
    redis_server: RedisServer, redis: Redis, name: str
) -> None:
    _, value = WISHES[name]
    words = ["sites", "add", "north", f"--{name.replace('_', '-')}", "-"]
    environ = {"HAKAM_REDIS_URL": redis_server.url}
    result = CliRunner().invoke(hakam, words, env=environ, input=f"{value}\n")
    assert result.exit_code == 0, result.output
    assert getattr(Sites(redis).get("north"), name) == value


def test_words_are_read_from_a_file_and_an_empty_file_takes_them_all_away(
    command: Command, redis: Redis, tmp_path: Path
) -> None:
    command("sites", "add", "north")
    words = tmp_path / "words.txt"
    words.write_text("one\n\n two \none\n", encoding="utf-8")
    command("sites", "set", "north", "--block-word", "zero", "--block-words", str(words))
    assert Sites(redis).get("north").block_words == ("zero", "one", "two")
    words.write_text("")
    assert command("sites", "set", "north", "--block-words", str(words)).exit_code == 0
    assert Sites(redis).get("north").block_words == ()
    words.write_bytes(b"\xff\n")
    result = command("sites", "set", "north", "--block-words", str(words))
    assert (result.exit_code, "block_words: expected" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--review", "insult"), "expected LABEL=NUMBER"),
        (("--review", "rudeness=0.4"), "expected one of toxicity"),
        (("--review", "insult=2"), "review.insult: expected 0 to 1"),
        (("--webhook-url", "ftp://x"), "webhook_url: expected an http or https address"),
        (("--webhook-url", "http://[::1"), "webhook_url: expected an http or https address"),
        (("--webhook-secret", "whsec_"), "webhook_secret: expected whsec_ and 24 to 64 bytes in"),
    ],
)
def test_a_wrong_wish_is_one_sentence(
    command: Command, words: tuple[str, ...], sentence: str
) -> None:
    result = command("sites", "add", "north", *words)
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_comment_without_an_answer_is_named_and_none_is_added(
    redis_server: RedisServer, command: Command, artifacts: Path
) -> None:
    command("sites", "add", "north")
    known = io.StringIO()
    answered = LabeledComment("k-0", "مقال جميل", {"spam": 0.0}, "newsroom")  # "a fine article"
    write_comments([answered, replace(answered, id="k-1", labels={})], known)
    environ = {"HAKAM_REDIS_URL": redis_server.url, "HAKAM_ARTIFACTS": str(artifacts)}
    words = ("known-answers", "add", "north", "-")
    result = CliRunner().invoke(hakam, words, env=environ, input=known.getvalue())
    assert (result.exit_code, result.output) == (
        2,
        "Error: labels of k-1: expected a label, or an action\n",
    )
    assert command("known-answers", "clear", "north").output == "0 known answers taken out\n"


def test_comments_with_known_answers_are_mixed_into_the_work(
    command: Command, redis: Redis, artifacts: Path, tmp_path: Path
) -> None:
    command("sites", "add", "north", "--known-answer-share", "0.5")
    known, decided = tmp_path / "known.jsonl", tmp_path / "decided.jsonl"
    write_comments(
        [
            LabeledComment("k-1", "أنت غبي", {"insult": 1.0}, "newsroom"),  # "you are stupid"
            LabeledComment("k-2", "مقال جميل", {"toxicity": 0.0}, "newsroom"),  # "a fine article"
            LabeledComment("k-3", "خارج", {}, "moderator", action="reject"),  # "off"
        ],
        known,
    )
    words = ("known-answers", "add", "north", str(known))
    assert command(*words, HAKAM_ARTIFACTS=str(artifacts)).output == "3 known answers added\n"
    assert command(*words, HAKAM_ARTIFACTS=str(artifacts)).output == "0 known answers added\n"
    queue = ReviewQueue(redis)
    verdict = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
    enqueue(queue, "north", Comment(id="c-1", text="تعليق"), verdict, scores={})  # "a comment"
    answers = {}
    for number in range(3):
        lease = queue.lease("north", "amal", known_answer_share=1.0)
        assert lease is not None
        assert lease.item.verdict.action == "review"
        assert lease.item.scores
        draft = Decision("approve", moderator="amal", request_id=str(number))
        made = queue.decide("north", lease.item.id, lease.token, draft)
        answers[made.comment_id] = made.expected
    assert answers == {"k-1": "reject", "k-2": "approve", "k-3": "reject"}
    command("decisions", "export", "north", "--output", str(decided))
    assert decided.read_text() == ""
    assert command("known-answers", "clear", "north").output == "3 known answers taken out\n"
    lease = queue.lease("north", "basma", known_answer_share=1.0)
    assert lease is not None
    assert lease.item.comment.id == "c-1"
    assert len(DecisionStream(redis).read("north")) == 3


def test_a_comment_without_labels_is_no_known_answer(
    command: Command, artifacts: Path, tmp_path: Path
) -> None:
    command("sites", "add", "north")
    unknown = tmp_path / "unknown.jsonl"
    write_comments([LabeledComment("k-1", "تعليق", {}, "newsroom")], unknown)  # "a comment"
    result = command("known-answers", "add", "north", str(unknown), HAKAM_ARTIFACTS=str(artifacts))
    assert result.exit_code == 2
    assert "expected a label" in result.output


def test_a_rotated_key_replaces_the_old_one(command: Command, redis: Redis) -> None:
    old = command("sites", "add", "north").output.strip()
    new = command("sites", "rotate-key", "north").output.strip()
    assert KnownSites(Sites(redis)).authenticate(old) is None
    assert KnownSites(Sites(redis)).authenticate(new) is not None


def test_the_keys_of_a_site_are_listed_with_when_they_were_last_used(
    command: Command, redis: Redis
) -> None:
    key = command("sites", "add", "north").output.strip()
    mark, made, ends, used = command("sites", "keys", "north").output.strip().split("\t")
    assert (mark, ends, used) == (key[-4:], "-", "-")
    assert made.endswith("+00:00")
    redis.hset("{hakam:north}:key_uses", name_of(key), "1800000000")
    assert command("sites", "keys", "north").output.strip().endswith("2027-01-15T08:00:00+00:00")
    assert key not in command("sites", "keys", "north").output
    missing = command("sites", "keys", "south")
    assert missing.exit_code == 2
    assert "no site has this id" in missing.output


def test_a_link_by_which_readers_report_is_made_by_hand(command: Command, redis: Redis) -> None:
    command("sites", "add", "north")
    refused = command("sites", "report-link", "north", "c-1")
    assert refused.exit_code == 2
    assert "reader_link_secret" in refused.output
    command("sites", "set", "north", "--reader-link-secret", "0123456789abcdef" * 4)
    public = {"HAKAM_PUBLIC_URL": "https://hakam.example"}
    more = ("--url", "https://news.example/a#c-1", "--title", "Bread")
    link = command("sites", "report-link", "north", "c-1", *more, **public).output.strip()
    start, _equals, token = link.partition("=")
    assert start == "https://hakam.example/readers/north/report?token"
    read = read_link(Sites(redis).get("north"), "report", token)
    assert read
    assert (read.sub, read.url, read.title) == ("c-1", more[1], more[3])
    for host, start in (("::", "http://[::1]:8000/"), ("0.0.0.0", "http://127.0.0.1:8000/")):
        local = command("sites", "report-link", "north", "c-1", HAKAM_HOST=host).output
        assert local.startswith(start)
    for wrong in (("c" * 300,), ("c-1", "--url", "javascript:1"), ("c-1", "--title", "x" * 2_000)):
        assert command("sites", "report-link", "north", *wrong).exit_code == 2


def test_the_role_from_which_a_second_factor_is_required_is_set_and_taken_back(
    command: Command, redis: Redis
) -> None:
    rule = Accounts(redis).second_factor.required_from
    assert command("moderators", "second-factor", "admin").exit_code == 0
    assert rule() == "admin"
    assert command("moderators", "second-factor", "nobody").exit_code == 0
    assert rule() == ""
    assert command("moderators", "second-factor", "king").exit_code == 2


def test_sites_are_listed_without_their_secrets(command: Command) -> None:
    key = command("sites", "add", "north", "--name", "The North").output.strip()
    result = command("sites", "list")
    assert result.output == "north\tThe North\t\n"
    assert key not in result.output


def test_an_unknown_site_is_a_sentence_and_status_2(command: Command) -> None:
    for words in (["sites", "rotate-key"], ["queue", "stats"], ["decisions", "export"]):
        result = command(*words, "nowhere")
        assert (result.exit_code, result.output) == (2, "Error: no site has this id\n")


def test_a_new_moderator_can_log_in_with_the_password_shown(command: Command, redis: Redis) -> None:
    command("sites", "add", "north")
    password = command("moderators", "add", "samira", "--site", "north").output.strip()
    account = Accounts(redis).authenticate("samira", password)
    assert account is not None
    assert (account.role, account.sites) == ("moderator", ("north",))


def test_a_disabled_moderator_is_listed_and_cannot_log_in(command: Command, redis: Redis) -> None:
    command("moderators", "add", "chief", "--role", "admin")
    password = command("moderators", "add", "samira").output.strip()
    assert command("moderators", "disable", "samira").exit_code == 0
    assert Accounts(redis).authenticate("samira", password) is None
    assert command("moderators", "list").output.splitlines() == [
        "chief\tadmin\tall sites\tactive",
        "samira\tmoderator\tall sites\tdisabled",
    ]


def test_a_role_is_changed_and_the_sites_stay(command: Command, redis: Redis) -> None:
    command("sites", "add", "north")
    command("moderators", "add", "nura", "--role", "trainee", "--site", "north")
    assert command("moderators", "role", "nura", "moderator").exit_code == 0
    nura = Accounts(redis).get("nura")
    assert nura is not None
    assert (nura.role, nura.sites, nura.graduated) == ("moderator", ("north",), True)
    assert command("moderators", "role", "nobody", "moderator").exit_code == 2
    assert command("moderators", "role", "nura", "owner").exit_code == 2


def decide(redis: Redis, comment_id: str, action: str, labels: tuple[str, ...]) -> None:
    queue = ReviewQueue(redis)
    verdict = Verdict(
        action="review",
        label="insult",
        field="text",
        score=0.9,
        reason="score",
        sampling_probability=1.0,
        model_version="1",
    )
    text = f"comment {comment_id}"
    enqueue(queue, "north", Comment(id=comment_id, text=text), verdict, scores={"insult": 0.9})
    lease = queue.lease("north", "samira")
    assert lease is not None
    draft = Decision(
        action=action, labels=labels, moderator="samira", request_id=f"request-{comment_id}"
    )
    queue.decide("north", lease.item.id, lease.token, draft)


def test_the_queue_is_counted(command: Command, redis: Redis) -> None:
    Sites(redis).add(Site(id="north"))
    decide(redis, "1", "reject", ("insult",))
    counts = dict(
        line.split("\t") for line in command("queue", "stats", "north").output.splitlines()
    )
    assert (counts["pending"], counts["decided"]) == ("0", "1")


def test_decisions_are_exported_as_labelled_comments_from_a_cursor_on(
    command: Command, redis: Redis, tmp_path: Path
) -> None:
    Sites(redis).add(Site(id="north"))
    decide(redis, "1", "reject", ("insult",))
    first = command("decisions", "export", "north")
    comment = json.loads(first.stdout)
    assert (comment["id"], comment["text"], comment["source"]) == ("1", "comment 1", "moderator")
    assert comment["labels"] == {"toxicity": 1.0, "insult": 1.0}
    cursor = first.stderr.split()[-1]

    decide(redis, "2", "approve", ())
    target = tmp_path / "decisions.jsonl"
    second = command("decisions", "export", "north", "--after", cursor, "--output", str(target))
    assert second.exit_code == 0, second.output
    assert [json.loads(line)["id"] for line in target.read_text().splitlines()] == ["2"]


def test_check_says_that_all_is_well(command: Command, artifacts: Path) -> None:
    result = command("check", HAKAM_ARTIFACTS=str(artifacts))
    assert result.exit_code == 0, result.output
    assert "redis: keeps what it is given" in result.output


def test_check_and_the_log_say_that_a_proxy_in_front_is_not_believed(
    command: Command,
    artifacts: Path,
    app: Flask,
    settings: Settings,
    redis: Redis,
    artifact: Artifact,
) -> None:
    def check(**environ: str) -> str:
        return command("check", HAKAM_ARTIFACTS=str(artifacts), **environ).output

    app.test_client().get("/healthz")
    assert "HAKAM_PROXIES" not in check()
    assert "HAKAM_PROXIES" in check(HAKAM_PUBLIC_URL="https://hakam.example")
    assert "HAKAM_PROXIES" not in check(HAKAM_PUBLIC_URL="http://hakam.example")
    behind = {"X-Forwarded-For": "192.0.2.1"}
    with structlog.testing.capture_logs() as lines:
        for header in (behind, {"Forwarded": "for=192.0.2.2"}):
            app.test_client().get("/healthz", headers=header).close()  # as a server does
    assert [line["event"] for line in lines].count("unbelieved_proxy") == 1
    assert "192.0.2" not in str(lines)
    assert "HAKAM_PROXIES" in check()
    assert "HAKAM_PROXIES" not in check(HAKAM_PROXIES="1")
    believing = create_app(
        settings.model_copy(update={"proxies": 1}), redis=redis, artifact=artifact
    )
    with structlog.testing.capture_logs() as lines:
        believing.test_client().get("/healthz", headers=behind)
    assert "unbelieved_proxy" not in [line["event"] for line in lines]


def test_check_names_a_site_that_cannot_be_read(
    command: Command, artifacts: Path, redis: Redis
) -> None:
    Sites(redis).add(Site("broken"))
    redis.hset("{hakam:broken}:site", "record", "{")
    result = command("check", HAKAM_ARTIFACTS=str(artifacts))
    assert "site broken: what is stored of it cannot be read" in result.output


def test_a_moderator_s_password_is_reset_and_the_second_factor_kept_unless_told_otherwise(
    command: Command, redis: Redis
) -> None:
    command("moderators", "add", "samira", "--role", "admin")
    accounts = Accounts(redis)
    totp = pyotp.TOTP(accounts.second_factor.propose("samira"))
    assert accounts.second_factor.confirm("samira", totp.now())
    session = accounts.sessions.open("samira")
    for option, kept in (((), True), (("--drop-second-factor",), False)):
        password, *rest = command("moderators", "reset", "samira", *option).output.splitlines()
        account = accounts.authenticate("samira", password)
        assert account
        assert account.has_totp == kept == bool(rest)
        assert accounts.sessions.resume("samira", session) is None
    assert command("moderators", "reset", "nobody").exit_code == 2


def test_check_names_what_is_wrong(command: Command, artifacts: Path, tmp_path: Path) -> None:
    assert "no artefact has been promoted" in command("check", HAKAM_ARTIFACTS=str(tmp_path)).output
    shadow = {"HAKAM_ARTIFACTS": str(artifacts), "HAKAM_SHADOW": "2001.01.01-1"}
    result = command("check", **shadow)
    assert (result.exit_code, "no artefact '2001.01.01-1'" in result.output) == (2, True)
    nowhere = f"unix://{tmp_path}/nobody"
    result = command("check", HAKAM_ARTIFACTS=str(artifacts), HAKAM_REDIS_URL=nowhere)
    assert (result.exit_code, "Redis" in result.output) == (2, True)


def test_check_refuses_a_redis_that_could_lose_comments(
    command: Command, artifacts: Path, redis: Redis
) -> None:
    redis.config_set("appendfsync", "everysec")
    try:
        result = command("check", HAKAM_ARTIFACTS=str(artifacts))
    finally:
        redis.config_set("appendfsync", "always")
    assert (result.exit_code, "appendfsync is everysec" in result.output) == (2, True)


def test_without_a_redis_every_command_says_what_to_do(command: Command, tmp_path: Path) -> None:
    for words in (["serve"], ["sites", "list"], ["webhooks"], ["background"]):
        result = command(*words, HAKAM_REDIS_URL="", HAKAM_VAR=str(tmp_path))
        assert (result.exit_code, "HAKAM_REDIS_URL is not set" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("background", "service.cli.background.daily.run"),
        ("webhooks", "service.cli.webhooks.Deliveries.run"),
    ],
)
def test_a_process_ends_at_whatever_moment_it_is_told_to(
    command: Command, monkeypatch: pytest.MonkeyPatch, name: str, work: str
) -> None:
    def interrupted(*arguments: Any) -> None:
        arguments[-1]._cond.acquire()  # as where a signal comes when `wait` has taken the lock
        raise KeyboardInterrupt

    monkeypatch.setattr(work, interrupted)
    assert command(name).exit_code == 0
