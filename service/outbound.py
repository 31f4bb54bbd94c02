"""Requests that the service makes because somebody configured an address.

Promises: unless the site allows it, no request reaches this machine or its private network, under
whatever name (server-side request forgery); redirects are not followed; of the answer's body only
as much is read as was asked for. Secret: which addresses are public, and how to connect to the very
address that was checked, so that a name cannot point elsewhere a moment later.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpx

TIMEOUT_SECONDS = 10.0


class ForbiddenTarget(ValueError):
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


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    Examples
    --------
    >>> [is_public(a) for a in ("93.184.216.34", "10.0.0.1", "::1", "::ffff:127.0.0.1")]
    [True, False, False, False]
    """
    found = ip_address(address.partition("%")[0])  # a zone, as in fe80::1%eth0, is link-local
    return all(inner.is_global and not inner.is_multicast for inner in _forms(found))


def _forms(found: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """List the address itself and the IPv4 address that a translator would make of it."""
    if isinstance(found, IPv4Address):
        return [found]
    inside = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
    if found.packed.startswith(b"\x00\x64\xff\x9b"):  # 64:ff9b::/96, RFC 6052
        inside.append(IPv4Address(found.packed[-4:]))
    embedded = [address for address in inside if address is not None]
    return embedded if found.ipv4_mapped else [found, *embedded]


def post(
    client: httpx.Client,
    address: str,
    body: str,
    headers: Mapping[str, str],
    *,
    allow_private: bool = False,
    max_answer_bytes: int = 0,
) -> Answer:
    """Send a body to a configured address.

    Parameters
    ----------
    allow_private : bool
        Whether the address may lead to this machine or a private network.
    max_answer_bytes : int
        So much of the answer's body is read; a longer one is cut.

    Raises
    ------
    ForbiddenTarget
        It does, and may not.
    httpx.HTTPError, httpx.InvalidURL, OSError, ValueError
        The server cannot be found or reached, or broke off.
    """
    url = httpx.URL(address)
    known = {}
    if not allow_private:
        known = {"sni_hostname": url.host}  # the certificate is still that of the name
        headers = {"host": url.netloc.decode("ascii"), **headers}
        url = url.copy_with(host=_checked_address(url))
    request = client.build_request("POST", url, content=body, headers=headers, extensions=known)
    answer = client.send(request, stream=True, follow_redirects=False)
    try:
        read = _beginning(answer, max_answer_bytes)
    finally:
        answer.close()
    wait = answer.headers.get("retry-after", "")
    return Answer(
        answer.status_code, float(wait) if wait.isascii() and wait.isdigit() else 0.0, read
    )


def _beginning(answer: httpx.Response, n_bytes: int) -> bytes:
    read = b""
    if n_bytes:
        for chunk in answer.iter_bytes():
            read += chunk
            if len(read) >= n_bytes:
                break
    return read[:n_bytes]


def _checked_address(url: httpx.URL) -> str:
    port = url.port or (443 if url.scheme == "https" else 80)
    found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not all(is_public(address) for address in addresses):
        raise ForbiddenTarget("the address leads to a private network")
    return addresses[0]
