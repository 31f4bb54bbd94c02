"""Requests to configured addresses: none to a private network, and over in time."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import httpx
import pytest
from fake_sites import answering, dripping

from service.delivery import http
from service.delivery.http import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2002:7f00:1::",
        "2002:5db8:d822::1",
        "192.0.0.9",
        "192.0.0.192",
        "192.88.99.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "198.18.0.1",
        "203.0.113.7",
        "168.63.129.16",
        "240.0.0.1",
        "::127.0.0.1",
        "::10.0.0.1",
        "::93.184.216.34",
        "::ffff:0:127.0.0.1",
        "::ffff:192.0.0.192",
        "64:ff9b::7f00:1",
        "64:ff9b::c000:c0",
        "64:ff9b:1::a00:1",
        "2001:0:a00:1::1",
        "2001:0:5db8:d822::1",
        "2001:2::1",
        "2001:20::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "100::1",
        "fec0::1",
        "feff::1",
        "fd00:ec2::254",
    ],
)
def test_private_addresses_of_every_kind_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "192.0.1.1",
        "192.88.98.1",
        "2606:2800:220:1::1",
        "2001:4860:4860::8888",
        "2a00:1450::1",
        "64:ff9b::5db8:d822",
        "::ffff:93.184.216.34",
    ],
)
def test_public_addresses_may_be_called(address: str) -> None:
    assert is_public(address)


def test_the_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A name that leads to a public address when it is checked, and to this machine afterwards.
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", (next(answers), 80))]

    asked: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(204)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with httpx.Client(transport=httpx.MockTransport(keep)) as client:
        http.post(client, "https://news.example:8443/hook", "{}", {})
    [request] = asked
    assert request.url.host == "93.184.216.34"
    assert request.headers["host"] == "news.example:8443"
    assert request.extensions["sni_hostname"] == "news.example"


@pytest.mark.parametrize(
    ("begins", "drop"),
    [
        (b"", b""),  # silence
        (b"HTTP/1.1 200", b"O"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_is_over_in_time_whatever_the_server_does(
    monkeypatch: pytest.MonkeyPatch, scheme: str, begins: bytes, drop: bytes
) -> None:
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.3)
    with dripping(begins, drop) as drip, http.client() as client:
        address = drip.url.replace("http", scheme)
        with pytest.raises(httpx.HTTPError) as failure:
            http.post(client, address, "{}", {}, allow_private=True, max_answer_bytes=100_000)
    if scheme == "http":
        assert http.reason(failure.value) == "no answer in time"


def test_no_connection_serves_two_requests_because_it_was_made_for_one_name() -> None:
    with answering() as endpoint, http.client() as client:
        for _ in range(3):
            assert http.post(client, endpoint.url, "{}", {}, allow_private=True).is_success
    assert len({port for _, port in endpoint.peers}) == 3


def test_the_certificates_of_authorities_are_read_once_in_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda *places, **_: read.append(places)
    )
    for _ in range(3):
        http.client().close()
    assert len(read) <= 1
