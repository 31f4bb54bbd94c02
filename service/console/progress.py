"""Progress: a page that says how far long work is, while it is done."""

from collections.abc import Callable, Iterator
from html import escape

from flask import Response, render_template, stream_with_context

from service.console.vocabulary import gettext as _
from service.errors import ServiceError
from service.logs import log

_HERE = "<!-- progress -->"
EVERY = 20  # steps between two lines


def streamed(title: str, back: str, work: Callable[[], Iterator[str]]) -> Response:
    """Answer with a page to which the lines are added that `work` yields; errors are said."""
    page = render_template("progress.html", title=title, back=back)
    before, _middle, after = page.partition(_HERE)

    def parts() -> Iterator[str]:
        yield before
        try:
            for line in work():
                yield f"<p>{escape(line)}</p>\n"
        except ServiceError as error:
            log.error("progress", error=type(error).__name__)
            told = _("It stopped before it was done. Do it again: that does the rest.")
            yield f'<p class="complaint">{escape(told)}</p>\n'
        yield after

    return Response(stream_with_context(parts()), mimetype="text/html")
