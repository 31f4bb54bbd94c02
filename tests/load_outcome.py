"""What a played day must leave behind: nothing acknowledged lost, nothing decided or told twice.

Pure but for `found_in`, which reads the store at the end. A comment is acknowledged once its site
has an answer; a decision once the moderator's browser has been sent on (303).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fake_sites import Endpoint
from load_day import Day

from service.queue.decisions import DecisionStream
from service.queue.records import Decision, item_id_of

#: Why a fault may be answered: what the store could not take, for the moment.
EXPLAINED = ("urn:hakam:problem:store-unavailable",)


@dataclass
class Told:
    """What one site was told, in the order in which it came: decision ids."""

    ids: list[str] = field(default_factory=list)
    n_again: int = 0  # deliveries that had come before, by their id


@dataclass
class Found:
    """What is there at the end, by site."""

    items: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # records, by item id
    streams: Mapping[str, Sequence[Decision]] = field(default_factory=dict)
    told: Mapping[str, Told] = field(default_factory=dict)
    broken_chains: Sequence[str] = ()
    lags: list[tuple[float, str, float]] = field(default_factory=list)  # when, site, seconds


@dataclass
class Outcome:
    """What is wrong, and what was counted."""

    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def found_in(redis: Any, day: Day, endpoint: Endpoint, polled: Mapping[str, Any]) -> Found:
    """Read what the store holds, and what sites were told."""
    stream, found = DecisionStream(redis), Found()
    items, streams, broken = {}, {}, []
    for site in day.sites:
        records = redis.hgetall(f"{{hakam:{site.id}}}:items")
        items[site.id] = {item: json.loads(record) for item, record in records.items()}
        streams[site.id] = list(stream.history(site.id))
        try:
            stream.verify(site.id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the chain does not hold
            broken.append(f"{site.id}: {type(error).__name__}")
    told = {site.id: Told() for site in day.sites}
    seen = set()
    for headers, body in endpoint.told:
        known = {name.lower(): value for name, value in headers.items()}["webhook-id"]
        site_id, _, decision_id = known.partition(".")
        if known in seen:
            told[site_id].n_again += 1
            continue
        seen.add(known)
        told[site_id].ids.append(decision_id)
        decided = datetime.fromisoformat(json.loads(body)["timestamp"]).timestamp()
        found.lags.append((decided, site_id, endpoint.arrived[known] - decided))
    for site in day.sites:
        if site.listens == "poll":
            read = polled.get(site.id, {"after": "0", "ids": []})
            rest = stream.history(site.id, read["after"])
            told[site.id].ids = [decision for _, decision in read["ids"]]
            told[site.id].ids += [entry.id for entry in rest if entry.is_news]
    found.items, found.streams, found.told, found.broken_chains = items, streams, told, broken
    return found


def check(
    day: Day,
    rows: Sequence[Mapping[str, Any]],
    acknowledged: Sequence[Mapping[str, Any]],
    found: Found,
    log: str = "",
) -> Outcome:
    """Judge what is left."""
    outcome = Outcome()
    say, counts = outcome.violations.append, Counter[str]()
    for sentence in (
        *_lost(rows, acknowledged, found, counts),
        *_decisions(rows, found, counts),
        *_news(day, found, counts),
        *_faults(rows, log, counts),
        *(f"the hash chain is broken: {one}" for one in found.broken_chains),
    ):
        say(sentence)
    outcome.counts = dict(counts)
    return outcome


def _lost(
    rows: Sequence[Mapping[str, Any]],
    acknowledged: Sequence[Mapping[str, Any]],
    found: Found,
    counts: Counter[str],
) -> list[str]:
    """A comment that was said to wait is there, in that version or a later one."""
    gone = {
        (row["site"], row["comment"])
        for row in rows
        if row["route"] == "POST /v1/comments/withdraw" and row["status"] in {0, 200, 503}
    }
    wrong = []
    for told in acknowledged:
        counts[f"comments answered {told['action']}"] += 1
        if not told["item"]:
            continue
        counts["comments that wait"] += 1
        record = found.items[told["site"]].get(told["item"])
        if told["item"] != item_id_of(told["comment"]):
            wrong.append(f"another item than that of the comment: {told['item']}")
        if (told["site"], told["comment"]) in gone:
            continue
        if record is None:
            wrong.append(f"lost: item {told['item']} of {told['site']}")
        elif record.get("version", 1) < told["version"]:
            wrong.append(f"an older version is kept: item {told['item']} of {told['site']}")
    return wrong


def _decisions(rows: Sequence[Mapping[str, Any]], found: Found, counts: Counter[str]) -> list[str]:
    """What was acknowledged stands in the stream once; nothing is decided twice."""
    wrong = []
    stored: dict[str, list[Decision]] = defaultdict(list)
    for site, stream in found.streams.items():
        standing: dict[tuple[str, int], str] = {}
        for entry in stream:
            counts[f"entries of kind {entry.kind}"] += 1
            if entry.damaged:
                wrong.append(f"an entry cannot be read: {entry.id} of {site}")
            if entry.by_person:
                stored[entry.request_id].append(entry)
                key = entry.item_id, entry.version
                if standing.get(key):
                    wrong.append(f"decided twice: item {entry.item_id} of {site}")
                standing[key] = entry.id
            elif entry.kind == "undo":
                standing = {key: one for key, one in standing.items() if one != entry.undoes}
    asked: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.get("decide"):
            asked[row["decide"]].append(row["status"])
    for request, statuses in asked.items():
        n = len(stored.get(request, ()))
        if 303 in statuses and n == 0:
            wrong.append(f"lost: the decision of request {request}")
        if n > 1:
            wrong.append(f"doubled: the decision of request {request}")
        if n and set(statuses) <= {409}:
            wrong.append(f"refused and stored: the decision of request {request}")
        counts["decisions acknowledged"] += 303 in statuses
    wrong += [f"nobody asked for it: {request}" for request in stored if request not in asked]
    return wrong


def _news(day: Day, found: Found, counts: Counter[str]) -> list[str]:
    """Each site that listens has heard of each entry once, and of those of a comment in order."""
    wrong = []
    for site in day.sites:
        told, stream = found.told[site.id], found.streams[site.id]
        place = {entry.id: number for number, entry in enumerate(stream)}
        counts["deliveries made again"] += told.n_again
        if site.listens == "broken":
            continue
        counts[f"told by {site.listens}"] += len(told.ids)
        if told.n_again:
            wrong.append(f"told {told.n_again} times more than once: {site.id}")
        if len(set(told.ids)) < len(told.ids):
            wrong.append(f"told twice: {site.id}")
        heard = set(told.ids)
        wrong += [f"told, but not in the stream: {one} of {site.id}" for one in heard - {*place}]
        wrong += [
            f"never told: {entry.id} ({entry.kind}) of {site.id}"
            for entry in stream
            if entry.is_news and entry.id not in heard
        ]
        last: dict[str, int] = {}
        for one in told.ids:
            item = stream[place[one]].item_id if one in place else ""
            if place.get(one, 0) < last.get(item, -1):
                wrong.append(f"told out of order: item {item} of {site.id}")
            last[item] = place.get(one, 0)
    return wrong


def _faults(rows: Sequence[Mapping[str, Any]], log: str, counts: Counter[str]) -> list[str]:
    """Each refusal says why and when to try again, and no fault is one of ours."""
    wrong = []
    for row in rows:
        status = row["status"]
        if status == 0:
            counts[f"without an answer ({row.get('problem', '')})"] += 1
            wrong.append(f"no answer: {row['route']} ({row.get('problem', '')})")
        elif status == 429 or status >= 500:
            counts[f"{status} {row.get('problem', '')}"] += 1
            # The console says it in a page, and its log line names the error.
            is_page = status == 503 and "/console/" in row["route"]
            if status >= 500 and not is_page and row.get("problem") not in EXPLAINED:
                wrong.append(f"{status} {row.get('problem')}: {row['route']}")
            if not row.get("retry_after"):
                wrong.append(f"{status} without Retry-After: {row['route']}")
        elif status == 404 and row["route"].endswith("/withdraw"):
            counts["withdrawn though nothing was kept"] += 1
        elif status in {400, 401, 403, 404, 413, 415, 422}:
            wrong.append(f"{status}: {row['route']}")
    n_errors = log.count('"level": "error"')
    counts["errors in the log"] = n_errors
    if n_errors > counts.get("500 urn:hakam:problem:internal", 0):
        wrong.append(f"{n_errors} errors in the log of the web server")
    return wrong
