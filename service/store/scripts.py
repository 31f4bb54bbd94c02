"""Lua scripts of Redis: one verb, one file, one round trip.

A verb is a file ``<owner>/lua/<verb>.lua`` under ``service/``. It begins with a head of comments::

    -- What the verb does.
    -- KEYS: items leases             keys of the site, each in the script a name in capitals: ITEMS
    -- ARGV: id token chosen...       names of the arguments; the last may take all that follow
    -- returns: { 'ok' }              a line for each form of the answer
    -- include: queue/item queue/line

An included file is ``<owner>/lua/include/<name>.lua``: functions that several verbs share, with the
keys that they use, which the verb has to declare as well, and files that it includes itself. It
stands before the body of the verb, each file once.

All keys of a site share a hash tag, so they live on one node of a Redis Cluster, and a script never
builds the name of one.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from redis import Redis
from redis.commands.cluster import READ_COMMANDS
from redis.exceptions import NoScriptError

from service import tracing
from service.errors import SiteUnreadable, StoreUnavailable
from service.store.connect import Cluster
from service.store.errors import is_short_of_replicas, naming_the_site
from service.store.replication import reading_scripts

SITE_KEYS = (
    "items",
    "texts",
    "lines",
    "arrivals",
    "leases",
    "barred",
    "decisions",
    "listed",
    "figures",
    "shifts",
    "outbox",
    "dead",
    "endpoint",
    "authors",
    "bulks",
    "retention",
    "site",
    "trail",
    "feedback",
    "feedback_index",
    "feedback_echoes",
    "chosen",
    "sketches",
    "doubts",
    "groups",
    "bands",
    "grouped",
    "paces",
    "paced",
    "raids",
    "heat",
    "heated",
    "reports",
    "report_words",
    "report_times",
    "reporters",
    "judged",
    "judgements",
)

SITES_AT_ONCE = 100  # in one round trip, so that others come in between

_CALLS = re.compile(r"redis\.p?call\((?:'(\w+)')?")  # empty for a name that is not written out
_SERVICE = Path(__file__).parent.parent

# Calls that are sent together: what Redis does for one client before it looks at others, some
# milliseconds, and of how many it is not known whether they were done where no answer comes.
AT_ONCE = 20

Argument = str | int | float


def site_key(site_id: str, name: str) -> str:
    """Return the name of a key of a site."""
    return f"{{hakam:{site_id}}}:{name}"


@functools.lru_cache(maxsize=4096)
def site_keys(site_id: str, keys: tuple[str, ...] = SITE_KEYS) -> tuple[str, ...]:
    """Return names of keys of a site.

    >>> site_keys("demo")[0]
    '{hakam:demo}:items'
    """
    return tuple(site_key(site_id, key) for key in keys)


@dataclass(frozen=True, slots=True)
class Script:
    """What one verb runs: its text, the SHA-1 that Redis knows, and what its head declares."""

    text: str
    digest: str
    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    rest: str  # name of the argument that takes all that follow, or empty


def declared(text: str, word: str) -> list[str]:
    """Words that the head of a Lua file declares in its lines of this kind."""
    head, opening = text.partition("\n\n")[0].splitlines(), f"-- {word}: "
    lines = [line.removeprefix(opening) for line in head if line.startswith(opening)]
    return " ".join(lines).split()


@functools.cache
def read_script(owner: str, verb: str) -> Script:
    """Read the file of a verb and the files that it includes."""
    body = (_SERVICE / owner / "lua" / f"{verb}.lua").read_text(encoding="utf-8")
    keys, arguments = declared(body, "KEYS"), declared(body, "ARGV")
    rest = arguments.pop().removesuffix("...") if arguments[-1:] and "..." in arguments[-1] else ""
    included = dict(_included(declared(body, "include")))
    parts = [
        f"local {_listed(keys).upper()}\n  = unpack(KEYS)" if keys else "",
        *included.values(),
        f"local {_listed(arguments)}\n  = unpack(ARGV, 1, {len(arguments)})" if arguments else "",
        f"local {rest} = {{ unpack(ARGV, {len(arguments) + 1}) }}" if rest else "",
        body,
    ]
    text = "\n".join(parts)
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    if set(_CALLS.findall(text)) <= READ_COMMANDS | {"TIME"}:
        reading_scripts.update((digest, text))
    return Script(text, digest, tuple(keys), tuple(arguments), rest)


def _listed(names: Sequence[str]) -> str:
    return ",\n  ".join(names)


def _included(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and texts of included files, each after those that it includes."""
    for name in names:
        owner, _, file = name.partition("/")
        text = (_SERVICE / owner / "lua" / "include" / f"{file}.lua").read_text(encoding="utf-8")
        yield from _included(declared(text, "include"))
        yield name, text


Read = TypeVar("Read")


def readable(found: Read | SiteUnreadable) -> Read:
    """Return what `Verbs.of_sites` found of a site; raises the fault that it found instead."""
    if isinstance(found, SiteUnreadable):
        raise found
    return found


class Call(NamedTuple):
    """A verb that is to be run, with its arguments."""

    verb: str
    arguments: Mapping[str, Argument]


