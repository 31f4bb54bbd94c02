"""Policy: from signals to a verdict, all of them plain values.

From a label's threshold `review` on a person decides, from `reject` on the comment is refused
without one. Out of the box nothing is rejected without a person.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from models.schema import LABELS, UMBRELLA, Field
from service.rules.findings import LINK, Finding, Rule
from service.rules.repeats import Seen
from service.rules.uncertainty import distance

Action = Literal["approve", "review", "reject"]
Reason = Literal[
    "score",
    "personal_data",
    "link",
    "latin_script",
    "repeat",
    "listed",
    "author",
    "flood",
    "pen_name",
    "unsupported_language",
    "article_held",
    "article_closed",
    "random_sample",
    "uncertain",
    "reported",
    "clean",
    "trusted",
    "waiting",
    "decided",
]
# Whether display names are judged, and whether a comment needs one.
PenNames = Literal["ignore", "review", "require"]
Standing = Literal["waiting", "approve", "reject"]

# One comment in two hundred is shown to a person whatever its score: enough to measure what the
# thresholds miss, little enough not to be felt by moderators. A site may choose another share.
RANDOM_SAMPLE_SHARE = 0.005

# What a rejection by rule is called where people choose from `models.schema.REASONS`.
_REJECTIONS: Mapping[Reason, str] = {
    "personal_data": "private_information",
    "link": "link",
    "latin_script": "latin_script",
    "repeat": "repeat",
    "article_closed": "article_closed",
}

# Draws for what is not left to chance: a comment with a known answer is to look like one of the
# random sample.
NEVER_DRAWN, ALWAYS_DRAWN = 1.0, -1.0


@dataclass(frozen=True, slots=True)
class AuthorHistory:
    """What was decided about an author's comments."""

    n_decided: int  # decisions that stand
    n_rejected_lately: int  # rejections among them of the last thirty days
    n_approved_in_a_row: int = 0  # since the last rejection
    is_held: bool = False  # for a while, after rejections


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of a comment before the verdict."""

    scores: Mapping[str, float]  # by label, of the text, [0, 1]
    author_scores: Mapping[str, float] | None = None  # of the display name, if there is one
    readable: bool = True  # False where none of its letters could be read: scores say nothing then
    findings: Sequence[Finding] = ()  # of the kinds that the site does not ignore
    listed: Field | None = None  # where a word stands that the site always wants a person to see
    # ``unknown`` while nobody can look it up; None without an author, or where nobody asks.
    author: AuthorHistory | Literal["unknown"] | None = None
    seen: Seen | Literal["unknown"] | None = None  # what else came like it; None where nobody asks
    article: Literal["held", "closed"] | None = None  # what people made of the article it is under
    latin: bool = False  # its letters are Latin ones
    nameless: bool = False  # its author gave no name, or a word that stands for none
    draw: float = NEVER_DRAWN  # uniform in [0, 1); below the share of the random sample it is drawn
    chosen: bool = False  # for people because the model hesitates, within the site's daily budget
    standing: Standing | None = None  # of the same comment before


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says about one comment."""

    action: Action
    label: str | None  # with its field what made the verdict; None when nothing did
    field: Field | None
    score: float  # of that label in that field; else the highest of the comment; [0, 1]
    reason: Reason
    # With which a comment of these scores reaches a person: estimates weigh by its inverse. Of an
    # uncertain one it is 1, but estimates leave it out: others like it are in the random sample.
    sampling_probability: float
    model_version: str

    @property
    def only_sampled(self) -> bool:
        """Whether nothing but the random sample puts the comment before a person."""
        return self.reason == "random_sample" and self.field is None

    @property
    def rejection_reason(self) -> str:
        """Why the policy rejects, in the words of a decision."""
        return _REJECTIONS.get(self.reason, self.label or "")

    @property
    def only_asked(self) -> bool:
        """Whether nothing is held against the comment: a person is asked to measure or to learn."""
        return self.only_sampled or self.reason == "uncertain"


