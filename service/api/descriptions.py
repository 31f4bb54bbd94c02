"""Words of the API for those who call it: what its models and fields mean.

A name means the same wherever it stands. Where it does not, `Model.field` says what it means there.
What a model says of its own fields (`Field(description=...)`) goes before.
"""

from collections.abc import Mapping

#: Models whose own words are for those who work on them.
MODELS: Mapping[str, str] = {
    "Comment": "A comment as it was sent.",
    "Decision": "An entry of a site's stream of decisions.",
    "Enqueued": "The review item of a comment.",
    "Lease": "A review item in somebody's hands. Its token gives the right to decide it.",
    "Raid": "A flood on an article, or of copies of one text.",
    "ReviewItem": "A comment that waits, or waited, for a person.",
    "Verdict": "What the site's policy made of a comment's scores.",
}

FIELDS: Mapping[str, str] = {
    "action": "What becomes of the comment.",
    "after": "The position to read on from: `Hakam-Cursor` of the answer before.",
    "answered_by": "Of an answer to reports, the decision that made it; empty where the comment "
    "went by itself.",
    "ar": "In Arabic.",
    "appeal": "What the author says against the first decision.",
    "appeal_of": "The decision that the author appealed against; `overturned` says with what "
    "success.",
    "article": "What was commented on.",
    "article_id": "The site's id of the article.",
    "article_title": "Title of the article.",
    "article_url": "Address of the article.",
    "author": "Who wrote it.",
    "author_id": "The site's id of the author.",
    "author_name": "Display name of the author.",
    "author_scores": "Scores of the display name; null without one.",
    "bulk": "Request id of the bulk decision.",
    "comment": "The comment; null once it was erased.",
    "comment_id": "The site's id of the comment.",
    "copies": "Group of texts that are nearly the same; empty where it was not counted.",
    "created": "Whether this request made the item, or a new version of it.",
    "created_at": "When it was written, ISO 8601.",
    "damaged": "Whether what is stored of it cannot be read.",
    "data": "What happened; empty in a test.",
    "dead": "Deliveries given up.",
    "decided": "Entries of the decision stream.",
    "decided_at": "When it was decided.",
    "decision": "What was decided.",
    "decision_id": "Id of the decision: its position in the site's stream.",
    "decisions": "What was decided, in that order.",
    "detail": "What is wrong with this request.",
    "dialect": "Dialect of the text, where small words tell it.",
    "due_at": "When it should be decided, seconds since 1970.",
    "Finding.kind": "What was found: a kind of personal data, or a link.",
    "end": "Code point after the last.",
    "en": "In English.",
    "enqueued_at": "When it came into the queue, seconds since 1970.",
    "error": "What is wrong.",
    "errors": "Each wrong field.",
    "escalated": "Of the pending items, those for seniors.",
    "evidence": "Parts of the text and the display name that made the label.",
    "expected": "Of a judgement on a known answer, and of its undo, the known action.",
    "expires_at": "When the lease ends, seconds since 1970.",
    "field": "Which field it is about.",
    "first_seen": "When the author's first decided comment came to the queue, seconds since "
    "1970; 0 when none was decided.",
    "fr": "In French.",
    "id": "The site's id of the comment.",
    "item": "The review item.",
    "item_id": "Id of the review item.",
    "language": "Language of the text (BCP 47), where the text says it.",
    "label": "The label that weighs most; null for none.",
    "labels": "What is wrong with the comment.",
    "last": "When its last comment came, seconds since 1970.",
    "leased": "Items in somebody's hands.",
    "limit": "How many at most.",
    "message": "What is wrong, and what is expected.",
    "model": "Id of a model.",
    "model_version": "Version of the artefact that scored.",
    "moderator": "Who works on it, by a name that the site chose.",
    "left": "Ids of the items that were left as they were.",
    "left_for": "How many were left for which reason: `held` by somebody else, `edited` since, "
    "`escalated` to the seniors, `barred` because this person judged them before, `moved` where "
    "they are decided or gone, or `unreadable`.",
    "n_abandoned": "How often a lease of it ran out.",
    "n_approved": "Approvals that stand.",
    "n_kept": "How many decisions stand: it is too late, or there is another by now.",
    "n_reports": "Readers' reports that wait for the decision.",
    "n_undone": "How many decisions were taken back.",
    "n_comments": "Comments in ten minutes; of copies, in a day.",
    "n_approved_in_a_row": "Approvals since the last rejection; 0 after one until the next.",
    "n_rejections": "Rejections of the author's comments in thirty days.",
    "begins": "Its first day, a Sunday, as 2026-01-31.",
    "held_by": "The moderator who wanted the author held; empty where it follows from rejections.",
    "until": "Until when, seconds since 1970; 0 for no end.",
    "weeks": "Of the latest 13 weeks in which something was decided, the newest first.",
    "held_until": "Until when all that the author writes waits for a person, seconds since 1970; 0 "
    "where it does not.",
    "n_rejected": "Rejections that stand.",
    "name": "Display name; it is scored like the text.",
    "note": "What the moderator wrote for colleagues.",
    "oldest_seconds": "How long ago the oldest item came that is pending or leased; 0 without any.",
    "outbox": "Items whose decision the site has not been told.",
    "overturned": "Whether the appeal was granted.",
    "parent": "The comment that was replied to.",
    "parent_id": "The site's id of the comment that was replied to.",
    "parent_text": "Text of the comment that was replied to.",
    "pending": "Items that wait, those in somebody's hands included.",
    "published": "Whether it waits because of readers' reports, and is published meanwhile.",
    "reach": "How many people see the comment.",
    "reason": "Why.",
    "rejected_at": "Times of the latest rejections, newest first, seconds since 1970; at most 20.",
    "readers": "Who judges texts: the word scorer, and the sentence scorer where the artefact has "
    "one and it is on.",
    "report_id": "Id of the report.",
    "reported": "For what readers had reported the comment, if that brought it before people: "
    "`rules` or `illegal`.",
    "reports": "Of an answer to reports, their ids.",
    "reply": "What the moderator lets the author know.",
    "request_id": "Chosen by the client; the same again gets the same answer.",
    "sampling_probability": "With what probability a comment like this comes before a person; "
    "estimates weigh by its inverse, and leave out those of reason `uncertain` or `reported`, "
    "which were chosen.",
    "score": "Calibrated probability of the label, 0 to 1.",
    "scores": "Calibrated probability of each label, 0 to 1.",
    "seen_for": "What brought the comment before a person; only the random sample stands for all "
    "comments that were not flagged.",
    "sentence": "What the sentence as a whole adds, for each flagged field that the sentence "
    "scorer has read.",
    "since": "When it was noticed, seconds since 1970.",
    "site": "Id of the site.",
    "site_id": "Id of the site.",
    "recorded": "False where the same was decided already.",
    "source": "Who decided: a moderator here (`moderator`), one at the site's own desk "
    "(`moderator_external`), the site's policy (`policy`), or the site itself (`site`).",
    "stands": "False once the decision was undone or overturned.",
    "start": "First code point of the part, in the field as it was written.",
    "state": "Where it stands.",
    "statement": "What the author says.",
    "status": "The HTTP status.",
    "story": "What was commented on.",
    "superseded": "Whether the comment has another text or display name by now than were judged.",
    "text": "What was written.",
    "timestamp": "When it happened, ISO 8601, UTC.",
    "title": "Title.",
    "token": "Of the lease; it counts until the lease ends.",
    "troubled": "Of the pending items, those that people keep leaving.",
    "type": "What it is about.",
    "undoes": "The decision that an undo takes back.",
    "url": "Address.",
    "usual": "Comments in ten minutes that are usual there, or on the articles of the site; 0 for "
    "copies.",
    "verdict": "What the site's policy made of the scores.",
    "version": "1, and one more for each new text of the comment.",
    "versions": "Id of each item -> the version that was seen.",
    "warned_at": "When the site was last told to warn the author, seconds since 1970; 0 for never.",
    "weight": "What it adds to the logit of the label; 0 for a word of the site's list.",
    "why": "Why it is in the queue: the reason of the verdict, `reported` (by readers), "
    "`escalated` (a senior is to decide) or `appeal`. Second opinions and known answers do not "
    "show.",
    "withdrawn": "Whether something was taken out of the queue.",
    "Article.id": "The site's id of the article.",
    "Author.id": "The site's id of the author.",
    "AuthorQuery.id": "The site's id of the author.",
    "Comment.text": "What was written; empty once it was removed or erased.",
    "CommentResult.answer": "What a request with this comment alone would be answered.",
    "CommentResult.problem": "Why it was not decided about, nor put before a person.",
    "CommentResult.retry_after": "After how many seconds to send it again.",
    "CommentResult.status": "That of the answer to a request with this comment alone.",
    "Decision.action": "What became of the comment; `undo`, `withdraw`, `erase` and `lose` in "
    "entries of those kinds.",
    "Decision.author_id": "Empty, but in what a webhook tells of an author.",
    "Decision.content_digest": "Tells which text and display name were judged; empty once they "
    "were replaced or erased.",
    "Decision.id": "Position in the site's stream of decisions.",
    "Decision.kind": "`decision` (final), `opinion` (one of two blind ones), `undo`, `withdrawal` "
    "(by the site), `known_answer` (a judgement on an item whose answer is known), `erasure`, "
    "`report` (an answer to readers' reports), `warning`, `hold` and `release` (what follows from "
    "rejections for their author), `loss` (the store was set back), or `damaged` (what is "
    "stored cannot be read).",
    "Decision.lost_since": "Of a loss: since when what the store was given may be lost.",
    "Enqueued.state": "Where it stands; `published`: it waits because of readers' reports; "
    "`unseen` where nothing was ever kept of the comment, because it needed nobody.",
    "Evidence.field": "Where it stands: in the text or in the display name.",
    "Evidence.label": "The label that it speaks for.",
    "SentenceEvidence.field": "Which was read: the text or the display name.",
    "SentenceEvidence.label": "The label that it is about.",
    "SentenceEvidence.weight": "What it adds to the logit of the label; below 0 it speaks against "
    "it.",
    "Health.status": "`ok`, or `ready`.",
    "Problem.request_id": "Id of this request, which is in the log too.",
    "Problem.after": "The position to read on from.",
    "Problem.lost_since": "Since when what the store was given may be lost (ISO 8601, UTC).",
    "Problem.lost_until": "Until when it may be.",
    "Problem.versions": "The versions of the artefact that are kept, the oldest first.",
    "Problem.title": "The kind of problem, in words.",
    "Problem.type": "The kind of problem, a URN.",
    "ReportAnswer.decision_id": "The decision that answers it.",
    "ReportAnswer.id": "Id of the report.",
    "ReportAnswer.outcome": "What became of the comment; `withdrawn`: its author or the site "
    "removed it first. null while the report waits.",
    "ReportAnswer.reason": "For what the reader reported the comment.",
    "ReportAnswer.state": "Whether it is answered.",
    "ReportBody.reason": "For what the reader reports the comment.",
    "ReviewItem.decision_id": "Of a decided item, the decision.",
    "Question.comment": "The comment that is about to be published.",
    "ReviewItem.id": "Id of the review item.",
    "ReviewItem.note": "What a colleague wrote when leaving the item to the seniors.",
    "Raid.article_id": "The site's id of the article; of copies, that of the last one.",
    "Raid.copies": "Group of the text; empty where it is about an article.",
    "Verdict.score": "The score of that label in that field; else the highest score of the "
    "comment, 0 to 1.",
    "WebhookMessage.type": "What happened.",
}


def meaning(model: str, field: str) -> str:
    """Return what a field of a model means; empty where nothing says it."""
    return FIELDS.get(f"{model}.{field}") or FIELDS.get(field, "")
