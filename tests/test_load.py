"""A short day of load leaves nothing lost, doubled or untold; and the judge of it is just."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from load import Play, play
from load_day import CURVE, Burst, Day, SitePlan, Writer, shares
from load_outcome import Found, Told, check
from load_report import COMMENTS, figures, picture, tables

from service.queue.records import Decision, item_id_of

SECONDS = 8.0


@pytest.fixture(scope="module")
def played(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """A day in some seconds: six sites, four people, one burst."""
    return play(
        {"HAKAM_ARTIFACTS": str(artifacts), "HAKAM_WORKERS": "2"},
        tmp_path_factory.mktemp("load"),
        seed=20_261_128,
        seconds=SECONDS,
        n_sites=6,
        n_moderators=4,
        open_pages=1,
        think_seconds=0.2,
        poll_seconds=0.5,
        bursts=[Burst("site-2", 4.0, 1.0, 100.0)],
    )


@pytest.mark.slow
def test_a_day_of_load_leaves_nothing_lost_doubled_or_untold(played: Play) -> None:
    assert played.outcome.violations == []
    counts = played.outcome.counts
    assert counts["comments answered approve"] > 50
    assert counts["comments that wait"] == counts["comments answered review"] > 5
    assert counts["decisions acknowledged"] > 2
    assert counts["told by webhook"] + counts["told by poll"] > 0
    assert {one.site for one in played.day.bursts} <= {one["site"] for one in played.rows}


@pytest.mark.slow
def test_what_load_costs_is_counted_by_process_script_and_route(
    played: Play, tmp_path: Path
) -> None:
    known = figures(played)
    assert json.loads(json.dumps(known))["seed"] == played.day.seed
    assert known["comments"] == len(played.told)
    assert {"web workers", "deliveries", "Redis", "Locust"} <= set(known["cpu"])
    assert known["cpu"]["web workers"] > 0
    assert {"enqueue", "approve", "lease"} <= set(known["scripts"])
    assert known["routes"][COMMENTS]["n"] >= known["comments"]
    said = tables(known, known)
    assert "| web workers |" in said
    assert "| Redis shards |" in said
    picture(played, tmp_path / "day.png")
    assert (tmp_path / "day.png").stat().st_size > 10_000


# The plan


def day(**wanted: Any) -> Day:
    sites = [SitePlan(f"s{n}", "k", share, "poll") for n, share in enumerate(shares(50))]
    given: dict[str, Any] = {"seconds": 600.0, "comments_a_day": 2e6, "bursts": []} | wanted
    return Day("", 7, sites=sites, moderators=[], **given)


def test_a_day_has_its_own_rates_in_shorter_hours() -> None:
    planned = day()
    n = sum(len(list(Writer(s.id, 7).arrivals(planned, s.share))) for s in planned.sites)
    assert n == pytest.approx(2e6 / planned.factor, rel=0.03)
    evening = planned.rate(planned.seconds * 21.5 / 24)
    assert evening == pytest.approx(2e6 / 86_400 * max(CURVE) / (sum(CURVE) / 24))
    assert planned.phase(planned.seconds * 21.5 / 24) == "evening"


def test_the_same_seed_writes_the_same_comments_at_the_same_times() -> None:
    def written(seed: int) -> list[Any]:
        writer = Writer("s0", seed)
        times = list(writer.arrivals(day(), 0.2))
        return [times, [writer.comment() for _ in range(50)]]

    assert written(1) == written(1)
    assert written(1) != written(2)


def test_lengths_of_comments_spread_widely() -> None:
    writer = Writer("s0", 1)
    lengths = sorted(len(writer.text()) for _ in range(2_000))
    assert lengths[100] < 40 < lengths[1_000] < lengths[1_900] / 2


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    planned = day(bursts=[Burst("s3", 1.0, 2.0, 3.0)])
    planned.write(tmp_path / "day.json")
    assert Day.read(tmp_path / "day.json") == planned


# The judge

ITEM = item_id_of("c1")
DECIDED = Decision("approve", id="1-0", item_id=ITEM, version=1, request_id="r1", moderator="m")
UNDONE = Decision("undo", kind="undo", id="2-0", item_id=ITEM, undoes="1-0")
ROWS = (
    {"route": COMMENTS, "status": 202, "site": "s0"},
    {"route": "POST decide", "status": 303, "site": "s0", "decide": "r1"},
)
TOLD = ({"site": "s0", "comment": "c1", "item": ITEM, "version": 1, "action": "review"},)
FOUND = Found(
    items={"s0": {ITEM: {"version": 1}}},
    streams={"s0": [DECIDED]},
    told={"s0": Told(["1-0"])},
)


def said(
    found: Found = FOUND, rows: Sequence[Any] = ROWS, told: Sequence[Any] = TOLD, log: str = ""
) -> str:
    plan = Day("", 1, 60.0, 1.0, [SitePlan("s0", "k", 1.0, "webhook")], [], [])
    return "\n".join(check(plan, rows, told, found, log).violations)


def test_a_good_day_is_called_good() -> None:
    assert said() == ""
    again = replace(DECIDED, id="3-0", request_id="r2")
    rows = [*ROWS, {**ROWS[1], "decide": "r2"}]
    stream = [replace(DECIDED, stands=False), UNDONE, again]
    told = {"s0": Told(["1-0", "2-0", "3-0"])}
    assert said(replace_found(streams={"s0": stream}, told=told), rows) == ""


def replace_found(**changed: Any) -> Found:
    return replace(FOUND, **changed)


FAULT = {"route": COMMENTS, "status": 500, "site": "s0", "problem": "urn:hakam:problem:internal"}
BAD: dict[str, dict[str, Any]] = {
    "lost: item": {"found": replace_found(items={"s0": {}})},
    "an older version is kept": {"told": [{**TOLD[0], "version": 2}]},
    "lost: the decision of request r1": {
        "found": replace_found(streams={"s0": []}, told={"s0": Told()})
    },
    "doubled: the decision of request r1": {
        "found": replace_found(
            streams={"s0": [DECIDED, replace(DECIDED, id="2-0", item_id="other")]},
            told={"s0": Told(["1-0", "2-0"])},
        )
    },
    "decided twice": {
        "found": replace_found(
            streams={"s0": [DECIDED, replace(DECIDED, id="2-0", request_id="r2")]},
            told={"s0": Told(["1-0", "2-0"])},
        )
    },
    "nobody asked for it: r1": {"rows": ROWS[:1]},
    "refused and stored": {"rows": [ROWS[0], {**ROWS[1], "status": 409}]},
    "never told: 1-0": {"found": replace_found(told={"s0": Told()})},
    "told 1 times more than once": {"found": replace_found(told={"s0": Told(["1-0"], 1)})},
    "told twice": {"found": replace_found(told={"s0": Told(["1-0", "1-0"])})},
    "told, but not in the stream: 9-0": {"found": replace_found(told={"s0": Told(["1-0", "9-0"])})},
    "told out of order": {
        "found": replace_found(streams={"s0": [DECIDED, UNDONE]}, told={"s0": Told(["2-0", "1-0"])})
    },
    "the hash chain is broken": {"found": replace_found(broken_chains=["s0: ChainBroken"])},
    "500 urn:hakam:problem:internal": {"rows": [*ROWS, {**FAULT, "retry_after": "1"}]},
    "500 without Retry-After": {"rows": [*ROWS, FAULT]},
    "no answer": {"rows": [*ROWS, {**FAULT, "status": 0}]},
    "422: POST /v1/comments": {"rows": [*ROWS, {**FAULT, "status": 422}]},
    "1 errors in the log": {"log": '{"level": "error"}'},
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_day_is_called_what_it_is(fault: str) -> None:
    assert fault in said(**BAD[fault])
