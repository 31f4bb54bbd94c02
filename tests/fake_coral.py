"""A Coral that behaves, where it meets Hakam, as Coral 9.11.8 does.

Its GraphQL is executed by graphql-core, variables included, against Coral's own words for the types
that are used. Statuses, events and who may ask follow its source, folder server/src/core/server:
services/comments/pipeline/phases/external.ts, services/events/comments.ts,
services/comments/moderation, events/listeners/perspective.ts,
app/middleware/graphql/persistedQuery.ts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from fake_sites import serving
from flask.testing import FlaskClient
from graphql import GraphQLError, GraphQLSchema, build_schema, graphql_sync
from werkzeug.test import TestResponse

SECRETS = ("empsec_old", "empsec_new")
ADMINISTRATOR, MODERATOR = "coral-token", "token-of-a-moderator"
HAKAM = "user-hakam"  # whose token `ADMINISTRATOR` is
READER, STORY = "author-1", "story-1"
PHASE_ACTIONS = ("COMMENT_DETECTED_TOXIC", "COMMENT_DETECTED_SPAM")

SCHEMA = """
scalar Cursor
scalar Time

enum COMMENT_STATUS { NONE APPROVED REJECTED PREMOD SYSTEM_WITHHELD }
enum REJECTION_REASON_CODE {
  OFFENSIVE ABUSIVE SPAM BANNED_WORD AD ILLEGAL_CONTENT HARASSMENT_BULLYING MISINFORMATION
  HATE_SPEECH IRRELEVANT_CONTENT OTHER
}

type PageInfo { hasNextPage: Boolean! endCursor: Cursor }
type Story { id: ID! url: String! }
type CommentRevision { id: ID! body: String }
type CommentModerationAction {
  id: ID! revision: CommentRevision status: COMMENT_STATUS! moderator: User createdAt: Time!
}
type CommentModerationActionConnection {
  nodes: [CommentModerationAction!]! pageInfo: PageInfo!
}
type Comment {
  id: ID! body: String revision: CommentRevision createdAt: Time! author: User
  status: COMMENT_STATUS! story: Story!
  statusHistory(first: Int = 10, after: Cursor): CommentModerationActionConnection!
}
type CommentEdge { node: Comment! cursor: Cursor! }
type CommentsConnection { edges: [CommentEdge!]! nodes: [Comment!]! pageInfo: PageInfo! }
type User {
  id: ID! username: String
  allComments(first: Int = 10, after: Cursor): CommentsConnection!
}
type Query {
  comment(id: ID!): Comment
  comments(
    first: Int = 10 after: Cursor storyID: ID status: COMMENT_STATUS
  ): CommentsConnection!
  user(id: ID!): User
  viewer: User
}

input ApproveCommentInput {
  commentID: ID! commentRevisionID: ID! clientMutationId: String!
}
type ApproveCommentPayload { comment: Comment clientMutationId: String! }
input RejectCommentReasonInput {
  code: REJECTION_REASON_CODE! legalGrounds: String detailedExplanation: String customReason: String
}
input RejectCommentInput {
  commentID: ID! commentRevisionID: ID! reason: RejectCommentReasonInput clientMutationId: String!
}
type RejectCommentPayload { comment: Comment clientMutationId: String! }
type Mutation {
  approveComment(input: ApproveCommentInput!): ApproveCommentPayload!
  rejectComment(input: RejectCommentInput!): RejectCommentPayload!
}
"""

_PENDING = ("PREMOD", "SYSTEM_WITHHELD")
_QUEUES = {"PENDING": _PENDING, "UNMODERATED": ("NONE", *_PENDING)}


@dataclass
class Action:
    """An entry of a comment's history; without a moderator it was the system."""

    status: str
    revision: str
    moderator: str = ""


@dataclass
class Comment:
    """A comment as Coral stores it."""

    id: str
    story: str
    author: str
    created: datetime
    bodies: list[str]
    status: str = "NONE"
    reason: str = ""
    history: list[Action] = field(default_factory=list)

    @property
    def revision(self) -> str:
        """Id of the current revision."""
        return f"{self.id}/{len(self.bodies)}"


def signature(raw: bytes, *secrets: str) -> str:
    """The header X-Coral-Signature: one signature for each active secret."""
    return ",".join(
        "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest() for secret in secrets
    )


