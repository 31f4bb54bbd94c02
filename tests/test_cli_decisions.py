"""The commands about what was decided, on a real Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from arriving import enqueue
from click.testing import CliRunner, Result
from redis import Redis

from conftest import RedisServer
from service.cli.main import hakam
from service.config import Settings
from service.delivery.webhooks import Deliveries
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.durability import Durability

Command = Callable[..., Result]
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def command(redis_server: RedisServer, redis: Redis, tmp_path: Path) -> Command:
    """Run ``hakam`` with words on the emptied Redis, where a site has two decisions."""
    Sites(redis).add(
        Site(
            "demo",
            webhook_url="http://127.0.0.1:9/",
            webhook_secret=SECRET,
        )
    )
    queue = ReviewQueue(redis)
    for number, action in enumerate(["reject", "approve"]):
        comment = Comment(id=f"c-{number}", text="تعليق", author_id="reader-7")  # "a comment"
        enqueue(queue, "demo", comment, VERDICT, scores={})
        lease = queue.lease("demo", "amal")
        assert lease is not None
        labels = ("insult",) if action == "reject" else ()
        draft = Decision(action, labels, "insult", "", "amal", f"request-{number}")
        queue.decide("demo", lease.item.id, lease.token, draft)

    def run(*words: str) -> Result:
        environ = {"HAKAM_REDIS_URL": redis_server.url, "HAKAM_VAR": str(tmp_path)}
        return CliRunner().invoke(hakam, words, env=environ)

    return run


def test_an_author_is_erased_by_command(command: Command, redis: Redis) -> None:
    result = command("erase", "--site", "demo", "--author", "reader-7")
    first, second = result.output.splitlines()
    assert first == "2 items erased, and 0 quotations in answers"
    assert second.startswith("gone from Redis' disk; copies made before 20")
    assert redis.hlen("{hakam:demo}:texts") == 0


def test_an_erasure_that_may_not_have_left_the_disk_is_a_failure_by_status(
    command: Command, redis: Redis
) -> None:
    client: Any = redis
    client.execute_command("ACL", "SETUSER", "default", "-bgrewriteaof")
    try:
        result = command("erase", "--site", "demo", "--author", "reader-7")
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+bgrewriteaof")
    assert result.exit_code == 2
    assert "may still be on its disk" in result.output
    assert redis.hlen("{hakam:demo}:texts") == 0


def test_old_texts_are_forgotten_by_command(command: Command) -> None:
    assert command("forget").output == "0 forgotten\n"


def test_the_audit_prints_the_digest_to_note_and_takes_it_again(
    command: Command, redis: Redis
) -> None:
    result = command("audit", "verify")
    site, n_entries, digest = result.output.split()
    assert (site, n_entries) == ("demo", "2")
    assert command("audit", "verify", "demo", "--digest", digest).exit_code == 0
    redis.xtrim("{hakam:demo}:decisions", maxlen=1, approximate=False)
    broken = command("audit", "verify", "demo")
    assert broken.exit_code == 2
    assert "broken at" in broken.output


def test_the_transparency_output_comes_as_json_csv_and_statements(command: Command) -> None:
    today = datetime.now(UTC).date()
    period = ("--from", str(today - timedelta(1)), "--to", str(today + timedelta(2)))
    numbers = json.loads(command("transparency", "demo", *period).output)
    assert numbers["by_action"] == {"approve": 1, "reject": 1}
    table = command("transparency", "demo", *period, "--format", "csv").output
    assert "by_action,reject,1" in table.splitlines()
    lines = command("transparency", "demo", *period, "--format", "statements").output.splitlines()
    assert [json.loads(line)["category"] for line in lines] == ["STATEMENT_CATEGORY_CYBER_VIOLENCE"]


def test_agreement_is_reported_where_two_people_judged(command: Command, redis: Redis) -> None:
    assert command("agreement", "demo").output == ""
    queue = ReviewQueue(redis)
    comment = Comment(id="c-9", text="تعليق")  # "a comment"
    enqueue(queue, "demo", comment, VERDICT, scores={}, second_opinion_share=1.0)
    for moderator in ("amal", "basma"):
        lease = queue.lease("demo", moderator)
        assert lease is not None
        draft = Decision("approve", moderator=moderator, request_id=moderator)
        queue.decide("demo", lease.item.id, lease.token, draft)
    lines = command("agreement", "demo").output.splitlines()
    assert json.loads(lines[0]) == {
        "about": "action",
        "moderators": ["amal", "basma"],
        "n_items": 1,
        "share": 1.0,
        "kappa": None,
    }


def test_a_lost_queue_is_rebuilt_from_its_export(
    command: Command, redis: Redis, tmp_path: Path
) -> None:
    export = tmp_path / "decisions.jsonl"
    assert command("decisions", "export", "demo", "--output", str(export)).exit_code == 0
    durability = Durability(redis, Settings(var=tmp_path).store_file)
    durability.check()
    site = Sites(redis).get("demo")
    redis.flushall()
    Sites(redis).add(site)
    assert command("queue", "rebuild", "demo", str(export)).output == "2 decisions restored\n"
    assert command("queue", "rebuild", "demo", str(export)).output == "0 decisions restored\n"
    durability.check()  # the loss is accepted
    queue = ReviewQueue(redis)
    entries = [(entry.kind, entry.moderator) for entry in DecisionStream(redis).read("demo")]
    assert entries == [("loss", ""), ("decision", "amal"), ("decision", "amal")]
    author = queue.author("demo", "reader-7")
    assert (author.n_approved, author.n_rejected) == (1, 1)


def test_dead_letters_are_listed_and_replayed(command: Command, redis: Redis) -> None:
    decision = DecisionStream(redis).read("demo")[0]
    deliveries = Deliveries(redis, Sites(redis))
    site = Sites(redis).get("demo")
    item_id, decision_id, *_ = deliveries._verbs(site.id, "claim", hold_ms=60_000)
    this = {"id": item_id, "delivery": decision_id}
    deliveries._verbs("demo", "give_up", **this, failure="status 500", patience_ms=0)
    answer = command("webhooks", "dead", "demo")
    listed = answer.stdout.rstrip("\n").split("\t")
    assert (listed[:3], listed[4]) == ([decision.id, "c-0", "reject"], "status 500")
    assert "every delivery has failed since 20" in answer.stderr
    assert "; out of use since 20" in answer.stderr
    assert answer.stderr.endswith(": status 500\n")
    assert command("webhooks", "replay", "demo").output == "1 deliveries are due again\n"
    assert deliveries.endpoint("demo").disabled_at == 0


@pytest.mark.parametrize(
    "words",
    [
        ("erase", "--site", "north", "--author", "reader-7"),
        ("audit", "verify", "north"),
        ("transparency", "north", "--from", "2026-01-01", "--to", "2026-02-01"),
        ("agreement", "north"),
        ("queue", "rebuild", "north", "-"),
        ("webhooks", "dead", "north"),
        ("webhooks", "replay", "north"),
    ],
)
def test_a_site_that_does_not_exist_is_named(command: Command, words: tuple[str, ...]) -> None:
    result = command(*words)
    assert result.exit_code == 2
    assert "site" in result.output


def test_an_export_masks_personal_data_unless_they_are_asked_for(
    command: Command, redis: Redis
) -> None:
    queue, comment = (
        ReviewQueue(redis),
        Comment(id="c-9", text="call 0500000000", author_name="a@b.example"),
    )
    enqueue(queue, "demo", comment, VERDICT, scores={})
    lease = queue.lease("demo", "amal")
    assert lease is not None
    queue.decide(
        "demo", lease.item.id, lease.token, Decision("approve", moderator="amal", request_id="r-9")
    )

    def last(*words: str) -> tuple[str, str]:
        written = command("decisions", "export", "demo", *words).stdout.splitlines()[-1]
        line = json.loads(written)
        return line["text"], line["author_name"]

    bullet = "\N{BULLET}"
    assert last() == (f"call {bullet * 10}", f"{bullet}@{bullet}.{bullet * 7}")
    assert last("--with-personal-data") == (comment.text, comment.author_name)
