"""The WordPress plugin in a real WordPress, which asks a real Hakam."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from redis import Redis
from test_coral import abusive, harmless
from wordpress_site import EDITOR, PASSWORD, WordPress, wordpress

from conftest import deliver_once, free_port
from models.schema import LABELS
from service.delivery.webhooks import Deliveries, payload, signature
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision, content_digest
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

__all__ = ["abusive", "harmless"]  # fixtures

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "integrations" / "wordpress" / "hakam"
SCRIPT = "<script>alert(1)</script>"
PLACEHOLDER = re.compile(r"%(?:\d\$)?s")


def packed(folder: Path) -> Path:
    """Pack the plugin as everyone does."""
    archive = folder / "hakam.zip"
    subprocess.run(["make", "-s", "wordpress", f"ZIP={archive}"], cwd=ROOT, check=True)
    return archive


@pytest.fixture(scope="module")
def blog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordPress]:
    """A WordPress with the plugin, as it comes out of the zip."""
    archive = packed(tmp_path_factory.mktemp("zip"))
    with wordpress() as blog:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(blog.root / "wp-content" / "plugins")
        blog.php("return activate_plugin( 'hakam/hakam.php' );")
        yield blog
        complaints = [line for line in blog.debug_log().splitlines() if "plugins/hakam" in line]
        assert complaints == []


@dataclass
class Newsroom:
    """A site whose comments are written in WordPress and moderated in Hakam."""

    blog: WordPress
    hakam: str  # address of the service
    redis: Redis
    key: str

    @property
    def site(self) -> Site:
        return Sites(self.redis).get("demo")

    @property
    def stream(self) -> list[Decision]:
        return DecisionStream(self.redis).read("demo")

    @property
    def queue(self) -> ReviewQueue:
        return ReviewQueue(self.redis)

    def set(self, **settings: Any) -> None:
        """Change what the site wants of Hakam."""
        Sites(self.redis).update(self.site.changed(settings))
        httpx.get(f"{self.hakam}/readyz")

    def decide(self, action: str) -> Decision:
        """Decide what waits at Hakam's desk, and let the site be told."""
        lease = self.queue.lease("demo", "samira")
        assert lease is not None
        draft = Decision(action, moderator="samira", request_id=f"r-{lease.token}-{action}")
        made = self.queue.decide("demo", lease.item.id, lease.token, draft)
        self.deliver()
        return made

    def deliver(self) -> None:
        deliver_once(Deliveries(self.redis, Sites(self.redis)))

    def waiting(self) -> list[str]:
        """Ids of the comments that wait at Hakam's desk."""
        return [item.comment.id for item in self.queue.waiting("demo")]


@pytest.fixture
def newsroom(blog: WordPress, server: str, redis: Redis) -> Newsroom:
    """A WordPress and a Hakam that know each other."""
    site = Site("demo", random_sample_share=0.0, webhook_private=True)
    site = site.changed({"webhook_url": f"{blog.url}/wp-json/hakam/v1/webhook"})
    key = Sites(redis).add(site)
    blog.set_up(
        url=server,
        site_key=key,
        webhook_secret=site.webhook_secret,
        on_reject="trash",
        publish_approved=True,
    )
    blog.php(
        'global $wpdb; $wpdb->query( "DELETE FROM {$wpdb->prefix}hakam_outbox" );'
        "update_option( 'letters_for_tests', array() );"
    )
    return Newsroom(blog, server, redis, key)


# New comments


def test_a_clean_comment_appears_at_once(newsroom: Newsroom, harmless: str) -> None:
    comment = newsroom.blog.comment(harmless)
    assert newsroom.blog.status(comment) == "approved"
    assert f'id="comment-{comment}"' in newsroom.blog.page_of_article()
    assert newsroom.blog.outbox() == []


def test_a_flagged_comment_waits_unseen_until_hakams_desk_decides(
    newsroom: Newsroom, abusive: str
) -> None:
    comment = newsroom.blog.comment(abusive, name="قارئ")  # "reader"
    assert newsroom.blog.status(comment) == "unapproved"
    assert newsroom.waiting() == [str(comment)]
    (item,) = newsroom.queue.waiting("demo")
    assert (item.comment.text, item.comment.author_name) == (abusive, "قارئ")
    assert item.comment.article_title == "Hello world!"
    assert "mail.example" not in json.dumps(item.comment.author_id)
    anybody = httpx.get(newsroom.blog.url + "/?p=1", follow_redirects=True).text
    assert f'id="comment-{comment}"' not in anybody
    newsroom.decide("approve")
    assert newsroom.blog.status(comment) == "approved"
    assert newsroom.blog.known(comment)["by"] == "hakam"


