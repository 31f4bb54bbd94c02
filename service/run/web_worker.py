"""The web worker: gunicorn's processes, waitress' HTTP.

In a thread of gunicorn's own worker a client that sends half a request, or takes half an answer,
holds the thread for as long as it likes, and four of them hold the worker. Here one loop talks to
all clients of a worker. A request reaches a thread when it is there as a whole and it is its
sender's turn (`turns`), and the thread is free again when the answer is written down; who sends or
takes too slowly is cut off. What gunicorn does stays: it starts workers, replaces those that end,
and reloads.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import resource
import struct
import time
from collections import Counter
from types import FrameType
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask

from service import logs
from service.compat import coral
from service.config import Settings
from service.problems import problem_before
from service.run.turns import Turns

IDLE_SECONDS = 20.0  # that a connection may wait for its first or next request
BOOT_SECONDS = 20.0  # that a worker goes on while those that replace it get ready
LINGER_SECONDS = 2.0  # that a stopping worker answers on connections that it kept open
# How long a request may take to arrive, and an answer to be taken: the seconds, and one more for so
# many bytes.
EXCHANGE_SECONDS = 20.0
LEAST_BYTES_PER_SECOND = 16 * 1024
MAX_CONNECTIONS = 900  # of a worker
FILES_BESIDE_CONNECTIONS = 64
MAX_CONNECTIONS_OF_AN_ADDRESS = 200
MAX_HEADER_BYTES = 64 * 1024
# A thread waits for a client only when so much of its answer has not been taken.
MAX_ANSWER_BYTES = 1024 * 1024 * 1024


class Generations:
    """What workers know of those that replace them, in memory that they share.

    At a reload gunicorn tells its workers to stop as soon as it has forked the next, which need
    half a second until they accept connections. gunicorn numbers workers by their age.
    """

    _HEAD = struct.Struct("QQ")  # the last that is replaced, and by how many
    _N_FLAGS = mmap.PAGESIZE - _HEAD.size  # of those that accept

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)

    def replace(self, last: int, n_workers: int) -> None:
        """Note, in gunicorn's own process, that workers up to this age are about to be replaced."""
        for age in range(last + 1, last + 1 + n_workers):
            self._shared[self._place(age)] = 0
        self._HEAD.pack_into(self._shared, 0, last, n_workers)

    def accepts(self, age: int) -> None:
        """Note that a worker accepts connections."""
        self._shared[self._place(age)] = 1

    def are_awaited_by(self, age: int) -> bool:
        """Whether a worker is replaced by others that do not all accept connections yet."""
        last, n_workers = self._HEAD.unpack_from(self._shared, 0)
        following = range(last + 1, last + 1 + n_workers)
        return age <= last and not all(self._shared[self._place(one)] for one in following)

    def _place(self, age: int) -> int:
        return self._HEAD.size + age % self._N_FLAGS


generations = Generations()


class _Task(WSGITask):  # type: ignore[misc]
    """Writes one answer."""

    close_on_finish: bool

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping:
            self.set_close_on_finish()
        # waitress would close the connection after an answer that has no body.
        keeps = not (
            self.has_body
            or self.close_on_finish
            or self.version != "1.1"
            or self.request.headers.get("CONNECTION", "").lower() == "close"
        )
        self.close_on_finish = self.close_on_finish or keeps
        header: bytes = super().build_response_header()
        self.close_on_finish = self.close_on_finish and not keeps
        return header


class _Refusal(ErrorTask):  # type: ignore[misc]
    """Answers what is no HTTP, or too long, as every other error is answered (RFC 9457)."""

    def execute(self) -> None:
        fault, request_id = self.request.error, logs.new_id()
        content = json.dumps(problem_before(fault.code, request_id)).encode()
        self.status = f"{fault.code} {fault.reason}"
        self.response_headers += [
            ("Content-Type", "application/problem+json"),
            (logs.REQUEST_ID, request_id),
        ]
        logs.refused(fault.code, fault, request_id)
        self.content_length = len(content)
        self.set_close_on_finish()
        self.write(content)


class _Request(HTTPRequestParser):  # type: ignore[misc]
    """Reads one request."""

    def parse_header(self, header_plus: bytes) -> None:
        """Refuse what a server before this one could take for two requests, or for half of one."""
        super().parse_header(header_plus)
        left_over = "TRANSFER_ENCODING" in self.headers  # that is, of another version than 1.1
        if left_over or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("the length of the body is not clear")


