"""Nothing acknowledged is lost in a failover, nothing is decided twice; and the judge is just."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from failover import LEASE_SECONDS, SECRET, Client, Load, Run, find, play
from failover_history import Call, Entry, Found, check, read, write
from fake_sites import Endpoint
from redis import Redis

from conftest import deliver_once
from models.artifact import Artifact
from service.app import create_app
from service.config import Settings
from service.delivery.webhooks import Deliveries
from service.sites.site import Site
from service.sites.sites import Sites
from service.store import scripts

# One comment is sent, leased, decided, taken back, leased and decided again by somebody else.
GOOD = (
    Call("s", "enqueue", 0.0, 0.1, "ok", "i1"),
    Call("a", "lease", 1.0, 1.1, "ok", "i1", 1),
    Call("a", "decide", 2.0, 2.1, "unknown", "i1", 1, "r1", action="approve"),
    Call("a", "decide", 3.0, 3.1, "ok", "i1", 1, "r1", "1-0", action="approve"),
    Call("a", "undo", 4.0, 4.1, "ok", "i1", 0, "r2", "2-0"),
    Call("b", "lease", 5.0, 5.1, "ok", "i1", 2),
    Call("b", "decide", 6.0, 6.1, "ok", "i1", 2, "r3", "3-0", action="reject"),
)
STREAM = (
    Entry("1-0", "decision", "i1", "r1", action="approve"),
    Entry("2-0", "undo", "i1", "r2", "1-0"),
    Entry("3-0", "decision", "i1", "r3", action="reject"),
)
TOLD = (("i1", "1-0"), ("i1", "1-0"), ("i1", "2-0"), ("i1", "3-0"))
FOUND = Found(STREAM, {"i1": "decided"}, TOLD)


def said(
    calls: Sequence[Call] = GOOD,
    found: Found = FOUND,
    allowed: Sequence[tuple[float, float]] = (),
) -> str:
    return "\n".join(check(calls, found, lease_seconds=LEASE_SECONDS, allowed=allowed).violations)


def test_a_good_history_is_called_good() -> None:
    assert said() == ""


def test_an_answer_that_never_came_may_have_been_stored_or_not() -> None:
    lone = (*GOOD[:-1], replace(GOOD[-1], outcome="unknown", decision=""))
    assert said(lone) == ""
    waiting = replace(FOUND, stream=STREAM[:2], told=TOLD[:3], items={"i1": "leased"})
    assert said(lone, waiting) == ""


def stream(*entries: Entry) -> Found:
    told = tuple((one.item, one.id) for one in dict.fromkeys(entries))
    return replace(FOUND, stream=entries, told=told)


AGAIN = Entry("4-0", "decision", "i1", "r3", action="reject")
BAD: Mapping[str, tuple[Sequence[Call], Found]] = {
    "lost: decision 3-0": (GOOD, stream(*STREAM[:2])),
    "lost: undo 2-0": (GOOD, stream(STREAM[0])),
    "lost: the comment of item i1": (GOOD, replace(FOUND, items={})),
    "doubled: decision of request r3": (GOOD, stream(*STREAM, AGAIN)),
    "decided twice: item i1": (GOOD, stream(STREAM[0], STREAM[2])),
    "undone though not decided": (GOOD, stream(STREAM[1], STREAM[0], STREAM[2])),
    "never asked for: decision of request r9": (
        GOOD,
        stream(*STREAM, replace(AGAIN, item="i2", request="r9")),
    ),
    "refused and stored: decision of request r3": (
        (*GOOD[:-1], replace(GOOD[-1], outcome="fail", decision="")),
        FOUND,
    ),
    "two answers: decision of request r3": (
        (*GOOD, replace(GOOD[-1], began=7.0, ended=7.1, decision="4-0")),
        FOUND,
    ),
    "two leases at a time: item i1": (
        (*GOOD, Call("c", "lease", 5.2, 5.3, "ok", "i1", 3)),
        FOUND,
    ),
    "one token for two leases: item i1": (
        (*GOOD, Call("c", "lease", 9.0, 9.1, "ok", "i1", 2)),
        FOUND,
    ),
    "an older token after a newer one: item i1": (
        (*GOOD, Call("c", "lease", 0.5, 0.6, "ok", "i1", 3)),
        FOUND,
    ),
    "decided with an old lease: item i1": (
        (*GOOD[:-1], replace(GOOD[-1], token=1)),
        FOUND,
    ),
    "never told: 3-0": (GOOD, replace(FOUND, told=TOLD[:3])),
    "told out of order: item i1": (GOOD, replace(FOUND, told=TOLD[::-1])),
    "told, but not in the stream: 9-0": (GOOD, replace(FOUND, told=(*TOLD, ("i1", "9-0")))),
    "another action: decision of request r3": (
        GOOD,
        stream(*STREAM[:2], replace(STREAM[2], action="approve")),
    ),
    "in the wrong state: item i1 is pending": (GOOD, replace(FOUND, items={"i1": "pending"})),
    "in the wrong state: item i1 is decided": (GOOD, stream(*STREAM[:2])),
    "behind what was asked for later: 1-0": (GOOD, stream(STREAM[2], *STREAM[:2])),
    "the hash chain": (GOOD, replace(FOUND, chain_holds=False)),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_history_is_called_what_it_is(fault: str) -> None:
    assert fault in said(*BAD[fault])


def test_what_is_lost_within_the_promise_is_counted_apart() -> None:
    found = replace(stream(*STREAM[:2]), items={"i1": "leased"})
    verdict = check(GOOD, found, lease_seconds=LEASE_SECONDS, allowed=[(6.0, 7.0)])
    assert verdict.violations == []
    assert verdict.allowed == ["lost: decision 3-0 of request r3"]
    assert "lost" in said(GOOD, found, [(0.0, 6.0)])


def test_a_history_is_read_as_it_was_written_and_what_was_under_way_is_unknown(
    tmp_path: Path,
) -> None:
    file = tmp_path / "history.jsonl"
    write(GOOD, file)
    assert read(file) == list(GOOD)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]))  # the last answer did not come
    (*others, last) = read(file)
    assert others == list(GOOD[:-1])
    assert (last.request, last.outcome) == ("r3", "unknown")


# A service whose scripts break a promise

OF_SOME = "if tonumber(string.sub(redis.sha1hex(id), 1, 1), 16) < 8 then return "
BROKEN: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "": ("queue/lua/enqueue.lua", {}),
    "lost: the comment": (
        "queue/lua/enqueue.lua",
        {"local fresh": f"{OF_SOME}{{ 1, 1, 'pending' }} end\nlocal fresh"},
    ),
    "decided twice": (
        "queue/lua/decide.lua",
        {
            "  body = close(": "  close(id, item, at, request, action, draft, words)\n"
            "  body = close("
        },
    ),
    "two leases at a time": (
        "queue/lua/lease.lua",
        {" and item.state == 'pending'": "", "  hand_out(id, item)\n": ""},
    ),
    "told out of order": (
        "delivery/lua/claim.lua",
        {
            "  local delivery =": "  local told = item and item.undelivered\n"
            "  if told then table.insert(told, 1, table.remove(told)) end\n  local delivery ="
        },
    ),
    "lost: undo": (
        "queue/lua/undo.lua",
        {"local kept": f"{OF_SOME}{{ 'ok', view(entry_of(item.decision)) }} end\nlocal kept"},
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_service_that_breaks_a_promise_is_found_out(
    fault: str,
    redis: Redis,
    settings: Settings,
    artifact: Artifact,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for folder in scripts._SERVICE.glob("*/lua"):
        shutil.copytree(folder, tmp_path / folder.parent.name / "lua")
    name, edits = BROKEN[fault]
    text = (tmp_path / name).read_text()
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / name).write_text(text)
    monkeypatch.setattr(scripts, "_SERVICE", tmp_path)
    scripts.read_script.cache_clear()
    try:
        site = Site(
            "demo",
            review={"toxicity": 0.0},
            random_sample_share=0.0,
            webhook_url=endpoint.url,
            webhook_secret=SECRET,
            webhook_private=True,
        )
        key = Sites(redis).add(site)
        app = create_app(settings, redis=redis, artifact=artifact)
        load = Load(["http://web"], key, transport=httpx.WSGITransport(app=app))
        load.stop.set()  # nobody waits between two questions
        clients = [Client(load, name, seed=1) for name in ("sender", "amal", "salma")]
        for number in range(60):
            clients[0].send(f"sender-{number}")
        for number in range(60):
            for client in clients[1:]:
                client.moderate(f"{client.name}-{number}")
        deliver_once(Deliveries(redis, Sites(redis)))
        found = find(redis, endpoint)
    finally:
        scripts.read_script.cache_clear()
    violations = check(load.calls, found, lease_seconds=settings.lease_seconds).violations
    assert any(one.startswith(fault) for one in violations) if fault else violations == []


# A minute of failovers; `make failover` runs for longer


@pytest.fixture(scope="module")
def served(artifacts: Path) -> dict[str, str]:
    return {
        "HAKAM_ARTIFACTS": str(artifacts),
        "HAKAM_SECRET_KEY": "0123456789abcdef" * 4,
        "HAKAM_LEASE_SECONDS": str(LEASE_SECONDS),
        "HAKAM_LOG_LEVEL": "warning",
    }


FAULTS = ("kill the primary", "pause the primary", "hand over the primary", "kill a web server")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_nothing_acknowledged_is_lost_or_doubled_by_failovers_under_load(
    kind: str, served: dict[str, str], record_property: Any
) -> None:
    seed = 20_261_128
    run: Run = play(kind, seed, served, faults=FAULTS)
    record_property("summary", run.summary())
    assert run.verdict.violations == [], run.summary()
    assert [fault.name for fault in run.faults] == list(FAULTS)
    calls = run.verdict.counts
    assert all(calls.get(f"{op} ok", 0) > 10 for op in ("enqueue", "lease", "decide", "undo"))
    assert calls.get("enqueue unknown", 0) + calls.get("lease unknown", 0) > 0, "it failed over"
