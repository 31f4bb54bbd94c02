"""Eight switches, as newsrooms write them: each is a few settings, and can be tried before."""

from __future__ import annotations

import re
from typing import Any

import pytest
from babel.messages.pofile import read_po
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_console import TRANSLATIONS, Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture

from conftest import RedisServer
from models.artifact import Artifact
from service.accounts.accounts import Accounts
from service.cli.main import hakam
from service.errors import InvalidRequest
from service.queue.records import Comment
from service.rules.pen_names import is_nameless
from service.rules.policy_pack import BY_NAME, PRESETS, SWITCHES, positions, preset_of
from service.services import Services
from service.sites.policy_pack import alone, turned
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites

OWN = {"religious_insult": 0.9, "identity_attack": 0.3}
EVERY = [(one.name, position) for one in SWITCHES for position in one.positions]


@pytest.mark.parametrize(("name", "position"), EVERY)
def test_a_switch_that_was_turned_stands_where_it_was_turned_and_moves_no_other(
    name: str, position: str
) -> None:
    for preset in PRESETS.values():
        before = turned(Site("demo"), dict(preset), OWN)
        after = turned(before, {name: position}, OWN)
        assert positions(after, OWN) == dict(positions(before, OWN)) | {name: position}
        assert turned(after, {name: position}, OWN) == after


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_turns_all_eight_switches_and_is_known_again(preset: str) -> None:
    assert set(PRESETS[preset]) == set(BY_NAME)
    assert len(BY_NAME) == 8
    site = turned(Site("demo"), dict(PRESETS[preset]), OWN)
    assert preset_of(positions(site, OWN)) == preset


def test_a_new_site_has_the_lenient_preset_so_that_nothing_is_rejected_without_a_person() -> None:
    assert preset_of(positions(Site("demo"), OWN)) == "lenient"
    for preset in ("lenient", "usual"):
        assert "reject" not in PRESETS[preset].values()


def test_presets_are_the_stricter_the_later() -> None:
    lenient, usual, strict = PRESETS["lenient"], PRESETS["usual"], PRESETS["strict"]
    for one in SWITCHES:
        places = [one.positions.index(preset[one.name]) for preset in (lenient, usual, strict)]
        assert places == sorted(places), one.name


def test_numbers_of_a_site_s_own_stay_where_the_switch_stands_already() -> None:
    site = Site("demo", review_first_comments=7, repeat_review=9, review={"insult": 0.2})
    found = positions(site, OWN)
    assert (found["first_comments"], found["repeats"]) == ("review", "review")
    again = turned(site, {"first_comments": "review", "repeats": "review"}, OWN)
    assert again == site
    closer = turned(site, {"sectarian_attack": "closely"}, OWN)
    assert closer.review == {"insult": 0.2, "identity_attack": 0.15}
    assert turned(closer, {"sectarian_attack": "review"}, OWN).review == {"insult": 0.2}


def test_a_threshold_that_is_of_no_position_is_told_apart_and_stays() -> None:
    site = Site("demo", review={"identity_attack": 0.7})
    assert positions(site, OWN)["sectarian_attack"] is None
    assert turned(site, {"links": "reject"}, OWN).review == {"identity_attack": 0.7}


