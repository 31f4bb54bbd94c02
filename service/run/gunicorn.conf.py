"""How gunicorn serves Hakam. Read by ``hakam serve`` and ``hakam run``, which bind the port first.

After a promotion or a rollback, and at a HUP, gunicorn starts new workers and lets the old ones
finish: the new ones score with the new artefact, all share one copy of it, and no request is lost.
An artefact that cannot be loaded is not taken up.
"""

import os
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from service.config import shared_metrics, traces_wanted

# prometheus-client chooses at its import where the workers add up their numbers.
# A reload reads this file again, in the same process, and goes on with the same folder.
_OURS = f"hakam-metrics-{os.getpid()}-"
_shared = shared_metrics(_OURS)

from prometheus_client import multiprocess

from models.registry import Registry
from service import tracing
from service.run import application, parent_death, web_worker

_settings = application.settings()

wsgi_app = "service.run.application:application()"
bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = "service.run.web_worker.WebWorker"
# A worker waits for Redis more often than it computes.
threads = 4
timeout = 60
graceful_timeout = 20
loglevel = "warning" if _settings.log_level == "info" else _settings.log_level
# The heartbeat file must not wait for a disk.
_memory = Path("/dev/shm")  # noqa: S108 - gunicorn makes a file of its own there
worker_tmp_dir = str(_memory) if _memory.is_dir() else None
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Fail in one sentence, and import once what all workers need."""
    application.rehearse()
    application.load_shadow(server.log.error)
    application.watch(Registry(_settings.artifacts))


def on_reload(server: Any) -> None:
    """Take up the artefact that is promoted now, before the new workers are made."""
    application.take_up(server.log.error)
    application.load_shadow(server.log.error)
    web_worker.generations.replace(server.worker_age, server.cfg.workers)


def post_fork(server: Any, worker: Any) -> None:
    """Let no worker outlive gunicorn."""
    parent_death.die_with_parent(signal.SIGQUIT, server.pid)
    if traces_wanted():  # its thread would not come through the fork
        tracing.start("hakam-web")


def worker_exit(server: Any, worker: Any) -> None:
    """Write what was counted and not written yet, and send the traces that are left."""
    with ExitStack() as stack:  # one that fails keeps no other from being done
        stack.callback(tracing.stop)
        if app := getattr(worker, "wsgi", None):  # not where the worker could not start
            for flush in app.extensions["hakam"].flushes:
                stack.callback(flush)


def child_exit(server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that has gone."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Remove what the workers shared, unless somebody else chose the place."""
    application.look_no_more()
    if _shared.name.startswith(_OURS):
        shutil.rmtree(_shared, ignore_errors=True)
