"""WordPress with the plugin in a real Chromium: from the zip to the first moderated comment."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Page, Route, expect
from redis import Redis
from test_coral import abusive
from test_wordpress import packed
from wordpress_site import EDITOR, PASSWORD, WordPress, wordpress

from conftest import await_condition, deliver_once
from service.accounts.accounts import Accounts
from service.delivery.webhooks import Deliveries
from service.queue.decisions import DecisionStream
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

__all__ = ["abusive"]  # a fixture

PASSWORD_IN_HAKAM = "correct horse battery"


def install(page: Page, blog: WordPress, archive: Path) -> None:
    """Log in, upload the zip and activate the plugin."""
    page.goto(f"{blog.url}/wp-login.php")
    page.fill("#user_login", EDITOR)
    page.fill("#user_pass", PASSWORD)
    page.click("#wp-submit")
    page.goto(f"{blog.url}/wp-admin/plugin-install.php?tab=upload")
    page.set_input_files("#pluginzip", archive)
    page.click("#install-plugin-submit")
    page.click("text=Activate Plugin")


def connect(page: Page, blog: WordPress, server: str, key: str) -> str:
    """Fill the settings in; return the address of the webhook that they show."""
    page.click("tr[data-slug^=hakam] >> text=Settings")
    page.fill("#hakam-url", server)
    page.fill("#hakam-site_key", key)
    page.click("#submit")
    command = page.text_content("code") or ""
    return command.rpartition(" ")[2].strip('"')


def write(page: Page, blog: WordPress, text: str) -> int:
    """Write a comment as a reader; return its id."""
    page.goto(f"{blog.url}/?p=1")
    page.fill("#comment", text)
    page.fill("#author", "Reader")
    page.fill("#email", "reader@mail.example")
    page.click("#submit")
    (number,) = re.findall(r"#comment-(\d+)", page.url)
    return int(number)


def log_in_to_hakam(page: Page, server: str) -> None:
    page.goto(f"{server}/console/login")
    page.fill("[name=name]", "samira")
    page.fill("[name=password]", PASSWORD_IN_HAKAM)
    page.press("[name=password]", "Enter")
    page.wait_for_url(re.compile("/console/(?!login)"))


def test_an_uploaded_zip_an_address_and_a_key_are_enough_to_moderate_comments(
    server: str, redis: Redis, page: Page, abusive: str, tmp_path: Path
) -> None:
    elsewhere: list[str] = []

    def stay_here(route: Route) -> None:
        here = urlsplit(route.request.url).hostname in ("127.0.0.1", None)
        if not here:
            elsewhere.append(route.request.url)
        route.continue_() if here else route.abort()

    page.context.route("**/*", stay_here)
    page.set_default_timeout(60_000)
    site = Site("demo", random_sample_share=0.0, webhook_private=True)
    key = Sites(redis).add(site)
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    Accounts(redis, hasher=hasher).add("samira", PASSWORD_IN_HAKAM)
    with wordpress() as blog:
        install(page, blog, packed(tmp_path))
        webhook = connect(page, blog, server, key)
        page.fill("#hakam-text", abusive)
        page.click("#hakam_ask")
        expect(page.locator(".hakam-answer")).to_contain_text("It would wait for a person.")
        expect(page.locator(".hakam-answer mark").first).to_be_visible()
        site = site.changed({"webhook_url": webhook})
        Sites(redis).update(site)
        page.fill("#hakam-webhook_secret", site.webhook_secret)
        page.click("#submit")
        reader = page.context.browser
        assert reader is not None
        other = reader.new_context()
        other.route("**/*", stay_here)
        form = other.new_page()
        form.set_default_timeout(60_000)
        comment = write(form, blog, abusive)
        page.goto(f"{blog.url}/wp-admin/edit-comments.php")
        expect(page.locator(f"#comment-{comment} .hakam-state")).to_have_text("Waits for a person")
        log_in_to_hakam(form, server)
        form.goto(f"{server}/console/demo/work")
        stream = DecisionStream(redis)
        form.click("button.approve")
        expect(form.locator("button.approve")).to_have_count(0, timeout=60_000)  # nothing waits
        assert len(stream.read("demo")) == 1
        deliver_once(Deliveries(redis, Sites(redis)))
        page.goto(f"{blog.url}/?p=1")
        expect(page.locator(f"#comment-{comment}")).to_be_visible()
        page.goto(f"{blog.url}/wp-admin/edit-comments.php")
        row = page.locator(f"#comment-{comment}")
        expect(row.locator(".hakam-state")).to_have_text("Approved by a moderator in Hakam")
        row.hover()
        with page.expect_response(re.compile("admin-ajax")) as pressed:
            row.locator(".spam a").click()
        pressed.value.finished()
        expect(page.locator(f"#undo-{comment}")).to_be_visible()
        await_condition(lambda: len(stream.read("demo")) == 3, what="the decision in WordPress")
        sources = [entry.source for entry in stream.read("demo")]
        assert sources == ["moderator", "moderator_external", "moderator_external"]
        other.close()
    assert elsewhere == []
