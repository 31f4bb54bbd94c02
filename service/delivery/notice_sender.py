"""Sender of notices: a process of its own that hands one notice to apprise and says how it went.

It has a process because apprise reaches many services in as many ways: so whatever they do it is
over after `SECONDS`, and no connection of any of them leads into a private network unless the site
allows that. What `socket` connects to is checked where it connects (an audit hook, PEP 578), so
that neither a redirect nor a name that changes leads elsewhere. Of what goes wrong only words of
our own leave the process.

It reads ``{addresses, title, body, good, private}`` from its input, as JSON, and writes a line
``[number of the address, failure]`` for each address once that is known.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import ContextVar
from typing import Any

from service.delivery.http import ForbiddenTarget, is_public, reason
from service.rules.phrases import N_
from service.sites.notice_addresses import asset, quiet_apprise

SECONDS = 20.0
COMMAND = (sys.executable, "-m", "service.delivery.notice_sender")

NO_ANSWER = N_("no answer in time")
NOT_TAKEN = N_("the service did not take it")
NOT_SENT = N_("it could not be sent")

_ASKS_A_PROCESS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork"}
_CONNECTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def send(
    addresses: Sequence[str],
    title: str,
    body: str,
    *,
    good: bool = False,
    private: bool = False,
) -> list[str]:
    """Send a notice to each address; return for each what went wrong, or an empty string."""
    notice = {"addresses": addresses, "title": title, "body": body}
    order = json.dumps(notice | {"good": good, "private": private, "seconds": SECONDS})
    missing = NOT_SENT
    try:
        done = subprocess.run(
            COMMAND,
            input=order.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a library could write an address there
            timeout=SECONDS,
            env={},  # no proxy: it would reach what a site must not
            check=False,
        )
        said = done.stdout
    except subprocess.TimeoutExpired as over:
        said, missing = over.stdout or b"", NO_ANSWER
    except OSError:
        said = b""
    failures = dict(json.loads(line) for line in said.decode().splitlines(keepends=False) if line)
    return [str(failures.get(number, missing)) for number in range(len(addresses))]


# In the process


# What went wrong with the address of which this is the context; apprise hands it on to threads.
_found: ContextVar[list[str]] = ContextVar("_found")


class _Failures(logging.Handler):
    """Remembers of apprise's complaints the status that a server answered, and no more."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look for a status."""
        if status := re.search(r"\berror=(\d{3})\b", record.getMessage()):
            _found.get([]).append(f"status {status[1]}")


def _guard(*, private: bool) -> None:
    """Let this process connect to public addresses only, and start no other."""

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event in _ASKS_A_PROCESS:
            raise ForbiddenTarget("a sender of notices starts no process")
        if event in _CONNECTS and not private:
            address = given[1] if len(given) > 1 else None
            host = address[0] if isinstance(address, tuple) else ""
            try:
                public = is_public(str(host))
            except ValueError:  # a path of this machine, or a name that nobody has looked up yet
                public = False
            if not public:
                refusal = ForbiddenTarget("the address leads to a private network")
                _found.get([]).insert(0, reason(refusal))
                raise refusal

    sys.addaudithook(hook)


def main() -> None:
    """Send what the input says."""
    order = json.load(sys.stdin)
    signal.setitimer(signal.ITIMER_REAL, order["seconds"] + 1)  # where nobody is left to stop it
    apprise, log = quiet_apprise(), logging.getLogger("apprise")
    log.addHandler(_Failures())
    log.setLevel(logging.DEBUG)
    _guard(private=order["private"])
    kind = apprise.NotifyType.SUCCESS if order["good"] else apprise.NotifyType.WARNING

    def send_to(address: str) -> str:
        found: list[str] = []
        _found.set(found)
        try:
            one = apprise.Apprise(asset=asset())
            taken = one.add(address) and one.notify(
                title=order["title"],
                body=order["body"],
                notify_type=kind,
                body_format=apprise.NotifyFormat.TEXT,
            )
        except Exception:  # noqa: BLE001 - whatever it was, it is this address's failure
            taken = False
        return "" if taken else next(iter(found), NOT_TAKEN)

    addresses = order["addresses"]
    with ThreadPoolExecutor(max(1, len(addresses))) as threads:
        sending = {threads.submit(send_to, address): n for n, address in enumerate(addresses)}
        for done in as_completed(sending):
            sys.stdout.write(json.dumps([sending[done], done.result()]) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
