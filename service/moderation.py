"""Moderation: a comment gets its verdict, and goes into the queue where a person must see it.

Every interface goes through here, so that all judge alike. While Redis is down, a comment that
needs a person is refused, because it must never get lost; one that was only drawn for the random
sample, or chosen because the model hesitates, is answered as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat
from typing import Any, Literal

from models.artifact import Artifact
from models.dialect import dialect_of
from models.language import TAGS, Language, identify_all
from models.schema import UMBRELLA, Evidence, Field, LabeledComment, SentenceEvidence
from service import tracing
from service.errors import StoreUnavailable
from service.metrics import Metrics
from service.queue import arrivals
from service.queue.arrivals import Arrival, Found
from service.queue.articles import Articles
from service.queue.chosen import Chosen
from service.queue.records import (
    AuthorRecord,
    Comment,
    Decision,
    Enqueued,
    Report,
    known_action,
)
from service.queue.repeats import Repeats
from service.queue.reports import Reports
from service.queue.review_queue import ReviewQueue
from service.reports.hesitation import Hesitation
from service.reports.verdict_counts import VerdictCounts
from service.rules import links, personal_data, uncertainty
from service.rules.findings import LINK, Finding
from service.rules.pen_names import is_nameless
from service.rules.policy import (
    ALWAYS_DRAWN,
    NEVER_DRAWN,
    AuthorHistory,
    Policy,
    Signals,
    Standing,
    Verdict,
    random_draw,
)
from service.rules.repeats import Seen
from service.rules.word_lists import word_list
from service.scoring import MAX_TEXT_BYTES, Flagged, Scorer, Why
from service.sites.site import Site

MAX_LISTED = 50  # occurrences of listed words that are kept per field
RECENT_SECONDS = 30 * 86_400.0  # in which an author's rejections count
LISTED_WEIGHT = 0.0  # a listed word is evidence by the site's wish, not by the classifier
# Of a text that is longer than `MAX_TEXT_BYTES` a person gets to see one part of so many letters.
PART_LETTERS = MAX_TEXT_BYTES // 4  # no letter has more than four bytes
CUT = " [\N{HORIZONTAL ELLIPSIS}]"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what it rests on."""

    signals: Signals
    verdict: Verdict
    language: Language  # a remark: a text has its scores whatever is said here
    readers: Sequence[str]  # who read the text or the display name
    evidence: Sequence[Evidence]  # of each flagged field what made its label
    sentence: Sequence[SentenceEvidence]  # and what the whole of it adds, where it was read


#: A judgement, and where the comment stands; None where nothing of it could be stored, nor need be.
Submitted = tuple[Judgement, Enqueued | None]

Note = Callable[["Moderation", Site, Comment, Signals, Enqueued | None], object]


def _nobody(*_: object) -> None:
    """Take no note."""


