"""Figures, tables and pictures of a played day, and the plan for a hundred times as much.

Times are those of the clients; processor time is what the kernel counted for each kind of process,
and does not depend on how busy the machine is. What ``docs/load.md`` says in figures stands between
two marks, and `renew` writes it.
"""

from __future__ import annotations

import json
import math
import platform
import re
import shutil
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from load import Play
    from load_day import Burst

DOCUMENT = Path(__file__).parent.parent / "docs" / "load.md"
PICTURES = DOCUMENT.parent / "images"
MARKS = ("<!-- what `make load` wrote -->", "<!-- end of what `make load` wrote -->")
COMMENTS = "POST /v1/comments"
HARNESS = ("Locust", "sites' web server")  # which no server of Hakam's runs
MOST_BUSY = 0.6  # of a core, on average over the busiest hour: what is left is for bursts
TIMES_MORE = 100
KEPT_DAYS = 90
PEAK = 2.3  # of the mean, in the busiest hour (`load_day.CURVE`)
REDIS_BUSY = 0.5  # of one core: a shard computes on one


def quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def figures(play: Play) -> dict[str, Any]:
    """All that the tables say, as JSON."""
    day = play.day
    ends = {burst: _end(play, burst) for burst in day.bursts}

    def where(at: float, site: str, comment: str = "") -> str:
        """Say what went on; a burst lasts until the last comment of it is answered."""
        if "-burst-" in comment:
            return "in a burst"
        for burst, end in ends.items():
            if burst.at <= at < end:
                return f"{'its' if site == burst.site else 'another'} site has a burst"
        return day.phase(at)

    routes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    phases: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    lags: dict[str, list[float]] = defaultdict(list)
    for row in play.rows:
        routes[row["route"]].append(row)
        if row["route"] == COMMENTS:
            phases[where(row["at"], row["site"], row["comment"])].append(row)
    for decided, site, lag in play.delivery_lags:
        lags[where(decided - play.began, site)].append(lag)
    n = len(play.told)
    ours = {name: spent for name, spent in play.cpu.items() if name not in HARNESS}
    calls = sum(len(times) for times in play.scripts.values())
    spent = sum(map(sum, play.scripts.values()))
    return {
        "seed": day.seed,
        "seconds": round(play.seconds, 1),
        "factor": round(day.factor, 1),
        "comments a day": day.comments_a_day,
        "sites": len(day.sites),
        "moderators": len(day.moderators),
        "comments": n,
        "requests": len(play.rows),
        "read by both readers": _share(one["readers"] > 1 for one in play.told),
        "before people": _share(bool(one["item"]) for one in play.told),
        "routes": {name: _times(rows) for name, rows in sorted(routes.items())},
        "phases": {name: _times(rows) for name, rows in sorted(phases.items())},
        "delivery lag": {
            name: [len(one), quantile(one, 0.5), quantile(one, 0.99)]
            for name, one in sorted(lags.items())
        },
        "cpu": play.cpu,
        "cpu ms a comment": {name: 1000 * one / max(1, n) for name, one in ours.items()},
        "memory": play.samples[-2]["memory"] if len(play.samples) > 1 else {},
        "outbox": max((one.get("outbox", 0) for one in play.samples), default=0),
        "redis": {
            **play.redis,
            "bytes a comment": (play.redis["used_after"] - play.redis["used_before"]) / max(1, n),
            "aof a comment": play.redis["aof"] / max(1, n),
        },
        "scripts": {
            name: {
                "share of calls": len(times) / calls,
                "share of time": sum(times) / max(1, spent),
                "mean us": statistics.fmean(times),
                "p99 us": quantile(times, 0.99),
            }
            for name, times in sorted(play.scripts.items(), key=lambda one: -sum(one[1]))
        },
        "fsync": [quantile(play.fsync, 0.5), quantile(play.fsync, 0.99)],
        "outcome": play.outcome.counts,
        "violations": play.outcome.violations,
    }