class Verbs:
    """The verbs of one owner, a folder of ``service/``.

    `expect` raises StoreLost where Redis has lost what it held; it is asked before a server gets a
    script that it does not know, as one that was restarted.
    """

    def __init__(self, redis: Redis, owner: str, expect: Callable[[], None] = lambda: None) -> None:
        self._redis: Any = redis  # its stubs type every answer as "awaitable or not"
        self._owner = owner
        self._expect = expect

    def __call__(
        self, site_id: str, verb: str, /, *rest: Argument, **arguments: Argument
    ) -> Sequence[Any]:
        """Run one verb for one site, with the arguments that its file declares."""
        with tracing.step(f"{self._owner} {verb}", "CLIENT", site=site_id), naming_the_site():
            return self._run(*self._call(site_id, verb, arguments, rest))

    def all(self, site_id: str, calls: Sequence[Call]) -> list[Sequence[Any] | StoreUnavailable]:
        """Run verbs that do not depend on each other, many in one round trip.

        Each is done or not by itself; its answer is returned, or the fault where there is none.
        """
        found: list[Sequence[Any] | StoreUnavailable] = []
        for start in range(0, len(calls), AT_ONCE):
            asked = calls[start : start + AT_ONCE]
            prepared = [self._call(site_id, *one) for one in asked]
            verbs = " ".join(sorted({one.verb for one in asked}))
            try:
                with tracing.step(f"{self._owner} {verbs}", "CLIENT", site=site_id):
                    answers = self._together(prepared)
            except StoreUnavailable as fault:  # what was done is not known of any
                answers = [fault] * len(prepared)
            found += answers
        return found

    def of_sites(
        self,
        site_ids: Sequence[str],
        verb: str,
        read: Callable[..., Read],
        /,
        *rest: Argument,
        **arguments: Argument,
    ) -> list[Read | SiteUnreadable]:
        """Run a verb for many sites, `SITES_AT_ONCE` in a round trip.

        What it answers is read by a function; of a site that is damaged, the fault is returned.
        """
        found = list[Read | SiteUnreadable]()
        for start in range(0, len(site_ids), SITES_AT_ONCE):
            asked = site_ids[start : start + SITES_AT_ONCE]
            with tracing.step(f"{self._owner} {verb} of sites", "CLIENT", n_sites=len(asked)):
                answers = self._together(
                    [self._call(site_id, verb, arguments, rest) for site_id in asked]
                )
            for answer in answers:
                if isinstance(answer, StoreUnavailable) and not isinstance(answer, SiteUnreadable):
                    raise answer
                found.append(answer if isinstance(answer, SiteUnreadable) else read(*answer))
        return found

    def until_done(self, site_id: str, verb: str, /, **arguments: Argument) -> int:
        """Run a verb that does one page of its work, until none is left; return how much it did."""
        n_done = 0
        while n_more := self(site_id, verb, **arguments)[0]:
            n_done += n_more
        return n_done

    def pages(
        self, site_id: str, verb: str, /, *rest: Argument, **arguments: Argument
    ) -> Iterator[Sequence[Any]]:
        """Run a verb from cursor to cursor, until it has seen all; yield its answers."""
        cursor = "0"
        while True:
            cursor, *answer = self(site_id, verb, *rest, cursor=cursor, **arguments)
            yield answer
            if cursor == "0":
                return

    def _call(
        self,
        site_id: str,
        verb: str,
        arguments: Mapping[str, Argument],
        rest: Sequence[Argument] = (),
    ) -> tuple[Script, Sequence[str], Sequence[Argument]]:
        """Return what `_run` takes."""
        script = read_script(self._owner, verb)
        if len(arguments) != len(script.arguments) or (rest and not script.rest):
            raise TypeError(f"{verb} takes {', '.join(script.arguments)}")
        values = [arguments[name] for name in script.arguments]
        return script, site_keys(site_id, script.keys), [*values, *rest]

    def _together(
        self, calls: Sequence[tuple[Script, Sequence[str], Sequence[Argument]]]
    ) -> list[Sequence[Any] | StoreUnavailable]:
        if len(calls) == 1 or isinstance(self._redis, Cluster):  # whose pipelines take no scripts
            return [self._answer(call) for call in calls]
        with naming_the_site():
            with self._redis.pipeline(transaction=False) as line:
                for script, keys, arguments in calls:
                    line.execute_command("EVALSHA", script.digest, len(keys), *keys, *arguments)
                found = line.execute(raise_on_error=False)
            for answer in found:
                if is_short_of_replicas(answer):  # which is said of one, and holds for all
                    raise answer
        return [self._answer(*both) for both in zip(calls, found, strict=True)]

    def _answer(
        self, call: tuple[Script, Sequence[str], Sequence[Argument]], found: Any = None
    ) -> Sequence[Any] | StoreUnavailable:
        """Return what was answered to a call, or the fault; one that was not answered is made."""
        try:
            with naming_the_site():
                if found is None or isinstance(found, NoScriptError):
                    found = self._run(*call)
                if isinstance(found, Exception):
                    raise found
        except StoreUnavailable as fault:
            return fault
        answer: Sequence[Any] = found
        return answer

    def _run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Sequence[Any]:
        try:
            answer = self._redis.execute_command(
                "EVALSHA", script.digest, len(keys), *keys, *arguments
            )
        except NoScriptError:  # the server is new to the script, or has been restarted
            self._expect()
            answer = self._redis.eval(script.text, len(keys), *keys, *arguments)
        result: Sequence[Any] = answer
        return result