class Moderation:
    """Judges comments for sites."""

    def __init__(
        self,
        artifact: Artifact,
        queue: ReviewQueue,
        metrics: Metrics,
        verdict_counts: VerdictCounts,
        hesitation: Hesitation,
        chosen: Chosen,
        repeats: Repeats,
        reports: Reports,
        note: Note = _nobody,  # is told of each comment that was judged for the first time
        articles: Articles | None = None,
    ) -> None:
        self.scorer = Scorer(artifact)
        self._model_version = artifact.version
        # The thresholds of sites that name none; the point of rejection tells who is not trusted.
        self._review, self._sure = (
            {
                label: at[point]["threshold"]
                for label, at in artifact.operating_points.items()
                if point in at
            }
            for point in ("review", "reject")
        )
        self._queue = queue
        self._metrics = metrics
        self._verdict_counts = verdict_counts
        self._hesitation = hesitation
        self._chosen = chosen
        self._repeats = repeats
        self._reports = reports
        self._note = note
        self._articles = articles
        self._is_in_use = True

    def by(self, artifact: Artifact) -> Moderation:
        """Return what judges by another artefact, whose scores are not counted among this one's."""
        if artifact.version == self._model_version:
            return self
        parts = (self._queue, self._metrics, self._verdict_counts, self._hesitation)
        other = Moderation(artifact, *parts, self._chosen, self._repeats, self._reports)
        other._is_in_use = False
        return other

    @property
    def own_review(self) -> Mapping[str, float]:
        """The thresholds for review of the artefact, by label."""
        return self._review

    def policy(self, site: Site) -> Policy:
        """Return what a site wants, with the artefact's review thresholds where it names none."""
        return Policy(
            review=self._review | dict(site.review),
            reject=site.reject,
            random_sample_share=site.random_sample_share,
            unreadable=site.unsupported_language,
            review_first_comments=site.review_first_comments,
            review_after_rejections=site.review_after_rejections,
            personal_data=site.personal_data,
            links=site.links,
            latin_script=site.latin_script,
            pen_names=site.pen_names,
            repeat_review=site.repeat_review,
            repeat_reject=site.repeat_reject,
            author_per_hour=site.author_per_hour,
            trust_after=site.trust_after,
            trusted_sample_share=site.trusted_sample_share,
            sure=self._sure | dict(site.reject),
            holds_authors=bool(site.hold_after) or site.authors_held_until > time.time(),
            model_version=self._model_version,
        )

    def judge(self, site: Site, comments: Sequence[Comment]) -> list[Judgement]:
        """Judge comments, whose texts are valid Unicode, by what they say; nothing is stored."""
        return list(self._judged(site, self.policy(site), comments))

    def _judged(
        self, site: Site, policy: Policy, comments: Sequence[Comment]
    ) -> Iterator[Judgement]:
        """Yield what each comment says of itself; evidence is looked for in flagged fields only."""
        named = [i for i, comment in enumerate(comments) if comment.author_name.strip()]
        listed = [_listed(site, comment) for comment in comments]
        comments = _without_allowed(site, comments)
        texts = [comment.text for comment in comments]
        languages = identify_all(texts)
        with tracing.step("score", n_texts=len(texts) + len(named)):
            scored = self.scorer.judge([*texts, *(comments[i].author_name for i in named)])
        authors = dict(zip(named, scored[len(texts) :], strict=True))
        why = self.scorer.why(
            [
                Flagged(i, field, text, label)
                for i, comment in enumerate(comments)
                for (field, text), found in zip(
                    _fields(comment), (scored[i], authors.get(i)), strict=True
                )
                if found and (label := policy.flagged_label(found.scores))
            ]
        )
        for i, language in enumerate(languages):
            text, name, found = scored[i], authors.get(i), why.get(i, Why())
            signals = Signals(
                text.scores,
                name.scores if name else None,
                readable=language.readable,
                findings=findings(site, comments[i]),
                listed=listed[i][-1].field if listed[i] else None,
                latin=language.script == "Latn",
                nameless=site.pen_names == "require" and is_nameless(comments[i].author_name),
            )
            yield Judgement(
                signals,
                policy.verdict(signals),
                language,
                readers=max(text.readers, name.readers if name else (), key=len),
                evidence=[*found.parts, *listed[i]],
                sentence=found.sentence,
            )

    def submit(self, site: Site, comment: Comment) -> Submitted:
        """Judge a comment, and queue it when a person should see it.

        An earlier text of the comment leaves the queue. The same text again stands where it stood:
        the verdict says that it waits, or what was decided. StoreUnavailable where a comment that
        needs a person, or may need one, could not be stored; where it needs nobody, the second
        value is None.
        """
        (found,) = self.submit_all(site, [comment])
        if isinstance(found, StoreUnavailable):
            raise found
        return found

    def submit_all(
        self, site: Site, comments: Sequence[Comment]
    ) -> list[Submitted | StoreUnavailable]:
        """Do the same for many comments, as if they had come one after the other.

        Those that could not be stored have the fault in their place.
        """
        policy = self.policy(site)
        judged = zip(comments, self._judged(site, policy, comments), strict=True)
        return [
            found
            for wave in _waves(policy, judged)
            for found in self._submit_wave(site, policy, wave)
        ]

    def _submit_wave(
        self, site: Site, policy: Policy, wave: Sequence[tuple[Comment, Judgement]]
    ) -> list[Submitted | StoreUnavailable]:
        """Submit comments of which none changes what is known of another before it is stored."""
        asked = [comment for comment, _ in wave] if policy.watches_authors else []
        authors = self._author_histories(site, asked) or [None] * len(wave)
        now, known = time.time(), list[tuple[Comment, Judgement]]()
        for (comment, judgement), author in zip(wave, authors, strict=True):
            draw, article = random_draw(site.id, comment.id), site.article(comment.article_id, now)
            more: dict[str, Any] = {"author": author, "article": article, "draw": draw}
            known.append((comment, _knowing(policy, judgement, **more)))
        ready = list[tuple[Comment, Judgement, str | None]]()
        for (sent, judgement), seen in zip(known, self._seen(policy, site, known), strict=True):
            comment = replace(sent, copies=seen.group) if isinstance(seen, Seen) else sent
            counted = _knowing(policy, judgement, seen=seen)
            ready.append((comment, *self._near(policy, site, comment, counted)))
        standings = self._store(site, [self._fitting(site, *one[:2]) for one in ready])
        return [
            self._submitted(policy, site, *one, standing)
            for one, standing in zip(ready, standings, strict=True)
        ]

    def _near(
        self, policy: Policy, site: Site, comment: Comment, judgement: Judgement
    ) -> tuple[Judgement, str | None]:
        """Let a person see a comment over which the model hesitates; say how it is counted."""
        is_clean = judgement.verdict.reason == "clean"
        wanted = site.uncertain_per_day and self._is_in_use
        if not (wanted and (is_clean or judgement.verdict.only_sampled)):
            return judgement, None
        away = policy.distance(judgement.signals)
        if is_clean and self._is_chosen(site, comment, away):
            judgement = _knowing(policy, judgement, chosen=True)
        return judgement, uncertainty.counter(away)

    def _submitted(
        self,
        policy: Policy,
        site: Site,
        comment: Comment,
        judgement: Judgement,
        near: str | None,
        stored: Enqueued | StoreUnavailable,
    ) -> Submitted | StoreUnavailable:
        """Count a comment that was stored, or need not be, and say where it stands."""
        standing = None if isinstance(stored, StoreUnavailable) else stored
        if isinstance(stored, StoreUnavailable):
            judgement = _knowing(policy, judgement, draw=NEVER_DRAWN, chosen=False)
            if judgement.verdict.action != "approve":
                return stored
        is_approved = judgement.verdict.action == "approve"
        if standing and standing.created and standing.waits and is_approved:
            judgement = replace(judgement, verdict=_reported(judgement.verdict))
        signals = judgement.signals
        self._metrics.count(judgement.verdict, signals.scores, judgement.readers)
        self._verdict_counts.count(
            site.id,
            judgement.verdict.action,
            judgement.signals.scores if self._is_in_use else {},
            judgement.signals.author_scores,
            near,
            text=comment.text,
            language=judgement.language.unsupported or judgement.language.script,
        )
        if before := _standing(standing):
            judgement = _knowing(policy, judgement, standing=before)
        elif self._is_in_use:
            if self._articles:
                self._articles.note(site.id, comment.article_id, judgement.verdict.action)
            is_seen = judgement.verdict.action == "review"
            self._note(self, site, comment, judgement.signals, standing if is_seen else None)
        return judgement, standing

    def decided_elsewhere(
        self, site: Site, comment: Comment, draft: Decision
    ) -> tuple[Decision, bool]:
        """Record what a person decided at the site's own desk; return it, and whether it is new.

        See `ReviewQueue.decide_external`; the verdict beside it is what the text alone gets.
        """
        (judgement,) = self.judge(site, [comment])
        return self._queue.decide_external(
            site.id,
            _described(comment, judgement),
            judgement.verdict,
            draft,
            **_found(judgement),
        )

    def whole(self, site: Site, judged: Sequence[tuple[Comment, Signals]]) -> list[Signals]:
        """Return what is known of comments, also that for which the site has no rule."""
        comments = _without_allowed(site, [comment for comment, _ in judged])
        every = replace(site, personal_data="review", links="review")
        seen: Sequence[Seen | None] = [None] * len(comments)
        if site.raid_factor or self.policy(site).counts_repeats:  # else nobody has counted
            seen = self._repeats.observe_all(site.id, comments, site.raid_factor)
        return [
            replace(
                signals,
                findings=findings(every, comment),
                author=author,
                seen=alike,
                nameless=is_nameless(comment.author_name),
            )
            for (_, signals), comment, author, alike in zip(
                judged, comments, self._author_histories(site, comments), seen, strict=True
            )
        ]

    def report(
        self, site: Site, comment: Comment, *, judged: bool, **report: Any
    ) -> tuple[Report, bool]:
        """Take a reader's report in; return it, and whether it is new (see `Reports.add`).

        Unless the comment is to be `judged`, nothing but its id is known of it.
        """
        verdict, found = None, dict[str, Any]()
        if judged:
            (judgement,) = self.judge(site, [comment])
            comment = _described(comment, judgement)
            verdict, found = _reported(judgement.verdict), dict(_found(judgement))
        taken = self._reports.add(site, comment, verdict, **report, **found)
        self._metrics.count_report("new" if taken[1] else "known")
        return taken

    def rescored(self, site: Site, comment: Comment, signals: Signals) -> Signals:
        """Return what is known of a comment, with the scores of this artefact."""
        (comment,) = _without_allowed(site, [comment])
        names = [comment.author_name] if comment.author_name.strip() else []
        text, *of_name = self.scorer.scores([comment.text, *names])
        return replace(signals, scores=text, author_scores=of_name[0] if of_name else None)

    def add_known_answer(self, site: Site, known: LabeledComment) -> bool:
        """Let a labelled comment be mixed into a site's work, judged as if it had just come.

        False where it was there already; InvalidRequest where it has no label.
        """
        comment = Comment(
            id=known.id,
            text=known.text,
            author_id=known.author_id or f"known-{known.id}",
            author_name=known.author_name,
            article_title=known.article_title,
        )
        (judgement,) = self.judge(site, [comment])
        judgement = _knowing(self.policy(site), judgement, draw=ALWAYS_DRAWN)
        (found,) = self._store(site, [(comment, judgement)], known_action(known))
        if isinstance(found, StoreUnavailable):
            raise found
        return found.created

    def _author_histories(
        self, site: Site, comments: Sequence[Comment]
    ) -> list[AuthorHistory | Literal["unknown"] | None]:
        """Return what is known of the author of each comment that names one."""
        asked = [one.author_id for one in comments if one.author_id]
        found = dict(zip(asked, self._queue.authors(site.id, asked), strict=True))
        return [
            None
            if record is None
            else "unknown"
            if isinstance(record, StoreUnavailable)
            else _history_in(record)
            for record in (found.get(one.author_id) for one in comments)
        ]

    def _seen(
        self, policy: Policy, site: Site, judged: Sequence[tuple[Comment, Judgement]]
    ) -> list[Seen | Literal["unknown"] | None]:
        """Count comments and return what came like them, where a person or the policy asks for it.

        Where nobody does, they are counted behind the answer, for raids.
        """
        asked = [
            policy.counts_repeats or judgement.verdict.action != "approve"
            for _, judgement in judged
        ]
        waited = [comment for (comment, _), is_asked in zip(judged, asked, strict=True) if is_asked]
        counted: Iterator[Seen | Literal["unknown"]]
        try:
            counted = iter(self._repeats.observe_all(site.id, waited, site.raid_factor))
        except StoreUnavailable:
            counted = repeat("unknown")
        for (comment, _), is_asked in zip(judged, asked, strict=True):
            if site.raid_factor and not is_asked:
                self._repeats.note(site.id, comment, site.raid_factor)
        return [next(counted) if is_asked else None for is_asked in asked]

    def _is_chosen(self, site: Site, comment: Comment, away: float) -> bool:
        """Say whether a person is to see an unflagged comment because the model hesitates."""
        if away >= self._hesitation.farthest(site.id, site.uncertain_per_day) or not comment.text:
            return False
        try:
            return self._chosen.choose(site.id, comment, site.uncertain_per_day)
        except StoreUnavailable:
            return False  # nothing is lost: nobody need see it

    def _fitting(
        self, site: Site, comment: Comment, judgement: Judgement
    ) -> tuple[Comment, Judgement]:
        """Return what fits the queue: of a very long text its worst part."""
        if judgement.verdict.action == "approve" or len(comment.text.encode()) <= MAX_TEXT_BYTES:
            return comment, judgement
        starts = range(0, len(comment.text), PART_LETTERS)
        parts = [replace(comment, text=comment.text[at : at + PART_LETTERS]) for at in starts]
        label = judgement.verdict.label or ""

        def badness(found: tuple[Comment, Judgement]) -> tuple[bool, float]:
            return found[1].verdict.action != "approve", found[1].signals.scores.get(label, 0.0)

        part, judged = max(zip(parts, self.judge(site, parts), strict=True), key=badness)
        shown = replace(part, text=part.text + CUT)
        return shown, replace(judgement, evidence=judged.evidence, sentence=judged.sentence)

    def _store(
        self,
        site: Site,
        judged: Sequence[tuple[Comment, Judgement]],
        known_action: str = "",
    ) -> list[Enqueued | StoreUnavailable]:
        arrived = [self._arrival(site, *one, known_action) for one in judged]
        stood = self._queue.take_in(site.id, arrived)
        for place, one in enumerate(stood):
            if isinstance(one, Enqueued) and one.state == "reported":
                comment, judgement = judged[place]
                verdict = _reported(judgement.verdict)
                again = self._arrival(site, comment, replace(judgement, verdict=verdict))
                (stood[place],) = self._queue.take_in(site.id, [again])
        return stood

    def _arrival(
        self, site: Site, comment: Comment, judgement: Judgement, known_action: str = ""
    ) -> Arrival:
        verdict = judgement.verdict
        if verdict.action == "approve":
            return arrivals.approve(comment, verdict)
        comment = _described(comment, judgement)
        beside = _found(judgement)
        if verdict.action == "reject":
            return arrivals.reject(comment, verdict, **beside)
        return arrivals.enqueue(
            site.id,
            comment,
            verdict,
            label_weights=site.label_weights,
            time_target_seconds=site.time_target_seconds,
            second_opinion_share=site.second_opinion_share,
            known_action=known_action,
            **beside,
        )


