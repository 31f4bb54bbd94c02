"""Sites and their keys."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from redis import Redis

from conftest import NOWHERE, Clock
from service.errors import InvalidRequest, SiteExists, StoreUnavailable, UnknownSite
from service.sites.connections import signing_key
from service.sites.known_sites import KnownSites
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites

pytestmark = pytest.mark.every_redis


@pytest.fixture
def sites(redis: Redis, clock: Clock) -> Sites:
    return Sites(redis, clock=clock)


@pytest.fixture
def known(sites: Sites, clock: Clock) -> KnownSites:
    return KnownSites(sites, clock=clock)


def cut_off(sites: Sites) -> None:
    """Take Redis away from under `sites`: its socket is one where nobody listens."""
    sites._redis = NOWHERE


FULL = Site(
    id="al-khabar",
    name="الخبر",  # "The News"
    review={"toxicity": 0.4},
    reject={"threat": 0.9},
    random_sample_share=0.02,
    webhook_url="https://news.example/hook",
    webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    retention_days=30,
    time_target_seconds=600,
    label_weights={"threat": 2.0},
    queue_analyzed=True,
    coral_secrets=("a", "b"),
    coral_url="https://coral.example/api/graphql",
    coral_token="t",
)


def test_a_site_comes_back_as_it_was_stored(sites: Sites) -> None:
    sites.add(FULL)
    assert sites.get(FULL.id) == FULL
    assert sites.list() == [FULL]


def test_the_key_of_a_site_opens_it(sites: Sites, known: KnownSites) -> None:
    key = sites.add(Site("demo"))
    assert key.startswith("hk_demo_")
    assert len(key) == len("hk_demo_") + 43
    assert known.authenticate(key) == Site("demo")


@pytest.mark.parametrize(
    "key",
    ["", "hk_demo_", "hk_demo_" + "A" * 43, "hk_other_" + "A" * 43, "hk__" + "A" * 43, "\ud800"],
)
def test_no_other_key_opens_it(sites: Sites, known: KnownSites, key: str) -> None:
    sites.add(Site("demo"))
    assert known.authenticate(key) is None


def test_the_key_of_one_site_does_not_open_another(sites: Sites, known: KnownSites) -> None:
    key = sites.add(Site("one"))
    sites.add(Site("two"))
    assert known.authenticate(key.replace("hk_one_", "hk_two_")) is None


def test_redis_holds_no_key_and_the_site_shows_no_secret(sites: Sites, redis: Redis) -> None:
    key = sites.add(FULL)
    stored = str([redis.hgetall(name) for name in redis.scan_iter("*:site")])
    assert key not in stored
    assert key[-20:] not in stored
    assert "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" not in repr(FULL)


def test_a_site_is_added_once(sites: Sites, known: KnownSites) -> None:
    key = sites.add(Site("demo"))
    with pytest.raises(SiteExists):
        sites.add(Site("demo", name="again"))
    assert known.authenticate(key) == Site("demo")


def test_an_update_replaces_the_wishes_and_keeps_the_key(sites: Sites, known: KnownSites) -> None:
    key = sites.add(Site("demo"))
    sites.update(Site("demo", reject={"threat": 0.9}))
    site = known.authenticate(key)
    assert site is not None
    assert site.reject == {"threat": 0.9}


def test_an_unknown_site_is_named_as_such(sites: Sites) -> None:
    with pytest.raises(UnknownSite):
        sites.get("nobody")
    with pytest.raises(UnknownSite):
        sites.update(Site("nobody"))
    with pytest.raises(UnknownSite):
        sites.rotate_key("nobody")


def test_a_rotated_key_stops_at_once(sites: Sites, known: KnownSites) -> None:
    old = sites.add(Site("demo"))
    new = sites.rotate_key("demo")
    assert known.authenticate(old) is None
    assert known.authenticate(new) == Site("demo")


def test_a_rotated_key_may_be_given_time(sites: Sites, known: KnownSites, clock: Clock) -> None:
    old = sites.add(Site("demo"))
    new = sites.rotate_key("demo", grace_seconds=60)
    assert known.authenticate(old) == Site("demo")
    clock.now += 60
    assert known.authenticate(old) is None
    assert known.authenticate(new) == Site("demo")


def test_a_second_rotation_does_not_lengthen_the_grace_of_the_first(
    sites: Sites, known: KnownSites, clock: Clock
) -> None:
    first = sites.add(Site("demo"))
    sites.rotate_key("demo", grace_seconds=60)
    sites.rotate_key("demo", grace_seconds=1_000)
    clock.now += 60
    assert known.authenticate(first) is None


def test_every_fault_of_redis_is_translated(sites: Sites) -> None:
    cut_off(sites)
    for call in (
        sites.list,
        sites.version,
        sites.records,
        lambda: sites.record("demo"),
        lambda: sites.add(FULL),
        lambda: sites.get("demo"),
        lambda: sites.update(FULL),
        lambda: sites.rotate_key("demo"),
    ):
        with pytest.raises(StoreUnavailable):
            call()


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"id": "Demo"}, "id"),
        ({"id": "-demo"}, "id"),
        ({"id": "a" * 64}, "id"),
        ({"id": "de_mo"}, "id"),
        ({"review": {"rudeness": 0.5}}, "review.rudeness"),
        ({"reject": {"threat": 1.5}}, "reject.threat"),
        ({"reject": {"threat": float("nan")}}, "reject.threat"),
        ({"label_weights": {"threat": -1.0}}, "label_weights.threat"),
        ({"random_sample_share": 2.0}, "random_sample_share"),
        ({"unsupported_language": "reject"}, "unsupported_language"),
        ({"retention_days": 0}, "retention_days"),
        ({"time_target_seconds": 0}, "time_target_seconds"),
        ({"webhook_url": "ftp://news.example"}, "webhook_url"),
        ({"coral_url": "javascript:alert(1)"}, "coral_url"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_name(wish: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        replace(Site("demo"), **wish)  # type: ignore[arg-type]
    assert caught.value.errors[0].field == field


def test_fields_of_a_newer_version_are_left_out() -> None:
    assert Site.from_json('{"id": "demo", "of_tomorrow": 1}') == Site("demo")


# What is newly wanted of connections

GOOD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
UNUSABLE = [
    ("webhook_secret", "whsec_"),
    ("webhook_secret", "whsec_a"),
    ("webhook_secret", "whsec_!!!!"),
    ("webhook_secret", "whsec_c2VjcmV0"),  # six bytes
    ("webhook_secret", "whsec_" + "A" * 100),
    ("webhook_secret", GOOD_SECRET + "!"),
    ("webhook_secret", "\N{ARABIC LETTER MEEM}" * 32),
    ("webhook_url", "http://[::1"),
    ("webhook_url", "http://[::1]:port/"),
    ("webhook_url", "http://news.example:99999/"),
    ("webhook_url", "http://a..b/"),
    ("webhook_url", "http://:80/"),
    ("webhook_url", "https://"),
    ("webhook_url", "ftp://news.example/"),
    ("webhook_url", "news.example/hook"),
    ("webhook_url", "http://news.example/\x00"),
    ("webhook_url", "https://news.example/" + "a" * 2_000),
    ("coral_url", "http://[::1"),
    ("coral_secrets", ("",)),
    ("coral_secrets", ("empsec_a", "a b")),
    ("coral_secrets", ("empsec_a",) * 17),
    ("coral_secrets", ("e" * 4_097,)),
    ("coral_token", "t" * 4_097),
    ("name", "n" * 201),
    ("coral_token", "\N{ARABIC LETTER MEEM}"),
    ("coral_token", "a\r\nb"),
]


@pytest.mark.parametrize(("field", "value"), UNUSABLE)
def test_an_address_or_secret_that_cannot_be_used_is_refused_by_its_field_and_not_repeated(
    sites: Sites, field: str, value: Any
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        sites.add(Site("demo", **{field: value}))
    assert [error.field for error in refusal.value.errors] == [field]
    if field != "webhook_secret" or value != "whsec_":
        assert str(value) not in str(refusal.value)
    assert sites.list() == []
    sites.add(Site("demo"))
    with pytest.raises(InvalidRequest):
        sites.update(Site("demo", **{field: value}))
    assert sites.get("demo") == Site("demo")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("webhook_secret", GOOD_SECRET),
        ("webhook_secret", GOOD_SECRET.removeprefix("whsec_")),
        ("webhook_secret", "whsec_" + "A" * 43),  # 32 bytes without the padding
        ("webhook_url", "http://[::1]:8080/hook?a=b"),
        ("webhook_url", "https://\N{ARABIC LETTER MEEM}\N{ARABIC LETTER NOON}.example/"),
    ],
)
def test_an_address_or_secret_that_can_be_used_is_taken(
    sites: Sites, field: str, value: str
) -> None:
    sites.add(Site("demo", **{field: value}))  # type: ignore[arg-type]
    assert getattr(sites.get("demo"), field) == value


def test_a_site_stored_under_looser_rules_is_read_and_can_be_mended(
    sites: Sites, redis: Redis
) -> None:
    sites.add(Site("demo"))
    loose = Site("demo", webhook_url="http://a..b/", webhook_secret="whsec_")
    redis.hset("{hakam:demo}:site", "record", loose.to_json())
    assert sites.list() == [loose]
    renamed = replace(loose, name="Demo")
    sites.update(renamed)
    assert sites.get("demo") == renamed
    sites.update(replace(renamed, webhook_secret=GOOD_SECRET))
    assert sites.get("demo").webhook_secret == GOOD_SECRET


# The model, from which options, form and documents are made


def test_every_setting_says_what_it_is_and_what_it_can_be() -> None:
    beside = ["levers", "is_closed", "revision", "authors_held_until"]
    assert [f.name for f in fields(Site)] == ["id", *SETTINGS, *beside]
    for setting in SETTINGS.values():
        assert setting.meaning
        assert setting.default == getattr(Site("demo"), setting.name)
        assert setting.kind not in ("number", "by_label") or setting.low < setting.high
        assert setting.kind not in ("line", "address", "lines") or setting.length > 0
        assert setting.secret == (f"{setting.name}=" not in repr(Site("demo")))


def test_all_settings_that_cannot_be_are_named_together_and_their_values_are_not() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Site("demo", retention_days=0, coral_token="secret\0", review={"threat": 7, "x": 1})
    assert [error.field for error in refusal.value.errors] == [
        "review.threat",
        "review.x",
        "retention_days",
        "coral_token",
    ]
    assert "retention_days: expected 1 to 36500" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_site_with_a_webhook_gets_a_secret_and_keeps_the_one_it_has() -> None:
    plain = Site("demo").changed({"name": "Demo"})
    assert plain.webhook_secret == ""
    told = plain.changed({"webhook_url": "https://news.example/hook"})
    assert len(signing_key(told.webhook_secret)) == 32
    assert told.changed({"webhook_url": "https://news.example/"}).webhook_secret == (
        told.webhook_secret
    )
    assert told.changed({"webhook_secret": ""}).webhook_secret not in ("", told.webhook_secret)


@pytest.mark.parametrize("site_id", ["", "Bad Id", "-", "a" * 64])
def test_an_id_that_cannot_be_is_named_however_it_is_given(site_id: str) -> None:
    for given in ({"id": site_id}, None):
        with pytest.raises(InvalidRequest) as refusal:
            Site(id=site_id) if given else Site(site_id)
        assert [error.field for error in refusal.value.errors] == ["id"]
