"""The work itself: the most urgent comment, what to do with it, and the next one.

A moderator holds one comment per site. Its id and fencing token stand in the signed session cookie,
so that reloading the page shows the same comment, and in the form, so that a decision is always
about the comment that was on the screen.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from string import ascii_lowercase
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from models.dialect import DIALECTS
from models.errors import ModerationError
from models.schema import LABELS, REASONS, UMBRELLA
from service.console.highlight import Segment, marked
from service.console.permissions import me, site_for
from service.console.unsent_forms import Unsent
from service.console.vocabulary import (
    REASON_NAMES,
    action_name,
    label_name,
    score_words,
)
from service.console.vocabulary import gettext as _
from service.errors import (
    AlreadyDecided,
    Conflict,
    Forbidden,
    InvalidRequest,
    ItemNotFound,
    LeaseLost,
)
from service.queue.review_queue import Decision, Lease, ReviewItem
from service.services import services
from service.sites.sites import Site

bp = Blueprint("desk", __name__)

Fields = Callable[[str], str]  # the fields of a form, by name; what is not there is empty

#: Commands of the desk and their keys, in the order of the `?` sheet. A person may choose others.
KEYS: Mapping[str, str] = {
    "approve": "a",
    "reject": "r",
    "skip": "s",
    "escalate": "e",
    "undo": "u",
    "note": "n",
    "reveal": "b",
    "mark": "m",
}


def keys_of(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the key of each command; a usual one gives way to one that somebody chose."""
    taken = {*chosen.values(), *KEYS.values()}
    free = (letter for letter in ascii_lowercase if letter not in taken)
    return {
        command: chosen.get(command) or (next(free) if key in chosen.values() else key)
        for command, key in KEYS.items()
    }


#: A severe item: what the cap per hour counts and the blur covers whole.
SEVERE_LABELS, SEVERE_SCORE = {"severe_toxicity", "threat", "identity_attack"}, 0.9
HOUR = 3600.0
MAX_PASSED_ON = 20
MAX_CHIPS = 4
#: A mark behind so many characters or lines is offered a jump to.
FAR_CHARACTERS, FAR_LINES = 400, 6
THREAD_READ, THREAD_SHOWN = 50, 5
#: What a person can choose to see only one kind of.
LINES: Mapping[str, Sequence[str]] = {"label": LABELS, "dialect": DIALECTS}
MAX_REPLY_LENGTH = 500
MAX_NOTE_LENGTH = 4_000
MAX_REQUEST_ID_LENGTH = 256
MAX_SITES_AT_ONCE = 20  # that the session cookie, which holds 4 KB, remembers something of


@bp.get("/<site_id>/work")
def work(site_id: str) -> Response | str:
    """Show the most urgent comment of a site, or of the label or dialect that is worked on."""
    site = site_for(site_id)
    session["site"] = site.id
    for name, known in LINES.items():
        if name in request.args:
            give_back_all()
            value = request.args[name]
            session["only"] = {name: value} if value in known else {}
    lease = _held(site.id) or _next(site)
    if lease is None:
        _forget(site.id)
        return render_template("empty.html", **_left(site))
    return _on_the_screen(site, lease)


def offer_again(site_id: str, item_id: str, kept: Unsent) -> ResponseReturnValue:
    """Show the comment that somebody was deciding when their log-in ended, and what they typed."""
    site = site_for(site_id)
    session["site"] = site.id
    try:
        lease = services().queue.renew(site.id, item_id, int(kept.get("token")))
        if lease.item.moderator != me().name:
            raise LeaseLost("the comment is in other hands")
    except (Conflict, ItemNotFound) as conflict:
        return _conflict(site, conflict, kept.get)
    except ValueError:
        return redirect(url_for("console.desk.work", site_id=site.id))
    return _on_the_screen(site, lease, draft=kept.get)


def _on_the_screen(site: Site, lease: Lease, draft: Fields | None = None) -> str:
    """Show a comment that this person holds, with what they typed before, if anything."""
    if len({*session.get("leases", {}), site.id}) > MAX_SITES_AT_ONCE:
        give_back_all()
    session.setdefault("leases", {})[site.id] = [lease.item.id, lease.token]
    session.modified = True
    if lease.item.damaged:
        return _unreadable(site, lease)
    try:
        return render_template("work.html", **_shown(site, lease), draft=draft)
    except ModerationError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the comments behind must not wait
        g.error = error  # for the log
        return _unreadable(site, lease)


def _unreadable(site: Site, lease: Lease) -> str:
    """Say that a comment cannot be shown, and offer the next one."""
    keys = {**KEYS, **me().preferences.keys}
    return render_template("unreadable.html", site=site, lease=lease, keys=keys)


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
        return _conflict(site, conflict, _typed), 409
    _forget(site.id)
    return redirect(url_for(".work", site_id=site.id), 303)