class _Channel(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    task_class = _Task
    error_task_class = _Refusal
    parser_class = _Request

    def __init__(self, server: _Server, sock: Any, addr: Any, adj: Any, map: Any = None) -> None:  # noqa: A002
        self._address = addr[0]
        self._awaited: object = None
        self._since, self._n_bytes = 0.0, 0
        self._is_open = True
        super().__init__(server, sock, addr, adj, map=map)
        server.n_connections[self._address] += 1
        if server.max_of_an_address < server.n_connections[self._address]:
            self.will_close = True

    def del_channel(self, map: Any = None) -> None:  # noqa: A002
        super().del_channel(map)
        if self._is_open:
            self._is_open = False
            self.server.n_connections[self._address] -= 1
            self.server.n_connections += Counter()  # keeps none that is 0

    def recv(self, buffer_size: int) -> bytes:
        data: bytes = super().recv(buffer_size)
        self._n_bytes += len(data)
        return data

    def send(self, data: bytes, do_close: bool = True) -> int:
        n_sent: int = super().send(data, do_close=do_close)
        self._n_bytes += n_sent
        return n_sent

    def is_overdue(self, now: float) -> bool:
        """Whether the client keeps this connection waiting for too long."""
        awaited = self.outbufs if self.total_outbufs_len else self.request
        if awaited is not self._awaited:
            self._awaited, self._since, self._n_bytes = awaited, now, 0
        if awaited is not None:
            allowed = EXCHANGE_SECONDS + self._n_bytes / LEAST_BYTES_PER_SECOND
            return now - self._since > allowed
        return not self.requests and time.time() - self.last_activity > IDLE_SECONDS

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer, or for the rest of one."""
        return bool(self.requests or self.total_outbufs_len or self.request)


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """One listening socket and the connections that came in by it."""

    channel_class = _Channel
    stopping = False

    def __init__(self, *arguments: Any, max_of_an_address: int, **options: Any) -> None:
        self.max_of_an_address = max_of_an_address
        self.n_connections: Counter[str] = Counter()
        super().__init__(*arguments, **options)

    def maintenance(self, now: float) -> None:
        """Cut off who keeps us waiting; waitress calls this every second."""
        now = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(now):
                channel.handle_close()


class WebWorker(Worker):  # type: ignore[misc]
    """A worker process of gunicorn."""

    def init_process(self) -> None:
        """Have waitress log what is worth a look."""
        logging.getLogger("waitress").setLevel(logging.ERROR)
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop, or until the parent has gone."""
        settings: Settings = self.wsgi.extensions["hakam"].settings
        n_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        adjustments = Adjustments(
            threads=self.cfg.threads,
            connection_limit=min(MAX_CONNECTIONS, n_files - FILES_BESIDE_CONNECTIONS),
            max_request_header_size=MAX_HEADER_BYTES,
            # What the application refuses for its length it withholds from Coral; what is refused
            # here Coral would publish.
            max_request_body_size=max(settings.max_body_bytes, coral.MAX_BODY_BYTES),
            outbuf_high_watermark=MAX_ANSWER_BYTES,
            cleanup_interval=1,
            clear_untrusted_proxy_headers=False,  # werkzeug knows whom to believe
            ident=None,
        )
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.queue = Turns()
        dispatcher.set_thread_count(self.cfg.threads)
        connections: dict[int, Any] = {}
        self._servers = [
            _Server(
                self.wsgi,
                connections,
                True,
                listener.sock,
                dispatcher=dispatcher,
                adj=adjustments,
                sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
                bind_socket=False,
                # Behind a proxy all connections are the proxy's.
                max_of_an_address=(
                    MAX_CONNECTIONS if settings.proxies else MAX_CONNECTIONS_OF_AN_ADDRESS
                ),
            )
            for listener in self.sockets
        ]
        generations.accepts(self.age)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            wasyncore.loop(1.0, use_poll=True, map=connections, count=1)
        until = time.monotonic() + BOOT_SECONDS
        while generations.are_awaited_by(self.age) and time.monotonic() < until:
            self.notify()
            wasyncore.loop(0.02, use_poll=True, map=connections, count=1)
        if self.ppid == os.getppid():
            self._finish(connections)

    def _finish(self, connections: dict[int, Any]) -> None:
        """Answer what has been asked, and what is asked on connections that were kept open."""
        channels = []
        for server in self._servers:
            server.stopping = True
            server.accepting = False
            server.del_channel(connections)
            server.socket.close()
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < self.cfg.graceful_timeout:
            self.notify()
            channels = [one for server in self._servers for one in server.active_channels.values()]
            if not channels or (
                waited > LINGER_SECONDS and not any(channel.is_busy for channel in channels)
            ):
                return
            for server in self._servers:
                server.maintenance(waited)
            wasyncore.loop(0.1, use_poll=True, map=connections, count=1)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        super().handle_exit(sig, frame)
        for server in getattr(self, "_servers", ()):
            server.pull_trigger()
