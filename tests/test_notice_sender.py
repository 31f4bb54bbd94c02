"""A notice reaches mail and web services, within a time, and never a private network by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from fake_sites import Endpoint, answering, dripping

from conftest import await_condition, free_port
from service.delivery import notice_sender
from service.delivery.notice_sender import send

TITLE, BODY = "حكم، الجريدة: نرجو النظر", "ينتظر تعليقان"  # "please look", "two comments wait"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with answering() as endpoint:
        endpoint.url = endpoint.url.replace("http:", "json:")
        yield endpoint


class Mailbox:
    """Takes mails for every address but those at ``full.example``."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.endswith("@full.example"):
            return "452 the mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


def mail_address(port: int, to: str = "desk@news.example") -> str:
    return f"mailto://127.0.0.1:{port}?from=hakam@news.example&to={to}"


def test_a_notice_reaches_a_mail_server_and_a_web_service_in_arabic(endpoint: Endpoint) -> None:
    mailbox, port = Mailbox(), free_port()
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    try:
        addresses = [
            mail_address(port),
            mail_address(port, "desk@full.example"),
            endpoint.url,
        ]
        failures = send(addresses, TITLE, BODY, private=True)
    finally:
        server.stop()
    assert failures == ["", notice_sender.NOT_TAKEN, ""]
    (mail,) = mailbox.mails
    assert mail["subject"] == TITLE
    assert BODY in mail.get_body(("plain", "html")).get_content()
    (told,) = endpoint.bodies()
    assert (told["title"], told["message"], told["type"]) == (TITLE, BODY, "warning")


def test_what_a_service_answers_is_told_by_its_status_alone(endpoint: Endpoint) -> None:
    endpoint.status = 403
    assert send([endpoint.url], TITLE, BODY, private=True) == ["status 403"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_notice_leads_into_a_private_network_unless_the_site_allows_it(
    endpoint: Endpoint, host: str
) -> None:
    port = int(endpoint.url.rstrip("/").rpartition(":")[2])
    addresses = [f"json://{host}:{port}/", mail_address(port).replace("127.0.0.1", host)]
    refused = "the address leads to a private network"
    assert send(addresses, TITLE, BODY) == [refused, refused]
    assert not endpoint.peers


def test_an_address_that_never_answers_costs_the_others_nothing(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_sender, "SECONDS", 15.0)
    with dripping(b"HTTP/1.1 200 OK\r\nx: ") as drip:
        failures = send([f"json://127.0.0.1:{drip.port}/", endpoint.url], TITLE, BODY, private=True)
        assert drip.n_open == 1
        await_condition(lambda: drip.n_over == 1, what="the end of the process")
    assert failures == [notice_sender.NO_ANSWER, ""]
    assert len(endpoint.told) == 1


def test_a_process_that_cannot_start_is_said_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notice_sender, "COMMAND", (os.devnull,))
    assert send(["json://127.0.0.1/"], TITLE, BODY) == [notice_sender.NOT_SENT]