@bp.post("/<site_id>/items/<item_id>/undo")
def undo(site_id: str, item_id: str) -> ResponseReturnValue:
    """Take back a decision of this person, or as a senior, so that the comment waits again."""
    site = site_for(site_id)
    try:
        services().queue.undo(
            site.id,
            item_id,
            me().name,
            _request_id(),
            senior=me().at_least("senior"),
            decision_id=request.form.get("decision", ""),
        )
    except Forbidden:
        flash(
            _("Somebody else decided this comment. A senior moderator can take it back."), "reject"
        )
    except (Conflict, ItemNotFound):
        flash(_("It is too late to take this decision back."), "reject")
    else:
        flash(_("Taken back. The comment waits again."), "skip")
    _note_last(site.id, None)
    return redirect(url_for(".work", site_id=site.id), 303)


@bp.post("/<site_id>/unskip")
def unskip(site_id: str) -> ResponseReturnValue:
    """Take back the skipping of one comment, or of all: they are offered to this person again."""
    site, item_id = site_for(site_id), request.form.get("item", "")
    if services().queue.unskip(site.id, me().name, item_id):
        flash(_("Taken back. You are offered it again, unless somebody else has taken it."), "skip")
    give_back_all()  # what came instead of the comment is less urgent
    _note_last(site.id, None)
    return redirect(url_for(".work", site_id=site.id), 303)


@bp.post("/rest")
def rest() -> ResponseReturnValue:
    """Count the minutes of work anew after a break, and give back what is open."""
    give_back_all()
    session["rested_at"] = time.time()
    return render_template("rest.html")


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


def _reject(site_id: str, item_id: str, token: int) -> None:
    reason = request.form.get("reason", "")
    if reason not in REASONS:
        raise InvalidRequest.of("reason", "expected a reason of the list")
    _decide(site_id, item_id, token, "reject", reason)


def _skip(site_id: str, item_id: str, token: int) -> None:
    services().queue.skip(site_id, item_id, token)
    _note_last(site_id, {"item": item_id, "action": "skip"})


def _escalate(site_id: str, item_id: str, token: int) -> None:
    services().queue.escalate(site_id, item_id, token, note=_note())
    flash(_("Left to a senior moderator."), "skip")


VERBS = {"approve": _approve, "reject": _reject, "skip": _skip, "escalate": _escalate}


def _decide(site_id: str, item_id: str, token: int, action: str, reason: str) -> None:
    draft = Decision(
        action=action,
        labels=REASONS.get(reason, ()),
        reason=reason,
        note=_note(),
        reply=request.form.get("reply", "").strip()[:MAX_REPLY_LENGTH],
        moderator=me().name,
        request_id=_request_id(),
    )
    made = services().queue.decide(site_id, item_id, token, draft)
    last = {"item": item_id, "decision": made.id, "action": action, "reason": reason}
    _note_last(site_id, last)


def _note_last(site_id: str, last: dict[str, str] | None) -> None:
    """Remember what this person did last on a site: it is offered to be taken back there."""
    others = {site: kept for site, kept in _lasts().items() if site != site_id}
    if len(others) == MAX_SITES_AT_ONCE:
        others = {}
    session["last"] = others | ({site_id: last} if last else {})


def _last(site_id: str) -> dict[str, str] | None:
    return _lasts().get(site_id)


def _lasts() -> dict[str, dict[str, str]]:
    kept = session.get("last") or {}
    return kept if all(isinstance(last, dict) for last in kept.values()) else {}  # an older session


def _note() -> str:
    """Return the note of the form.

    Raises
    ------
    InvalidRequest
        It is longer than a note may be.
    """
    note = _typed("note").strip()
    if len(note) > MAX_NOTE_LENGTH:
        raise InvalidRequest.of("note", f"expected at most {MAX_NOTE_LENGTH:,} characters")
    return note


def _request_id() -> str:
    given = _typed("request_id")
    if len(given) > MAX_REQUEST_ID_LENGTH:
        raise InvalidRequest.of("request_id", f"expected at most {MAX_REQUEST_ID_LENGTH}")
    return given or secrets.token_urlsafe(12)


def _typed(name: str) -> str:
    return request.form.get(name, "")


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


def _next(site: Site) -> Lease | None:
    """Take the most urgent comment that this person's cap on severe ones lets through."""
    cap, lately = me().preferences.severe_per_hour, _severe_lately()
    for _attempt in range(MAX_PASSED_ON):
        lease = services().queue.lease(
            site.id,
            me().name,
            senior=me().at_least("senior"),
            known_answer_share=site.known_answer_share,
            **session.get("only", {}),
        )
        if lease is None or not _severe(lease.item):
            return lease
        if not cap or len(lately) < cap:
            session["severe"] = [*lately, int(time.time())][-cap:] if cap else []
            return lease
        services().queue.skip(site.id, lease.item.id, lease.token)
    return None


def _severe_lately() -> list[float]:
    return [at for at in session.get("severe", []) if at > time.time() - HOUR]


def _severe(item: ReviewItem) -> bool:
    return any(item.scores.get(label, 0.0) >= SEVERE_SCORE for label in SEVERE_LABELS)


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


