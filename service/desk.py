"""The work itself: the most urgent comment, what to do with it, and the next one.

A moderator holds one comment per site. Its id and fencing token stand in the signed session cookie,
so that reloading the page shows the same comment, and in the form, so that a decision is always
about the comment that was on the screen.
"""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from models.errors import ModerationError
from models.schema import LABELS
from service.access import me, services, site_for
from service.errors import (
    RETRY_AFTER_SECONDS,
    AlreadyDecided,
    Conflict,
    InvalidRequest,
    ItemNotFound,
    StoreUnavailable,
)
from service.marking import marked
from service.review_queue import Decision, Lease, ReviewItem
from service.sites import Site
from service.wording import REASON_NAMES, action_name, label_name, score_words
from service.wording import gettext as _

bp = Blueprint("desk", __name__)

#: Commands of the desk and their keys, in the order of the `?` sheet. A person may choose others.
KEYS: Mapping[str, str] = {
    "approve": "a",
    "reject": "r",
    "skip": "s",
}


@bp.get("/<site_id>/work")
def work(site_id: str) -> Response | str:
    """Show the most urgent comment of a site."""
    site = site_for(site_id)
    lease = _held(site.id) or services().queue.lease(site.id, me().name)
    if lease is None:
        _forget(site.id)
        return render_template("console/empty.html", site=site)
    session["site"] = site.id
    session.setdefault("leases", {})[site.id] = [lease.item.id, lease.token]
    session.modified = True
    return render_template("console/work.html", **_shown(site, lease))


@bp.post("/<site_id>/items/<item_id>")
def act(site_id: str, item_id: str) -> ResponseReturnValue:
    """Do what the pressed button says with the comment on the screen."""
    site = site_for(site_id)
    verb = request.form.get("action", "")
    try:
        token = int(request.form.get("token", ""))
        VERBS[verb](site.id, item_id, token)
    except (KeyError, ValueError) as error:
        raise InvalidRequest.of("action", "expected a button of this page") from error
    except (Conflict, ItemNotFound) as conflict:
        return _conflict(site, verb, conflict), 409
    except StoreUnavailable:
        return _again(), 503, {"Retry-After": str(RETRY_AFTER_SECONDS)}
    _forget(site.id)
    return redirect(url_for(".work", site_id=site.id), 303)


@bp.post("/<site_id>/items/<item_id>/renew")
def renew(site_id: str, item_id: str) -> dict[str, float]:
    """Prolong the lease of the comment on the screen while somebody is reading it."""
    lease = services().queue.renew(
        site_for(site_id).id, item_id, request.form.get("token", 0, type=int)
    )
    return {"expires_in_seconds": lease.expires_at - time.time()}


# -- what the buttons do ------------------------------------------------------------------------


def _approve(site_id: str, item_id: str, token: int) -> None:
    _decide(site_id, item_id, token, "approve", "")
    flash(_("Approved."), "approve")


def _reject(site_id: str, item_id: str, token: int) -> None:
    reason = request.form.get("reason", "")
    if reason not in REASON_NAMES:
        raise InvalidRequest.of("reason", "expected a reason of the list")
    _decide(site_id, item_id, token, "reject", reason)
    flash(_("Rejected: %(reason)s.", reason=REASON_NAMES[reason]), "reject")


def _skip(site_id: str, item_id: str, token: int) -> None:
    services().queue.skip(site_id, item_id, token)
    flash(_("Skipped. Somebody else may take it."), "skip")


VERBS = {"approve": _approve, "reject": _reject, "skip": _skip}


def _decide(site_id: str, item_id: str, token: int, action: str, reason: str) -> None:
    draft = Decision(
        action=action,
        labels=(reason,) if reason in LABELS else (),  # off topic says nothing about abuse
        reason=reason,
        note=request.form.get("note", "").strip(),
        moderator=me().name,
        request_id=request.form.get("request_id", "") or secrets.token_urlsafe(12),
    )
    services().queue.decide(site_id, item_id, token, draft)


# -- what is on the screen ----------------------------------------------------------------------


