"""Rows of review items: what a list shows of each, with marks and masks as on the work page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.schema import REASONS, UMBRELLA, Evidence
from service.console.highlight import Segment, marked
from service.console.leases import is_severe
from service.console.vocabulary import why_name
from service.moderation import findings
from service.queue.records import ReviewItem
from service.rules.personal_data import masked
from service.sites.site import Site

CLIPPED_AT = 600  # characters of a text; the rest is one click away


@dataclass(frozen=True, slots=True)
class Row:
    """One review item of a list."""

    item: ReviewItem
    pen_name: Sequence[Segment]
    text: Sequence[Segment]
    rest: Sequence[Segment]  # of a long text
    why: str
    severe: bool
    suggested: str  # the reason of a rejection that fits what speaks against it
    n_copies: int = 0  # waiting copies of its text, itself included; 0 where nobody asked
    action: str = ""  # the last word on it, where it is decided


def row_of(
    site: Site,
    item: ReviewItem,
    *,
    shows_personal_data: bool,
    n_copies: int = 0,
    action: str = "",
    found: Sequence[Evidence] = (),
) -> Row:
    """Return what a list shows of an item: what was `found` marked, else what speaks against it."""
    personal = findings(site, item.comment)

    def segments(text: str, field: str) -> list[Segment]:
        return list(
            marked(
                text if shows_personal_data else masked(text),
                field,
                found or item.evidence,
                () if found else personal,
            )
        )

    text, rest = _clipped(segments(item.comment.text, "text"))
    pen_name = segments(item.comment.author_name, "author.name")
    return Row(
        item,
        pen_name,
        text,
        rest,
        why_name(item),
        is_severe(item),
        suggested(item),
        n_copies,
        action,
    )


def rows(site: Site, items: Iterable[ReviewItem], *, shows_personal_data: bool) -> list[Row]:
    """Return what a list shows of items."""
    return [row_of(site, item, shows_personal_data=shows_personal_data) for item in items]


def suggested(item: ReviewItem) -> str:
    """Return the reason for a rejection that fits what speaks against an item."""
    reason = "spam" if item.why in ("repeat", "flood") else item.verdict.rejection_reason
    return reason if reason in REASONS else UMBRELLA


def _clipped(segments: Sequence[Segment]) -> tuple[list[Segment], list[Segment]]:
    """Cut a text where it is long, into what is shown at once and the rest."""
    shown, rest, room = list[Segment](), list[Segment](), CLIPPED_AT
    for segment in segments:
        if room and len(segment.text) > room and not segment.label:
            cut = segment.text.rfind(" ", 0, room) + 1 or room
            shown.append(Segment(segment.text[:cut]))
            rest.append(Segment(segment.text[cut:]))
            room = 0
        elif room:
            shown.append(segment)
            room = max(0, room - len(segment.text))
        else:
            rest.append(segment)
    return shown, rest
