"""Overview of all queues: what waits, since when, who works on what, and what is in trouble."""

import time
from typing import Any

from flask import Blueprint, Response, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale

from service.console.digits import chosen
from service.console.permissions import by_me, me, needs, site_for
from service.console.raids import HOURS, SHOWN
from service.console.vocabulary import gettext as _
from service.logs import log, places
from service.services import services
from service.site_status import SiteStatus
from service.store.trail import Entry

bp = Blueprint("overview", __name__, url_prefix="/overview")

# A page asks again after so long; one of very many sites less often, as it takes longer to write.
EVERY_MS, MS_FOR_A_SITE = 2_000, 10
MAX_ARTICLES = 300  # held or closed, of a site


@bp.get("")
def index() -> str:
    """Show every site of this moderator."""
    return render_template("overview.html", **_shown(max_age_seconds=0.0))


@bp.get("/events")
def events() -> Response:
    """Send the page how the queues stand now, as one server-sent event, and have it ask again."""
    # A stream kept open would hold one of few threads for each open page: the browser reconnects.
    shown = _shown()
    page = render_template("_overview_sites.html", **shown)
    data = "".join(f"data: {line}\n" for line in page.splitlines())
    retry = max(EVERY_MS, MS_FOR_A_SITE * len(shown["sites"]))
    return Response(f"retry: {retry}\n{data}\n", mimetype="text/event-stream")


@bp.post("/<site_id>/replay")
@needs("admin")
def replay(site_id: str) -> ResponseReturnValue:
    """Send a site once more what was given up, and use its webhook again."""
    site = site_for(site_id)
    services().trail.note(site.id, Entry("webhook", by_me(), "replayed"))
    services().deliveries.enable(site.id)
    services().deliveries.replay(site.id)
    flash(_("What was given up is on its way again."))
    return redirect(url_for(".index"), 303)


def _shown(**asked: float) -> dict[str, Any]:
    """Return all that is on the page; a site that cannot be shown is named and bars no other."""
    shown, failed = list[str](), list[str]()
    found, unreadable = services().site_statuses.of(me().may_see, **asked)
    for site, status in found:
        try:
            section = _section(status) if status else None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this site's alone
            log.error("overview", site=site.id, error=type(error).__name__, places=places(error))
            section = None
        if section is None:
            failed.append(site.name or site.id)
        else:
            shown.append(section)
    if me().role == "admin":
        failed += unreadable
    return {"sites": shown, "failed": failed, "version": services().artifact.version}


def _section(status: SiteStatus) -> str:
    """Return what the page says of a site; the same for all in one language, unless it has forms.

    A form holds a token that is its reader's alone.
    """
    has_forms = status.raids or status.dead or status.endpoint.failing_since
    shown = {} if has_forms else status.shown
    key = str(get_locale()), chosen()
    if key not in shown:
        levers = [one for one in status.site.levers.values() if one.until > time.time()]
        said: dict[str, Any] = {
            "status": status,
            "raids": status.raids[:SHOWN],
            "hours_of_hold": HOURS,
            "articles": levers[:MAX_ARTICLES],
        }
        current_app.update_template_context(said)
        template = current_app.jinja_env.get_template("_overview_site.html")
        shown[key] = template.make_module(said).__html__()  # which is not escaped once more
    return shown[key]