@pytest.mark.parametrize("wanted", [{"links": "closely"}, {"link": "reject"}, {"repeats": ""}])
def test_a_switch_or_position_that_is_none_is_refused(wanted: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        turned(Site("demo"), wanted, OWN)


def test_every_setting_of_a_switch_is_one_of_a_site() -> None:
    for one in SWITCHES:
        assert bool(one.label) != bool(one.settings), one.name
        for settings in (one.settings or {}).values():
            assert set(settings) <= set(SETTINGS)


def test_every_sentence_for_readers_is_in_arabic_and_names_no_machine() -> None:
    with (TRANSLATIONS / "ar/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file, locale="ar")
    for one in SWITCHES:
        for phrase in filter(None, [one.meaning, *one.says.values()]):
            said = catalogue.get(phrase).string  # type: ignore[union-attr]
            assert said
            assert not re.search("[A-Za-z]", str(said)), said


NAMELESS = ["", "  ", "زائر", "ضَيْف", "مجهـــول", "Guest 7", "anonymous", "???", "١٢٣", "قارئ"]
NAMED = ["سميرة", "ضيف الله", "قارئة الفنجان", "Guesthouse", "أبو محمد", "x"]


def test_a_word_for_nobody_is_no_name_in_whatever_form() -> None:
    assert [name for name in NAMELESS if not is_nameless(name)] == []
    assert [name for name in NAMED if is_nameless(name)] == []
    assert not is_nameless("س" * 1_000_000)


# On a running service


@pytest.fixture
def services(app: Flask) -> Services:
    found: Services = app.extensions["hakam"]
    return found


def submit(services: Services, site: Site, number: int, text: str, **more: Any) -> str:
    comment = Comment(f"c-{number}", text, author_id=f"a-{number}", **more)
    judgement, _ = services.moderation.submit(site, comment)
    return judgement.verdict.action


CLEAN = "شكرا على هذا المقال المفيد"  # "thanks for this useful article"
LINK, PHONE = f"{CLEAN} https://spam.example/x", f"{CLEAN} 0501234567 +966501234567"
LATIN = "shukran 3ala el ma2al"


def test_what_a_switch_would_do_is_tried_on_the_last_comments_and_comes_true(
    services: Services, app: Flask, accounts: Accounts, api_key: str
) -> None:
    site = services.sites.get("demo").changed({"personal_data": "ignore", "raid_factor": 5})
    services.sites.update(site)
    texts = [CLEAN] * 6 + [LINK] * 4 + [PHONE] * 3 + [LATIN] * 2
    for number, text in enumerate(texts):
        submit(services, site, number, text, author_name="سميرة")
    services.verdict_counts.flush()
    services.signal_sample.flush()
    layla = Console(app, "layla").log_in()
    wanted = {"links": "reject", "personal_data": "review", "latin_script": "review"}
    query = "&".join(f"{name}={position}" for name, position in wanted.items())
    page = layla.get(f"/demo/policy/preview?{query}")
    cells = [int(n) for n in re.findall(r"<td>(?:<strong>)?(\d+)", page)]
    assert cells == [0, 5, 0, 4]  # wait now and then, are rejected now and then
    assert "15 تعليق" in page
    each = [int(n) for n in re.findall(r"<b>(\d+)</b>", page)]
    assert each[:3] == [4, 3, 2]

    layla.post("/demo/policy", **wanted)
    assert layla.last.status_code == 303
    site = services.sites.get("demo")
    assert (site.links, site.personal_data, site.latin_script) == ("reject", "review", "review")
    actions = [
        submit(services, site, 100 + number, text, author_name="سميرة")
        for number, text in enumerate(texts)
    ]
    assert (actions.count("review"), actions.count("reject")) == (5, 4)


def test_a_first_comment_a_missing_name_and_an_insulting_one_are_tried_too(
    services: Services, app: Flask, accounts: Accounts, api_key: str, artifact: Artifact
) -> None:
    site = services.sites.get("demo")
    submit(services, site, 1, CLEAN, author_name="زائر")  # "visitor"
    submit(services, site, 2, CLEAN, author_name="سميرة")
    services.verdict_counts.flush()
    services.signal_sample.flush()
    layla = Console(app, "layla").log_in()
    page = layla.get("/demo/policy/preview?first_comments=review&pen_names=require")
    each = [int(n) for n in re.findall(r"<b>(\d+)</b>", page)]
    assert each[-2:] == [1, 2]


def test_the_page_offers_presets_shows_what_readers_are_told_and_keeps_nothing_by_itself(
    services: Services, app: Flask, accounts: Accounts, api_key: str
) -> None:
    before = services.sites.get("demo")
    layla = Console(app, "layla").log_in()
    page = layla.get("/demo/policy?preset=strict")
    assert "لا تُنشر التعليقات التي تتضمن روابط." in page
    assert len(re.findall("<fieldset", page)) == 8
    assert services.sites.get("demo") == before
    layla.get("/demo/policy?preset=no")
    assert layla.last.status_code == 422
    samira = Console(app, "samira").log_in()
    for path in ("/demo/policy", "/demo/policy/preview"):
        samira.get(path)
        assert samira.last.status_code == 403
    samira.post("/demo/policy", links="reject")
    assert samira.last.status_code == 403
    assert services.sites.get("demo") == before


def test_a_site_reads_its_policy_in_every_language(
    client: FlaskClient, api_key: str, services: Services
) -> None:
    services.sites.update(services.sites.get("demo").changed({"links": "reject"}))
    services.known_sites.remember()
    answer = client.get("/v1/policy", headers={"Authorization": f"Bearer {api_key}"})
    told = answer.get_json()
    assert (answer.status_code, told["preset"]) == (200, None)
    (links,) = [rule for rule in told["rules"] if rule["switch"] == "links"]
    assert links == {
        "switch": "links",
        "position": "reject",
        "name": {"ar": "الروابط", "en": "Links", "fr": "Liens"},
        "says": {
            "ar": "لا تُنشر التعليقات التي تتضمن روابط.",
            "en": "Comments with links are not published.",
            "fr": "Les commentaires contenant des liens ne sont pas publiés.",
        },
    }
    assert [rule["switch"] for rule in told["rules"]] == [one.name for one in SWITCHES]


def test_the_command_turns_switches_and_shows_how_they_stand(
    redis: Redis, redis_server: RedisServer, artifacts: Any
) -> None:
    Sites(redis).add(Site("demo"))
    environ = {"HAKAM_REDIS_URL": redis_server.url, "HAKAM_ARTIFACTS": str(artifacts)}

    def run(*words: str) -> Any:
        return CliRunner().invoke(hakam, ["policy", *words], env=environ)

    shown = run("set", "demo", "links=review", "--preset", "strict").output
    assert "links\treview\tignore, review, reject\n" in shown
    assert "personal_data\treject\t" in shown
    assert run("show", "demo").output == shown
    site = Sites(redis).get("demo")
    assert (site.links, site.personal_data, site.repeat_reject) == ("review", "reject", 5)
    for wrong in ("links=closely", "link=review", "links"):
        assert run("set", "demo", wrong).exit_code == 2
    assert Sites(redis).get("demo") == site


def test_one_switch_alone_stops_nothing_that_another_would() -> None:
    site = turned(Site("demo"), dict(PRESETS["strict"]), OWN)
    links = alone(site, BY_NAME["links"], OWN)
    assert (links.links, links.personal_data, links.repeat_review) == ("reject", "ignore", 0)
    assert set(links.review.values()) == {1.0}
    sects = alone(site, BY_NAME["sectarian_attack"], OWN)
    assert sects.review["identity_attack"] == 0.15
    assert sects.links == "ignore"
