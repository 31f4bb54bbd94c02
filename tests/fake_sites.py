"""Web servers of sites: one that keeps what it is told, and one that never comes to an end."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Event, Thread
from time import time
from typing import Any

RETRY_AFTER_SECONDS = 300


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1", tls: SSLContext | None = None
) -> Iterator[str]:
    """Run a web server; yield the address of its root."""
    with ThreadingHTTPServer((host, 0), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://{host}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Endpoint:
    """A site's web server: keeps what it is told, answers with `status` when it may."""

    url: str = ""
    status: int = 204
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    peers: list[tuple[str, int]] = field(default_factory=list)
    arrived: dict[str, float] = field(default_factory=dict)  # Unix time of the first, by its id
    began: Event = field(default_factory=Event)  # something came
    may_answer: Event = field(default_factory=Event)  # cleared: it keeps nothing, and says nothing

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.told]


@contextmanager
def answering(host: str = "127.0.0.1") -> Iterator[Endpoint]:
    """Run a site's web server."""
    endpoint = Endpoint()
    endpoint.may_answer.set()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed: a site takes nothing from half a body
                self.close_connection = True
                return
            endpoint.began.set()
            endpoint.may_answer.wait(60.0)
            endpoint.told.append((dict(self.headers), body))
            endpoint.arrived.setdefault(self.headers.get("webhook-id", ""), time())
            endpoint.peers.append(self.client_address)
            self.send_response(endpoint.status)
            self.send_header("location", endpoint.url + "elsewhere")
            self.send_header("retry-after", str(RETRY_AFTER_SECONDS))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Answer, host) as endpoint.url:
        try:
            yield endpoint
        finally:
            endpoint.may_answer.set()


@dataclass
class Drip:
    """A server that says something now and then and never comes to an end."""

    begins: bytes
    port: int = 0
    n_open: int = 0
    n_over: int = 0
    n_most: int = 0  # at a time

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def dripping(begins: bytes, drop: bytes = b"a") -> Iterator[Drip]:
    stop = Event()
    drip = Drip(begins)

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.sendall(begins)
            while not stop.wait(0.02):
                client.sendall(drop)
        drip.n_over += 1

    def accept() -> None:
        with suppress(OSError):
            while not stop.is_set():
                client, _ = server.accept()
                drip.n_open += 1
                drip.n_most = max(drip.n_most, drip.n_open - drip.n_over)
                threads.append(Thread(target=serve, args=(client,)))
                threads[-1].start()

    threads: list[Thread] = []
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        drip.port = server.getsockname()[1]
        accepting = Thread(target=accept)
        accepting.start()
        try:
            yield drip
        finally:
            stop.set()
            server.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join()
