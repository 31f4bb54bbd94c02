"""How a decision on our desk finds its way back to Coral.

Coral asks about a comment before it gives it an id, so we know the comment by what we saw: story,
author and a digest of the text. They are its id with us. Coral's webhook later says which ids exist
in the story; when a decision is to be told, those are looked up over GraphQL until one fits, and
then approved or rejected there. Nothing of the text is kept for this.

Secret: Coral's GraphQL, and the pairing. Key schema::

    {hakam:<site>}:coral:<digest of the story's id>   zset  id of a comment, by the time it was seen

It forgets a story `REMEMBERED_SECONDS` after its last comment.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from service import outbound
from service.errors import translating_redis_errors
from service.html_text import plain_text
from service.outbound import Answer, ForbiddenTarget
from service.sites import Site

REMEMBERED_SECONDS = 7 * 86_400
MAX_PER_STORY = 2_000
BATCH = 50  # comments asked about in one query
MAX_ANSWER_BYTES = 4 * 1024 * 1024

_PREFIX = "coral:"

#: Label or reason code of ours -> reason code of Coral.
REJECTION_CODES = {
    "spam": "SPAM",
    "identity_attack": "HATE_SPEECH",
    "threat": "HARASSMENT_BULLYING",
    "severe_toxicity": "ABUSIVE",
    "insult": "ABUSIVE",
    "profanity": "OFFENSIVE",
    "toxicity": "OFFENSIVE",
    "off_topic": "IRRELEVANT_CONTENT",
    "private_information": "HARASSMENT_BULLYING",
}

_FOUND = "id body author { id } revision { id }"
_APPROVE = (
    "mutation ($input: ApproveCommentInput!) "
    "{ approveComment(input: $input) { comment { id status } } }"
)
_REJECT = (
    "mutation ($input: RejectCommentInput!) "
    "{ rejectComment(input: $input) { comment { id status } } }"
)


def coral_comment_id(story_id: str, author_id: str, body: str) -> str:
    """Return our id of a comment of Coral; HTML or plain text give the same.

    Examples
    --------
    >>> coral_comment_id("s", "a", "<div>x</div>") == coral_comment_id("s", "a", "x")
    True
    """
    words = " ".join(plain_text(body).split())
    digest = hashlib.sha256(words.encode()).hexdigest()[:32]
    return f"{_PREFIX}{quote(story_id, safe='')}:{quote(author_id, safe='')}:{digest}"


def rejection_code(reason: str, labels: Sequence[str]) -> str:
    """Return Coral's code for a rejection: of the reason, else of the first label, else OTHER."""
    known = [REJECTION_CODES[code] for code in (reason, *labels) if code in REJECTION_CODES]
    return known[0] if known else "OTHER"


class CoralFault(Exception):
    """Coral did not do what it was asked; the message holds nothing that Coral wrote."""


class CoralLoop:
    """Tells Coral what was decided.

    Parameters
    ----------
    redis : redis.Redis
        A client with ``decode_responses=True``; used, never closed.
    client : httpx.Client, optional
    """

    def __init__(self, redis: Any, client: httpx.Client | None = None) -> None:
        self._redis = redis
        self._client = client or httpx.Client(timeout=outbound.TIMEOUT_SECONDS, trust_env=False)

    @translating_redis_errors()
    def note(self, site_id: str, story_id: str, comment_id: str) -> None:
        """Remember that a story has a comment with this id.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        key = _key(site_id, quote(story_id, safe=""))
        pipe = self._redis.pipeline()
        pipe.zadd(key, {comment_id: time.time()})
        pipe.zremrangebyrank(key, 0, -MAX_PER_STORY - 1)
        pipe.expire(key, REMEMBERED_SECONDS)
        pipe.execute()

    def concerns(self, site: Site, facts: Mapping[str, Any]) -> bool:
        """Say whether a decision is about a comment of Coral, and Coral wants to know."""
        ours = str(facts["comment_id"]).startswith(_PREFIX)
        final = facts["action"] in ("approve", "reject")
        return ours and final and bool(site.coral_url and site.coral_token)

    def tell(self, site: Site, facts: Mapping[str, Any]) -> tuple[Answer | None, str]:
        """Have Coral approve or reject a comment; telling it twice changes nothing.

        Returns
        -------
        answer : Answer or None
            The last answer of Coral, if there was one.
        failure : str
            What went wrong, empty when nothing did.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        try:
            found = self._pair(site, str(facts["comment_id"]))
            wanted = {"commentID": found["id"], "commentRevisionID": found["revision"]["id"]}
            if facts["action"] == "reject":
                code = rejection_code(facts.get("reason", ""), facts.get("labels", ()))
                self._ask(site, _REJECT, {"input": wanted | {"reason": {"code": code}}})
            else:
                self._ask(site, _APPROVE, {"input": wanted})
        except CoralFault as fault:
            return None, str(fault)
        except ForbiddenTarget:
            return None, "the address leads to a private network"
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            OSError,
            ValueError,
            KeyError,
            TypeError,
        ) as error:
            return None, f"Coral: {type(error).__name__}"
        return Answer(200), ""

    def _pair(self, site: Site, comment_id: str) -> Mapping[str, Any]:
        """Find the comment in Coral that is the one we know."""
        story, author, _ = comment_id.removeprefix(_PREFIX).split(":")
        with translating_redis_errors():
            candidates = self._redis.zrevrange(_key(site.id, story), 0, -1)
        for start in range(0, len(candidates), BATCH):
            for found in self._look_up(site, candidates[start : start + BATCH]):
                who = (found.get("author") or {}).get("id", "")
                known = quote(who, safe="") == author
                if known and _fits(comment_id, who, found.get("body") or ""):
                    return found
        raise CoralFault("Coral: no comment fits yet")

    def _look_up(self, site: Site, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        variables = {f"i{n}": one for n, one in enumerate(ids)}
        declared = ", ".join(f"${name}: ID!" for name in variables)
        asked = " ".join(f"c{n}: comment(id: $i{n}) {{ {_FOUND} }}" for n in range(len(ids)))
        found = self._ask(site, f"query ({declared}) {{ {asked} }}", variables)
        return [one for one in found.values() if one]

    def _ask(
        self, site: Site, document: str, variables: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | None]:
        answer = outbound.post(
            self._client,
            site.coral_url,
            json.dumps({"query": document, "variables": variables}),
            {"content-type": "application/json", "authorization": f"Bearer {site.coral_token}"},
            allow_private=site.webhook_private,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        if not answer.is_success:
            raise CoralFault(f"Coral: status {answer.status}")
        said = json.loads(answer.body)
        if said.get("errors"):
            raise CoralFault("Coral: refused")
        found: Mapping[str, Mapping[str, Any] | None] = said["data"]
        return found


def _fits(comment_id: str, author_id: str, body: str) -> bool:
    return coral_comment_id("", author_id, body).rpartition(":")[2] == comment_id.rpartition(":")[2]


def _key(site_id: str, quoted_story: str) -> str:
    digest = hashlib.sha256(quoted_story.encode()).hexdigest()[:32]
    return f"{{hakam:{site_id}}}:coral:{digest}"
