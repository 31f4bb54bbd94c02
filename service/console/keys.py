"""API keys of a site, for administrators: which there are, a new one, one that ends."""

import time

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console import formats
from service.console.confirmation import asked_again
from service.console.permissions import by_me, needs, site_for
from service.console.vocabulary import gettext as _
from service.errors import Conflict, InvalidRequest, UnknownSite
from service.services import services
from service.sites.api_keys import MAX_KEYS, ApiKey
from service.sites.site import Site

bp = Blueprint("keys", __name__)

HOURS = (0, 1, 24, 7 * 24)  # for which the old keys go on working


@bp.get("/<site_id>/keys")
@needs("admin")
def index(site_id: str) -> str:
    """List the keys of a site; none is shown."""
    return _page(site_for(site_id))


@bp.post("/<site_id>/keys")
@needs("admin")
def update(site_id: str) -> ResponseReturnValue:
    """Make a key, put one in the place of all, or end one."""
    site, action = site_for(site_id), request.form.get("action")
    try:
        match action:
            case "add":
                return _page(site, new_key=services().sites.add_key(site.id, by=by_me()))
            case "rotate":
                return _rotated(site)
            case "revoke":
                return _revoked(site, request.form.get("key", ""))
    except Conflict:
        why = {
            "add": _("A site has at most %(num)s keys.", num=formats.number(MAX_KEYS)),
            "revoke": _("It has ended already, or it is the only one that does not end."),
        }
        flash(why.get(action or "", _("That did not work")), "reject")
        return redirect(url_for(".index", site_id=site.id), 303)
    raise InvalidRequest.of("action", "expected a button of this page")


def _rotated(site: Site) -> ResponseReturnValue:
    hours = request.form.get("hours", 24, type=int)
    if hours not in HOURS:
        raise InvalidRequest.of("hours", "expected a choice of this page")
    question = asked_again(
        _("Replace all keys"),
        [
            _("A new key takes the place of all keys of this site."),
            _("The old ones work for another %(time)s.", time=formats.duration(hours * 3_600))
            if hours
            else _("The old ones stop working at once: what the site sends with them is refused."),
        ],
        _("Replace all keys"),
        url_for(".index", site_id=site.id),
    )
    if question:
        return question
    key = services().sites.rotate_key(site.id, grace_seconds=hours * 3_600.0, by=by_me())
    return _page(site, new_key=key)


def _revoked(site: Site, name: str) -> ResponseReturnValue:
    known = next((one for one in _keys(site) if one.name == name), None)
    if known is None:
        raise Conflict("this key has ended already")
    question = asked_again(
        _("Revoke a key"),
        [
            _("The key ending in %(mark)s stops working within a second.", mark=known.called),
            _("What the site then sends with it is refused."),
        ],
        _("Revoke"),
        url_for(".index", site_id=site.id),
    )
    if question:
        return question
    services().sites.revoke_key(site.id, name, by=by_me())
    flash(_("The key is revoked."), "approve")
    return redirect(url_for(".index", site_id=site.id), 303)


def _keys(site: Site) -> list[ApiKey]:
    record = services().sites.record(site.id)
    if record is None:
        raise UnknownSite("no site has this id")
    return record.keys.valid(time.time())


def _page(site: Site, **shown: object) -> str:
    uses = services().key_uses.of(site.id)
    return render_template(
        "keys.html", site=site, keys=_keys(site), uses=uses, hours=HOURS, **shown
    )