@pytest.mark.parametrize("on_reject", ["trash", "spam", "hold"])
def test_a_rejected_comment_goes_where_the_settings_say(
    newsroom: Newsroom, abusive: str, on_reject: str
) -> None:
    newsroom.blog.set_up(on_reject=on_reject)
    comment = newsroom.blog.comment(abusive)
    newsroom.decide("reject")
    expected = {"hold": "unapproved"}.get(on_reject, on_reject)
    assert newsroom.blog.status(comment) == expected
    assert len(newsroom.stream) == 1, "what Hakam decided does not come back as a decision"


def test_what_the_policy_rejects_never_appears(newsroom: Newsroom, abusive: str) -> None:
    newsroom.set(reject={"toxicity": 0.5}, review={"toxicity": 0.4})
    comment = newsroom.blog.comment(abusive)
    assert newsroom.blog.status(comment) == "trash"
    assert newsroom.blog.known(comment)["by"] == "policy"


def test_an_answer_is_read_in_its_thread(newsroom: Newsroom, harmless: str, abusive: str) -> None:
    first = newsroom.blog.comment(harmless)
    newsroom.blog.comment(abusive, parent=first)
    (item,) = newsroom.queue.waiting("demo")
    assert (item.comment.parent_id, item.comment.parent_text) == (str(first), harmless)


@pytest.mark.parametrize(
    "text",
    [
        "&lt;b&gt; 1 < 2 & 3 > 2 &amp;amp; \"x\" 'y'",
        "<b>bold</b> <em>and</em><br>a line\n\n\n\nmore",
        '<a href="https://example.com/?a=1&b=2">here</a> https://example.com',
        "\U0001f44d\U0001f3fd e\u0301 \u0640\u064b \u200f\u200e \ufeffx",
        "<!-- hidden --> <unknown>tag</unknown> <a href='x' onclick='y'>z",
        f"{SCRIPT} \\ \\\\ %s",
    ],
)
def test_hakam_and_wordpress_mean_the_same_text_whatever_is_written(
    newsroom: Newsroom, text: str
) -> None:
    newsroom.set(review=dict.fromkeys(LABELS, 0.0))
    comment = newsroom.blog.comment(text, name=f"a & b {text[:40]}")
    (item,) = newsroom.queue.waiting("demo")
    assert newsroom.blog.known(comment)["digest"] == content_digest(item.comment)
    newsroom.decide("approve")
    assert newsroom.blog.status(comment) == "approved"


def test_the_address_of_a_link_is_read_too(newsroom: Newsroom) -> None:
    newsroom.set(review=dict.fromkeys(LABELS, 0.0))
    newsroom.blog.comment('<a href="https://shop.example/x">prize</a> now')
    (item,) = newsroom.queue.waiting("demo")
    assert item.comment.text == "prize (https://shop.example/x) now"


def test_a_comment_that_is_too_long_for_hakam_stays_held(newsroom: Newsroom) -> None:
    comment = newsroom.blog.comment("كلمة " * 6_000)  # "word"
    assert newsroom.blog.status(comment) == "unapproved"
    assert newsroom.blog.known(comment)["state"] == "unreadable"
    assert newsroom.blog.outbox() == []


def test_a_comment_sent_by_rest_is_held_and_judged_as_well(
    newsroom: Newsroom, abusive: str, harmless: str
) -> None:
    made = {}
    for text in (abusive, harmless):
        body = {"post": 1, "content": text, "author_name": "x", "author_email": "x@mail.example"}
        answer = newsroom.blog.browser.post(
            f"{newsroom.blog.url}/wp-json/wp/v2/comments", json=body
        )
        assert answer.status_code == 201, answer.text
        made[text] = answer.json()["id"]
    assert newsroom.blog.status(made[abusive]) == "unapproved"
    assert newsroom.blog.status(made[harmless]) == "approved"


def test_what_a_moderator_writes_and_what_wordpress_rejects_is_left_alone(
    newsroom: Newsroom, abusive: str
) -> None:
    blog = newsroom.blog
    blog.php("update_option( 'disallowed_keys', 'viagra' );")
    spam = blog.comment(f"viagra {abusive}")
    with blog.logged_in() as editor:
        page = editor.get(f"{blog.url}/?p=1").text
        (action,) = re.findall(r'<form action="([^"]+)" method="post" id="commentform"', page)
        form = {"comment": abusive, "comment_post_ID": "1", "comment_parent": "0"}
        own = int(re.findall(r"#comment-(\d+)", str(editor.post(action, data=form).url))[0])
    assert (blog.status(spam), blog.status(own)) == ("trash", "approved")
    assert blog.known(spam) == blog.known(own) == {}
    assert newsroom.waiting() == []


def test_the_own_rules_of_wordpress_go_on_holding_where_the_settings_say_so(
    newsroom: Newsroom, harmless: str
) -> None:
    newsroom.blog.php("update_option( 'comment_moderation', 1 );")
    try:
        published = newsroom.blog.comment(harmless)
        newsroom.blog.set_up(publish_approved=False)
        held = newsroom.blog.comment(harmless)
    finally:
        newsroom.blog.php("update_option( 'comment_moderation', 0 );")
    assert newsroom.blog.status(published) == "approved"
    assert newsroom.blog.status(held) == "unapproved"


