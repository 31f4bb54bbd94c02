"""HTTP requests to configured addresses, guarded against server-side request forgery (SSRF).

Promises: a request is over after `TIMEOUT_SECONDS`, whatever the server does; unless the site
allows it, none reaches this machine or its private network, under whatever name; redirects are not
followed; of the answer's body only as much is read as was asked for. The connection is made to the
very address that was checked, so that a name cannot point elsewhere a moment later.
"""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import inf
from time import monotonic
from typing import Any

import httpcore
import httpx

from service.errors import InvalidRequest, ServiceError
from service.rules.phrases import N_

# Of everything together: finding the server, connecting, sending, the answer.
TIMEOUT_SECONDS = 10.0
MAX_WAIT_DIGITS = 9  # of a Retry-After; a longer number says nothing
_WRITE_BYTES = 16_384


class ForbiddenTarget(ServiceError):
    """The address leads to this machine or to a private network."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: status, how long it asks us to wait (0 when it does not), body."""

    status: int
    wait_seconds: float = 0.0
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 2xx."""
        return 200 <= self.status < 300


# Which addresses are public

# Special-purpose blocks that a Python may call global, because routers forward them or because they
# are younger than it; and an address at which a cloud tells a machine its secrets.
# https://www.iana.org/assignments/iana-ipv4-special-registry
# https://www.iana.org/assignments/iana-ipv6-special-registry
_SPECIAL = [
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # in it Oracle's metadata at 192.0.0.192
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
        "168.63.129.16/32",  # Azure's own server for each machine
        "2001::/23",  # in it Teredo
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3fff::/20",
    )
]
# Of IPv6 only this has been given out to the public internet so far.
_GIVEN_OUT = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: its last four bytes are an IPv4 address


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    Addresses of IPv4 inside IPv6 count as what is inside where networks translate them today
    (mapped, NAT64), and as not public where nobody should (compatible, 6to4, Teredo, others).

    >>> [is_public(a) for a in ("93.184.216.34", "10.0.0.1", "::1", "::ffff:127.0.0.1")]
    [True, False, False, False]
    """
    found = _inside(ip_address(address.partition("%")[0]))  # a zone, as in fe80::1%eth0
    if found.version == 6 and found not in _GIVEN_OUT:
        return False
    special = any(found in network for network in _SPECIAL)
    return found.is_global and not found.is_multicast and not special


def _inside(found: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return found.ipv4_mapped
        if found in _NAT64:
            return IPv4Address(found.packed[-4:])
    return found


# One time for the whole request. httpx and httpcore count each read anew, so a server that sends a
# byte now and then would never be done with.

_ends_at: ContextVar[float] = ContextVar("_ends_at", default=inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let all requests of the block be over after this time, and after that of a block around it.

    What waits for the system's resolver is not broken off, but fails when it comes back.
    """
    before = _ends_at.set(min(_ends_at.get(), monotonic() + seconds))
    try:
        yield
    finally:
        _ends_at.reset(before)


def _left() -> float | None:
    left = _ends_at.get() - monotonic()
    if left <= 0:
        raise httpcore.TimeoutException
    return None if left == inf else left


class _Stream(httpcore.NetworkStream):
    """A connection on which every step has only the time that is left for all of them."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE_BYTES):
            self._stream.write(buffer[start : start + _WRITE_BYTES], _left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left()))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        options = {"local_address": local_address, "socket_options": socket_options}
        return _Stream(self._sockets.connect_tcp(host, port, _left(), **options))


@functools.cache
def _certificates() -> ssl.SSLContext:
    # Reading the certificates of all authorities is half of what it takes to make the application.
    # SSL_CERT_FILE names others, as of the authority of a house.
    return httpx.create_ssl_context(trust_env=True)


class _Transport(httpx.HTTPTransport):
    def __init__(self) -> None:
        context = _certificates()
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for the network. Any number of connections, so that slow servers
        # take none from others; each is used once, because it was made for one name.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=_Network(),
        )