@dataclass(frozen=True)
class Policy:
    """What a site wants; a label without a threshold, or with a threshold of 1, never counts."""

    review: Mapping[str, float]
    reject: Mapping[str, float] = field(default_factory=dict)
    random_sample_share: float = RANDOM_SAMPLE_SHARE  # of the comments that no person would see
    unreadable: str = "review"  # what becomes of a text without a letter that could be read
    review_first_comments: int = 0  # of a new author
    review_after_rejections: int = 0  # so many lately, and all of an author's; 0 is never
    personal_data: Rule = "ignore"
    links: Rule = "ignore"
    latin_script: Rule = "ignore"
    pen_names: PenNames = "review"
    repeat_review: int = 0  # from so many copies of a text on; 0 is never
    repeat_reject: int = 0
    author_per_hour: int = 0  # comments of an author that nobody need see; 0 is any number
    trust_after: int = 0  # approvals in a row; 0 is never
    trusted_sample_share: float = 0.0  # of what passes because its author is trusted
    sure: Mapping[str, float] = field(default_factory=dict)  # from there on nobody is trusted
    holds_authors: bool = False  # for a while, after rejections
    model_version: str = ""  # for whose scores the thresholds are meant

    @property
    def watches_authors(self) -> bool:
        """Whether the author's history has a say in a verdict."""
        return bool(
            self.review_first_comments
            or self.review_after_rejections
            or self.trust_after
            or self.holds_authors
        )

    @property
    def counts_repeats(self) -> bool:
        """Whether what else came like a comment has a say in its verdict."""
        return bool(self.repeat_review or self.repeat_reject or self.author_per_hour)

    def verdict(self, signals: Signals) -> Verdict:
        """Decide what happens to a comment.

        The first line that holds decides:

        ====================================== ======= =====================
        signal                                 action  reason
        ====================================== ======= =====================
        a decision on the same comment stands  that    decided
        its article is closed                  reject  article_closed
        a score from its reject threshold on   reject  score
        personal data, which the site rejects  reject  personal_data
        a link, which the site rejects         reject  link
        Latin letters, which it rejects        reject  latin_script
        as many copies as the site rejects     reject  repeat
        one of these five, and drawn           review  random_sample
        a score from its review threshold on   review  score
        personal data, which it wants to see   review  personal_data
        a link, which it wants to see          review  link
        Latin letters, which it wants to see   review  latin_script
        as many copies as it wants to see      review  repeat
        a word of the site's list              review  listed
        the author is new, often rejected      review  author
        or held
        more of its author than an hour has    review  flood
        no name, where the site requires one   review  pen_name
        no letter could be read                review  unsupported_language
        its article is held                    review  article_held
        drawn                                  review  random_sample
        chosen, because the model hesitates    review  uncertain
        the same comment waits for a person    review  waiting
        none of these, by a trusted author     approve trusted
        none of these                          approve clean
        ====================================== ======= =====================

        A comment that waits goes to review where it would be rejected too. A site may let texts of
        which no letter could be read pass: they are drawn like others, and approved for the reason
        ``unsupported_language``. While nobody can count copies and comments of an author, a site
        that minds them sees what it gets, for the reason ``repeat``.

        An author is trusted after so many approvals without a rejection. What the machine doubts
        passes then, but for a sample of its own; from the reject threshold of a label on, or where
        the site has none from the model's own point of rejection on, a person decides: neither is
        it approved nor rejected without one. All other rules hold for everybody.

        What readers have reported goes to review for the reason ``reported``, whatever it is: no
        signal of this table, because it comes later (`service.moderation`).

        The verdict names the highest score of the thresholds that made it, where any label is more
        telling than `toxicity`, which is true of all of them; within equal scores the text, then
        the order of `LABELS`.
        """
        if self.pen_names == "ignore":
            signals = replace(signals, author_scores=None)
        verdict = self._afresh(signals)
        if signals.standing == "waiting" and verdict.action != "review":
            return replace(verdict, action="review", reason="waiting", sampling_probability=1.0)
        if signals.standing in ("approve", "reject"):
            return replace(verdict, action=signals.standing, reason="decided")
        return verdict

    def _afresh(self, signals: Signals) -> Verdict:
        """Decide about a comment as if it had never come before."""
        drawn, sampled = signals.draw < self.random_sample_share, self.random_sample_share
        if signals.article == "closed":
            return self._say(signals, "reject", "article_closed", 1.0)
        trusted = self._trusts(signals.author)
        if found := self._strongest(self.reject, signals):
            if trusted:
                return self._say(signals, "review", "score", 1.0, found)
            if drawn:
                return self._say(signals, "review", "random_sample", sampled, found)
            return self._say(signals, "reject", "score", 1.0, found)
        if ruled := self._by_rule("reject", signals):
            reason, where = ruled
            verdict = self._say(signals, "reject", reason, 1.0)
            if drawn:
                verdict = self._say(signals, "review", "random_sample", sampled)
            return replace(verdict, field=where)
        doubted = self._strongest(self.review, signals)
        if doubted and (not trusted or self._strongest(self.sure, signals)):
            return self._say(signals, "review", "score", 1.0, doubted)
        if ruled := self._by_rule("review", signals):
            reason, where = ruled
            return replace(self._say(signals, "review", reason, 1.0), field=where)
        if signals.listed:
            verdict = self._say(signals, "review", "listed", 1.0)
            return replace(verdict, label=UMBRELLA, field=signals.listed)
        if why := self._unseen(signals):
            return self._say(signals, "review", why, 1.0)
        if doubted:
            likely = max(self.trusted_sample_share, sampled)
            if signals.draw < likely:
                return self._say(signals, "review", "random_sample", likely, doubted)
            return self._say(signals, "approve", "trusted", likely, doubted)
        if drawn:  # before it is chosen: the random sample is of all comments that nobody would see
            return self._say(signals, "review", "random_sample", sampled)
        if signals.chosen:
            return self._say(signals, "review", "uncertain", 1.0, self._nearest(signals)[1])
        reason = "clean" if signals.readable else "unsupported_language"
        return self._say(signals, "approve", reason, sampled)

    def _unseen(self, signals: Signals) -> Reason | None:
        """Return why a person is to see a comment against which its text says nothing."""
        if self._watches(signals.author):
            return "author"
        if self._floods(signals.seen):
            return "flood"
        if signals.nameless and self.pen_names == "require":
            return "pen_name"
        if not signals.readable and self.unreadable == "review":
            return "unsupported_language"
        return "article_held" if signals.article == "held" else None

    def _by_rule(self, rule: Rule, signals: Signals) -> tuple[Reason, Field] | None:
        """Return the first thing for which the site has a rule, and in which field it stands."""
        if finding := self._ruled(rule, signals):
            return _reason_of(finding), finding.field
        if signals.latin and self.latin_script == rule:
            return "latin_script", "text"
        return ("repeat", "text") if self._repeats(rule, signals.seen) else None

    def _repeats(self, rule: Rule, seen: Seen | Literal["unknown"] | None) -> bool:
        if seen is None or not self.counts_repeats:
            return False
        if seen == "unknown":
            return rule == "review"  # it may be one of those that the site minds
        least = self.repeat_reject if rule == "reject" else self.repeat_review
        return 0 < least <= seen.n_copies

    def _floods(self, seen: Seen | Literal["unknown"] | None) -> bool:
        return isinstance(seen, Seen) and 0 < self.author_per_hour < seen.n_of_author

    def _trusts(self, author: AuthorHistory | Literal["unknown"] | None) -> bool:
        if not isinstance(author, AuthorHistory) or self._watches(author):
            return False
        return 0 < self.trust_after <= author.n_approved_in_a_row

    def _ruled(self, rule: Rule, signals: Signals) -> Finding | None:
        """Return the first finding for which the site has a rule; personal data before links."""
        found = (one for one in signals.findings if self.rule_for(one) == rule)
        return min(found, key=lambda one: one.kind == LINK, default=None)

    def rule_for(self, finding: Finding) -> Rule:
        """Return what becomes of a comment with a finding of this kind."""
        return self.links if finding.kind == LINK else self.personal_data

    def flagged_label(self, scores: Mapping[str, float]) -> str | None:
        """Label for which a person should look at a field with these scores, or None."""
        crossed = self._crossed(self.review, scores) or self._crossed(self.reject, scores)
        return crossed[0] if crossed else None

    def flags(self, label: str, scores: Mapping[str, float]) -> bool:
        """Whether a score is at or above the label's threshold for review."""
        return label in scores and scores[label] >= self.review.get(label, 1.0) < 1.0

    def distance(self, signals: Signals) -> float:
        """Return how far a comment is from being flagged, in log-odds; infinite where never."""
        return self._nearest(signals)[0]

    def _nearest(self, signals: Signals) -> tuple[float, tuple[Field, str, float] | None]:
        """Return which field and label is nearest to being flagged, and how far away."""
        found = [
            (distance(self.review, scores, label), (where, label, scores[label]))
            for where, scores in _by_field(signals).items()
            for label in scores
        ]
        away, nearest = min(found, key=lambda entry: entry[0], default=(math.inf, None))
        return away, nearest if away < math.inf else None

    def _watches(self, author: AuthorHistory | Literal["unknown"] | None) -> bool:
        if author is None or not self.watches_authors:
            return False
        if author == "unknown":  # it may be one of those that the site wants to see
            return bool(
                self.review_first_comments or self.review_after_rejections or self.holds_authors
            )
        return (
            (author.is_held and self.holds_authors)
            or author.n_decided < self.review_first_comments
            or 0 < self.review_after_rejections <= author.n_rejected_lately
        )

    def _say(
        self,
        signals: Signals,
        action: Action,
        reason: Reason,
        probability: float,
        found: tuple[Field, str, float] | None = None,
    ) -> Verdict:
        scores = (*signals.scores.values(), *(signals.author_scores or {}).values())
        where, label, score = found or (None, None, max(scores, default=0.0))
        return Verdict(action, label, where, score, reason, probability, self.model_version)

    def _strongest(
        self, thresholds: Mapping[str, float], signals: Signals
    ) -> tuple[Field, str, float] | None:
        found = [
            (where, *crossed)
            for where, scores in _by_field(signals).items()
            if (crossed := self._crossed(thresholds, scores))
        ]
        return max(found, key=lambda entry: _telling(entry[1], entry[2]), default=None)

    @staticmethod
    def _crossed(
        thresholds: Mapping[str, float], scores: Mapping[str, float]
    ) -> tuple[str, float] | None:
        crossed = [
            (label, scores[label])
            for label, threshold in thresholds.items()
            if label in scores and scores[label] >= threshold < 1.0
        ]
        crossed.sort(key=lambda entry: LABELS.index(entry[0]))
        return max(crossed, key=lambda entry: _telling(*entry), default=None)


def _by_field(signals: Signals) -> Mapping[Field, Mapping[str, float]]:
    return {"text": signals.scores, "author.name": signals.author_scores or {}}


def _telling(label: str, score: float) -> tuple[bool, float]:
    return label != UMBRELLA, score  # which is the least telling name for abuse


def _reason_of(finding: Finding) -> Reason:
    return "link" if finding.kind == LINK else "personal_data"


def random_draw(
    site_id: str, comment_id: str, purpose: Literal["sample", "shadow", "preview"] = "sample"
) -> float:
    """Uniform number in [0, 1), the same whenever the same comment is sent."""
    person = f"hakam-{purpose}".encode()
    digest = hashlib.blake2b(f"{site_id}\0{comment_id}".encode(), digest_size=8, person=person)
    return int.from_bytes(digest.digest()) / 2**64
