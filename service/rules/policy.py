"""From scores to an action.

A policy holds two thresholds per label: from `review` on a person decides, from `reject` on the
comment is refused without one. The thresholds come from the operating points of the artefact; a
site may override each of them. Out of the box nothing is rejected without a person. Everything here
is pure: same scores, same policy, same draw, same verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from models.schema import LABELS, Field

if TYPE_CHECKING:
    from service.sites.sites import Site

Action = Literal["approve", "review", "reject"]
Reason = Literal[
    "score", "audit", "clean", "listed", "author", "unsupported_language", "waiting", "decided"
]

# One comment in two hundred is shown to a person whatever its score: enough to measure what the
# thresholds miss, little enough not to be felt at the desk. A site may choose another share.
AUDIT_SHARE = 0.005

NO_AUDIT = 1.0  # a draw that no audit share reaches

_UMBRELLA = "toxicity"  # true of every abusive comment, so the least telling name for one


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says about one comment.

    Attributes
    ----------
    action : {"approve", "review", "reject"}
    label, field : str or None
        The label and the field of the comment that made the verdict; None when nothing did.
    score : float
        The score of that label in that field; else the highest score of the comment. [0, 1].
    reason : {"score", "audit", "clean", "listed", "author", "unsupported_language", "waiting", \
            "decided"}
        The last two of a comment that came before: it waits for a person, or one has decided.
    sampling_probability : float
        Probability with which a comment of these scores reaches a person, (0, 1] for one that did.
        Estimates made on decisions weigh each by its inverse.
    model_version : str
        Version of the artefact that gave the scores.
    """

    action: Action
    label: str | None
    field: Field | None
    score: float
    reason: Reason
    sampling_probability: float
    model_version: str


@dataclass(frozen=True)
class Policy:
    """Thresholds of one site.

    Attributes
    ----------
    review, reject : mapping of label to float
        A score at or above the threshold counts. A label without a threshold, or with a threshold
        of 1, never does.
    audit_share : float
        Share of the remaining comments that goes to review whatever the score, [0, 1].
    model_version : str
        Version of the artefact whose operating points these are; thresholds mean nothing for
        another one.
    unreadable : {"approve", "review"}
        What becomes of a text of which no letter could be read, where nothing else speaks.
    """

    review: Mapping[str, float]
    reject: Mapping[str, float] = field(default_factory=dict)
    audit_share: float = AUDIT_SHARE
    model_version: str = ""
    unreadable: str = "review"

    @classmethod
    def from_operating_points(
        cls,
        points: Mapping[str, Mapping[str, Mapping[str, float]]],
        site: Site | None = None,
        *,
        model_version: str = "",
    ) -> Policy:
        """Take the review thresholds of an artefact, then the site's own thresholds in their place.

        Parameters
        ----------
        points : mapping
            label -> "review" or "reject" -> {"threshold", "precision", "recall"}, as in the
            manifest. The reject points are offered to sites, and used only where a site asks for
            them by a threshold.
        """
        review = {
            label: kinds["review"]["threshold"]
            for label, kinds in points.items()
            if "review" in kinds
        }
        if site is None:
            return cls(review, model_version=model_version)
        return cls(
            review | dict(site.review),
            dict(site.reject),
            site.audit_share,
            model_version,
            site.unsupported_language,
        )

    def flagged_label(self, scores: Mapping[str, float]) -> str | None:
        """Label for which a person should look at a field with these scores, or None."""
        crossed = self._crossed(self.review, scores) or self._crossed(self.reject, scores)
        return crossed[0] if crossed else None

    def verdict(
        self,
        text_scores: Mapping[str, float],
        author_scores: Mapping[str, float] | None = None,
        *,
        listed: Field | None = None,
        watched: bool = False,
        readable: bool = True,
        draw: float = NO_AUDIT,
    ) -> Verdict:
        """Decide what happens to a comment.

        Parameters
        ----------
        text_scores, author_scores : mapping of label to float
            Scores of the text and of the author's display name, [0, 1]; None when there is no name.
        listed : {"text", "author.name"}, optional
            Where a word stands that the site always wants a person to see.
        watched : bool
            Whether the site wants a person to see all that this author writes at present.
        readable : bool
            False where the text has letters and none of them could be read, so that its scores say
            nothing.
        draw : float
            Uniform in [0, 1), from `audit_draw`. A draw below the audit share sends the comment to
            review.

        Notes
        -----
        Scores speak first, then the list, the author, the letters, and last of all the draw: so a
        comment is called drawn only where nothing else wants a person to see it. What would be
        rejected without a person is drawn too.

        The verdict names the strongest action; within it the highest score, where any label is more
        telling than `toxicity`, which is true of all of them; within equal scores the text, then
        the order of `LABELS`.
        """
        by_field: dict[Field, Mapping[str, float]] = {"text": text_scores}
        if author_scores is not None:
            by_field["author.name"] = author_scores
        drawn = draw < self.audit_share
        if found := self._strongest(self.reject, by_field):
            if drawn:
                return self._say("review", found, by_field, "audit", self.audit_share)
            return self._say("reject", found, by_field, "score", 1.0)
        if found := self._strongest(self.review, by_field):
            return self._say("review", found, by_field, "score", 1.0)
        if listed:
            verdict = self._say("review", None, by_field, "listed", 1.0)
            return replace(verdict, label=_UMBRELLA, field=listed)
        if watched:
            return self._say("review", None, by_field, "author", 1.0)
        if not readable and self.unreadable == "review":
            return self._say("review", None, by_field, "unsupported_language", 1.0)
        if drawn:
            return self._say("review", None, by_field, "audit", self.audit_share)
        reason: Reason = "clean" if readable else "unsupported_language"
        return self._say("approve", None, by_field, reason, self.audit_share)

    def _say(
        self,
        action: Action,
        found: tuple[Field, str, float] | None,
        by_field: Mapping[Field, Mapping[str, float]],
        reason: Reason,
        probability: float,
    ) -> Verdict:
        highest = max(
            (score for scores in by_field.values() for score in scores.values()), default=0.0
        )
        where, label, score = found or (None, None, highest)
        return Verdict(action, label, where, score, reason, probability, self.model_version)

    def _strongest(
        self, thresholds: Mapping[str, float], by_field: Mapping[Field, Mapping[str, float]]
    ) -> tuple[Field, str, float] | None:
        found = [
            (where, *crossed)
            for where, scores in by_field.items()
            if (crossed := self._crossed(thresholds, scores))
        ]
        return max(found, key=lambda entry: _telling(entry[1], entry[2]), default=None)

    @staticmethod
    def _crossed(
        thresholds: Mapping[str, float], scores: Mapping[str, float]
    ) -> tuple[str, float] | None:
        crossed = [
            (label, scores[label])
            for label in LABELS
            if label in scores and scores[label] >= thresholds.get(label, 1.0) < 1.0
        ]
        return max(crossed, key=lambda entry: _telling(*entry), default=None)


def _telling(label: str, score: float) -> tuple[bool, float]:
    return label != _UMBRELLA, score


def audit_draw(site_id: str, comment_id: str) -> float:
    """Uniform number in [0, 1), always the same for the same comment.

    So a comment that is sent again gets the same verdict again.

    Examples
    --------
    >>> audit_draw("demo", "c-1") == audit_draw("demo", "c-1") != audit_draw("demo", "c-2")
    True
    """
    digest = hashlib.blake2b(
        f"{site_id}\0{comment_id}".encode(), digest_size=8, person=b"hakam-audit"
    )
    return int.from_bytes(digest.digest()) / 2**64
