"""Whatever happens in whatever order, the queue does what a plain model of it does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from arriving import approve, enqueue
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from test_group_decisions import decide_many

from conftest import check_lines, let_time_pass, redis_servers
from service.errors import AlreadyDecided, Conflict, Forbidden, ItemHeld, ItemNotFound, LeaseLost
from service.queue.decisions import DecisionStream
from service.queue.history import History
from service.queue.records import Comment, Decision, Enqueued, item_id_of
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.run.private_redis import PrivateRedis

pytestmark = pytest.mark.slow

LEASE_SECONDS, SKIP_SECONDS, UNDO_SECONDS = 600, 1800, 900
MODERATORS = st.sampled_from(["amal", "basma", "carim"])
COMMENTS = st.sampled_from([f"c-{number}" for number in range(6)])
TEXTS = st.sampled_from(["واحد", "اثنان"])  # "one", "two"


@dataclass
class Item:
    """What the model knows of a comment."""

    text: str
    due: float
    since: float
    state: str = "pending"
    version: int = 1
    token: int = 0
    holder: str = ""
    expires: float = 0.0
    n_abandoned: int = 0
    decided: float = 0.0
    decision: str = ""
    decider: str = ""
    request: str = ""
    skipped: dict[str, float] = field(default_factory=dict)


class QueueMachine(RuleBasedStateMachine):
    """All verbs against the model; the clock is stepped by shifting what Redis has stored."""

    server: PrivateRedis
    var: Path
    redis: Redis

    @initialize()
    def empty(self) -> None:
        self.redis.flushall()
        self.queue = ReviewQueue(
            self.redis,
            lease_seconds=LEASE_SECONDS,
            skip_seconds=SKIP_SECONDS,
            undo_seconds=UNDO_SECONDS,
        )
        self.items: dict[str, Item] = {}
        self.entries: list[tuple[str, str]] = []
        self.n_requests = 0
        self.now = 0.0  # of the model; the real clock moves by far less than one step

    # What the model says

    def expire(self) -> None:
        for item in self.items.values():
            if item.state == "leased" and item.expires <= self.now:
                item.state, item.n_abandoned = "pending", item.n_abandoned + 1

    def holds(self, item: Item, token: int) -> bool:
        return item.state == "leased" and item.token == token and item.expires > self.now

    def request(self) -> str:
        self.n_requests += 1
        return f"request-{self.n_requests}"

    def held(self, comment_id: str, stale: int) -> tuple[Item | None, str, int]:
        item = self.items.get(comment_id)
        return item, item_id_of(comment_id), (item.token if item else 1) - stale

    def refused(self, item: Item | None, verb: Callable[[], object]) -> None:
        expected: type[Exception] = LeaseLost
        if item is None:
            expected = ItemNotFound
        elif item.state == "decided":
            expected = AlreadyDecided
        with pytest.raises(expected):
            verb()

    def stands(self, made: Enqueued, item: Item) -> None:
        self.expire()
        assert made.version == item.version
        assert made.waits == (item.state in ("pending", "leased"))
        decided = item.decision if item.state == "decided" else None
        assert (made.decision and made.decision.decision_id) == decided

    # Verbs

    @rule(comment_id=COMMENTS, text=TEXTS, score=st.sampled_from([0.2, 0.6, 0.9]))
    def enqueue(self, comment_id: str, text: str, score: float) -> None:
        verdict = Verdict("review", "insult", "text", score, "score", 1.0, "v1")
        comment = Comment(id=comment_id, text=text, author_id="reader", article_id="article")
        made = enqueue(self.queue, "demo", comment, verdict, scores={"insult": score})
        item = self.items.get(comment_id)
        new = item is None or item.text != text or item.state == "withdrawn"
        assert made.created == new
        if new:
            found = self.queue.item("demo", made.item_id)
            assert found.due_at - found.enqueued_at == pytest.approx(
                3600 * (1 - 0.75 * score), 0.01
            )
            fresh = Item(text, found.due_at, found.enqueued_at)
            if item is not None:
                fresh.version, fresh.token = item.version + 1, item.token
                fresh.skipped = item.skipped
                if item.state in ("pending", "leased"):
                    fresh.n_abandoned = item.n_abandoned
                    assert fresh.since == pytest.approx(item.since), "an edit keeps its place"
            self.items[comment_id] = fresh
        assert made.version == self.items[comment_id].version
        self.stands(made, self.items[comment_id])

    @rule(comment_id=COMMENTS, text=TEXTS)
    def approve(self, comment_id: str, text: str) -> None:
        verdict = Verdict("approve", None, None, 0.1, "clean", 0.005, "v1")
        comment = Comment(id=comment_id, text=text, author_id="reader", article_id="article")
        made = approve(self.queue, "demo", comment, verdict)
        item = self.items.get(comment_id)
        if item is None:
            assert (made.created, made.version, made.state) == (False, 1, "unseen")
            return
        assert made.created == (item.text != text)
        if made.created:
            if item.state in ("pending", "leased"):
                last = DecisionStream(self.redis).read("demo", limit=1000)[-1]
                self.entries.append((last.id, "withdraw"))
            found = self.queue.item("demo", made.item_id)
            fresh = Item(text, found.due_at, found.enqueued_at, "withdrawn", item.version + 1)
            fresh.token, fresh.skipped = item.token, item.skipped
            self.items[comment_id] = fresh
        self.stands(made, self.items[comment_id])

    @rule(moderator=MODERATORS)
    def lease(self, moderator: str) -> None:
        self.expire()
        offered = {
            comment_id: item
            for comment_id, item in self.items.items()
            if item.state == "pending" and item.skipped.get(moderator, 0) <= self.now
        }
        lease = self.queue.lease("demo", moderator)
        if lease is None:
            assert not offered
            return
        item = offered[lease.item.comment.id]
        assert item.due == min(other.due for other in offered.values())
        item.state, item.holder, item.token = "leased", moderator, item.token + 1
        item.expires = self.now + LEASE_SECONDS
        assert lease.token == item.token
        assert lease.item.comment.text == item.text
        assert lease.item.n_abandoned == item.n_abandoned

    @rule(comment_id=COMMENTS, moderator=MODERATORS, stale=st.sampled_from([0, 0, 0, 1]))
    def take(self, comment_id: str, moderator: str, stale: int) -> None:
        self.expire()
        item, item_id, _ = self.held(comment_id, 0)
        version = (item.version if item else 1) - stale
        refused: type[Exception] | None = None
        if item is None:
            refused = ItemNotFound
        elif item.state in ("decided", "withdrawn"):
            refused = AlreadyDecided if item.state == "decided" else LeaseLost
        elif stale:
            refused = Conflict
        elif item.state == "leased" and item.holder != moderator:
            refused = ItemHeld
        if item is None or refused:
            with pytest.raises(refused or Conflict):
                self.queue.take("demo", moderator, item_id, version)
            return
        lease = self.queue.take("demo", moderator, item_id, version)
        if item.state == "pending":
            item.state, item.holder, item.token = "leased", moderator, item.token + 1
        item.expires = self.now + LEASE_SECONDS
        assert (lease.token, lease.item.comment.text) == (item.token, item.text)

    @rule(comment_id=COMMENTS, stale=st.sampled_from([0, 0, 0, 1]))
    def renew(self, comment_id: str, stale: int) -> None:
        item, item_id, token = self.held(comment_id, stale)
        if item and self.holds(item, token):
            self.queue.renew("demo", item_id, token)
            item.expires = self.now + LEASE_SECONDS
        else:
            self.refused(item, lambda: self.queue.renew("demo", item_id, token))

    @rule(comment_id=COMMENTS, stale=st.sampled_from([0, 0, 0, 1]), skip=st.booleans())
    def give_back(self, comment_id: str, stale: int, skip: bool) -> None:
        item, item_id, token = self.held(comment_id, stale)
        verb = self.queue.skip if skip else self.queue.release
        if item and self.holds(item, token):
            verb("demo", item_id, token)
            item.state = "pending"
            if skip:
                item.skipped[item.holder] = self.now + SKIP_SECONDS
        else:
            self.refused(item, lambda: verb("demo", item_id, token))

    @rule(
        comment_id=COMMENTS,
        stale=st.sampled_from([0, 0, 0, 1]),
        action=st.sampled_from(["approve", "reject"]),
        again=st.booleans(),
    )
    def decide(self, comment_id: str, stale: int, action: str, again: bool) -> None:
        item, item_id, token = self.held(comment_id, stale)
        moderator = item.holder if item and item.holder else "amal"
        draft = Decision(action, moderator=moderator, request_id=self.request())
        if item is None or not self.holds(item, token):
            self.refused(item, lambda: self.queue.decide("demo", item_id, token, draft))
            return
        made = self.queue.decide("demo", item_id, token, draft)
        item.state, item.decided, item.decision = "decided", self.now, made.id
        item.request, item.decider = draft.request_id, moderator
        self.entries.append((made.id, action))
        if again:
            assert self.queue.decide("demo", item_id, token, draft) == made

    @rule(comment_id=COMMENTS, moderator=MODERATORS, senior=st.booleans(), own=st.booleans())
    def undo(self, comment_id: str, moderator: str, senior: bool, own: bool) -> None:
        item, item_id, _ = self.held(comment_id, 0)
        # A request id that a decision has used already means nothing to an undo.
        request = item.request if item and item.request and own else self.request()
        in_time = item and item.state == "decided" and self.now - item.decided < UNDO_SECONDS
        if item is not None and in_time and (senior or moderator == item.decider):
            made = self.queue.undo("demo", item_id, moderator, request, senior=senior)
            assert made.undoes == item.decision
            item.state, item.request = "pending", ""
            self.entries.append((made.id, "undo"))
            return
        expected: type[Exception] = Forbidden if in_time else Conflict
        with pytest.raises(expected if item else ItemNotFound):
            self.queue.undo("demo", item_id, moderator, request, senior=senior)

    @rule(
        comment_id=COMMENTS,
        moderator=MODERATORS,
        senior=st.booleans(),
        action=st.sampled_from(["approve", "reject"]),
    )
    def decide_again(self, comment_id: str, moderator: str, senior: bool, action: str) -> None:
        item, item_id, _ = self.held(comment_id, 0)
        draft = Decision(action, moderator=moderator, request_id=self.request())
        decision = item.decision if item and item.decision else "1-1"

        def verb() -> Decision:
            return self.queue.decide_again("demo", item_id, decision, draft, senior=senior)

        in_time = item and item.state == "decided" and self.now - item.decided < UNDO_SECONDS
        decided = item is not None and item.state == "decided"
        if item is None or not decided or not (senior or (in_time and moderator == item.decider)):
            expected: type[Exception] = Forbidden if in_time else Conflict
            with pytest.raises(expected if item else ItemNotFound):
                verb()
            return
        made = verb()
        undone = DecisionStream(self.redis).read("demo", limit=1000)[-2]
        assert undone.undoes == item.decision
        item.decided, item.decision, item.token = self.now, made.id, item.token + 1
        item.request, item.decider = draft.request_id, moderator
        self.entries += [(undone.id, "undo"), (made.id, action)]
        assert verb() == made, "once"

    @rule(comment_id=COMMENTS)
    def withdraw(self, comment_id: str) -> None:
        item = self.items.get(comment_id)
        if item is None:
            with pytest.raises(ItemNotFound):
                self.queue.withdraw("demo", comment_id)
            return
        waiting = item.state in ("pending", "leased")
        assert self.queue.withdraw("demo", comment_id) == waiting
        if waiting:
            item.state = "withdrawn"
            self.entries.append(
                (DecisionStream(self.redis).read("demo", limit=1000)[-1].id, "withdraw")
            )

    @rule(action=st.sampled_from(["approve", "reject"]))
    def decide_all(self, action: str) -> None:
        found = {item.id: item.version for item in self.queue.waiting("demo", author_id="reader")}
        if not found:
            return
        draft = Decision(action, moderator="amal", request_id=self.request())
        for made in decide_many(self.queue, found, draft):
            item = self.items[made.comment_id]
            assert item.state == "pending" or item.expires <= self.now
            item.state, item.decided, item.decision = "decided", self.now, made.id
            item.request, item.decider = draft.request_id, "amal"
            item.token += 1
            self.entries.append((made.id, action))

    @rule(comment_id=COMMENTS, text=TEXTS, action=st.sampled_from(["approve", "reject"]))
    def decide_external(self, comment_id: str, text: str, action: str) -> None:
        verdict = Verdict("approve", None, None, 0.1, "clean", 0.005, "v1")
        comment = Comment(id=comment_id, text=text, author_id="reader", article_id="article")
        draft = Decision(action, moderator="site", request_id=self.request())
        before = len(self.entries)
        made, recorded = self.queue.decide_external("demo", comment, verdict, draft, scores={})
        item = self.items.get(comment_id)
        same = item is not None and item.text == text and item.state != "withdrawn"
        if item and same and item.state == "decided":
            said = dict(self.entries)[item.decision]
            assert recorded == (said != action)
            if not recorded:
                assert made.id == item.decision
                return
            entries = DecisionStream(self.redis).read("demo", limit=1000)
            assert entries[before].undoes == item.decision
            self.entries.append((entries[before].id, "undo"))
        assert recorded
        found = self.queue.item("demo", made.item_id)
        if item is None:
            item = self.items[comment_id] = Item(text, found.due_at, found.enqueued_at)
        elif not same:
            fresh = Item(text, found.due_at, found.enqueued_at, version=item.version + 1)
            fresh.token, fresh.skipped = item.token, item.skipped
            item = self.items[comment_id] = fresh
        item.state, item.decided, item.decision = "decided", self.now, made.id
        item.request, item.decider = draft.request_id, "site"
        item.token += 1
        self.entries.append((made.id, action))
        again = self.queue.decide_external("demo", comment, verdict, draft, scores={})
        assert again == (made, False)

    # What else happens

    @rule(seconds=st.sampled_from([10, LEASE_SECONDS + 1, UNDO_SECONDS + 1, SKIP_SECONDS + 1]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        let_time_pass(self.redis, seconds * 1000)
        for item in self.items.values():
            item.due -= seconds
            item.since -= seconds

    @precondition(lambda self: self.items)
    @rule()
    def crash(self) -> None:
        server = self.server._running
        assert server is not None
        server.kill()
        server.wait()
        self.server._running = None
        self.server.start(self.var)

    # What is always true

    @invariant()
    def the_queue_is_what_the_model_says(self) -> None:
        if not hasattr(self, "items"):
            return
        self.expire()
        for comment_id, known in self.items.items():
            item = self.queue.item("demo", item_id_of(comment_id))
            assert (item.state, item.version) == (known.state, known.version)
            assert item.due_at == pytest.approx(known.due, abs=0.01)
            assert item.comment.text == (known.text if known.state != "withdrawn" else "")
        check_lines(self.redis)
        stats = self.queue.stats("demo")
        states = [item.state for item in self.items.values()]
        assert (stats.pending, stats.leased) == (states.count("pending"), states.count("leased"))
        entries = DecisionStream(self.redis).read("demo", limit=1000)
        assert [(entry.id, entry.action) for entry in entries] == self.entries
        assert DecisionStream(self.redis).verify("demo").n_entries == len(self.entries)
        shown = History(self.redis).look_back("demo", limit=200).decisions
        told = [one for one in self.entries[::-1] if one[1] != "withdraw"]
        assert [(one.id, one.action) for one in shown] == told[:200]


@pytest.mark.parametrize("kind", sorted(redis_servers()))
def test_the_queue_does_what_its_model_does(kind: str) -> None:
    # The folder is short-lived and its path short, as a socket's address must be.
    with tempfile.TemporaryDirectory() as folder, PrivateRedis(redis_servers()[kind]) as server:
        url = server.start(Path(folder))
        retry = Retry(NoBackoff(), 1)
        with Redis.from_url(url, decode_responses=True, retry=retry) as redis:

            class Machine(QueueMachine):
                pass

            Machine.server, Machine.var, Machine.redis = server, Path(folder), redis
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=12,
                    stateful_step_count=40,
                    deadline=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )
