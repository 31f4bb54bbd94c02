"""Notice addresses: those of services on the network are taken, none that reads this machine."""

from __future__ import annotations

import pytest

from service.errors import InvalidRequest
from service.sites.notice_addresses import SERVICES, check_addresses, quiet_apprise, service_of
from service.sites.site import Site
from service.sites.sites import Sites

SECRET = "hunter2hunter2"
GOOD = (
    f"mailto://desk:{SECRET}@mail.example?to=desk@news.example",
    f"mailtos://desk:{SECRET}@mail.example:587?smtp=smtp.mail.example&to=a@b.example",
    "tgram://123456789:abcdefghijklmnop_qrstuvwxyz123456/-1001234",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#desk",
    "ntfys://desk@ntfy.example/topic",
    "json://hooks.news.example/notices",
)
BAD = (
    f"mailto://desk:{SECRET}@",
    f"https://mail.example/{SECRET}",
    f"syslog://{SECRET}",
    f"mailto://desk:{SECRET}@mail.example?to=a@b.example&pgp=sign&pgpprv=/etc/passwd",
    f"mailto://desk:{SECRET}@mail.example?to=a@b.example&PGPPUB=/etc/passwd",
    f"slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/etc/{SECRET}",
    f"tgram://{SECRET}",
    f"json://{SECRET}\x00",
    SECRET,
    "",
)


def test_every_service_that_can_be_named_is_one_of_apprise() -> None:
    schemas = set(quiet_apprise().manager_plugins.NotificationManager().schemas())
    assert set(SERVICES) <= schemas


def test_addresses_of_services_are_taken() -> None:
    check_addresses("notice_addresses", GOOD)
    assert {service_of(address) for address in GOOD} >= {"E-mail", "Telegram", "Slack"}


@pytest.mark.parametrize("address", BAD)
def test_an_address_that_cannot_be_used_is_refused_and_not_repeated(
    address: str, sites: Sites, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        sites.update(sites.get("demo").changed({"notice_addresses": (*GOOD, address)}))
    assert [error.field for error in refusal.value.errors] == ["notice_addresses"]
    out, err = capfd.readouterr()
    assert SECRET not in f"{refusal.value}{out}{err}"


@pytest.fixture
def sites(redis: object) -> Sites:
    found = Sites(redis)  # type: ignore[arg-type]
    found.add(Site("demo"))
    return found


def test_a_site_keeps_its_addresses_and_never_shows_them(sites: Sites) -> None:
    sites.update(sites.get("demo").changed({"notice_addresses": GOOD}))
    assert sites.get("demo").notice_addresses == GOOD
    assert SECRET not in repr(sites.get("demo"))


@pytest.mark.parametrize("zone", ["Riyadh", "../../etc/passwd", "", "Asia", "a" * 64])
def test_a_time_zone_that_is_none_is_refused(sites: Sites, zone: str) -> None:
    with pytest.raises(InvalidRequest, match="time_zone"):
        sites.update(sites.get("demo").changed({"time_zone": zone, "quiet_hours": "22:00-07:00"}))


@pytest.mark.parametrize("hours", ["22-7", "24:00-07:00", "22:00-07:60", "22:00", "22:00-07:00 "])
def test_quiet_hours_are_two_times_of_day(hours: str) -> None:
    with pytest.raises(InvalidRequest, match="quiet_hours"):
        Site("demo", quiet_hours=hours)
