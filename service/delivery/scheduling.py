"""Fair scheduling of any number of sites on a bounded number of threads.

Promises: no site waits for another's request to end while a thread is free. A site has at most
`N_PER_SITE` threads at a time, and one while nothing is known of it or its last delivery failed;
all such sites together have at most half of the threads, so that there is one for the others. A
failing site rests, longer each time. When all threads are taken, each serves its site for a moment
only, and whoever waited longest comes next. Nothing that waits is held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock
from time import monotonic, thread_time

import structlog

from service.errors import SiteUnreadable, StoreUnavailable
from service.logs import places
from service.sites.site import Site

N_THREADS = 256
N_PER_SITE = 4
POLL_SECONDS = 0.5  # between two looks at what is due; with very many sites the looks are rarer
LOOKING_SHARE = 0.2  # of the time of one processor core that looking may take
TURN_SECONDS = 1.0  # while others wait
REST_SECONDS = 0.5  # after one failure, twice as long after each further one ...
MAX_REST_SECONDS = 60.0  # ... up to this

log = structlog.get_logger()


@dataclass(slots=True)
class _State:
    """What is known of a site, all of it since this process began."""

    n_busy: int = 0
    n_allowed: int = 1
    n_failures: int = 0  # in a row
    rests_until: float = 0.0
    last_turn: float = 0.0

    def note(self, *, well: bool) -> None:
        if well:
            self.n_failures, self.n_allowed = 0, min(self.n_allowed + 1, N_PER_SITE)
            return
        self.n_failures, self.n_allowed = self.n_failures + 1, 1
        doublings = min(self.n_failures - 1, 10)
        rest = min(REST_SECONDS * 2**doublings, MAX_REST_SECONDS)
        self.rests_until = monotonic() + rest


class Scheduler:
    """Serves sites until it is stopped.

    `waiting` says how much is due for a site, and whether the last of it went well; `serve` does
    the first of it and says whether that went well, or None where nothing is due. Each may raise
    StoreUnavailable, which is waited out, or anything else, which is that site's failure alone.
    """

    def __init__(
        self,
        sites: Callable[[], Iterable[Site]],
        waiting: Callable[[Site], tuple[int, bool]],
        serve: Callable[[Site], bool | None],
        after_each_look: Callable[[], None] = lambda: None,
        *,
        name: str = "deliveries",  # of its lines in the log
        n_threads: int | None = None,
        poll_seconds: float | None = None,
    ) -> None:
        self._sites = sites
        self._waiting = waiting
        self._serve = serve
        self._after_each_look = after_each_look
        self._name, self._waits = name, f"{name}_wait_for_store"
        self._n_threads = n_threads or N_THREADS
        self._poll_seconds = POLL_SECONDS if poll_seconds is None else poll_seconds
        self._states: dict[str, _State] = {}
        self._lock = Lock()
        self._n_busy = self._n_busy_doubtful = 0
        self._crowded = False

    def run(self, stop: Event) -> None:
        """Serve until `stop` is set, or a signal ends the loop."""
        # Not `stop`: a signal may have ended its `wait` with its lock taken.
        over, available = Event(), True
        with ThreadPoolExecutor(self._n_threads, thread_name_prefix=self._name) as threads:
            try:
                while not stop.is_set():
                    spent = thread_time()
                    try:
                        self._look(threads, over)
                        self._after_each_look()
                        available = True
                    except StoreUnavailable as fault:
                        if available:
                            log.warning(self._waits, error=str(fault))
                        available = False
                    except Exception as error:  # noqa: BLE001 - the loop serves all sites
                        log.warning(self._name, error=type(error).__name__, places=places(error))
                    spent = thread_time() - spent
                    stop.wait(max(self._poll_seconds, spent / LOOKING_SHARE))
            finally:
                over.set()

    def _look(self, threads: ThreadPoolExecutor, over: Event) -> None:
        sites = {site.id: site for site in self._sites()}
        with self._lock:
            kept = {name: one for name, one in self._states.items() if name in sites or one.n_busy}
            self._states = kept | {name: _State() for name in sites if name not in kept}
        crowded = False
        for name in sorted(sites, key=lambda name: self._states[name].last_turn):
            state = self._states[name]
            if state.rests_until > monotonic() or state.n_busy >= state.n_allowed:
                continue
            try:
                n_due, well = self._waiting(sites[name])
            except Exception as error:
                if not _is_its_own(error):
                    raise
                self._failed(sites[name], state, error)
                continue
            for _ in range(min(n_due, state.n_allowed - state.n_busy)):
                if not self._take_thread(state, well=well):
                    crowded = True
                    break
                threads.submit(self._turn, sites[name], state, over, well=well)
        self._crowded = crowded

    def _take_thread(self, state: _State, *, well: bool) -> bool:
        with self._lock:
            n_doubtful = self._n_threads // 2
            if self._n_busy >= self._n_threads or (
                not well and self._n_busy_doubtful >= n_doubtful
            ):
                return False
            self._n_busy += 1
            self._n_busy_doubtful += not well
            state.n_busy += 1
            state.last_turn = monotonic()
            return True

    def _turn(self, site: Site, state: _State, over: Event, *, well: bool) -> None:
        began = monotonic()
        try:
            while not over.is_set():
                went_well = self._serve(site)
                if went_well is None:
                    break
                with self._lock:
                    state.note(well=went_well)
                had_its_turn = self._crowded and monotonic() - began > TURN_SECONDS
                if had_its_turn or not (well and went_well):
                    break
        except Exception as error:  # noqa: BLE001 - the thread serves all sites
            if _is_its_own(error):  # else the next look says so, and waits
                self._failed(site, state, error)
        finally:
            with self._lock:
                self._n_busy -= 1
                self._n_busy_doubtful -= not well
                state.n_busy -= 1

    def _failed(self, site: Site, state: _State, error: Exception) -> None:
        with self._lock:
            state.note(well=False)
        log.warning(self._name, site=site.id, error=type(error).__name__, places=places(error))


def _is_its_own(error: Exception) -> bool:
    """Say whether a failure is this site's, and not the store's."""
    return isinstance(error, SiteUnreadable) or not isinstance(error, StoreUnavailable)
