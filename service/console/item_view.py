"""What the work page shows of a review item: marked text, scores, why it is here, its thread."""

import secrets
import time
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from models.schema import SentenceEvidence
from service.console import formats
from service.console.highlight import Segment, marked
from service.console.item_rows import suggested
from service.console.keyboard import keys_of
from service.console.leases import is_severe, last_action, minutes_without_break, severe_run
from service.console.permissions import me
from service.console.raids import shown_raids
from service.console.vocabulary import FINDING_NAMES, REASON_NAMES, label_name, listed, score_words
from service.console.vocabulary import gettext as _
from service.moderation import findings
from service.queue.group_decisions import Group
from service.queue.records import Lease, ReviewItem
from service.rules.personal_data import find, masked
from service.services import services
from service.sites.site import Site

MAX_CHIPS = 4
WORTH_A_LOOK = 0.33  # the score from which a label is shown
WORTH_SAYING = 0.05  # what a sentence as a whole adds, so that no 0.0 is shown
#: A mark behind so many characters or lines is offered a jump to.
FAR_CHARACTERS, FAR_LINES = 400, 6


def item_view(site: Site, lease: Lease, *, shows_personal_data: bool) -> dict[str, Any]:
    """Return what the template of the work page is filled with."""
    item, queue = lease.item, services().queue
    author = item.comment.author_id
    seen_before = item.why == "appeal" or item.version > 1 or bool(item.decision_id)
    shows = shows_personal_data or site.personal_data == "ignore"
    found = findings(site, item.comment)
    text, pen_name = (
        list(marked(value if shows else masked(value), field, item.evidence, found))
        for field, value in (("text", item.comment.text), ("author.name", item.comment.author_name))
    )
    around = services().contexts.of(site.id, item)
    reports = services().reports.about(site.id, item.id) if item.n_reports else []
    beside = [around.answered(item.comment), item.appeal, *(one.explanation for one in reports)]
    near = [one.comment for one in around.waiting]
    near += [one.comment for one in around.decided if one.comment]
    beside += [words for one in near for words in (one.text, one.author_name)]
    return {
        "text": text,
        "far_mark": _is_far(text),
        "pen_name": pen_name,
        "shows_personal_data": shows,
        "hides": not shows
        and any(map(find, [item.comment.text, item.comment.author_name, *beside])),
        "holds": listed(dict.fromkeys(str(FINDING_NAMES[one.kind]) for one in found)),
        "chips": _chips(item),
        "wholes": [_whole(one) for one in item.sentence if abs(one.weight) >= WORTH_SAYING],
        "suggested": suggested(item),
        "why": _why(item),
        "reports": reports,
        "site": site,
        "item": item,
        "token": lease.token,
        "expires_in": lease.expires_at - time.time(),
        "request_id": secrets.token_urlsafe(12),
        "reasons": REASON_NAMES,
        "keys": keys_of(me().preferences.keys),
        "stats": queue.stats(site.id),
        "copies": services().group_decisions.waiting(site.id, Group(item.comment.copies))
        if item.comment.copies
        else None,
        **shown_raids(site.id),
        "record": queue.author(site.id, author) if author else None,
        "around": around,
        "severe": is_severe(item),
        "last": last_action(site.id),
        "tired": minutes_without_break(),
        "n_severe": severe_run(),
        "earlier": services().read_models.find(site.id, "comment_id", item.comment.id)
        if seen_before
        else None,
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
    chips: list[dict[str, Any]] = [
        {"label": label, "field": field, "score": score, "words": score_words(score)}
        for field, scores in (("text", item.scores), ("author.name", item.author_scores or {}))
        for label, score in scores.items()
        if score >= WORTH_A_LOOK or (label, field) == (item.verdict.label, item.verdict.field)
    ]
    return sorted(chips, key=lambda chip: -chip["score"])[:MAX_CHIPS]


def _whole(said: SentenceEvidence) -> str:
    weight, label = formats.signed(said.weight), label_name(said.label)
    if said.field == "author.name":
        return _("The pen name as a whole: %(weight)s (%(label)s)", weight=weight, label=label)
    return _("The sentence as a whole: %(weight)s (%(label)s)", weight=weight, label=label)


def _why(item: ReviewItem) -> str:
    label, words = label_name(item.verdict.label), score_words(item.verdict.score)
    if item.why == "appeal":
        return _("Its author asks for a second look at a decision.")
    if item.why == "escalated":
        return _("A colleague leaves it to a senior moderator.")
    if item.why == "reported" and item.published:
        return _("Readers have reported it. It stays published until you decide.")
    if item.why == "reported":
        return _("Readers have reported it; it was edited since and waits for you.")
    if item.verdict.only_sampled:
        return _("Drawn at random to check the machine; it saw nothing against this comment.")
    if item.why == "uncertain":
        return _(
            "The machine is not sure about it and would let it pass; your decision teaches it."
        )
    if item.why == "personal_data":
        return _("It holds personal data, which the site wants a person to see.")
    if item.why == "link":
        return _("It holds a link to a host that the site does not allow.")
    if item.why == "latin_script":
        return _("It is in Latin letters, which the site wants a person to see.")
    if item.why == "pen_name":
        return _("Its author gave no name, which the site asks for.")
    if item.why == "repeat":
        return _("Copies of it keep coming, which the site wants a person to see.")
    if item.why == "flood":
        return _("Its author has sent many comments within an hour.")
    if item.why == "article_held":
        return _("All comments on its article wait for a person.")
    if item.why == "author":
        return _("Little is known of its author, or too much: the site wants a look.")
    if item.why == "listed":
        return _("It holds a word of the site's list.")
    if item.why == "unsupported_language":
        return _("The machine cannot read its letters; nothing else speaks against it.")
    if not item.verdict.label:
        return _("The site's rules would reject it; it was drawn at random to check them.")
    if item.verdict.field == "author.name":
        return _("The pen name looks like: %(label)s (%(words)s).", label=label, words=words)
    return _("The text looks like: %(label)s (%(words)s).", label=label, words=words)