def _waves(
    policy: Policy, judged: Iterable[tuple[Comment, Judgement]]
) -> Iterator[list[tuple[Comment, Judgement]]]:
    """Part comments into runs in which none is about the comment, or by the author, of another.

    What becomes of the first may change what is known of the second.
    """
    wave, named = list[tuple[Comment, Judgement]](), set[tuple[str, str]]()
    for comment, judgement in judged:
        names = {("comment", comment.id)}
        if comment.author_id and policy.watches_authors:
            names.add(("author", comment.author_id))
        if names & named:
            yield wave
            wave, named = [], set()
        wave.append((comment, judgement))
        named |= names
    if wave:
        yield wave


def _history_in(record: AuthorRecord) -> AuthorHistory:
    now = time.time()
    n_decided = record.n_approved + record.n_rejected
    lately = record.n_rejected_since(now - RECENT_SECONDS)
    return AuthorHistory(n_decided, lately, record.n_approved_in_a_row, record.held_until > now)


def _reported(verdict: Verdict) -> Verdict:
    """Return the verdict on a comment that readers have reported."""
    return replace(verdict, action="review", reason="reported", sampling_probability=1.0)


def _described(comment: Comment, judgement: Judgement) -> Comment:
    """Return the comment with what it is written in; a dialect in Latin letters is Arabic."""
    dialect = dialect_of(comment.text)
    language = judgement.language.tag or (TAGS["Arab"] if dialect else "")
    return replace(comment, dialect=dialect, language=language)