def _end(play: Play, burst: Burst) -> float:
    """Second at which the last comment of a burst was answered."""
    ours = [
        row["at"] + row["took"]
        for row in play.rows
        if row["site"] == burst.site
        and "-burst-" in row.get("comment", "")
        and row["at"] >= burst.at
    ]
    return min(
        max(ours, default=burst.at), *(b.at for b in play.day.bursts if b.at > burst.at), math.inf
    )


def _share(values: Iterable[bool]) -> float:
    known = list(values)
    return sum(known) / max(1, len(known))


def _times(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    took = [row["took"] for row in rows]
    since = [row["took"] + row.get("late", 0.0) for row in rows]
    return {
        "n": len(rows),
        "p50": quantile(took, 0.5),
        "p99": quantile(took, 0.99),
        "since due p99": quantile(since, 0.99),
        "refused": sum(row["status"] in {429, 503} for row in rows),
        "failed": sum(row["status"] == 0 or row["status"] in {500, 502, 504} for row in rows),
    }


# Tables


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _ms(seconds: float) -> str:
    return "" if math.isnan(seconds) else f"{seconds * 1000:,.0f}"


def tables(known: Mapping[str, Any], full: Mapping[str, Any] | None) -> str:
    """All figures as Markdown."""
    day = known["comments a day"]
    said = [
        (
            f"Seed {known['seed']}, {_machine()}. A day of {day:,.0f} comments played in "
            f"{known['seconds'] / 60:.1f} minutes (time factor {known['factor']:.0f}): "
            f"{known['sites']} sites, {known['moderators']} moderators, "
            f"{known['comments']:,} comments "
            "sent, "
            f"{known['requests']:,} requests; {known['read by both readers']:.0%} of the "
            f"comments were "
            f"read by both readers, {known['before people']:.1%} put before people.\n"
        ),
        (
            "What a comment waits for its answer, in milliseconds; *since due* counts the "
            "wait for a "
            "free connection too:\n"
        ),
        table(
            ("comments", "number", "p50", "p99", "p99 since due", "429/503", "failed"),
            _rows_of_times(known["phases"]),
        ),
        "All routes, in milliseconds:\n",
        table(
            ("route", "number", "p50", "p99", "p99 since due", "429/503", "failed"),
            _rows_of_times(known["routes"], code=True),
        ),
        "Processor time (that of the load itself apart):\n",
        table(
            ("process", "seconds", "cores", "ms a comment", "memory of its own, MB"),
            (
                (
                    name + (" (load)" if name in HARNESS else ""),
                    f"{spent:.1f}",
                    f"{spent / known['seconds']:.2f}",
                    "" if name in HARNESS else f"{known['cpu ms a comment'][name]:.2f}",
                    f"{known['memory'].get(name, 0) / 1e6:.0f}",
                )
                for name, spent in sorted(known["cpu"].items(), key=lambda one: -one[1])
            ),
        ),
        "Redis " + known["redis"]["version"] + ", by script, from a sample of its slow log with no "
        f"threshold; a synced write of 600 bytes beside it took {_ms(known['fsync'][0])} ms "
        f"(p99 {_ms(known['fsync'][1])} ms):\n",
        table(
            ("script", "share of calls", "share of time", "mean, us", "p99, us"),
            (
                (
                    f"`{name}`",
                    f"{one['share of calls']:.1%}",
                    f"{one['share of time']:.1%}",
                    f"{one['mean us']:.0f}",
                    f"{one['p99 us']:.0f}",
                )
                for name, one in list(known["scripts"].items())[:12]
            ),
        ),
        (
            f"Kept in Redis: {known['redis']['bytes a comment']:,.0f} bytes of memory and "
            f"{known['redis']['aof a comment']:,.0f} bytes of append-only file a comment "
            f"that came, "
            "most of which need nobody.\n"
        ),
        (
            "From decision to the site's web server, in milliseconds (most waiting at a time: "
            f"{known['outbox']}):\n"
        ),
        table(
            ("decided", "number", "p50", "p99"),
            (
                (name, n, _ms(p50), _ms(p99))
                for name, (n, p50, p99) in known["delivery lag"].items()
            ),
        ),
        "What came of it:\n",
        table(("counted", "number"), ((what, n) for what, n in sorted(known["outcome"].items()))),
        f"Violations: {len(known['violations'])}.\n",
    ]
    if full:
        said += _capacity(full)
    said += _plan(known)
    return "\n".join(said)


def _machine() -> str:
    return f"{psutil.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"


def _rows_of_times(
    known: Mapping[str, Mapping[str, float]], *, code: bool = False
) -> Iterable[Sequence[Any]]:
    for name, one in known.items():
        times = (_ms(one["p50"]), _ms(one["p99"]), _ms(one["since due p99"]))
        shown = f"`{name}`" if code else name
        yield (shown, one["n"], *times, one["refused"], one["failed"])


def _capacity(full: Mapping[str, Any]) -> list[str]:
    a_second = full["comments"] / full["seconds"]
    load = sum(full["cpu"].get(name, 0.0) for name in HARNESS) / full["seconds"]
    return [
        (
            f"As fast as it can, from 64 connections of {full['sites']} sites, nobody working: "
            f"{a_second:.0f} comments a second for {full['seconds']:.0f} seconds, while the "
            f"load took "
            f"{load:.2f} cores of {psutil.cpu_count()}; p50 "
            f"{_ms(full['routes'][COMMENTS]['p50'])} ms, "
            f"p99 {_ms(full['routes'][COMMENTS]['p99'])} ms.\n"
        ),
    ]


def _plan(known: Mapping[str, Any]) -> list[str]:
    """Return what one machine carries, and what a hundred times the day takes."""
    each = known["cpu ms a comment"]
    redis_ms = each.get("Redis", 0.0)
    machine_ms = sum(each.values())
    cores = psutil.cpu_count() or 1
    peak = MOST_BUSY * cores * 1000 / machine_ms
    day = known["comments a day"]
    want = TIMES_MORE * day
    want_peak = want / 86_400 * PEAK
    front_ms = machine_ms - redis_ms
    front = want_peak * front_ms / 1000 / MOST_BUSY
    shards = math.ceil(want_peak * redis_ms / 1000 / REDIS_BUSY)
    memory = known["redis"]["bytes a comment"] * want * KEPT_DAYS / 1e12
    disk = known["redis"]["aof a comment"] * want / 1e9
    return [
        (
            f"What this machine carries: a comment costs {machine_ms:.2f} ms of processor "
            f"time with "
            f"all that belongs to it (moderators, deliveries, pages). {cores} cores, "
            f"{MOST_BUSY:.0%} busy in the busiest hour, are {peak:.0f} comments a second in "
            f"that hour, "
            f"which has {PEAK} times the mean: {peak / PEAK * 86_400 / 1e6:.1f} million a day.\n"
        ),
        (
            f"A hundred times the day, {want / 1e6:,.0f} million comments, {want_peak:,.0f} "
            f"a second "
            f"in the busiest hour:\n"
        ),
        table(
            ("part", "arithmetic", "needs"),
            (
                (
                    "web and deliveries",
                    f"{want_peak:,.0f} x {front_ms:.2f} ms / {MOST_BUSY:.0%}",
                    f"{front:,.0f} cores",
                ),
                (
                    "Redis shards",
                    f"{want_peak:,.0f} x {redis_ms:.2f} ms / {REDIS_BUSY:.0%} of a core",
                    f"{shards} primaries",
                ),
                (
                    "memory of Redis",
                    f"{known['redis']['bytes a comment']:,.0f} bytes x {KEPT_DAYS} days",
                    f"{memory:.1f} TB before replicas",
                ),
                (
                    "append-only files",
                    f"{known['redis']['aof a comment']:,.0f} bytes x {want / 1e6:,.0f} million",
                    f"{disk:,.0f} GB a day before rewriting",
                ),
            ),
        ),
    ]


# Pictures


def picture(play: Play, file: Path) -> None:
    """Draw answers, times and processors over the day, with the bursts behind them."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    day, step = play.day, max(1.0, play.seconds / 150)
    figure, axes = plt.subplots(4, 1, figsize=(11, 11), sharex=True)
    rows = [row for row in play.rows if row["route"] == COMMENTS]
    bursting = {burst.site for burst in day.bursts}
    n_bins = int(play.seconds / step) + 1

    def binned(
        of: Iterable[tuple[float, float]], take: Callable[[list[float]], float]
    ) -> list[float]:
        found: list[list[float]] = [[] for _ in range(n_bins)]
        for at, value in of:
            if 0 <= at < play.seconds:
                found[int(at / step)].append(value)
        return [take(one) if one else math.nan for one in found]

    def p99(one: list[float]) -> float:
        return quantile(one, 0.99)

    times = [step * n for n in range(n_bins)]
    for name, chosen in {"comments": rows, "all else": [*filter(_other, play.rows)]}.items():
        counts = binned(((row["at"], 1.0) for row in chosen), lambda one: len(one) / step)
        axes[0].plot(times, counts, label=name, linewidth=1)
    axes[0].set(ylabel="requests a second")
    for name, among in {"other sites": False, "sites with a burst": True}.items():
        chosen = [row for row in rows if (row["site"] in bursting) == among]
        late = ((row["at"], 1000 * (row["took"] + row.get("late", 0))) for row in chosen)
        axes[1].plot(times, binned(late, p99), label=f"p99, {name}", linewidth=1)
    middle = binned(((row["at"], 1000 * row["took"]) for row in rows), statistics.median)
    axes[1].plot(times, middle, label="p50, all", linewidth=1)
    axes[1].set(ylabel="ms for a comment", yscale="log")
    for name in sorted(play.cpu):
        seen = [(one["at"], one["cpu"].get(name, 0.0)) for one in play.samples]
        used = [(b[0], (b[1] - a[1]) / max(0.1, b[0] - a[0])) for a, b in pairwise(seen)]
        axes[2].plot(times, binned(used, statistics.fmean), label=name, linewidth=1)
    axes[2].set(ylabel="cores in use")
    lags = ((at - play.began, 1000 * lag) for at, _, lag in play.delivery_lags)
    axes[3].plot(times, binned(lags, p99), label="decision to webhook, p99, ms", linewidth=1)
    waiting = ((one["at"], float(one.get("outbox", 0))) for one in play.samples)
    axes[3].plot(times, binned(waiting, max), label="comments with news to tell", linewidth=1)
    axes[3].set(yscale="symlog", xlabel="hour of the played day")
    for one in axes:
        for burst in day.bursts:
            one.axvspan(burst.at, burst.at + burst.seconds, color="#d62728", alpha=0.15)
        one.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    axes[3].set_xticks([day.seconds * hour / 24 for hour in range(0, 25, 3)])
    axes[3].set_xticklabels([str(hour) for hour in range(0, 25, 3)])
    figure.suptitle(f"A day in {day.seconds / 60:g} minutes, seed {day.seed}; red: bursts")
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)


def _other(row: Mapping[str, Any]) -> bool:
    return str(row["route"]) != COMMENTS


# All together


def report(play: Play, full: Play | None, output: Path) -> str:
    """Write figures, tables and pictures into a folder; return the tables."""
    known = figures(play)
    most = figures(full) if full else None
    said = tables(known, most)
    both = {"day": known, "full": most}
    (output / "load.json").write_text(json.dumps(both, indent=1) + "\n", encoding="utf-8")
    (output / "load.md").write_text(said, encoding="utf-8")
    picture(play, output / "load-day.png")
    violations = [*known["violations"], *(most["violations"] if most else ())]
    return said + "".join(f"VIOLATION: {one}\n" for one in violations[:50])


def renew(output: Path) -> None:
    """Put the tables and pictures of a run into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    said = (output / "load.md").read_text(encoding="utf-8")
    begin, end = map(re.escape, MARKS)
    shown = "![The day: requests, times, processors, deliveries](images/load-day.png)"
    new = f"{MARKS[0]}\n\n{shown}\n\n{said}\n{MARKS[1]}"
    text, n = re.subn(f"(?s){begin}.*{end}", lambda _: new, text)
    if n != 1:
        raise AssertionError(f"{DOCUMENT.name} lacks its marks")
    DOCUMENT.write_text(text, encoding="utf-8")
    shutil.copy(output / "load-day.png", PICTURES / "load-day.png")
