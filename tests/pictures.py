"""Pictures of every page of the console and of the readers' pages: `make pictures`.

Each page in two widths, light and dark, in Arabic and in French, with an index to look through. No
test: nothing is judged here but that each page comes. Those of the documents are made of the same
pages by `make pictures DOCS=1`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from console_pages import SCREENS, Words, answers, before_login, fill, for_others, met, opened
from playwright.sync_api import Browser, Page
from test_console_browser import Console
from test_console_browser import console as console  # noqa: PLC0414 - a fixture
from test_console_browser import on_trial as on_trial  # noqa: PLC0414 - a fixture

from service.accounts.account import Preferences
from service.queue.records import Decision

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "pictures"
LANGUAGES = ("ar", "fr")
MAX_HEIGHT = 4_000  # of a picture
WORDS = Words(
    name="ابن الحارة",  # "son of the neighbourhood"
    # "What is this talk? Call me on 0500000000 if you want to know the true price"
    text="ما هذا الكلام؟ اتصل بي على 0500000000 إن أردت أن تعرف السعر الحقيقي",
    marked="ما هذا الكلام؟",
    said="أين مصدر هذه الأرقام؟",  # "Where do these figures come from?"
    flood="قاطعوا هذه الجريدة، كلكم",  # "boycott this newspaper, all of you"
)
#: The pages in the documents and what their pictures are called there.
DOCUMENTED = {
    "demo-work": "work",
    "demo-queue": "queue",
    "overview": "overview",
    "demo-search-author-u-1-state-waiting": "search",
    "demo-history": "history",
    "demo-items-EK3HD0qQ1zqy-personal_dat-shown": "item",
    "demo-authors-id-u-1": "author",
    "demo-articles-id-bread": "article",
    "demo-shift": "shift",
    "demo-insight": "insight",
    "demo-drift": "drift",
    "demo-shadow": "shadow",
    "demo-settings": "settings",
    "demo-policy": "policy",
    "admin": "admin",
}


def met_by_all(console: Console, browser: Browser, language: str) -> Iterator[tuple[str, Page]]:
    """Yield each page that there is, when it is open, with a name for it."""
    context = browser.new_context(locale=language, reduced_motion="reduce")
    console.contexts.append(context)
    for name in ("layla", "samira", "tariq"):
        console.accounts.save_preferences(name, Preferences(language=language))
    admin = console.page("layla", "/me", reduced_motion="reduce")
    for address in opened(console, admin, language):
        yield named(address), admin
    trainee = console.page("tariq", reduced_motion="reduce")
    for address in opened(console, trainee, language, "trainee"):
        yield named(address), trainee
    visitor = context.new_page()
    moderator = console.page("samira", "/me", reduced_motion="reduce")
    for page, some in (
        (visitor, before_login(console)),
        (moderator, for_others()),
        (admin, answers(console, language)),
    ):
        for answer in some:
            met(page, console.url, answer)
            yield answer.name, page


def named(address: str) -> str:
    """Return the name of a picture: the words of an address, without ids and tokens."""
    words = re.findall(r"[a-z_]+|[^\W_]+", address.partition("&lang=")[0].removeprefix("/console"))
    return "-".join(word[:12] for word in words[:8])


def drawn(page: Page, stem: str) -> None:
    """Draw the page that is open on each screen."""
    page.evaluate("document.querySelectorAll('main details').forEach(each => each.open = true)")
    for scheme, width in SCREENS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        extent = page.evaluate("document.documentElement.scrollHeight")
        height = min(extent, MAX_HEIGHT)
        page.screenshot(
            path=FOLDER / f"{stem}.{width}.{scheme}.png",
            full_page=True,
            clip={"x": 0, "y": 0, "width": width, "height": height},
        )


def documented(page: Page, name: str) -> None:
    """Draw a page for the documents."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1200, "height": 760})
    page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png")


def index(files: Iterable[str]) -> str:
    """Return a page that shows all pictures, each a link to itself."""
    rows = []
    for name, some in groupby(sorted(files), lambda file: file.partition(".")[0]):
        shown = "".join(
            f'<a href="{file}"><img src="{file}" alt="{file}" loading="lazy" height="300"></a>\n'
            for file in some
        )
        rows.append(f"<h2>{name}</h2>\n{shown}")
    return f'<!doctype html><meta charset="utf-8"><title>Pictures</title>\n{"".join(rows)}'


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("language", LANGUAGES)
def test_pictures(console: Console, browser: Browser, on_trial: None, language: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    fill(console, WORDS)
    for n, action in enumerate(("reject", "approve", "approve", "reject", "approve")):
        item_id = console.flag(f"own-{n}", WORDS.said, label="spam", score=0.8)
        lease = console.queue.take("demo", "layla", item_id, 1)
        labels = ("spam",) if action == "reject" else ()
        reason = "spam" if labels else ""
        draft = Decision(action, labels, reason, moderator="layla", request_id=f"own-{n}")
        console.queue.decide("demo", item_id, lease.token, draft)
    names = Counter[str]()
    for name, page in met_by_all(console, browser, language):
        names[name] += 1
        again = f"-{names[name]}" if names[name] > 1 else ""
        if name in DOCUMENTED and not again and language == "ar" and "DOCS" in os.environ:
            documented(page, DOCUMENTED[name])
        drawn(page, f"{name}{again}.{language}")
    (FOLDER / "index.html").write_text(index(path.name for path in FOLDER.glob("*.png")))