def _found(judgement: Judgement) -> Found:
    """Return what is kept beside a text."""
    return {
        "scores": judgement.signals.scores,
        "author_scores": judgement.signals.author_scores,
        "evidence": judgement.evidence,
        "sentence": judgement.sentence,
    }


def _knowing(policy: Policy, judgement: Judgement, **more: Any) -> Judgement:
    """Return the judgement once more is known of the comment."""
    signals = replace(judgement.signals, **more)
    return replace(judgement, signals=signals, verdict=policy.verdict(signals))


def _standing(found: Enqueued | None) -> Standing | None:
    if found is None or found.created:
        return None
    if found.waits:
        return "waiting"
    if found.state == "published":
        return "approve"
    return found.decision.action if found.decision else None


def _fields(comment: Comment) -> tuple[tuple[Field, str], tuple[Field, str]]:
    return ("text", comment.text), ("author.name", comment.author_name)


def _without_allowed(site: Site, comments: Sequence[Comment]) -> Sequence[Comment]:
    """Blank the words that the site never minds, so that they count for nothing."""
    if not site.allow_words:
        return comments
    allowed = word_list(site.allow_words)
    return [
        replace(
            comment,
            text=allowed.without(comment.text),
            author_name=allowed.without(comment.author_name),
        )
        for comment in comments
    ]


def findings(site: Site, comment: Comment) -> list[Finding]:
    """Find what the site has a rule for: personal data, links to hosts that it does not allow."""
    found = list[Finding]()
    allowed = frozenset(map(links.host_of, site.allow_hosts))
    for field, text in _fields(comment):
        if site.personal_data != "ignore":
            spans = personal_data.find(text)
            found += [Finding(field, one.kind, one.start, one.end) for one in spans]
        if site.links != "ignore":
            places = links.find(text, allowed)
            found += [Finding(field, LINK, start, end) for start, end in places]
    return found


def _listed(site: Site, comment: Comment) -> list[Evidence]:
    """Find the words that the site always wants a person to see."""
    if not site.block_words:
        return []
    blocked = word_list(site.block_words)
    return [
        Evidence(field, UMBRELLA, found.start, found.end, LISTED_WEIGHT)
        for field, text in _fields(comment)
        for found in islice(blocked.find(text), MAX_LISTED)
    ]
