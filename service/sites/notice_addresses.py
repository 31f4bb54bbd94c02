"""Notice addresses: where moderators of a site are told that something is wrong.

An address is a URL of apprise, as ``mailto://name:password@mail.example?to=desk@news.example`` or
``tgram://token/chat``, see https://appriseit.com. It holds passwords, so it is a secret: of one
that is stored only the service is ever shown. Only services that are asked over the network can be
named, and none by an option that reads a file of this machine.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping
from typing import Any

from service.errors import InvalidRequest

#: Scheme of an address -> name of its service.
SERVICES: Mapping[str, str] = {
    "mailto": "E-mail",
    "mailtos": "E-mail",
    "tgram": "Telegram",
    "slack": "Slack",
    "workflow": "Microsoft Teams",
    "workflows": "Microsoft Teams",
    "discord": "Discord",
    "gchat": "Google Chat",
    "whatsapp": "WhatsApp",
    "signal": "Signal",
    "signals": "Signal",
    "mmost": "Mattermost",
    "mmosts": "Mattermost",
    "rocket": "Rocket.Chat",
    "rockets": "Rocket.Chat",
    "zulip": "Zulip",
    "nctalk": "Nextcloud Talk",
    "nctalks": "Nextcloud Talk",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    "pover": "Pushover",
    "twilio": "Twilio",
    "json": "JSON",
    "jsons": "JSON",
}
ADDRESS_FORM = rf"^(?i:{'|'.join(SERVICES)})://[^\s\x00]+$"
EXPECTED = "addresses of apprise, as mailto://, tgram:// or slack://, one on each line"
_READS_FILES = re.compile(r"(?i)[?&](?:pgp\w*|wkd|smime\w*|template|attach\w*|key\w*file)=")


def service_of(address: str) -> str:
    """Return the name of an address's service, which is no secret.

    >>> service_of("tgram://123456:secret/42")
    'Telegram'
    """
    return SERVICES.get(address.partition(":")[0].lower(), "")


def check_addresses(name: str, addresses: tuple[str, ...]) -> None:
    """Refuse addresses of which apprise would make nothing; raises InvalidRequest."""
    for address in addresses:
        if _READS_FILES.search(address) or read_address(address) is None:
            raise InvalidRequest.of(name, f"expected {EXPECTED}")


def read_address(address: str) -> Any:
    """Return what sends to an address, or None where it cannot be read."""
    apprise = quiet_apprise()
    return apprise.Apprise.instantiate(address, asset=asset(), suppress_exceptions=True)


@functools.cache
def quiet_apprise() -> Any:
    """Return apprise, whose log would hold addresses; it loads its services when first asked."""
    import apprise

    log = logging.getLogger("apprise")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return apprise


@functools.cache
def asset() -> Any:
    """Return how apprise is to work: nothing on disk, no files, no pictures from elsewhere."""
    apprise = quiet_apprise()
    return apprise.AppriseAsset(
        app_id="Hakam",
        app_desc="Hakam",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        allow_templates=False,
        secure_logging=True,
        async_mode=False,
    )