def client() -> httpx.Client:
    """Return the client for `post` and `send`."""
    # No proxy from the environment: it would reach what a site must not.
    return httpx.Client(transport=_Transport(), trust_env=False)


# Sending


def post(
    client: httpx.Client,
    address: str,
    body: str,
    headers: Mapping[str, str],
    *,
    allow_private: bool = False,
    max_answer_bytes: int = 0,
) -> Answer:
    """Send a body with a client of `client`; raises one of `EXPECTED`."""
    return send(
        client,
        "POST",
        address,
        body,
        headers,
        allow_private=allow_private,
        max_answer_bytes=max_answer_bytes,
    )


def send(
    client: httpx.Client,
    method: str,
    address: str,
    body: str | None,
    headers: Mapping[str, str],
    *,
    allow_private: bool = False,
    max_answer_bytes: int = 0,
) -> Answer:
    """Send a request of any method, as `post` does."""
    with within(TIMEOUT_SECONDS):
        named = httpx.URL(address)
        url = named.copy_with(host=_address(named, allow_private=allow_private))
        request = client.build_request(
            method,
            url,
            content=body,
            headers={
                "host": named.netloc.decode("ascii"),
                "accept-encoding": "identity",  # what is small on the way may be huge unpacked
                **headers,
            },
            extensions={"sni_hostname": named.host},  # the certificate is still that of the name
        )
        answer = client.send(request, stream=True, follow_redirects=False)
        try:
            read = _beginning(answer, max_answer_bytes)
        finally:
            answer.close()
    wait = answer.headers.get("retry-after", "")
    known = wait.isascii() and wait.isdigit() and len(wait) <= MAX_WAIT_DIGITS
    return Answer(answer.status_code, float(wait) if known else 0.0, read)


def _beginning(answer: httpx.Response, n_bytes: int) -> bytes:
    read = bytearray()
    if n_bytes:
        for chunk in answer.iter_raw():
            read += chunk
            if len(read) >= n_bytes:
                break
    return bytes(read[:n_bytes])


def _address(url: httpx.URL, *, allow_private: bool) -> str:
    port = url.port or (443 if url.scheme == "https" else 80)
    if port > 65_535:  # the resolver would take what is left of it
        raise httpx.InvalidURL("no such port")
    found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        raise ForbiddenTarget("the address leads to a private network")
    return addresses[0]


def reason(error: Exception) -> str:
    """Say in our own words why a request failed, and with nothing that the server wrote."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and len(causes) < 10:
        if not isinstance(cause, Exception):
            break
        causes.append(cause)
    for kind, words in REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return type(error).__name__


#: The first kind that fits says why.
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ForbiddenTarget, N_("the address leads to a private network")),
    (httpx.TimeoutException, N_("no answer in time")),
    (httpcore.TimeoutException, N_("no answer in time")),
    (socket.gaierror, N_("the host is not known")),
    (ssl.SSLCertVerificationError, N_("the certificate is not valid")),
    (ssl.SSLError, N_("no encrypted connection")),
    (ConnectionRefusedError, N_("the connection was refused")),
    (httpx.ConnectError, N_("no connection")),
    (httpx.RemoteProtocolError, N_("the answer is not HTTP")),
    (httpx.ReadError, N_("the connection broke off")),
    (httpx.WriteError, N_("the connection broke off")),
    (httpx.InvalidURL, N_("the address is not valid")),
    (httpx.UnsupportedProtocol, N_("the address is not valid")),
    (UnicodeError, N_("the address is not valid")),  # a label of the host that is empty or too long
    (InvalidRequest, N_("the secret cannot be used")),
)
#: What a configured address can do to us; anything else is a fault of ours.
EXPECTED: tuple[type[Exception], ...] = (
    httpx.HTTPError,
    OSError,
    ValueError,
    *(kind for kind, _ in REASONS),
)