def _held(site_id: str) -> Lease | None:
    """Return the comment that this person had open, if it is still theirs."""
    item_id, token = session.get("leases", {}).get(site_id, (None, 0))
    if item_id is None:
        return None
    try:
        return services().queue.renew(site_id, item_id, token)
    except (Conflict, ItemNotFound):
        return None


def _forget(site_id: str) -> None:
    if session.get("leases", {}).pop(site_id, None):
        session.modified = True


def give_back_all() -> None:
    """Give back every comment that this person has open, so that others need not wait for it."""
    for site_id, (item_id, token) in session.pop("leases", {}).items():
        try:
            services().queue.release(site_id, item_id, token)
        except ModerationError:
            continue  # it comes back by itself when the lease runs out


def _shown(site: Site, lease: Lease) -> dict[str, Any]:
    return {
        **_about(lease.item),
        "site": site,
        "item": lease.item,
        "token": lease.token,
        "expires_in": lease.expires_at - time.time(),
        "request_id": secrets.token_urlsafe(12),
        "reasons": REASON_NAMES,
        "keys": {**KEYS, **me().preferences.keys},
        "stats": services().queue.stats(site.id),
    }


def _about(item: ReviewItem) -> dict[str, Any]:
    """Everything that is read off a review item: the marked texts, the chips, why it is here."""
    label = item.verdict.label
    return {
        "text": list(marked(item.comment.text, _spans(item, "text"))),
        "pen_name": list(marked(item.comment.author_name or "", _spans(item, "author.name"))),
        "chips": _chips(item),
        "suggested": label if label in REASON_NAMES else "toxicity",
        "why": _why(item),
    }


def _spans(item: ReviewItem, field: str) -> list[tuple[int, int, str]]:
    found = [span for span in item.evidence if span["field"] == field]
    found.sort(key=lambda span: -span["weight"])
    return [(span["start"], span["end"], span["label"]) for span in found]


def _chips(item: ReviewItem) -> list[dict[str, Any]]:
    """Return the labels worth a look, the highest first; always the one that the verdict names."""
    chips = [
        {"label": label, "field": field, "score": score, "words": score_words(score)}
        for field, scores in (("text", item.scores), ("author.name", item.author_scores or {}))
        for label, score in scores.items()
        if score >= 0.33 or (label, field) == (item.verdict.label, item.verdict.field)
    ]
    return sorted(chips, key=lambda chip: -float(str(chip["score"])))


def _why(item: ReviewItem) -> str:
    verdict = item.verdict
    if verdict.reason == "audit":
        return _("Drawn at random to check the machine; it saw nothing against this comment.")
    if verdict.field == "author.name":
        return _(
            "The pen name looks like: %(label)s (%(words)s).",
            label=label_name(verdict.label),
            words=score_words(verdict.score),
        )
    return _(
        "The text looks like: %(label)s (%(words)s).",
        label=label_name(verdict.label),
        words=score_words(verdict.score),
    )


def _again() -> str:
    """Keep a decision that the store did not take, ready to be sent again as the same request."""
    kept = {name: value for name, value in request.form.items() if name != "csrf_token"}
    return render_template("console/again.html", kept=kept)


def _conflict(site: Site, verb: str, conflict: ModerationError) -> str:
    """Say what happened to a decision that could not be taken, and keep what was written."""
    _forget(site.id)
    if isinstance(conflict, AlreadyDecided):
        sentence = _("Somebody decided this comment before you. That decision stands.")
    elif isinstance(conflict, ItemNotFound):
        sentence = _("This comment is no longer in the queue.")
    else:
        sentence = _(
            "Your time for this comment had run out, so it went back to the queue. "
            "Nothing was decided."
        )
    intended = action_name(verb) if verb in ("approve", "reject") else ""
    return render_template(
        "console/conflict.html",
        site=site,
        sentence=sentence,
        intended=intended,
        reason=REASON_NAMES.get(request.form.get("reason", ""), "") if verb == "reject" else "",
        note=request.form.get("note", ""),
    )
