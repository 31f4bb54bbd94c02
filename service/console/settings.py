"""Settings of a site, for administrators: the form, the webhook's secret, the key."""

from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.schema import LABELS
from service.console import changes
from service.console.concurrent_edits import Stale
from service.console.concurrent_edits import update as update_settings
from service.console.permissions import by_me, needs, site_for
from service.console.settings_form import Refused, form_of, read
from service.console.vocabulary import failure_name
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest
from service.reports import insight
from service.reports.insight import Preview
from service.services import services
from service.sites.site import Site

bp = Blueprint("settings", __name__)

WEEK_DAYS = 7
#: Offered first; any other can be written.
TIME_ZONES = (
    *("Asia/Riyadh", "Asia/Dubai", "Asia/Qatar", "Asia/Kuwait", "Asia/Bahrain", "Asia/Muscat"),
    *("Asia/Aden", "Asia/Baghdad", "Asia/Damascus", "Asia/Beirut", "Asia/Amman", "Asia/Jerusalem"),
    *("Asia/Gaza", "Africa/Cairo", "Africa/Khartoum", "Africa/Tripoli", "Africa/Tunis"),
    *("Africa/Algiers", "Africa/Casablanca", "Africa/Nouakchott", "Africa/Mogadishu"),
    *("Africa/Djibouti", "Europe/London", "Europe/Paris", "Europe/Berlin", "UTC"),
)
GRACE_SECONDS = 24 * 3600.0  # how long the old key goes on working


@bp.get("/<site_id>/settings")
@needs("admin")
def index(site_id: str) -> str:
    """Show the settings of a site."""
    return _page(site_for(site_id))


@bp.post("/<site_id>/settings")
@needs("admin")
def update(site_id: str) -> ResponseReturnValue:
    """Keep the settings of a site, or show what their thresholds would have meant."""
    site, versions = site_for(site_id), services().artifacts.versions()

    def typed(base: Site) -> Site:
        wanted = read(base)
        wanted.check_shadow(versions, base.shadow)
        return wanted

    try:
        if request.form.get("action") == "preview":
            return _page(_of_the_form(typed(site)))
        wanted = update_settings(site, typed)
    except InvalidRequest as refusal:
        refused = Refused.by(refusal, versions)
        told = " ".join(refused.wrong.values())
        return _page(_of_the_form(site), refused, complaint=told), 422
    if isinstance(wanted, Stale):
        return _page(wanted.wanted, meanwhile=wanted.since), 409
    if wanted.webhook_secret not in (site.webhook_secret, request.form.get("webhook_secret")):
        return _page(wanted, new_secret=wanted.webhook_secret)
    flash(_("Saved."))
    return redirect(url_for(".index", site_id=site.id), 303)


@bp.get("/<site_id>/settings/preview")
@needs("admin")
def preview(site_id: str) -> str:
    """Say in a sentence what one threshold would have meant for the last week."""
    site, label = site_for(site_id), request.args.get("label", "")
    threshold = request.args.get("threshold", -1.0, type=float)
    if label not in LABELS or not 0 <= threshold <= 1:
        raise InvalidRequest.of("threshold", "expected a label and a number from 0 to 1")
    found = _previews(site, {label: threshold})[label]
    return render_template("_settings_preview.html", found=found)


@bp.post("/<site_id>/settings/webhook")
@needs("admin")
def update_webhook(site_id: str) -> ResponseReturnValue:
    """Send the site's webhook a signed test message, or give it a new secret."""
    site = site_for(site_id)
    if request.form.get("action") == "secret":
        site = site.with_new_webhook_secret()
        site = services().sites.update(site, by=by_me())
        return _page(site, new_secret=site.webhook_secret)
    failure = services().deliveries.probe(site) if site.webhook_url else _("There is no address.")
    if failure:
        flash(_("The webhook did not take the test: %(why)s", why=failure_name(failure)), "reject")
    else:
        flash(_("The webhook took the test."), "approve")
    return redirect(url_for(".index", site_id=site.id), 303)


@bp.post("/<site_id>/settings/notices")
@needs("admin")
def test_notices(site_id: str) -> ResponseReturnValue:
    """Send a test to each address of the site's moderators."""
    site = site_for(site_id)
    for service, failure in services().notices.probe(site):
        if failure:
            why = failure_name(failure)
            flash(
                _("%(service)s did not take the test: %(why)s", service=service, why=why), "reject"
            )
        else:
            flash(_("%(service)s took the test.", service=service), "approve")
    return redirect(url_for(".index", site_id=site.id), 303)


@bp.post("/<site_id>/settings/key")
@needs("admin")
def rotate_key(site_id: str) -> str:
    """Give the site a new key; the old one works for another day."""
    site = site_for(site_id)
    key = services().sites.rotate_key(site.id, grace_seconds=GRACE_SECONDS, by=by_me())
    return _page(site, new_key=key)


def _of_the_form(site: Site) -> Site:
    """Return a site under the revision that the form was made from."""
    return replace(site, revision=request.form.get("revision", site.revision))


def _page(site: Site, refused: Refused | None = None, **shown: object) -> str:
    points = services().artifact.operating_points
    thresholds = {
        label: site.review.get(label, point["review"]["threshold"])
        for label, point in points.items()
        if "review" in point
    }
    return render_template(
        "settings.html",
        site=site,
        thresholds=thresholds,
        groups=form_of(site, refused),
        versions=reversed(services().artifacts.versions()),
        previews=_previews(site, thresholds),
        fared=services().notices.fared(site),
        time_zones=TIME_ZONES,
        changes=changes,
        **shown,
    )


def _previews(site: Site, thresholds: dict[str, float]) -> dict[str, Preview]:
    verdict_counts = services().verdict_counts.days(site.id, WEEK_DAYS)
    days = services().read_models.days(site.id, WEEK_DAYS)
    return {
        label: insight.preview(verdict_counts, days, label, threshold)
        for label, threshold in thresholds.items()
    }
