"""Decide on a whole group: as much as one request may do, and what is said of the rest."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import flash, session

from service.console.permissions import me
from service.console.vocabulary import gettext as _
from service.console.vocabulary import ngettext
from service.errors import Forbidden, ItemNotFound
from service.queue.group_decisions import Progress, Undone, Why
from service.queue.records import Decision
from service.services import services

AT_ONCE_SECONDS = 0.1  # for which a request decides on a group, or takes back

Step = TypeVar("Step", Progress, Undone)


def for_a_request(step: Callable[[], Step]) -> Step:
    """Take steps on a group until all is done, or as much as one request may do."""
    ends_at = time.monotonic() + AT_ONCE_SECONDS
    taken = step()
    while not taken.done and time.monotonic() < ends_at:
        taken = step()
    return taken


def go_on_later(site_id: str, draft: Decision, until_ms: int, progress: Progress) -> None:
    """Remember what is still to be decided: the list of the group asks for it by itself."""
    remember_last(site_id, draft, progress.n_decided, group=True)
    session["deciding"] = {
        "site": site_id,
        "n": progress.n_decided,
        "action": draft.action,
        "request_id": draft.request_id,
        "reason": draft.reason,
        "until": str(until_ms),
    }


def remember_last(site_id: str, draft: Decision, n_decided: int, **more: Any) -> None:
    """Remember what was decided last in a list: it is offered to be taken back there."""
    about = {"site": site_id, "id": draft.request_id, "n": n_decided, "action": draft.action}
    session["bulk"] = about | more


def last_of(site_id: str) -> Mapping[str, Any]:
    """Return what this moderator decided last in a list of a site; empty where that is nothing."""
    last: Mapping[str, Any] = session.get("bulk", {})
    return last if last.get("site") == site_id else {}


def forget_last(site_id: str) -> Mapping[str, Any]:
    """Return the same, and offer it no more."""
    if last := last_of(site_id):
        session.pop("bulk")
    return last


def deciding(site_id: str) -> Mapping[str, Any]:
    """Return what is still to be decided of a site, if anything."""
    found: Mapping[str, Any] = session.get("deciding", {})
    return found if found.get("site") == site_id else {}


def undo(site_id: str, last: Mapping[str, Any]) -> bool:
    """Take back some of a decision on a group; while False, the lists ask again for the rest."""
    senior, request_id = me().at_least("senior"), f"undo/{last['id']}"
    session.pop("deciding", None)
    try:
        undone = for_a_request(
            lambda: services().group_decisions.undo(
                site_id, last["id"], me().name, request_id, senior=senior
            )
        )
    except (Forbidden, ItemNotFound):
        flash(_("It is too late to take this decision back."), "reject")
        return True
    if not undone.done:
        session["bulk"] = {**last, "n_undone": undone.n_undone}
        return False
    if undone.n_undone:
        tell_undone(undone.n_undone)
    if undone.n_kept:
        tell_kept(undone.n_kept)
    return True


def tell_undone(n_undone: int) -> None:
    """Say how many comments wait again."""
    flash(
        ngettext("%(num)s comment waits again.", "%(num)s comments wait again.", n_undone), "skip"
    )


def tell_kept(n_kept: int) -> None:
    """Say of how many comments the decision could not be taken back."""
    flash(
        ngettext(
            "Of %(num)s comment the decision stands: it was decided again, or it is too late.",
            "Of %(num)s comments the decision stands: they were decided again, or it is too late.",
            n_kept,
        ),
        "reject",
    )


def tell_left(progress: Progress) -> None:
    """Say what was not decided of a group, and why."""
    for why, n in sorted(progress.left.items()):
        flash(_why_left(why, n), "reject")


def _why_left(why: Why, n: int) -> str:
    if why == "held":
        return ngettext(
            "%(num)s was left, because a colleague is reading it.",
            "%(num)s were left, because colleagues are reading them.",
            n,
        )
    if why == "barred":
        return ngettext(
            "%(num)s was left, because you judged it before.",
            "%(num)s were left, because you judged them before.",
            n,
        )
    if why == "later":
        return ngettext(
            "%(num)s came after the page that you saw, so it still waits.",
            "%(num)s came after the page that you saw, so they still wait.",
            n,
        )
    if why == "edited":
        return ngettext(
            "%(num)s was edited after the page that you saw, so it still waits.",
            "%(num)s were edited after the page that you saw, so they still wait.",
            n,
        )
    if why == "escalated":
        return ngettext(
            "%(num)s is left to the seniors, so it still waits for them.",
            "%(num)s are left to the seniors, so they still wait for them.",
            n,
        )
    if why == "moved":
        return ngettext(
            "%(num)s was decided or withdrawn before you.",
            "%(num)s were decided or withdrawn before you.",
            n,
        )
    return ngettext(
        "%(num)s was left, because what is stored of it cannot be read.",
        "%(num)s were left, because what is stored of them cannot be read.",
        n,
    )
