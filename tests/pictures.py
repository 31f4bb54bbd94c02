"""Pictures of every page of the console and of the readers' pages: `make pictures`.

Each page in two widths, light and dark, in Arabic and in French, with an index to look through. No
test: nothing is judged here but that each page comes. Those of the documents are made of the same
pages by `make pictures DOCS=1`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

from console_pages import SCREENS, answers, before_login, fill, for_others, met, opened
from PIL import Image
from playwright.sync_api import Browser, Page
from test_console_browser import Console
from test_console_browser import console as console  # noqa: PLC0414 - a fixture
from test_console_browser import on_trial as on_trial  # noqa: PLC0414 - a fixture

from service.accounts.account import Preferences

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "pictures"
LANGUAGES = ("ar", "fr")
MAX_HEIGHT = 4_000  # of a picture
WORD = "ابن الحارة"  # "son of the neighbourhood", a pen name
#: The pages in the documents and what their pictures are called there.
DOCUMENTED: dict[str, str] = {}
_DOCUMENTED_SIZE = {"width": 1200, "height": 760}


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


def drawn(page: Page, to: Callable[[str, int], Path]) -> None:
    """Draw the page that is open on each screen."""
    page.evaluate("document.querySelectorAll('main details').forEach(each => each.open = true)")
    for scheme, width in SCREENS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        height = page.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, MAX_HEIGHT)}
        page.screenshot(path=to(scheme, width), full_page=True, clip=clip)


def documented(page: Page, name: str) -> None:
    """Draw a page for the documents."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(_DOCUMENTED_SIZE)
    path = ROOT / "docs" / "images" / f"{name}.png"
    page.screenshot(path=path)
    Image.open(path).quantize(256).save(path, optimize=True)


def index(names: list[str]) -> str:
    """Return a page that shows all pictures, each a link to itself."""
    rows = []
    for name in names:
        shown = "".join(
            f'<a href="{file}"><img src="{file}" alt="{file}" loading="lazy" height="300"></a>\n'
            for language in LANGUAGES
            for scheme, width in SCREENS
            for file in [escape(file_of(name, language, scheme, width))]
        )
        rows.append(f"<h2>{escape(name)}</h2>\n{shown}")
    return f'<!doctype html><meta charset="utf-8"><title>Pictures</title>\n{"".join(rows)}'


def file_of(name: str, language: str, scheme: str, width: int) -> str:
    """Return the file of a picture."""
    return f"{name}.{language}.{width}.{scheme}.png"


def test_pictures(console: Console, browser: Browser, on_trial: None) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    language = os.environ.get("PICTURES", LANGUAGES[0])