def _left(site: Site) -> dict[str, Any]:
    """Say what still waits on a site that has nothing to offer to this person."""
    queue, only, cap = services().queue, session.get("only") or {}, me().preferences.severe_per_hour
    stats, n_skipped = queue.stats(site.id), queue.skipped(site.id, me().name, **only)
    n_for_seniors = 0 if me().at_least("senior") else stats.escalated
    return {
        "site": site,
        "last": _last(site.id),
        "keys": keys_of(me().preferences.keys),
        "only": only,
        "stats": stats,
        "n_skipped": n_skipped,
        "n_for_seniors": n_for_seniors,
        "n_for_others": max(0, stats.pending - n_skipped - n_for_seniors),
        "capped": bool(cap) and len(_severe_lately()) >= cap,
    }


def _shown(site: Site, lease: Lease) -> dict[str, Any]:
    item, queue = lease.item, services().queue
    author = item.comment.author_id
    return {
        **_about(item),
        "site": site,
        "item": item,
        "token": lease.token,
        "expires_in": lease.expires_at - time.time(),
        "request_id": secrets.token_urlsafe(12),
        "reasons": REASON_NAMES,
        "keys": keys_of(me().preferences.keys),
        "stats": queue.stats(site.id),
        "record": queue.author(site.id, author) if author else None,
        **_thread(site.id, item),
        "severe": _severe(item),
        "last": _last(site.id),
        "tired": _tired(),
        "earlier": services().read_models.find(site.id, "comment_id", item.comment.id)
        if _seen_before(item)
        else None,
        "only": session.get("only"),
    }


def _thread(site_id: str, item: ReviewItem) -> dict[str, Any]:
    """List what else waits in this conversation: its parent, its answers, and their neighbours."""
    article_id = item.comment.article_id
    if not article_id:
        return {"thread": []}
    near = services().queue.waiting(site_id, article_id=article_id, limit=THREAD_READ)
    own = {item.comment.id, item.comment.parent_id} - {""}
    found = [other for other in near if own & {other.comment.id, other.comment.parent_id}]
    goes_on = len(found) > THREAD_SHOWN or len(near) == THREAD_READ
    return {"thread": found[:THREAD_SHOWN], "thread_goes_on": goes_on}


def _seen_before(item: ReviewItem) -> bool:
    return item.why == "appeal" or item.version > 1 or bool(item.decision_id)


def _tired() -> int:
    """Return the minutes since the last break, if it is time for one, else 0."""
    since = session.setdefault("rested_at", time.time())
    minutes = int((time.time() - since) / 60)
    limit = me().preferences.break_minutes
    return minutes if limit and minutes >= limit else 0


def _about(item: ReviewItem) -> dict[str, Any]:
    """Everything that is read off a review item: the marked texts, the chips, why it is here."""
    label = item.verdict.label
    text = list(marked(item.comment.text, "text", item.evidence))
    return {
        "text": text,
        "far_mark": _is_far(text),
        "pen_name": list(marked(item.comment.author_name, "author.name", item.evidence)),
        "chips": _chips(item),
        "suggested": label if label in REASONS else UMBRELLA,
        "why": _why(item),
    }


def _is_far(segments: Sequence[Segment]) -> bool:
    """Return whether the first mark is likely to be out of sight."""
    before = list(takewhile(lambda segment: not segment.label, segments))
    read = "".join(segment.text for segment in before)
    return len(before) < len(segments) and (
        len(read) > FAR_CHARACTERS or read.count("\n") > FAR_LINES
    )


def _chips(item: ReviewItem) -> list[dict[str, Any]]:
    """Return the labels worth a look, the highest first; always the one that the verdict names."""
    chips = [
        {"label": label, "field": field, "score": score, "words": score_words(score)}
        for field, scores in (("text", item.scores), ("author.name", item.author_scores or {}))
        for label, score in scores.items()
        if score >= 0.33 or (label, field) == (item.verdict.label, item.verdict.field)
    ]
    return sorted(chips, key=lambda chip: -float(str(chip["score"])))[:MAX_CHIPS]


def _why(item: ReviewItem) -> str:
    label, words = label_name(item.verdict.label), score_words(item.verdict.score)
    if item.why == "appeal":
        return _("Its author asks for a second look at a decision.")
    if item.why == "escalated":
        return _("A colleague leaves it to a senior moderator.")
    if item.verdict.only_sampled:
        return _("Drawn at random to check the machine; it saw nothing against this comment.")
    if item.why == "author":
        return _("Little is known of its author, or too much: the site wants a look.")
    if item.why == "listed":
        return _("It holds a word of the site's list.")
    if item.why == "unsupported_language":
        return _("The machine cannot read its letters; nothing else speaks against it.")
    if item.verdict.field == "author.name":
        return _("The pen name looks like: %(label)s (%(words)s).", label=label, words=words)
    return _("The text looks like: %(label)s (%(words)s).", label=label, words=words)


def _conflict(site: Site, conflict: ModerationError, typed: Fields) -> str:
    """Say what happened to a decision that could not be taken, and keep what was written."""
    _forget(site.id)
    verb = typed("action")
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
        "conflict.html",
        site=site,
        sentence=sentence,
        intended=intended,
        reason=REASON_NAMES.get(typed("reason"), "") if verb == "reject" else "",
        note=typed("note"),
    )
