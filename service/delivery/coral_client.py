"""GraphQL client for Coral: what an author wrote, who decided what, and our decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from service.delivery import http
from service.errors import ServiceError
from service.rules.phrases import N_
from service.rules.times import iso_time
from service.sites.site import Site

BATCH = 50  # comments asked about in one query
MAX_PAGES = 10  # of an author's comments, the newest and those about the time in question
MARGIN_SECONDS = 3_600  # by which the clocks of Coral and of our Redis may differ
MAX_ANSWER_BYTES = 32 * 1024 * 1024  # fifty comments as long as Coral takes them

STATUSES = {"approve": "APPROVED", "reject": "REJECTED"}

_FACTS = "id body status createdAt author { id } story { id } revision { id }"
_HISTORY = "statusHistory(first: 1) { nodes { status moderator { id } revision { id } } }"
_WRITTEN = f"""query ($author: ID!, $after: Cursor) {{
  user(id: $author) {{
    allComments(first: {BATCH}, after: $after) {{
      nodes {{ {_FACTS} }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}"""
_APPROVE = """mutation ($input: ApproveCommentInput!) {
  decided: approveComment(input: $input) { comment { id status } }
}"""
_REJECT = """mutation ($input: RejectCommentInput!) {
  decided: rejectComment(input: $input) { comment { id status } }
}"""

# What Coral answers to a token that is not, or no longer, an administrator's: nobody else may send
# it a query of his own.
_NOT_ENTITLED = (b"RAW_QUERY_NOT_AUTHORIZED", b"USER_NOT_ENTITLED", b"TOKEN_INVALID")

CoralComment = Mapping[str, Any]


class CoralFault(ServiceError):
    """Coral did not do as asked, said in our own words; where `final`, trying again is no use."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(f"Coral: {message}")
        self.final = final


@contextmanager
def translating_coral_faults() -> Iterator[None]:
    """Raise CoralFault for a failed request, or an answer of another shape than the question."""
    try:
        yield
    except CoralFault:
        raise
    except (LookupError, TypeError, AttributeError):
        raise CoralFault(N_("the answer is not understood")) from None
    except http.EXPECTED as error:
        raise CoralFault(http.reason(error)) from error


class CoralClient:
    """Coral, asked as the administrator whose token a site has; raises CoralFault."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def written(
        self, site: Site, author: str, since: float, known_at: float
    ) -> Iterator[CoralComment]:
        """Yield what an author wrote since then; of very much the newest and that of `known_at`."""
        after: str | None = None
        for n_pages in range(2 * MAX_PAGES):
            if n_pages == MAX_PAGES:
                after = min(after or "", _cursor(known_at + MARGIN_SECONDS))
            found = self._ask(site, _WRITTEN, {"author": author, "after": after})["user"]
            if found is None:
                return
            page = found["allComments"]
            yield from page["nodes"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"] or not after or after < _cursor(since):
                return

    def look_up(self, site: Site, ids: Sequence[str]) -> tuple[str, list[CoralComment]]:
        """Return who we are in Coral, and those of the comments that exist, with who decided."""
        variables = {f"i{n}": one for n, one in enumerate(ids)}
        declared = ", ".join(f"${name}: ID!" for name in variables)
        asked = " ".join(
            f"c{n}: comment(id: $i{n}) {{ {_FACTS} {_HISTORY} }}" for n in range(len(ids))
        )
        query = f"query ({declared}) {{ viewer {{ id }} {asked} }}"
        found = self._ask(site, query, variables, in_part=True)
        viewer = found.pop("viewer")["id"]
        return viewer, [one for one in found.values() if one]

    def decide(self, site: Site, found: CoralComment, action: str, code: str) -> None:
        """Approve or reject a comment as it was found; `code` is Coral's reason to reject."""
        wanted = {
            "commentID": found["id"],
            "commentRevisionID": found["revision"]["id"],
            "clientMutationId": "hakam",
        }
        reason = {"reason": {"code": code}} if action == "reject" else {}
        document = _REJECT if action == "reject" else _APPROVE
        answer = self._ask(site, document, {"input": wanted | reason})
        if answer["decided"]["comment"]["status"] != STATUSES[action]:
            raise CoralFault(N_("the comment was edited meanwhile"))

    def _ask(
        self, site: Site, document: str, variables: Mapping[str, Any], *, in_part: bool = False
    ) -> dict[str, Any]:
        """Return the data of an answer; with `in_part`, also of one that lacks some of them."""
        answer = http.post(
            self._client,
            site.coral_url,
            json.dumps({"query": document, "variables": variables}),
            {"content-type": "application/json", "authorization": f"Bearer {site.coral_token}"},
            allow_private=site.webhook_private,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        if any(code in answer.body for code in _NOT_ENTITLED):
            raise CoralFault(N_("the access token is not that of an administrator"))
        if not answer.is_success:
            raise CoralFault(f"status {answer.status}")
        try:
            said = json.loads(answer.body)
        except ValueError:
            raise CoralFault(N_("the answer is not understood")) from None
        if said.get("errors") and not in_part:
            raise CoralFault(N_("refused"))
        data: dict[str, Any] = said["data"]
        return data


def decided_by_another(viewer: str, comment: CoralComment) -> bool:
    """Whether the status of a comment is the decision of a person other than ourselves."""
    if comment["status"] not in STATUSES.values():
        return False
    for newest in comment["statusHistory"]["nodes"]:
        revision = (newest["revision"] or {}).get("id")
        return bool(
            newest["status"] == comment["status"]
            and revision in (None, comment["revision"]["id"])
            and newest["moderator"]
            and newest["moderator"]["id"] != viewer
        )
    return False


def _cursor(at: float) -> str:
    """Write a time as Coral writes the places in its lists, which can be compared as text."""
    return iso_time(max(at, 0.0), "milliseconds").replace("+00:00", "Z")
