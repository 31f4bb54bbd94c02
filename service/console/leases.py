"""Leases of whoever is logged in, one per site, and what else their session remembers of the work.

The id of the item and the fencing token stand in the signed session cookie, so that reloading the
page shows the same comment.
"""

import time
from collections.abc import Mapping

from flask import session

from models.errors import ModerationError
from service.accounts.account import MAX_RUN_MINUTES, MAX_SEVERE_PER_HOUR, MAX_SEVERE_RUN
from service.console.permissions import me
from service.errors import Conflict, ItemNotFound
from service.queue.records import Lease, ReviewItem
from service.services import services
from service.sites.site import Site

#: A severe item: what the cap per hour counts and the blur covers whole.
SEVERE_LABELS, SEVERE_SCORE = {"severe_toxicity", "threat", "identity_attack"}, 0.9
HOUR_SECONDS = 3600.0
KEPT_SECONDS = max(HOUR_SECONDS, MAX_RUN_MINUTES * 60)  # for which it is remembered when one came
MAX_KEPT = max(MAX_SEVERE_PER_HOUR, MAX_SEVERE_RUN)
MAX_PASSED_ON = 20
MAX_SITES_AT_ONCE = 20  # that the session cookie, which holds 4 KB, remembers something of


def held(site_id: str) -> Lease | None:
    """Return the lease that this moderator had, if it is still theirs."""
    item_id, token = session.get("leases", {}).get(site_id, (None, 0))
    if item_id is None:
        return None
    try:
        return services().queue.renew(site_id, item_id, token)
    except (Conflict, ItemNotFound):
        return None


def lease_next(site: Site) -> Lease | None:
    """Lease the most urgent comment that this moderator's cap on severe ones lets through."""
    cap, lately = me().preferences.severe_per_hour, _severe_lately()
    for _attempt in range(MAX_PASSED_ON):
        lease = services().queue.lease(
            site.id,
            me().name,
            senior=me().at_least("senior"),
            known_answer_share=site.known_answer_share,
            **session.get("only", {}),
        )
        if lease is None or not is_severe(lease.item):
            return lease
        if not cap or len(lately) < cap:
            session["severe"] = [*_severe_since(KEPT_SECONDS), round(time.time(), 3)][-MAX_KEPT:]
            return lease
        services().queue.skip(site.id, lease.item.id, lease.token, seen=False)
    return None


def keep(site_id: str, lease: Lease) -> None:
    """Remember a lease."""
    if len({*session.get("leases", {}), site_id}) > MAX_SITES_AT_ONCE:
        release_all()
    session.setdefault("leases", {})[site_id] = [lease.item.id, lease.token]
    session.modified = True


def forget(site_id: str) -> None:
    """Remember no lease of a site."""
    if session.get("leases", {}).pop(site_id, None):
        session.modified = True


def forget_item(site_id: str, item_id: str) -> None:
    """Remember no lease of an item, which this moderator has decided in a list."""
    if session.get("leases", {}).get(site_id, [""])[0] == item_id:
        forget(site_id)


def release_all() -> None:
    """Give back every comment that this moderator holds, so that others need not wait for it."""
    for site_id, (item_id, token) in session.pop("leases", {}).items():
        try:
            services().queue.release(site_id, item_id, token)
        except ModerationError:
            continue  # it comes back by itself when the lease runs out


def is_severe(item: ReviewItem) -> bool:
    """Return whether an item counts for the cap and is blurred whole."""
    return any(item.scores.get(label, 0.0) >= SEVERE_SCORE for label in SEVERE_LABELS)


def is_capped() -> bool:
    """Return whether this moderator has seen as many severe items as they want in an hour."""
    return 0 < me().preferences.severe_per_hour <= len(_severe_lately())


def severe_run() -> int:
    """Return how many severe items came one after another, if it is time for a break, else 0."""
    wanted = me().preferences
    since = max(time.time() - wanted.severe_run_minutes * 60, session.get("rested_at", 0.0))
    n_severe = len([at for at in _severe_since(KEPT_SECONDS) if at > since])
    return n_severe if 0 < wanted.severe_run <= n_severe else 0


def _severe_lately() -> list[float]:
    return _severe_since(HOUR_SECONDS)


def _severe_since(seconds: float) -> list[float]:
    return [at for at in session.get("severe", []) if at > time.time() - seconds]


def minutes_without_break() -> int:
    """Return the minutes since the last break, if it is time for one, else 0."""
    since = session.setdefault("rested_at", time.time())
    minutes = int((time.time() - since) / 60)
    limit = me().preferences.break_minutes
    return minutes if limit and minutes >= limit else 0


def last_action(site_id: str) -> Mapping[str, str] | None:
    """Return what this moderator did last on a site: it is offered to be taken back there."""
    return _last_actions().get(site_id)


def note_last_action(site_id: str, last: Mapping[str, str] | None) -> None:
    """Remember what this moderator did last on a site."""
    others = {site: kept for site, kept in _last_actions().items() if site != site_id}
    if len(others) == MAX_SITES_AT_ONCE:
        others = {}
    session["last"] = others | ({site_id: last} if last else {})


def _last_actions() -> Mapping[str, Mapping[str, str]]:
    kept = session.get("last") or {}
    return kept if all(isinstance(last, dict) for last in kept.values()) else {}  # an older session
