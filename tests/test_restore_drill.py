"""Backup, loss and restore: the drill of docs/backup.md, and what sites are told after it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import drill
import pytest
from arriving import enqueue
from click.testing import CliRunner
from flask.testing import FlaskClient
from redis import Redis

from conftest import RedisServer
from service.cli.main import hakam
from service.errors import PositionUnknown
from service.queue.decisions import DecisionStream, place
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.rules.times import read_time
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.durability import KEY, MARK, Durability

VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")


@pytest.fixture
def key(redis: Redis) -> dict[str, str]:
    """Headers of a site with three decisions."""
    headers = {"Authorization": f"Bearer {Sites(redis).add(Site('demo'))}"}
    for number in range(3):
        _decide(redis, f"c-{number}")
    return headers


def _decide(redis: Redis, comment_id: str, action: str = "approve") -> str:
    queue, comment = ReviewQueue(redis), Comment(id=comment_id, text="تعليق")  # "comment"
    enqueue(queue, "demo", comment, VERDICT, scores={})
    lease = queue.lease("demo", "amal")
    assert lease is not None
    draft = Decision(action, moderator="amal", request_id=comment_id)
    return queue.decide("demo", lease.item.id, lease.token, draft).id


def _read(client: FlaskClient, key: dict[str, str], after: str, limit: int = 100) -> list[str]:
    answer = client.get(f"/v1/decisions?after={after}&limit={limit}", headers=key)
    assert answer.status_code == 200
    return [json.loads(line)["id"] for line in answer.text.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_backup_under_load_is_restored_and_sites_and_hakam_know_the_same_again(
    artifacts: Path,
) -> None:
    environ = {"HAKAM_ARTIFACTS": str(artifacts), "HAKAM_SENTENCE_SCORER": "off"}
    done = drill.play({**environ, "HAKAM_LOG_LEVEL": "warning"}, seconds=3.0)
    assert done.violations == [], "\n".join(done.lines)
    assert done.counts["enqueue after the backup"] > 0
    assert done.counts["decide after the backup"] > 0
    assert done.counts["send"] > 0
    assert done.counts["tell"] > 0


def test_a_position_from_before_or_in_a_loss_gets_one_clear_answer_and_then_the_rest(
    client: FlaskClient, redis: Redis, key: dict[str, str], stream: DecisionStream
) -> None:
    last = stream.read("demo")[-1].id
    noted = stream.note_loss("demo", 1_795_000_000.0, time.time() + 60)
    _decide(redis, "c-3")
    told = place(last)
    for after in (last, f"{told[0] + 1}-0"):
        refused = client.get(f"/v1/decisions?after={after}", headers=key)
        said = json.loads(refused.text)
        assert refused.status_code == 410
        assert said["type"] == "urn:hakam:problem:set-back"
        assert said["after"] == noted
        assert read_time(said["lost_since"]) == read_time("2026-11-18T11:06:40Z")
        assert said["lost_since"] < said["lost_until"]
    assert _read(client, key, "0") == ["c-0", "c-1", "c-2"], "a page ends before the loss"
    page = client.get("/v1/decisions?after=0", headers=key)
    assert 'rel="next"' in page.headers["Link"]
    assert _read(client, key, noted) == ["c-3"]


def test_ids_after_a_loss_are_later_than_all_that_may_have_been_given_out(
    redis: Redis, key: dict[str, str], stream: DecisionStream
) -> None:
    ahead = time.time() + 3_600  # what the lost store had given out, by a clock that was ahead
    stream.note_loss("demo", 0.0, ahead)
    assert place(_decide(redis, "c-3")) > (int(ahead * 1000), 0)
    assert stream.verify("demo").n_entries == 5


def test_a_position_that_no_decision_has_had_is_refused_and_a_time_is_not(
    client: FlaskClient, key: dict[str, str], stream: DecisionStream
) -> None:
    ahead = f"{place(stream.read('demo')[-1].id)[0] + 1}-0"
    with pytest.raises(PositionUnknown):
        stream.read("demo", ahead)
    assert client.get(f"/v1/decisions?after={ahead}", headers=key).status_code == 409
    assert _read(client, key, f"{int(time.time() * 1000) + 1}") == []


def test_accepting_a_loss_notes_it_for_each_site_and_without_a_loss_nothing(
    redis_server: RedisServer, redis: Redis, key: dict[str, str], tmp_path: Path
) -> None:
    environ = {"HAKAM_REDIS_URL": redis_server.url, "HAKAM_VAR": str(tmp_path)}

    def check(*words: str) -> str:
        done = CliRunner().invoke(hakam, ["check", *words], env=environ)
        assert done.exit_code == 0, done.output
        return done.stdout

    def losses() -> list[tuple[str, float]]:
        found = DecisionStream(redis).read("demo")
        return [(one.kind, one.lost_since) for one in found if one.kind == "loss"]

    check()
    check("--accept-loss")
    assert losses() == []
    mark = int(redis.get(MARK) or 0)  # of a backup that is a minute old
    redis.set(MARK, mark - 60_000)
    with pytest.raises(Exception, match="has lost what it was given between"):
        Durability(redis, tmp_path / "store").check()
    assert "site demo: what it was told since 20" in check("--accept-loss")
    assert losses() == [("loss", (mark - 60_000) / 1000)]
    redis.delete(MARK, KEY)  # and HAKAM_VAR is lost as well
    (tmp_path / "store").unlink()
    check("--accept-loss", "--lost-since", "2026-01-31T06:00:00Z")
    assert losses()[1:] == [("loss", 1_769_839_200.0)]


def test_what_a_site_and_the_queue_do_not_know_alike_is_said_with_what_to_do(
    redis_server: RedisServer, redis: Redis, key: dict[str, str], tmp_path: Path
) -> None:
    enqueue(ReviewQueue(redis), "demo", Comment("waits", "تعليق"), VERDICT, scores={})  # "comment"
    known = {
        "waits": "review",
        "c-0": "approve",
        "c-1": "review",
        "c-2": "reject",
        "gone": "review",
        "told": "reject",
    }
    lines = [json.dumps({"id": one, "action": action}) for one, action in known.items()]

    def compare(text: str) -> tuple[int, str]:
        done = CliRunner().invoke(
            hakam,
            ["queue", "compare", "demo", "-"],
            input=text,
            env={"HAKAM_REDIS_URL": redis_server.url, "HAKAM_VAR": str(tmp_path)},
        )
        return done.exit_code, done.output

    code, said = compare("\n".join(lines))
    advised = [json.loads(line) for line in said.splitlines()[:-1]]
    assert (code, said.splitlines()[-1]) == (0, "4 comments are not known alike")
    assert advised == [
        {"id": "c-1", "do": "apply", "action": "approve"},
        {"id": "c-2", "do": "tell", "action": "reject"},
        {"id": "gone", "do": "send"},
        {"id": "told", "do": "tell", "action": "reject"},
    ]
    code, said = compare(f'{lines[0]}\n{{"id": "x", "action": "secret"}}')
    assert code == 2
    assert "line 2" in said
    assert "secret" not in said


def test_the_lines_of_the_guide_name_what_the_compose_file_has() -> None:
    guide, compose = drill.GUIDE.read_text(), Path("docker-compose.yml").read_text()
    for service in set(re.findall(r"docker compose (?:exec -T|run --rm) (\w+)", guide)):
        assert f"\n  {service}:\n" in compose
    for volume in set(re.findall(r"volume `(\w+)`", guide)):
        assert f"\n  {volume}:\n" in compose
