"""A news page in a real Chromium: a reader reports a comment in a dialogue, or without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from http.server import BaseHTTPRequestHandler
from time import time
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fake_sites import serving
from playwright.sync_api import Browser, Page, expect
from redis import Redis

from service.queue.reader_links import sign_link
from service.queue.records import Comment, content_digest, item_id_of
from service.queue.review_queue import ReviewQueue
from service.rules.phrases import LANGUAGES
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

# "thanks, <b>editors</b>", "for the report", "reader"
COMMENT = Comment("c-1", "شكرًا <b>للمحررين</b>\nعلى التقرير", author_name='قارئ "أول"')
SITE = Site("demo", name="الجريدة", reader_link_secret="0123456789abcdef" * 4)  # "The Paper"


@pytest.fixture
def news_page(server: str, redis: Redis) -> Iterator[str]:
    """The address of a page of the site, on another host and port, with one comment."""
    Sites(redis).add(SITE)
    digest = content_digest(COMMENT)
    token = sign_link(
        SITE, "report", COMMENT.id, time() + 3_600, digest=digest, title="خبر"
    )  # "news"
    html = f"""<!doctype html><html lang="ar" dir="rtl"><title>news</title>
        <p>{escape(COMMENT.text)}</p>
        <a data-hakam-report href="{server}/readers/demo/report?token={token}"
           data-text="{escape(COMMENT.text)}"
           data-author-name="{escape(COMMENT.author_name)}">report</a>
        <script src="{server}/readers/static/report.js" defer></script>"""

    class News(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with serving(News) as url:
        yield url.replace("127.0.0.1", "localhost")


def fill_in_and_send(frame: Any) -> None:
    frame.get_by_role("radio", name="إهانة", exact=True).check()  # "insult"
    frame.get_by_label(re.compile("لماذا")).fill("لأنه يسيء إليّ")  # "why", "because it insults me"
    frame.get_by_role("checkbox").check()
    frame.get_by_role("button").click()
    expect(frame.get_by_text("استلمنا بلاغك")).to_be_visible()  # "we have received your report"


def test_a_reader_reports_a_comment_in_a_dialogue_of_the_page_and_sees_the_receipt(
    news_page: str, page: Page, redis: Redis
) -> None:
    page.goto(news_page)
    page.get_by_role("link", name="report").click()
    frame = page.frame_locator("dialog iframe")
    expect(frame.get_by_text(COMMENT.text.partition("\n")[0])).to_be_visible()
    fill_in_and_send(frame)
    item = ReviewQueue(redis).item("demo", item_id_of(COMMENT.id))
    assert (item.why, item.comment.text, item.comment.author_name) == (
        "reported",
        COMMENT.text,
        COMMENT.author_name,
    )
    page.get_by_role("button").click()  # close
    expect(page.locator("dialog")).to_have_count(0)
    assert page.url == news_page


def test_the_same_link_reports_the_comment_without_scripts(
    news_page: str, browser: Browser, redis: Redis
) -> None:
    context = browser.new_context(locale="ar", java_script_enabled=False)
    page = context.new_page()
    page.goto(news_page)
    page.get_by_role("link", name="report").click()
    fill_in_and_send(page)
    page.reload()
    expect(page.get_by_text("استلمنا بلاغك")).to_be_visible()
    context.close()
    item = ReviewQueue(redis).item("demo", item_id_of(COMMENT.id))
    assert (item.why, item.comment.text) == ("reported", "")


def test_the_pages_for_readers_are_accessible_in_every_language(news_page: str, page: Page) -> None:
    page.goto(news_page)
    address = page.get_by_role("link", name="report").get_attribute("href")
    for language in LANGUAGES:
        page.goto(f"{address}&lang={language}")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