class Coral:
    """A tenant of Coral whose external moderation phase and webhook are Hakam's.

    Parameters
    ----------
    hakam : FlaskClient
        Through which it reaches Hakam.
    """

    def __init__(self, hakam: FlaskClient) -> None:
        self.comments: dict[str, Comment] = {}
        self.events: list[dict[str, Any]] = []
        self.asked: list[str] = []  # names of the fields of its GraphQL that were asked for
        self.fault = ""
        self.url = ""
        self.tokens = {ADMINISTRATOR}  # that open everything
        self.key = ""  # of the toxicity setting, if that sends feedback
        self.subscribed: Sequence[str] = ("COMMENT_LEFT_MODERATION_QUEUE",)
        self._hakam = hakam
        self._now = datetime.now(UTC)
        self._schema = build_schema(SCHEMA)
        _resolve(self._schema, self)

    # What readers and moderators do

    def ask(self, body: str, *, action: str = "NEW", **changes: Any) -> TestResponse:
        """Ask the external moderation phase, as it is asked for a comment of `READER`."""
        return self.send(self.question(body, action=action, **changes))

    def question(self, body: str, *, action: str = "NEW", **changes: Any) -> bytes:
        """The body of the phase's question, indented by two as Coral writes it."""
        asked = {
            "action": action,
            "comment": {"body": body, "parentID": None},
            "author": {"id": READER, "role": "COMMENTER"},
            "story": {"id": STORY, "url": "https://news.example/story"},
            "site": {"id": "site-1"},
            "tenantID": "tenant-1",
            "tenantDomain": "coral.example",
        }
        return json.dumps(asked | changes, indent=2).encode()

    def send(self, raw: bytes, path: str = "moderate") -> TestResponse:
        """Send signed bytes to Hakam."""
        return self._hakam.post(
            f"/integrations/coral/{path}?site=demo",
            data=raw,
            headers={"X-Coral-Signature": signature(raw, SECRETS[-1])},
            content_type="application/json",
        )

    def write(self, body: str, *, story: str = STORY, author: str = READER) -> Comment:
        """Let a reader write a comment, and do with it what the phase says."""
        number = len(self.comments) + 1
        comment = Comment(f"comment-{number}", story, author, self._tick(), [f"<div>{body}</div>"])
        self.comments[comment.id] = comment
        self._publish(comment, self._phase(comment, "NEW"), before="")
        return comment

    def edit(self, comment: Comment, body: str) -> None:
        """Let its author edit a published comment."""
        assert comment.status in ("NONE", "APPROVED"), "Coral lets nobody edit what it withholds"
        comment.bodies.append(f"<div>{body}</div>")
        self._publish(comment, self._phase(comment, "EDIT"), before=comment.status)

    def decide(self, comment: Comment, status: str, moderator: str = "user-fatima") -> None:
        """Let a moderator approve or reject a comment in Coral."""
        before, comment.status = comment.status, status
        comment.history.append(Action(status, comment.revision, moderator))
        self._announce_queues(comment, before)
        if self.key and before != status:
            self._suggest(comment)

    def _suggest(self, comment: Comment) -> None:
        value = 1 if comment.status == "REJECTED" else 0
        suggestion = {
            "comment": {"text": comment.bodies[-1].removeprefix("<div>").removesuffix("</div>")},
            "attributeScores": {"TOXICITY": {"summaryScore": {"value": value}}},
            "languages": ["en"],
            "communityId": "Coral:https://coral.example",
            "clientToken": f"comment:{comment.id}",
        }
        url = f"/v1alpha1/comments:suggestscore?key={self.key}"
        assert self._hakam.post(url, json=suggestion).status_code == 200

    def _phase(self, comment: Comment, action: str) -> str:
        changes = {
            "story": {"id": comment.story, "url": "https://news.example/story"},
            "author": {"id": comment.author, "role": "COMMENTER"},
        }
        answer = self.ask(comment.bodies[-1], action=action, **changes)
        if not 200 <= answer.status_code < 300 or answer.status_code == 204 or not answer.data:
            return "NONE"  # whatever went wrong, the comment is published
        said = json.loads(answer.data)
        for flag in said.get("actions", ()):
            assert flag["actionType"] == "FLAG"
            assert flag["reason"] in PHASE_ACTIONS
        status = str(said.get("status", "NONE"))
        codes = self._schema.type_map["REJECTION_REASON_CODE"].values  # type: ignore[attr-defined]
        if moderation := said.get("moderationAction"):
            assert moderation["status"] == status
            assert moderation["rejectionReason"]["code"] in codes
        assert status in self._schema.type_map["COMMENT_STATUS"].values  # type: ignore[attr-defined]
        return status

    def _publish(self, comment: Comment, status: str, *, before: str) -> None:
        comment.status = status
        if status != "NONE":
            comment.history.append(Action(status, comment.revision))
        if status in ("NONE", "APPROVED") and len(comment.bodies) == 1:
            self._announce("COMMENT_CREATED", comment)
        self._announce_queues(comment, before)

    def _announce_queues(self, comment: Comment, before: str) -> None:
        for queue, statuses in _QUEUES.items():
            was, is_now = before in statuses, comment.status in statuses
            if was != is_now:
                verb = "ENTERED" if is_now else "LEFT"
                more = {"queue": queue, "status": comment.status}
                self._announce(f"COMMENT_{verb}_MODERATION_QUEUE", comment, **more)

    def _announce(self, kind: str, comment: Comment, **more: str) -> None:
        data = {"commentID": comment.id, "storyID": comment.story, "siteID": "site-1", **more}
        event = {
            "id": f"event-{len(self.events)}",
            "type": kind,
            "data": data,
            "createdAt": _iso(self._tick()),
            "tenantID": "tenant-1",
            "tenantDomain": "coral.example",
        }
        self.events.append(event)
        if kind in self.subscribed:
            assert self.send(json.dumps(event, indent=2).encode(), "events").status_code == 204

    def _tick(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    # Its GraphQL

    def answer(self, authorization: str, raw: bytes) -> tuple[int, bytes]:
        """Answer one GraphQL request."""
        if self.fault == "garbage":
            return 200, b"<html>"
        if self.fault == "down":
            return 502, b""
        token = authorization.removeprefix("Bearer ")
        if token == MODERATOR:  # may do it, but not with a query of his own
            return 400, b'{"error": {"code": "RAW_QUERY_NOT_AUTHORIZED"}}'
        if token not in self.tokens:
            return 401, b'{"error": {"code": "TOKEN_INVALID"}}'
        asked = json.loads(raw)
        result = graphql_sync(
            self._schema, asked["query"], variable_values=asked.get("variables") or {}
        )
        executed = all(error.path for error in result.errors or ())
        status = 200 if executed else 400
        return status, json.dumps(result.formatted).encode()


def _resolve(schema: GraphQLSchema, coral: Coral) -> None:
    """Say where the fields of the schema get their values from."""

    def shown(comment: Comment) -> dict[str, Any]:
        return {
            "id": comment.id,
            "body": comment.bodies[-1],
            "revision": {"id": comment.revision, "body": comment.bodies[-1]},
            "createdAt": _iso(comment.created),
            "author": user(comment.author),
            "status": comment.status,
            "story": {"id": comment.story, "url": "https://news.example/story"},
            "statusHistory": lambda _, first, after=None: {
                "nodes": [action(comment, one) for one in comment.history[::-1][: _few(first)]],
                "pageInfo": {"hasNextPage": len(comment.history) > first},
            },
        }

    def action(comment: Comment, one: Action) -> dict[str, Any]:
        return {
            "id": f"{comment.id}/{one.status}",
            "revision": {"id": one.revision},
            "status": one.status,
            "moderator": {"id": one.moderator} if one.moderator else None,
            "createdAt": _iso(comment.created),
        }

    def user(user_id: str) -> dict[str, Any]:
        def all_comments(_info: Any, first: int, after: str | None = None) -> dict[str, Any]:
            return page([c for c in coral.comments.values() if c.author == user_id], first, after)

        return {"id": user_id, "username": user_id, "allComments": all_comments}

    def page(comments: list[Comment], first: int, after: str | None) -> dict[str, Any]:
        """The newest first; the cursor is the time of creation, as in Coral."""
        left = sorted(comments, key=lambda c: c.created, reverse=True)
        left = [c for c in left if after is None or _iso(c.created) < after]
        nodes = [shown(c) for c in left[: _few(first)]]
        end = nodes[-1]["createdAt"] if nodes else None
        return {
            "nodes": nodes,
            "edges": [{"node": node, "cursor": node["createdAt"]} for node in nodes],
            "pageInfo": {"hasNextPage": len(left) > first, "endCursor": end},
        }

    def one(_: Any, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002 - Coral's word
        coral.asked.append("comment")
        return shown(coral.comments[id]) if id in coral.comments else None

    def many(
        _: Any,
        _info: Any,
        first: int,
        after: str | None = None,
        storyID: str | None = None,
        status: str | None = None,
    ) -> dict[str, Any]:
        coral.asked.append("comments")
        chosen = [
            c
            for c in coral.comments.values()
            if storyID in (None, c.story) and status in (None, c.status)
        ]
        return page(chosen, first, after)

    def known_user(_: Any, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002
        coral.asked.append("user")
        written = any(comment.author == id for comment in coral.comments.values())
        return user(id) if written else None

    def moderated(status: str, verb: str) -> Any:
        def change(_: Any, _info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
            coral.asked.append(verb)
            comment = coral.comments.get(input["commentID"])
            if comment is None:
                raise GraphQLError("comment not found")
            if comment.revision == input["commentRevisionID"]:
                comment.reason = (input.get("reason") or {}).get("code", "")
                coral.decide(comment, status, HAKAM)
            return {"comment": shown(comment), "clientMutationId": input["clientMutationId"]}

        return change

    fields = {
        "Query": {
            "comment": one,
            "comments": many,
            "user": known_user,
            "viewer": lambda *_: user(HAKAM),
        },
        "Mutation": {
            "approveComment": moderated("APPROVED", "approveComment"),
            "rejectComment": moderated("REJECTED", "rejectComment"),
        },
    }
    for kind, resolvers in fields.items():
        for name, resolver in resolvers.items():
            schema.type_map[kind].fields[name].resolve = resolver  # type: ignore[attr-defined]


def _few(first: int) -> int:
    if first > 50:
        raise GraphQLError("first must be at most 50")
    return first


def _iso(at: datetime) -> str:
    return at.isoformat("T", "milliseconds").replace("+00:00", "Z")


class _Endpoint(BaseHTTPRequestHandler):
    coral: ClassVar[Coral]

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.coral.answer(self.headers["Authorization"], raw)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening(coral: Coral) -> Iterator[Coral]:
    """Let Coral's GraphQL be reached under its `url`."""
    endpoint = type("Endpoint", (_Endpoint,), {"coral": coral})
    with serving(endpoint) as root:
        coral.url = f"{root}api/graphql"
        yield coral
