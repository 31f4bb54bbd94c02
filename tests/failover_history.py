"""A history of what clients asked and were told, and whether the store kept its promises.

Pure: a history is a list of calls, and what was found at the end is given with it. A call is what
one client asked once: ``ok`` where it was acknowledged, ``fail`` where it was refused and changed
nothing, ``unknown`` where no answer says what became of it (a fault of the store, a broken
connection). Times are seconds of one clock. On disk each call is two lines of JSON, ``invoke`` and
its outcome, so that what was under way when a process was killed is there too.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

ASKED = ("process", "op", "item", "token", "request", "action")  # what is known before the answer


@dataclass(frozen=True)
class Call:
    """One question to the service."""

    process: str
    op: str  # enqueue, lease, decide, undo, release
    began: float
    ended: float
    outcome: str
    item: str = ""
    token: int = 0
    request: str = ""
    decision: str = ""
    status: int = 0
    action: str = ""


@dataclass(frozen=True)
class Entry:
    """One entry of the decision stream, in its order."""

    id: str
    kind: str  # decision or undo
    item: str
    request: str
    undoes: str = ""
    action: str = ""


@dataclass(frozen=True)
class Found:
    """What is there at the end."""

    stream: Sequence[Entry]
    items: Mapping[str, str]  # the state of each
    told: Sequence[tuple[str, str]]  # item and decision of each delivery, as they came
    chain_holds: bool = True


@dataclass
class Verdict:
    """What is wrong, and what was lost within the promise."""

    violations: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def write(calls: Iterable[Call], file: Path) -> None:
    """Write a history as JSON Lines, in the order of time."""
    lines: list[tuple[float, dict[str, Any]]] = []
    for number, call in enumerate(calls):
        facts: dict[str, Any] = {name: one for name, one in vars(call).items() if one or one == 0.0}
        asked = [name for name in ASKED if name in facts]
        invoke: dict[str, Any] = {"call": number, "type": "invoke", "at": call.began}
        invoke |= {name: facts[name] for name in asked}
        answer = {"call": number, "type": call.outcome, "at": call.ended, **facts}
        lines += [(call.began, invoke), (call.ended, answer)]
    with file.open("w", encoding="utf-8") as out:
        for _, line in sorted(lines, key=lambda one: one[0]):
            out.write(json.dumps(line) + "\n")


def read(file: Path) -> list[Call]:
    """Read a history; what was never answered is unknown."""
    begun: dict[int, dict[str, Any]] = {}
    calls: dict[int, Call] = {}
    names = set(Call.__dataclass_fields__)
    for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        if line["type"] == "invoke":
            begun[line["call"]] = line
        else:
            calls[line["call"]] = Call(**{n: one for n, one in line.items() if n in names})
    for number, line in begun.items():
        if number not in calls:
            facts = {n: one for n, one in line.items() if n in names}
            calls[number] = Call(**facts, began=line["at"], ended=float("inf"), outcome="unknown")
    return [calls[number] for number in sorted(calls)]


def check(
    calls: Sequence[Call],
    found: Found,
    *,
    lease_seconds: float,
    allowed: Sequence[tuple[float, float]] = (),
) -> Verdict:
    """Judge a history; what was acknowledged within an allowed time may be lost, and is counted.

    Allowed are the times around failovers where no replica was asked to have what is acknowledged.
    """
    verdict = Verdict()
    verdict.counts = dict(Counter(f"{call.op} {call.outcome}" for call in calls))

    def lost(call: Call, what: str) -> None:
        within = any(begin <= call.ended <= end for begin, end in allowed)
        (verdict.allowed if within else verdict.violations).append(f"lost: {what}")

    _check_stream(calls, found, verdict, lost)
    _check_order(found, verdict)
    _check_times(calls, found.stream, verdict)
    _check_leases(calls, verdict, lease_seconds)
    for call in calls:
        if call.op == "enqueue" and call.outcome == "ok" and call.item not in found.items:
            lost(call, f"the comment of item {call.item}")
    _check_told(found, verdict)
    if not found.chain_holds:
        verdict.violations.append("the hash chain of the stream is broken")
    return verdict


def _check_stream(calls: Sequence[Call], found: Found, verdict: Verdict, lost: Any) -> None:
    """An acknowledged decision is in the stream once, an unknown one at most once, none refused."""
    kinds = {"decide": "decision", "undo": "undo"}
    stored: Mapping[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in found.stream:
        stored[entry.kind, entry.request].append(entry)
    for (kind, request), entries in stored.items():
        if len(entries) > 1:
            verdict.violations.append(f"doubled: {kind} of request {request}")
    asked: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        if call.op in kinds:
            asked[kinds[call.op], call.request].append(call)
    for key, made in asked.items():
        ids = {entry.id for entry in stored.get(key, ())}
        acknowledged = [call for call in made if call.outcome == "ok"]
        for entry in stored.get(key, ()):
            if entry.action != made[0].action:
                verdict.violations.append(f"another action: {key[0]} of request {key[1]}")
        for call in acknowledged:
            if call.decision not in ids:
                lost(call, f"{key[0]} {call.decision} of request {key[1]}")
        if len({call.decision for call in acknowledged}) > 1:
            verdict.violations.append(f"two answers: {key[0]} of request {key[1]}")
        if ids and all(call.outcome == "fail" for call in made):
            verdict.violations.append(f"refused and stored: {key[0]} of request {key[1]}")
    for key in stored:
        if key not in asked:
            verdict.violations.append(f"never asked for: {key[0]} of request {key[1]}")


def _check_order(found: Found, verdict: Verdict) -> None:
    """No item is decided twice without an undo between, none taken back that was not decided.

    What stands at the end is what the items are.
    """
    standing: dict[str, str] = {}
    for entry in found.stream:
        before = standing.get(entry.item, "")
        if entry.kind == "decision":
            if before:
                verdict.violations.append(f"decided twice: item {entry.item}")
            standing[entry.item] = entry.id
        elif before != entry.undoes:
            verdict.violations.append(f"undone though not decided: item {entry.item}")
        else:
            standing[entry.item] = ""
    for item, state in found.items.items():
        if (state == "decided") != bool(standing.get(item)):
            verdict.violations.append(f"in the wrong state: item {item} is {state}")


def _check_times(calls: Sequence[Call], stream: Sequence[Entry], verdict: Verdict) -> None:
    """What was acknowledged before another was asked for stands before it in the stream."""
    begun: dict[str, float] = {}
    ended: dict[str, float] = {}
    for call in calls:
        begun[call.request] = min(call.began, begun.get(call.request, call.began))
        if call.outcome == "ok":
            ended[call.request] = min(call.ended, ended.get(call.request, call.ended))
    latest = 0.0  # at which an entry so far was first asked for
    for entry in stream:
        if ended.get(entry.request, latest) < latest:
            verdict.violations.append(f"behind what was asked for later: {entry.id}")
        latest = max(latest, begun.get(entry.request, 0.0))


def _check_leases(calls: Sequence[Call], verdict: Verdict, lease_seconds: float) -> None:
    """Two people never hold one item, and no older lease decides once there is a newer one."""
    held: dict[str, list[Call]] = defaultdict(list)
    ends: dict[tuple[str, int], float] = {}
    for call in calls:
        if call.op == "lease" and call.outcome == "ok":
            held[call.item].append(call)
        elif call.op in {"decide", "release"}:
            end = ends.get((call.item, call.token), float("inf"))
            ends[call.item, call.token] = min(end, call.began)
    newest: dict[str, list[tuple[int, float]]] = {}
    for item, leases in held.items():
        if len({lease.token for lease in leases}) < len(leases):
            verdict.violations.append(f"one token for two leases: item {item}")
        leases.sort(key=lambda lease: lease.token)
        newest[item] = [(lease.token, lease.ended) for lease in leases]
        for first, second in pairwise(leases):
            # From its answer on, until it was given back or may have run out.
            until = min(ends.get((item, first.token), float("inf")), first.began + lease_seconds)
            if second.ended < until and first.ended < second.began:
                verdict.violations.append(f"two leases at a time: item {item}")
            if second.ended < first.began:
                verdict.violations.append(f"an older token after a newer one: item {item}")
    for call in calls:
        if call.op == "decide" and call.outcome == "ok":
            later = [at for token, at in newest.get(call.item, ()) if token > call.token]
            if later and min(later) < call.began and not _is_again(call, calls):
                verdict.violations.append(f"decided with an old lease: item {call.item}")


def _is_again(call: Call, calls: Sequence[Call]) -> bool:
    """Whether the same request was made before, so that this answer may be that of the first."""
    return any(
        one.op == call.op and one.request == call.request and one.began < call.began
        for one in calls
    )


def _check_told(found: Found, verdict: Verdict) -> None:
    """Each entry is told at least once, in the order of the stream per item, and nothing else."""
    place = {entry.id: number for number, entry in enumerate(found.stream)}
    first: dict[str, list[int]] = defaultdict(list)
    seen: set[str] = set()
    for item, decision in found.told:
        if decision not in place:
            verdict.violations.append(f"told, but not in the stream: {decision} of item {item}")
        elif decision not in seen:
            seen.add(decision)
            first[item].append(place[decision])
    for item, places in first.items():
        if places != sorted(places):
            verdict.violations.append(f"told out of order: item {item}")
    for entry in found.stream:
        if entry.id not in seen:
            verdict.violations.append(f"never told: {entry.id} of item {entry.item}")
