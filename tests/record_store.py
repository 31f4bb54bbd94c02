"""Recording of a store: what a release leaves in Redis, for the tests of the releases after it.

Run once for each release, with its own code first on the path, in an environment that has its
libraries; the text is invented and harmless::

    PYTHONPATH=<checkout of the tag> python tests/record_store.py tests/data/store-0.1.0.rdb
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from arriving import enqueue

from service.accounts.accounts import Accounts
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import await_answer, connect
from service.store.durability import Durability

KEY_FILE = ".key"  # beside the recording: the API key of its site, of which Redis holds a digest
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
#: Comment -> what became of it; `waits` and `held` were not decided.
COMMENTS = {
    "c-0": "approve",
    "c-1": "reject",
    "c-2": "undone",
    "c-3": "approve",
    "c-4": "held",
    "c-5": "waits",
    "c-6": "waits",
}


def fill(url: str) -> str:
    """Fill an empty store; return the API key of its site."""
    with connect(url, 5.0) as redis:
        Durability(redis).check()
        address = "https://news.example/hook"
        key = Sites(redis).add(
            Site("demo", name="جريدة", webhook_url=address, webhook_secret=SECRET)  # "newspaper"
        )
        Accounts(redis).add("amal", "a password of tests", "moderator")
        queue = ReviewQueue(redis)
        for name, fate in COMMENTS.items():
            comment = Comment(
                id=name,
                text=f"تعليق {name}",  # "comment"
                author_id="reader-7",
                author_name="قارئ",  # "reader"
                article_id="article-1",
                article_title="خبر",  # "news"
            )
            enqueue(queue, "demo", comment, VERDICT, scores={"insult": 0.8})
            if fate == "waits":
                continue
            lease = queue.lease("demo", "amal")
            assert lease is not None
            if fate == "held":
                continue
            action = "reject" if fate == "reject" else "approve"
            draft = Decision(action, moderator="amal", request_id=name)
            queue.decide("demo", lease.item.id, lease.token, draft)
            if fate == "undone":
                queue.undo("demo", lease.item.id, "amal", f"{name}-back")
                again = queue.lease("demo", "amal")  # so that it is not the most urgent one
                assert again is not None
                last = Decision("reject", moderator="amal", request_id=f"{name}-again")
                queue.decide("demo", again.item.id, again.token, last)
    return key


def main() -> None:
    """Record a store into the file that is named."""
    output = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/redis.sock"
        keeping = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        where = ["--port", "0", "--unixsocket", socket, "--dir", folder]
        server = subprocess.Popen(["redis-server", *where, *keeping], stdout=subprocess.DEVNULL)
        try:
            await_answer(f"unix://{socket}", lambda: server.poll() is None, 10.0)
            key = fill(f"unix://{socket}")
            subprocess.run(["redis-cli", "-s", socket, "save"], check=True, capture_output=True)
            shutil.copy(f"{folder}/dump.rdb", output)
            output.with_suffix(KEY_FILE).write_text(f"{key}\n", encoding="ascii")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