def test_no_other_plugin_publishes_a_comment_unseen(newsroom: Newsroom, abusive: str) -> None:
    newsroom.blog.php("update_option( 'careless_plugin_for_tests', 1 );")
    try:
        comment = newsroom.blog.comment(abusive)
    finally:
        newsroom.blog.php("delete_option( 'careless_plugin_for_tests' );")
    assert newsroom.blog.status(comment) == "unapproved"
    assert newsroom.waiting() == [str(comment)]


def test_people_get_one_letter_about_a_comment(
    newsroom: Newsroom, harmless: str, abusive: str
) -> None:
    newsroom.blog.comment(harmless)
    newsroom.blog.comment(abusive)
    letters = newsroom.blog.php("return get_option( 'letters_for_tests' );")
    assert len(letters) == 2
    assert "Comment:" in letters[0]
    assert "Please moderate" in letters[1]


# When Hakam does not answer


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes requests and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    yield f"http://127.0.0.1:{free_port()}"


def saying(status: int, kind: str, body: str) -> Any:
    """Make a server that says the same to everybody."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_words: Any) -> None:
            pass

    @contextmanager
    def answering() -> Iterator[str]:
        with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listener:
            Thread(target=listener.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{listener.server_address[1]}"
            listener.shutdown()

    return answering


PROBLEM, JSON = "application/problem+json", "application/json"


@pytest.mark.parametrize(
    "hakam",
    [
        silent,
        nobody,
        saying(503, PROBLEM, "{}"),
        saying(500, "text/html", "<h1>oops</h1>"),
        saying(401, PROBLEM, "{}"),
        saying(429, PROBLEM, "{}"),
        saying(404, PROBLEM, "{}"),
        saying(302, "text/html", ""),
        saying(200, "text/html", "<h1>It works!</h1>"),
    ],
    ids=["silent", "nobody", "503", "500", "401", "429", "404", "302", "other"],
)
def test_a_comment_is_held_while_hakam_does_not_answer_and_sent_again_later(
    newsroom: Newsroom, harmless: str, hakam: Any
) -> None:
    blog = newsroom.blog
    with hakam() as address:
        blog.set_up(url=address)
        comment = blog.comment(harmless)
        assert blog.status(comment) == "unapproved"
        blog.let_cron_run()
        assert blog.status(comment) == "unapproved"
        (row,) = blog.outbox()
        assert (row["comment_id"], row["kind"], row["tries"]) == (str(comment), "comment", "2")
        with blog.logged_in() as editor:
            page = editor.get(f"{blog.url}/wp-admin/edit-comments.php").text
            assert "they are sent again by themselves" in page
            assert "Hakam has not answered yet" in page
    blog.set_up(url=newsroom.hakam)
    blog.let_cron_run()
    assert blog.status(comment) == "approved"
    assert blog.outbox() == []


@pytest.mark.parametrize(
    "body",
    [
        '{"action": "approve"}',
        '{"action": "publish", "content_digest": "x"}',
        '{"action": "approve", "content_digest": "of another text"}',
        '{"action": ["approve"], "content_digest": {"x": 1}}',
        "[]",
    ],
)
def test_an_answer_that_is_no_verdict_on_this_comment_publishes_nothing(
    newsroom: Newsroom, harmless: str, body: str
) -> None:
    with saying(200, JSON, body)() as address:
        newsroom.blog.set_up(url=address)
        comment = newsroom.blog.comment(harmless)
    assert newsroom.blog.status(comment) == "unapproved"
    assert newsroom.blog.known(comment)["state"] == "unreadable"


def test_after_many_tries_a_comment_is_left_to_the_people_here(
    newsroom: Newsroom, harmless: str
) -> None:
    blog = newsroom.blog
    with nobody() as address:
        blog.set_up(url=address)
        comment = blog.comment(harmless)
        blog.php(
            'global $wpdb; $wpdb->query( "UPDATE {$wpdb->prefix}hakam_outbox SET tries = 15" );'
        )
        blog.let_cron_run()
    assert blog.outbox() == []
    assert (blog.status(comment), blog.known(comment)["state"]) == ("unapproved", "given_up")


def test_no_reader_waits_for_a_hakam_that_has_just_not_answered(
    newsroom: Newsroom, harmless: str
) -> None:
    blog = newsroom.blog
    with silent() as address:
        blog.set_up(url=address)
        first, second = blog.comment(harmless), blog.comment(harmless)
    tries = {row["comment_id"]: row["tries"] for row in blog.outbox()}
    assert tries == {str(first): "1", str(second): "0"}


# Hakam's desk


def test_a_decision_that_is_taken_back_in_hakam_holds_the_comment_again(
    newsroom: Newsroom, abusive: str
) -> None:
    comment = newsroom.blog.comment(abusive)
    made = newsroom.decide("approve")
    newsroom.queue.undo("demo", made.item_id, "samira", "undo-1")
    newsroom.deliver()
    assert newsroom.blog.status(comment) == "unapproved"
    newsroom.decide("reject")
    assert newsroom.blog.status(comment) == "trash"
    kinds = [entry.kind for entry in newsroom.stream]
    assert kinds == ["decision", "undo", "decision"]


def told(newsroom: Newsroom, comment: int, action: str, place: str = "9999999999999-0") -> str:
    """The body of a message about a comment, as Hakam writes it."""
    item = next(item for item in newsroom.queue.waiting("demo") if item.comment.id == str(comment))
    decision = Decision(
        action,
        id=place,
        item_id=item.id,
        comment_id=item.comment.id,
        version=item.version,
        content_digest=content_digest(item.comment),
        decided_at=1_700_000_000.0,
    )
    return payload(newsroom.site, decision)


def send(
    newsroom: Newsroom, body: str, headers: dict[str, str] | None = None, **changes: str
) -> int:
    """Send a message, signed unless headers are given; return the status of the answer."""
    if headers is None:
        headers = signature(newsroom.site, "1-0", body, datetime.now(UTC))
    address = f"{newsroom.blog.url}/wp-json/hakam/v1/webhook"
    return newsroom.blog.browser.post(address, content=body, headers=headers | changes).status_code


def test_only_messages_that_hakam_has_just_signed_are_heard(
    newsroom: Newsroom, abusive: str
) -> None:
    comment = newsroom.blog.comment(abusive)
    body = told(newsroom, comment, "approve")
    good = signature(newsroom.site, "1-0", body, datetime.now(UTC))
    old = signature(newsroom.site, "1-0", body, datetime.now(UTC) - timedelta(minutes=6))
    early = signature(newsroom.site, "1-0", body, datetime.now(UTC) + timedelta(minutes=6))
    other = newsroom.site.changed({"webhook_secret": "whsec_" + "A" * 44})
    unsigned = {"content-type": "application/json"}
    assert send(newsroom, body, unsigned) == 401
    assert send(newsroom, body, old) == 401
    assert send(newsroom, body, early) == 401
    assert send(newsroom, body, signature(other, "1-0", body, datetime.now(UTC))) == 401
    assert send(newsroom, body, good, **{"webhook-id": "demo.2-0"}) == 401
    assert send(newsroom, body, good, **{"webhook-timestamp": "now"}) == 401
    assert send(newsroom, body, good, **{"webhook-signature": "v1,"}) == 401
    assert send(newsroom, body.replace("approve", "reject"), good) == 401
    assert send(newsroom, body + " " * 70_000) == 401
    newsroom.blog.set_up(webhook_secret="")
    assert send(newsroom, body, good) == 401
    newsroom.blog.set_up(webhook_secret=newsroom.site.webhook_secret)
    assert newsroom.blog.status(comment) == "unapproved"
    signatures = f"v1,AAAA {good['webhook-signature']}"
    assert send(newsroom, body, good, **{"webhook-signature": signatures}) == 200
    assert newsroom.blog.status(comment) == "approved"


def test_a_message_that_comes_again_does_nothing(newsroom: Newsroom, abusive: str) -> None:
    comment = newsroom.blog.comment(abusive)
    approval = told(newsroom, comment, "approve", "9999999999999-0")
    rejection = told(newsroom, comment, "reject", "9999999999999-10")
    assert send(newsroom, approval) == 200
    assert send(newsroom, rejection) == 200
    assert newsroom.blog.status(comment) == "trash"
    assert send(newsroom, approval) == 200
    assert send(newsroom, approval.replace("99-0", "99-9")) == 200
    assert newsroom.blog.status(comment) == "trash"


def test_a_decision_on_another_text_or_another_comment_does_nothing(
    newsroom: Newsroom, abusive: str
) -> None:
    comment = newsroom.blog.comment(abusive)
    body = told(newsroom, comment, "approve")
    digest = json.loads(body)["data"]["content_digest"]
    for changed in (
        body.replace(digest, "x" * 28),
        body.replace(f'"content_digest":"{digest}"', '"content_digest":null'),
        body.replace(f'"comment_id":"{comment}"', '"comment_id":"999999999"'),
        body.replace(f'"comment_id":"{comment}"', f'"comment_id":"{comment} or 1=1"'),
        body.replace(f'"comment_id":"{comment}"', '"comment_id":["1"]'),
        body.replace("9999999999999-0", "soon"),
        body.replace("decision.recorded", "decision.of_the_future"),
        body.replace('"approve"', '"delete"'),
    ):
        assert changed != body
        assert send(newsroom, changed) == 200
        assert newsroom.blog.status(comment) == "unapproved"
    assert send(newsroom, "[]") == 200
    assert send(newsroom, '{"type": [], "data": 1}') == 400


def test_the_test_message_of_the_console_arrives(newsroom: Newsroom) -> None:
    assert Deliveries(newsroom.redis, Sites(newsroom.redis)).probe(newsroom.site) == ""


# The desk of WordPress


def press(blog: WordPress, comment: int, action: str) -> None:
    """Press a button of the comment list in wp-admin."""
    with blog.logged_in() as editor:
        where = {"unspamcomment": "spam", "untrashcomment": "trash"}.get(action, "all")
        page = editor.get(f"{blog.url}/wp-admin/edit-comments.php?comment_status={where}").text
        links = re.findall(r"href=[\"'](comment\.php\?[^\"']+)", page)
        (link,) = {
            link.replace("&amp;", "&").replace("&#038;", "&")
            for link in links
            if re.search(rf"action={action}\b", link) and re.search(rf"[?&;]c={comment}\b", link)
        }
        assert editor.get(f"{blog.url}/wp-admin/{link}").is_success


@pytest.mark.parametrize(
    ("button", "status", "action", "labels"),
    [
        ("approvecomment", "approved", "approve", ()),
        ("spamcomment", "spam", "reject", ("spam",)),
        ("trashcomment", "trash", "reject", ()),
    ],
)
def test_what_is_decided_in_wp_admin_is_decided_in_hakam(
    newsroom: Newsroom, abusive: str, button: str, status: str, action: str, labels: tuple[str, ...]
) -> None:
    comment = newsroom.blog.comment(abusive)
    press(newsroom.blog, comment, button)
    assert newsroom.blog.status(comment) == status
    (made,) = newsroom.stream
    assert (made.source, made.moderator) == ("moderator_external", EDITOR)
    assert (made.comment_id, made.action, made.labels) == (str(comment), action, labels)
    assert newsroom.waiting() == []
    assert newsroom.blog.outbox() == []
    newsroom.deliver()
    assert DecisionStream(newsroom.redis).verify("demo").n_entries == 1


def test_what_wp_admin_rejects_of_the_published_teaches_hakam_too(
    newsroom: Newsroom, harmless: str
) -> None:
    comment = newsroom.blog.comment(harmless)
    press(newsroom.blog, comment, "spamcomment")
    press(newsroom.blog, comment, "unspamcomment")
    assert [entry.action for entry in newsroom.stream] == ["reject", "undo", "approve"]
    assert newsroom.blog.status(comment) == "approved"
    learned = newsroom.stream[-1].to_labeled_comment("demo")
    assert learned is not None
    assert (learned.text, learned.source) == (harmless, "moderator_external")


def test_a_decision_in_wp_admin_stands_though_hakams_comes_late(
    newsroom: Newsroom, abusive: str
) -> None:
    blog = newsroom.blog
    comment = blog.comment(abusive)
    late = told(newsroom, comment, "reject", "9999999999999-0")
    with nobody() as address:
        blog.set_up(url=address)
        press(blog, comment, "approvecomment")
        assert send(newsroom, late) == 200
        assert blog.status(comment) == "approved"
        assert [row["kind"] for row in blog.outbox()] == ["decision"]
    blog.set_up(url=newsroom.hakam)
    blog.let_cron_run()
    assert blog.outbox() == []
    (made,) = newsroom.stream
    assert (made.action, blog.known(comment)["decision"]) == ("approve", made.id)
    time, _, number = made.id.partition("-")
    before = late.replace("9999999999999-0", f"{int(time) - 1}-{number}")
    assert send(newsroom, before) == 200
    assert blog.status(comment) == "approved"


def test_whoever_only_holds_a_comment_again_has_not_decided(
    newsroom: Newsroom, abusive: str
) -> None:
    blog = newsroom.blog
    comment = blog.comment(abusive)
    with nobody() as address:
        blog.set_up(url=address)
        press(blog, comment, "approvecomment")
        press(blog, comment, "unapprovecomment")
        assert blog.outbox() == []
    assert newsroom.waiting() == [str(comment)]


def test_many_comments_are_decided_at_once(newsroom: Newsroom, abusive: str) -> None:
    blog = newsroom.blog
    comments = [blog.comment(f"{abusive} {number}") for number in range(4)]
    with blog.logged_in() as editor:
        address = f"{blog.url}/wp-admin/edit-comments.php"
        (nonce,) = set(re.findall(r'name="_wpnonce" value="(\w+)"', editor.get(address).text))
        form = {"action": "approve", "_wpnonce": nonce, "delete_comments[]": comments}
        assert editor.get(address, params=form, headers={"referer": address}).is_success
    assert {blog.status(comment) for comment in comments} == {"approved"}
    blog.let_cron_run()
    assert {entry.comment_id for entry in newsroom.stream} == set(map(str, comments))
    assert newsroom.waiting() == []


def test_an_edit_by_a_moderator_is_the_moderators_decision(
    newsroom: Newsroom, harmless: str, abusive: str
) -> None:
    comment = newsroom.blog.comment(harmless)
    newsroom.blog.php(
        "wp_set_current_user( 1 );"
        "wp_update_comment( array( 'comment_ID' => $id, 'comment_content' => $text ) );",
        id=comment,
        text=abusive,
    )
    assert newsroom.blog.status(comment) == "approved"
    (made,) = newsroom.stream
    assert (made.action, made.comment and made.comment.text) == ("approve", abusive)


def test_an_edit_by_its_author_is_judged_anew(
    newsroom: Newsroom, harmless: str, abusive: str
) -> None:
    comment = newsroom.blog.comment(harmless)
    change = "wp_update_comment( array( 'comment_ID' => $id, 'comment_content' => $text ) );"
    newsroom.blog.php(change, id=comment, text=abusive)
    assert newsroom.blog.status(comment) == "unapproved"
    assert newsroom.waiting() == [str(comment)]
    newsroom.blog.php(change, id=comment, text=harmless)
    assert newsroom.blog.status(comment) == "approved"
    assert newsroom.waiting() == []


def test_a_deleted_comment_leaves_hakams_queue(newsroom: Newsroom, abusive: str) -> None:
    comment = newsroom.blog.comment(abusive)
    newsroom.blog.php("wp_delete_comment( $id, true );", id=comment)
    assert newsroom.waiting() == []
    assert [entry.kind for entry in newsroom.stream] == ["withdrawal"]
    assert newsroom.blog.outbox() == []


# wp-admin


def test_the_comment_list_says_why_and_marks_the_words(newsroom: Newsroom, abusive: str) -> None:
    comment = newsroom.blog.comment(f"{abusive} {SCRIPT}", name='<img src=x onerror="x">Reader')
    with newsroom.blog.logged_in() as editor:
        page = editor.get(f"{newsroom.blog.url}/wp-admin/edit-comments.php").text
    (row,) = re.findall(rf"(?s)<tr id='comment-{comment}'.*?</tr>", page)
    (cell,) = re.findall(r"(?s)<td class='hakam [^>]*>(.*?)</td>", row)
    assert "Waits for a person" in cell
    assert "The text looks like: " in cell
    assert re.search(r"<li>\w+ <b>\d+&#37;</b></li>", cell)
    marks = re.findall(r"<mark>(.*?)</mark>", cell)
    assert marks
    assert all(mark in abusive for mark in marks)
    assert set(re.findall(r"<(\w+)", cell)) <= {"p", "ul", "li", "b", "mark", "button", "span"}
    assert "<script>alert" not in row
    assert "onerror" not in re.sub(r"&[^;]+;", "", cell)


def test_what_a_false_hakam_answers_is_escaped(newsroom: Newsroom, harmless: str) -> None:
    digest = content_digest(Comment("x", harmless, author_name="Reader"))
    answer = {
        "action": "review",
        "content_digest": digest,
        "label": SCRIPT,
        "field": SCRIPT,
        "reason": SCRIPT,
        "scores": {SCRIPT: 0.9, "insult": "<b>", "threat": 0.8},
        "evidence": [
            {"field": "text", "start": -5, "end": 10**9},
            {"start": SCRIPT, "end": []},
            SCRIPT,
        ],
        "decision": {"decision_id": SCRIPT},
    }
    with saying(202, JSON, json.dumps(answer))() as address:
        newsroom.blog.set_up(url=address)
        comment = newsroom.blog.comment(harmless)
    assert newsroom.blog.known(comment)["state"] == "waiting"
    with newsroom.blog.logged_in() as editor:
        page = editor.get(f"{newsroom.blog.url}/wp-admin/edit-comments.php").text
    (row,) = re.findall(rf"(?s)<tr id='comment-{comment}'.*?</tr>", page)
    assert SCRIPT not in row
    assert "Threat" in row


def settings_page(newsroom: Newsroom, editor: httpx.Client) -> str:
    address = f"{newsroom.blog.url}/wp-admin/options-general.php?page=hakam"
    return editor.get(address).text


def hidden(form: str) -> dict[str, str]:
    """The hidden fields of a form."""
    fields = re.findall(r"<input[^>]*type=.hidden.[^>]*>", form)
    return {
        re.findall(r"name=[\"']([^\"']+)", one)[0]: re.findall(r"value=[\"']([^\"']*)", one)[0]
        for one in fields
    }


def test_the_settings_take_a_key_once_and_never_show_it_again(newsroom: Newsroom) -> None:
    secret = newsroom.site.webhook_secret
    with newsroom.blog.logged_in() as editor:
        page = settings_page(newsroom, editor)
        assert newsroom.key not in page
        assert secret not in page
        assert newsroom.key[-4:] in page
        (form,) = re.findall(r'(?s)<form method="post" action="options.php">.*?</form>', page)
        given = {
            "hakam_settings[url]": "javascript:alert(1)",
            "hakam_settings[site_key]": "",
            "hakam_settings[webhook_secret]": "whsec_short",
            "hakam_settings[on_reject]": "delete",
        }
        address = f"{newsroom.blog.url}/wp-admin/options.php"
        answer = editor.post(address, data=hidden(form) | given).text
        assert "must begin with https://" in answer
        assert "begins with whsec_" in answer
        assert "javascript:alert" not in answer
        kept = newsroom.blog.php("return get_option( 'hakam_settings' );")
        assert kept == {
            "url": newsroom.hakam,
            "site_key": newsroom.key,
            "webhook_secret": secret,
            "on_reject": "trash",
            "publish_approved": False,
        }
        given = {"hakam_settings[url]": f"{newsroom.hakam}/", "hakam_settings[site_key]": "k" * 20}
        editor.post(address, data=hidden(form) | given)
        kept = newsroom.blog.php("return get_option( 'hakam_settings' );")
        assert (kept["url"], kept["site_key"]) == (newsroom.hakam, "k" * 20)


def test_the_test_button_shows_a_verdict_and_stores_nothing(
    newsroom: Newsroom, abusive: str
) -> None:
    with newsroom.blog.logged_in() as editor:
        page = settings_page(newsroom, editor)
        (form,) = re.findall(
            r'(?s)<form method="post" action="[^"]+admin-post.php">.*?</form>', page
        )
        address = f"{newsroom.blog.url}/wp-admin/admin-post.php"
        answer = editor.post(address, data=hidden(form) | {"hakam_text": f"{abusive} & <b>"}).text
        assert "It would wait for a person." in answer
        assert "<mark>" in answer
        newsroom.blog.set_up(site_key="hk_demo_wrong")
        answer = editor.post(address, data=hidden(form) | {"hakam_text": abusive}).text
        assert "Hakam does not know the site key." in answer
    assert newsroom.waiting() == []


def test_only_administrators_with_a_nonce_change_settings_or_ask(newsroom: Newsroom) -> None:
    blog = newsroom.blog
    before = blog.php("return get_option( 'hakam_settings' );")
    blog.php(
        "if ( ! username_exists( 'author' ) ) { wp_insert_user( array( 'user_login' => 'author',"
        "'user_pass' => $password, 'role' => 'editor' ) ); }",
        password=PASSWORD,
    )
    pages = {
        "admin-post.php": {"action": "hakam_test", "hakam_text": "x"},
        "options.php": {
            "option_page": "hakam",
            "action": "update",
            "hakam_settings[url]": "http://127.0.0.1:1",
        },
    }
    with blog.logged_in() as administrator, blog.logged_in("author") as author:
        for page, form in pages.items():
            for client in (administrator, author, blog.browser):
                client.post(f"{blog.url}/wp-admin/{page}", data=form)
        assert "Sorry, you are not allowed" in settings_page(newsroom, author)
    assert blog.php("return get_option( 'hakam_settings' );") == before
    assert blog.php("return get_transient( 'hakam_test1' );") is False


def test_the_plugin_speaks_arabic_where_wordpress_does(newsroom: Newsroom, abusive: str) -> None:
    newsroom.blog.comment(abusive)
    newsroom.blog.php("update_option( 'locale_for_tests', 'ar' );")
    try:
        with newsroom.blog.logged_in() as editor:
            page = settings_page(newsroom, editor)
            listed = editor.get(f"{newsroom.blog.url}/wp-admin/edit-comments.php").text
            plugins = editor.get(f"{newsroom.blog.url}/wp-admin/plugins.php").text
    finally:
        newsroom.blog.php("delete_option( 'locale_for_tests' );")
    arabic = catalogue("hakam-ar.po")
    assert arabic["Address of Hakam"].string in page
    assert arabic["Waits for a person"].string in listed
    assert arabic["Hakam: moderation of Arabic comments"].string in plugins


def test_people_are_told_while_hakam_is_not_connected(newsroom: Newsroom, abusive: str) -> None:
    newsroom.blog.set_up(url="")
    comment = newsroom.blog.comment(abusive)
    assert newsroom.blog.known(comment) == {}
    with newsroom.blog.logged_in() as editor:
        page = editor.get(f"{newsroom.blog.url}/wp-admin/edit-comments.php").text
    assert "Hakam is not connected" in page


def test_constants_of_wp_config_go_before_the_form(newsroom: Newsroom) -> None:
    said = newsroom.blog.php(
        "define( 'HAKAM_SITE_KEY', 'hk_from_config' ); define( 'HAKAM_URL', 'https://h.example/' );"
        "return array( Hakam_Settings::get( 'site_key' ), Hakam_Settings::get( 'url' ) );"
    )
    assert said == ["hk_from_config", "https://h.example"]


# The plugin as a whole


def test_uninstalling_leaves_nothing_behind(newsroom: Newsroom, abusive: str) -> None:
    blog = newsroom.blog
    comment = blog.comment(abusive)
    blog.php("deactivate_plugins( 'hakam/hakam.php' );")
    assert blog.php("return wp_next_scheduled( 'hakam_send' );") is False
    blog.php("set_transient( 'hakam_test1', 'x' ); return uninstall_plugin( 'hakam/hakam.php' );")
    left = blog.php(
        "global $wpdb; return array("
        '$wpdb->get_col( "SELECT option_name FROM $wpdb->options'
        " WHERE option_name LIKE '%hakam%' AND option_name <> 'rewrite_rules'\" ),"
        '$wpdb->get_col( "SELECT meta_key FROM $wpdb->commentmeta'
        " WHERE meta_key LIKE '%hakam%'\" ),"
        "$wpdb->get_col( \"SHOW TABLES LIKE '%hakam%'\" ), _get_cron_array() );"
    )
    assert left[:3] == [[], [], []]
    assert "hakam" not in json.dumps(left[3])
    assert blog.status(comment) == "unapproved"
    blog.php("return activate_plugin( 'hakam/hakam.php' );")


def test_every_php_file_is_php() -> None:
    php = shutil.which("php")
    if php is None:
        pytest.skip("PHP is not installed")
    for path in sorted(PLUGIN.rglob("*.php")):
        done = subprocess.run([php, "-l", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_no_file_of_the_plugin_runs_without_wordpress() -> None:
    for path in PLUGIN.rglob("*.php"):
        guard = r"defined\( '(ABSPATH|WP_UNINSTALL_PLUGIN)' \) \|\| exit;"
        assert re.search(guard, path.read_text(encoding="utf-8")), path


def catalogue(name: str) -> Any:
    with (PLUGIN / "languages" / name).open("rb") as file:
        return read_mo(file) if name.endswith(".mo") else read_po(file, locale="ar")


@pytest.mark.parametrize("language", ["ar", "fr_FR"])
def test_every_phrase_of_the_plugin_is_in_its_catalogue_and_translated(language: str) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted(PLUGIN.rglob("*.php")))
    said = {
        phrase.replace("\\'", "'")
        for phrase in re.findall(r"\b(?:__|esc_html__)\(\s*'((?:[^'\\]|\\.)+)', 'hakam'", sources)
    }
    calls = re.findall(r"\b(?:__|_e|_x|_n|esc_html__|esc_html_e|esc_attr__|esc_attr_e)\(", sources)
    assert len(calls) == sources.count("', 'hakam' )"), "each phrase names the plugin's catalogue"
    header = re.findall(r"\* (?:Plugin Name|Description): +(.+)", sources)
    assert set(header) <= said, "what the list of plugins shows is translated too"
    template, translated = catalogue("hakam.pot"), catalogue(f"hakam-{language}.po")
    compiled = catalogue(f"hakam-{language}.mo")
    assert {message.id for message in template if message.id} == said
    assert {message.id for message in translated if message.id} == said
    for phrase in said:
        words = translated[phrase].string
        assert words, phrase
        assert compiled[phrase].string == words, "msgfmt was forgotten"
        assert sorted(PLACEHOLDER.findall(words)) == sorted(PLACEHOLDER.findall(phrase))


@pytest.mark.parametrize(("language", "locale"), [("ar", "ar"), ("fr", "fr_FR")])
def test_the_plugin_names_labels_as_the_console_does(language: str, locale: str) -> None:
    folder = ROOT / "service/console/translations" / language / "LC_MESSAGES"
    with (folder / "messages.po").open("rb") as file:
        console = read_po(file, locale=language)
    plugin = catalogue(f"hakam-{locale}.po")
    vocabulary = (ROOT / "service/console/vocabulary.py").read_text(encoding="utf-8")
    there = dict(re.findall(r'"(\w+)": _\("([^"]+)"\)', vocabulary.partition("\n}\n\nD")[0]))
    listed = (PLUGIN / "includes/class-hakam-comment-list.php").read_text(encoding="utf-8")
    table = listed.partition("function label_name")[2]
    here = dict(re.findall(r"'(\w+)' +=> __\( '([^']+)'", table))
    assert here == {label: there[label] for label in LABELS}
    for name in here.values():
        assert plugin[name].string == console[name].string


def test_the_plugin_has_the_version_of_hakam_and_its_licence() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    main, readme = (PLUGIN / "hakam.php").read_text(), (PLUGIN / "readme.txt").read_text()
    assert re.findall(r"Version: +(\S+)\n|_VERSION', '([^']+)'", main) == [
        (version, ""),
        ("", version),
    ]
    assert f"Stable tag: {version}\n" in readme
    for text in (main, readme):
        assert re.search(r"License: +GPL-2\.0-or-later\n", text)
    for asked in (r"Requires at least: +(\S+)", r"Requires PHP: +(\S+)"):
        assert re.findall(asked, main) == re.findall(asked, readme)
    assert "GNU GENERAL PUBLIC LICENSE" in (PLUGIN / "license.txt").read_text()
