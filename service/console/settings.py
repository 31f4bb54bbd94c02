"""What a site wants, for administrators: thresholds, lists, times, webhook and keys."""

import base64
import math
import secrets
from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.schema import LABELS
from service.console.permissions import needs, site_for
from service.console.vocabulary import failure_name, label_name
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest
from service.reports import insight
from service.reports.insight import Preview
from service.services import services
from service.sites.site import SETTINGS, Site

bp = Blueprint("site_settings", __name__)

WEEK_DAYS = 7
GRACE_SECONDS = 24 * 3600.0  # how long the old key goes on working


@bp.route("/<site_id>/settings", methods=["GET", "POST"])
@needs("admin")
def settings(site_id: str) -> ResponseReturnValue:
    """Show and keep what a site wants."""
    site = site_for(site_id)
    if request.method != "POST":
        return _page(site)
    try:
        wanted = _read(site)
        if request.form.get("action") == "preview":
            return _page(wanted)
        services().sites.update(wanted)
    except InvalidRequest as refusal:
        return _page(site, complaint=_complaint(refusal)), 422
    flash(_("Saved."))
    return redirect(url_for(".settings", site_id=site.id), 303)


@bp.get("/<site_id>/settings/preview")
@needs("admin")
def preview(site_id: str) -> str:
    """Say in a sentence what one threshold would have meant for the last week."""
    site, label = site_for(site_id), request.args.get("label", "")
    threshold = request.args.get("threshold", -1.0, type=float)
    if label not in LABELS or not 0 <= threshold <= 1:
        raise InvalidRequest.of("threshold", "expected a label and a number from 0 to 1")
    found = _previews(site, {label: threshold})[label]
    return render_template("_preview.html", found=found)


@bp.post("/<site_id>/settings/webhook")
@needs("admin")
def webhook(site_id: str) -> ResponseReturnValue:
    """Send the site's webhook a signed test message, or give it a new secret."""
    site = site_for(site_id)
    if request.form.get("action") == "secret":
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        services().sites.update(replace(site, webhook_secret=secret))
        return _page(site_for(site_id), new_secret=secret)
    failure = services().deliveries.probe(site) if site.webhook_url else _("There is no address.")
    if failure:
        flash(_("The webhook did not take the test: %(why)s", why=failure_name(failure)), "reject")
    else:
        flash(_("The webhook took the test."), "approve")
    return redirect(url_for(".settings", site_id=site.id), 303)


@bp.post("/<site_id>/settings/key")
@needs("admin")
def rotate_key(site_id: str) -> str:
    """Give the site a new key; the old one works for another day."""
    site = site_for(site_id)
    key = services().sites.rotate_key(site.id, grace_seconds=GRACE_SECONDS)
    return _page(site, new_key=key)


def _page(site: Site, **words: object) -> str:
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
        own=site.review,
        previews=_previews(site, thresholds),
        **words,
    )


def _previews(site: Site, thresholds: dict[str, float]) -> dict[str, Preview]:
    tallies = services().tallies.days(site.id, WEEK_DAYS)
    days, _whole = services().read_models.days(site.id, WEEK_DAYS)
    return {
        label: insight.preview(tallies, days, label, threshold)
        for label, threshold in thresholds.items()
    }


def _read(site: Site) -> Site:
    """Read the form; what it leaves empty is the artefact's or stays as it was.

    Raises
    ------
    InvalidRequest
        Names the first wrong field.
    """
    form = request.form
    return site.changed(
        {
            "name": form.get("name", site.name).strip()[:200],
            "review": _thresholds("review"),
            "reject": _thresholds("reject"),
            "random_sample_share": _number("random_sample_share", site.random_sample_share * 100)
            / 100,
            "second_opinion_share": _number("second_opinion_share", site.second_opinion_share * 100)
            / 100,
            "known_answer_share": _number("known_answer_share", site.known_answer_share * 100)
            / 100,
            "time_target_seconds": _whole(
                "target_minutes", site.time_target_seconds / 60, "time_target_seconds", 60
            ),
            "retention_days": _whole("retention_days", site.retention_days, "retention_days"),
            "block_words": _lines("block_words"),
            "allow_words": _lines("allow_words"),
            "unsupported_language": form.get("unsupported_language", site.unsupported_language),
            "webhook_url": form.get("webhook_url", "").strip(),
        }
    )


def _thresholds(kind: str) -> dict[str, float]:
    written = {label: request.form.get(f"{kind}_{label}", "").strip() for label in LABELS}
    return {label: _number(f"{kind}_{label}", 1.0) for label, text in written.items() if text}


def _number(field: str, otherwise: float) -> float:
    text = request.form.get(field, "").strip().replace("\N{ARABIC DECIMAL SEPARATOR}", ".")
    try:
        number = float(text) if text else otherwise  # float() also reads ARABIC-INDIC DIGITS
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidRequest.of(field, "expected a number")
    return number


def _whole(field: str, otherwise: float, name: str, factor: int = 1) -> int:
    """Read a number that is stored in whole units; one far out of its bounds has none."""
    number = factor * _number(field, otherwise)
    low, high = SETTINGS[name].low, SETTINGS[name].high
    if not low - 1 < number < high + 1:
        raise InvalidRequest.of(name, f"expected {low} to {high}")
    return round(number)


def _lines(field: str) -> tuple[str, ...]:
    lines = (line.strip() for line in request.form.get(field, "").splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def _complaint(refusal: InvalidRequest) -> str:
    field = refusal.errors[0].field
    _kind, _dot, label = field.replace(".", "_").partition("_")
    if label in LABELS:
        return _("%(label)s: a threshold is a number from 0 to 1.", label=label_name(label))
    return {
        "webhook_url": _("The webhook is an address with http or https."),
        "block_words": _("A list has at most 1000 words of 100 characters."),
        "allow_words": _("A list has at most 1000 words of 100 characters."),
    }.get(field, _("A number is missing or out of its range."))
