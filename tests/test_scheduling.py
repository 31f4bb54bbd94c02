"""Scheduling: a bounded number of threads, shared fairly by any number of sites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

import pytest

from conftest import await_condition
from service.delivery import scheduling
from service.delivery.scheduling import Scheduler
from service.sites.site import Site


class Served:
    """Sites that take a while, and what was done for them at a time."""

    def __init__(self, *names: str, doubtful: bool = False) -> None:
        self.sites = [Site(name) for name in names]
        self.doubtful = doubtful
        self.release = Event()
        self.two_are_busy = Event()
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.lock = Lock()

    def serve(self, site: Site) -> bool:
        with self.lock:
            self.now[site.id] += 1
            self.now["all"] = sum(n for name, n in self.now.items() if name != "all")
            self.most |= self.now
        if self.now["busy"] > 1:
            self.two_are_busy.set()
        if self.done["busy"]:  # one thread waits until a look has brought it a second one
            self.two_are_busy.wait()
        if site.id.startswith("slow"):
            self.release.wait()
        with self.lock:
            self.now[site.id] -= 1
            self.done[site.id] += 1
        return not site.id.startswith("slow")

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = Event()
        due = {site.id: (10**6, site.id == "fast" or not self.doubtful) for site in self.sites}
        made = Scheduler(lambda: self.sites, lambda site: due[site.id], self.serve, lambda: None)
        thread = Thread(target=made.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            self.release.set()
            self.two_are_busy.set()
            thread.join()


def test_a_thousand_hanging_sites_that_never_answered_well_leave_threads_to_the_others() -> None:
    served = Served(*(f"slow-{number}" for number in range(1_000)), "fast", doubtful=True)
    with served.running():
        await_condition(
            lambda: served.now["all"] >= scheduling.N_THREADS // 2, what="the slow ones"
        )
        before = served.done["fast"]
        await_condition(lambda: served.done["fast"] > before, what="the fast one")
        assert sum(served.done.values()) == served.done["fast"], "no slow one has ended"
    slow = [n for name, n in served.most.items() if name.startswith("slow")]
    assert len(slow) == scheduling.N_THREADS // 2
    assert set(slow) == {1}


def test_a_site_with_any_number_of_deliveries_due_has_a_few_threads_and_yields_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduling, "N_THREADS", 2)
    monkeypatch.setattr(scheduling, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(scheduling, "POLL_SECONDS", 0.0)
    served = Served("busy-1", "busy-2", "busy-3")
    with served.running():
        await_condition(lambda: len(served.done) == 3, what="a turn for each")
        once = Counter(served.done)
        await_condition(
            lambda: all(n > once[name] for name, n in served.done.copy().items()), what="and again"
        )
    assert served.most["all"] <= 2


def test_a_site_that_answers_well_gets_more_threads_up_to_its_share() -> None:
    served = Served("busy")
    with served.running():
        await_condition(lambda: served.most["busy"] > 1, what="a second thread")
        await_condition(lambda: served.done["busy"] > 1_000, what="many deliveries")
    assert served.most["busy"] <= scheduling.N_PER_SITE


def test_a_failing_site_rests_twice_as_long_each_time_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduling, "monotonic", lambda: 0.0)
    state = scheduling._State(n_allowed=4)
    rests = []
    for _ in range(12):
        state.note(well=False)
        rests.append(state.rests_until)
    assert rests[:4] == [0.5, 1.0, 2.0, 4.0]
    assert rests[-1] == scheduling.MAX_REST_SECONDS
    assert state.n_allowed == 1
    state.note(well=True)
    assert (state.n_failures, state.n_allowed) == (0, 2)


class Interrupted(Event):
    """An event of which a signal ends the `wait` just when it has taken the lock."""

    def wait(self, timeout: float | None = None) -> bool:
        self._cond.acquire()  # type: ignore[attr-defined]
        raise KeyboardInterrupt


def test_the_loop_ends_at_whatever_moment_a_signal_comes() -> None:
    made = Scheduler(list, lambda _: (0, True), lambda _: None)

    def run() -> None:
        with suppress(KeyboardInterrupt):
            made.run(Interrupted())

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
