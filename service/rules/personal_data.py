"""Personal data: phone numbers, addresses, accounts and ids that stand in a text.

What is found: phone numbers of the whole world behind a plus or two zeros, and of the region also
without them; mail addresses; IBAN and card numbers with their checks; national ids where a check
exists; names on social networks; street addresses. Digits of every script are read, and those
that blanks, dots, dashes, a tatweel or invisible characters split. See `numbers` for the checks
and their sources, `cues` for the words that make an ordinary number one of these.

What is not: a price, a year, a date, a score, the number of an order or a law, the number of a
service, and a name behind an @ alone, because readers answer each other so. Linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from models.schema import LabeledComment
from service.rules import numbers
from service.rules.addresses import Address, addresses
from service.rules.cues import Cue, Cues, Word, folded
from service.rules.findings import Kind
from service.rules.plain_text import plain

MASK = "\N{BULLET}"
_GONE = "\N{START OF HEADING}"  # in place of what was read already; part of nothing

# A digit of any script, a Latin letter in any form, or the sign @: without one nothing is found.
_WORTH_READING = re.compile(
    "[0-9A-Za-z@\\d\u00aa-\u024f\u1d00-\u1eff\u2070-\u218b\u2460-\u24ff\u2776-\u2793\uff01-\uff5e"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff\U0001fbf0-\U0001fbf9]"
)
_BLANKS = " \t"
_SIGNS = ".\\-\u2010-\u2015\u2212/()_\u00b7\u2022*~|"  # dashes, a minus, dots, bullets
_ROW = re.compile(f"\\(?\\+?\\(?[0-9](?:[{_BLANKS}{_SIGNS}]{{0,3}}[0-9])*+")
_DIGITS = re.compile("[0-9]+")
_DATE = (
    re.compile(  # with one sign, or one blank, between its parts; blanks may stand around a sign
        r"(?<![0-9])(?:(?:0?[1-9]|[12][0-9]|3[01])( ?[-\u2010-\u2015/. ] ?)(?:0?[1-9]|1[0-2])\1"
        r"(?:19|20|14)[0-9]{2}|(?:19|20|14)[0-9]{2}( ?[-\u2010-\u2015/. ] ?)(?:0?[1-9]|1[0-2])\2"
        r"(?:0?[1-9]|[12][0-9]|3[01]))(?![0-9])"
    )
)
_DAY = re.compile("(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])(?:19|20)[0-9]{2}")
_YEAR = re.compile("(?:19|20)[0-9]{2}")
_MANY_SINGLE = 4  # digits that stand alone, from which on they must be split alike
_NEAR, _BESIDE = 40, 15  # letters within which a word before a number, and behind it, speaks of it

_EMAIL = re.compile(
    r"(?<![a-z0-9._%+-])[a-z0-9][a-z0-9._%+-]{0,63}@(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,24}"
    r"(?![a-z0-9-])"
)
# Spelled out: "at" and "dot" in words or in brackets, for the providers that people have.
_SPELLED_EMAIL = re.compile(
    r"(?<![a-z0-9._%+-])[a-z0-9][a-z0-9._%+-]{1,63} {0,2}"
    r"(?:@|[(\[{] ?(?:at|ات) ?[)\]}]| at | ات ) {0,2}"
    r"(?:gmail|hotmail|yahoo|outlook|icloud|live|msn|aol|proton|protonmail|جيميل|هوتميل|ياهو"
    r"|اوتلوك) {0,2}(?:\.|[(\[{] ?(?:dot|دوت) ?[)\]}]| dot | دوت | نقطه ) {0,2}"
    r"(?:com|net|org|fr|me|كوم)(?![a-z0-9])"
)
_IBAN = re.compile(r"(?<![a-z0-9])[a-z]{2}[ .-]?[0-9][ ]?[0-9](?:[ ._-]{0,2}[a-z0-9]){11,30}")

_PROFILE_HOSTS = {
    "instagram.com", "snapchat.com", "twitter.com", "x.com", "facebook.com", "fb.com", "m.me",
    "t.me", "telegram.me", "tiktok.com", "threads.net", "linkedin.com",
}  # fmt: skip
_PROFILE = re.compile(r"/(?:add/|in/)?@?([a-z0-9_.-]{3,50})/?(?:\?[^/]*)?")
_NO_PROFILES = {
    "watch", "groups", "hashtag", "search", "share", "explore", "home", "login", "events",
    "marketplace", "reel", "reels", "stories", "story.php", "photo.php", "permalink.php",
    "joinchat", "story", "photo", "status", "intent", "settings", "privacy", "about", "help",
}  # fmt: skip
_CHAT_HOSTS = {"wa.me", "whatsapp.com"}  # of which the path is a phone number

_NAME = re.compile("@?[a-z0-9_][a-z0-9_.]*+")
_TELLING = re.compile("[_.]|[0-9][0-9]")  # a digit alone may be a letter of Arabic in Latin
_SHORTEST_NAME, _LONGEST_NAME = 3, 31
_MENTION = re.compile(r"(?<![a-z0-9_.@])@[a-z0-9_.]{2,29}[a-z0-9_](?![a-z0-9_])")
_BETWEEN = re.compile(r"[ \t:=>()/\"'\u060c,-]{0,4}")
_TOKEN = re.compile(r"[^\W\d_]{1,20}")
# On, in, he, she, this, here, name, I have; the second word of a network's name.
_BESIDE_NAMES = "علي في ع هو هي هذا هنا اسم اسمي الاسم باسم عندي توك is name the on"
_FILLERS = frozenset(_BESIDE_NAMES.split())
_MOST_FILLERS = 4
_FEWEST_LETTERS = 3  # of a name whose digits make it one

# Number, in three languages.
_HOUSE_NUMBER = re.compile(r"[ :.#]{0,3}(?:رقم|no|num|numero|n°)?[ :.#]{0,3}([0-9]{1,5})(?![0-9])")
_HOUSE_NUMBER_NEAR = re.compile(r"[^\n0-9]{0,30}(?<![0-9])([0-9]{1,5})(?![0-9])")
_NAME_OF_STREET = re.compile(r"[ .]{1,2}([^\W\d_]{1,20})")
_NUMBER_BEFORE = re.compile(r"(?<![0-9])[0-9]{1,4} {1,2}\Z")
_LONGEST_NUMBER_BEFORE = 7
_WORDS_OF_A_NAME = 2
_SAME_ADDRESS = 4  # letters between the parts of one
_ADDRESS_NEAR = 60


@dataclass(frozen=True, slots=True)
class Span:
    """Personal data in a text, in code points of the text as it was written."""

    kind: Kind
    start: int
    end: int


@lru_cache(maxsize=1_024)  # a page shows a text more than once
def find(text: str) -> tuple[Span, ...]:
    """Return the personal data of a text, in order and apart.

    >>> find("call +966 51 234 5678 or mail a.b@mail.example")
    (Span(kind='phone', start=5, end=21), Span(kind='email', start=30, end=46))
    >>> find("in 2023 it cost 1234567890, see law 51/2012")
    ()
    """
    if not _WORTH_READING.search(text):
        return ()
    return tuple(sorted(_Reading(text).spans(), key=lambda span: span.start))


def masked(text: str) -> str:
    """Return a text without its personal data, of which every letter becomes a bullet.

    What remains stands where it stood.

    >>> masked("call +966 51 234 5678")
    'call +••• •• ••• ••••'
    """
    spans = find(text)
    if not spans:
        return text
    letters = list(text)
    for span in spans:
        letters[span.start : span.end] = (
            MASK if letter.isalnum() else letter for letter in letters[span.start : span.end]
        )
    return "".join(letters)


def without_personal_data(comment: LabeledComment) -> LabeledComment:
    """Return a labelled comment with the personal data of text and display name masked."""
    return replace(comment, text=masked(comment.text), author_name=masked(comment.author_name))


@dataclass(frozen=True, slots=True)
class _Group:
    """Digits without anything between them, in a row of digits."""

    digits: str
    start: int
    end: int
    before: str  # what stands between them and the digits before


class _Reading:
    """A text as it is read: what was found is taken out, so that nothing is found twice."""

    def __init__(self, text: str) -> None:
        letters, self._places = plain(text)
        self._places.append(len(text))
        self._letters = folded(letters)

    def spans(self) -> Iterator[Span]:
        """Yield what there is, kind by kind."""
        yield from self._taken(("handle", *places) for places in self._profiles())
        for pattern in (_EMAIL, _SPELLED_EMAIL):
            matches = pattern.finditer(self._letters)
            yield from self._taken(("email", *match.span()) for match in matches)
        yield from self._taken(("iban", *places) for places in self._ibans())
        self._take_out([match.span() for match in _DATE.finditer(self._letters)])
        yield from self._taken(self._numbers())
        yield from self._taken(("handle", *places) for places in self._handles())
        yield from self._taken(("street_address", *places) for places in self._street_addresses())

    @cached_property
    def _cues(self) -> Cues:
        return Cues(self._letters)

    def _taken(self, found: Iterable[tuple[Kind, int, int]]) -> Iterator[Span]:
        spans = list(found)
        self._take_out([(start, end) for _kind, start, end in spans])
        for kind, start, end in spans:  # with the marks on the last letter
            last = self._places[end - 1]
            yield Span(kind, self._places[start], max(last + 1, self._places[end]))

    def _take_out(self, found: list[tuple[int, int]]) -> None:
        if not found:
            return
        letters = list(self._letters)
        for start, end in found:
            letters[start:end] = _GONE * (end - start)
        self._letters = "".join(letters)

    # Links and mail

    def _profiles(self) -> Iterator[tuple[int, int]]:
        others = []
        for one in addresses(self._letters):
            host = one.host.removeprefix("www.").removeprefix("m.")
            if not host.rpartition(".")[2].isalpha() or self._follows_at(one):
                continue
            profile = _PROFILE.fullmatch(one.path) if host in _PROFILE_HOSTS else None
            if profile and profile[1] not in _NO_PROFILES and not profile[1].isdecimal():
                yield one.start, one.end
            elif (one.path or one.has_scheme) and host.removeprefix("api.") not in _CHAT_HOSTS:
                others.append((one.start, one.end))  # numbers in an address are nobody's
        self._take_out(others)

    def _follows_at(self, one: Address) -> bool:
        return one.start > 0 and self._letters[one.start - 1] == "@"

    def _ibans(self) -> Iterator[tuple[int, int]]:
        for match in _IBAN.finditer(self._letters):
            places = [at for at in range(*match.span()) if self._letters[at].isalnum()]
            length = numbers.iban_length(match[0][:2])
            if not 0 < length <= len(places):
                continue
            last = places[length - 1]
            written = "".join(self._letters[at] for at in places[:length])
            goes_on = self._letters[last + 1 : last + 2].isalnum()
            if numbers.is_iban(written) and not goes_on:
                yield match.start(), last + 1

    # Numbers

    def _numbers(self) -> Iterator[tuple[Kind, int, int]]:
        for row in _ROW.finditer(self._letters):
            groups = list(_groups(row))
            at = 0
            while at < len(groups):
                found = self._number_at(groups, at, has_plus=at == 0 and "+" in row[0][:2])
                if found is None:
                    at += 1
                    continue
                kind, last = found
                yield kind, row.start() if at == 0 else groups[at].start, groups[last].end
                at = last + 1

    def _number_at(
        self, groups: Sequence[_Group], at: int, *, has_plus: bool
    ) -> tuple[Kind, int] | None:
        """Find a number that begins with a group: its kind, and its last group."""
        if at and not _parts(groups[at].before):
            return None
        digits, ends = "", list[tuple[int, int]]()
        for last in range(at, len(groups)):
            digits += groups[last].digits
            if len(digits) > numbers.MOST_DIGITS:
                break
            if last + 1 == len(groups) or _parts(groups[last + 1].before):
                ends.append((last, len(digits)))
        for last, n_digits in (*ends[:1], *reversed(ends[1:])):  # one group alone, else the most
            for kind, needed in _forms(digits[:n_digits], has_plus=has_plus):
                if self._holds(kind, groups[at : last + 1], needed, has_plus=has_plus):
                    return kind, last
        return None

    def _holds(
        self, kind: Kind, groups: Sequence[_Group], needed: Cue | None, *, has_plus: bool
    ) -> bool:
        """Whether what stands around and between the digits lets them be of a kind."""
        if not _belong_together(groups):
            return False
        if has_plus:
            return True
        if all(_YEAR.fullmatch(group.digits) for group in groups):
            return False
        start, end = groups[0].start, groups[-1].end
        said = self._said_before(start)
        if said == "other_number" and kind != "national_id":
            return False
        if needed and needed != said and not self._has(needed, self._cues.after(end, _BESIDE)):
            return False
        if kind != "phone":
            return True
        first = groups[0].digits
        is_fraction = len(groups) == 2 and first == "0" and groups[1].before == "."
        is_day = len(groups) == 1 and said != "phone" and bool(_DAY.fullmatch(first))
        return not is_fraction and not is_day and not (needed and self._counts(end))

    def _said_before(self, place: int) -> Cue | None:
        """Return what the nearest word before a number says of it, if any does."""
        for word in self._cues.before(place, _NEAR):
            between = self._letters[word.end : place]
            if "\n" in between:
                break
            for kind in ("phone", "id", "other_number"):
                if kind in word.kinds:
                    return kind
        return None

    @staticmethod
    def _has(kind: Cue, words: Sequence[Word]) -> bool:
        return any(kind in word.kinds for word in words)

    def _counts(self, place: int) -> bool:
        """Whether the word behind a number says what it counts."""
        return self._has("counted", self._cues.after(place, 2))

    # Names on networks

    def _handles(self) -> Iterator[tuple[int, int]]:
        end = 0
        for word in self._cues.words:
            if word.start < end or not word.kinds & {"chat", "network", "own"}:
                continue
            found = self._name_after(word)
            if found:
                yield found
                end = found[1]
        for match in _MENTION.finditer(self._letters):
            if match.start() >= end and self._leads_to_chat(match.end()):
                yield match.span()

    def _name_after(self, word: Word) -> tuple[int, int] | None:
        kinds, place = set(word.kinds), word.end
        in_arabic, mine = not word.text.isascii(), word.text.endswith("\u064a")  # YEH: my
        for _ in range(_MOST_FILLERS):
            between = _BETWEEN.match(self._letters, place)
            place = between.end() if between else place
            token = _TOKEN.match(self._letters, place)
            said = self._cues.at(place)
            if token and (token[0] in _FILLERS or said):
                kinds |= said
                in_arabic = in_arabic and not token[0].isascii()
                place = token.end()
                continue
            match = _NAME.match(self._letters, place)
            name = match[0].rstrip(".") if match else ""
            if self._letters[place + len(name) : place + len(name) + 1] == ":":
                return None  # a picture by its name, as :joy:
            colon = ":" in self._letters[word.end : place]
            if _is_name(name, kinds, plain_will_do=in_arabic and (mine or colon)):
                return place, place + len(name)
            return None
        return None

    def _leads_to_chat(self, place: int) -> bool:
        """Whether words from a place on say that what stands before is a name on a service."""
        for n_fillers in range(_MOST_FILLERS):
            between = _BETWEEN.match(self._letters, place)
            place = between.end() if between else place
            if "chat" in self._cues.at(place):
                return n_fillers > 0
            token = _TOKEN.match(self._letters, place)
            if not token or token[0] not in _FILLERS:
                return False
            place = token.end()
        return False

    # Street addresses

    def _street_addresses(self) -> list[tuple[int, int]]:
        found = list[tuple[int, int]]()
        for word in self._cues.words:
            if "dwelling" in word.kinds:
                found += self._around_dwelling(word)
            elif "street" in word.kinds:
                found += self._where_somebody_lives(word)
        joined = list[tuple[int, int]]()
        for start, end in sorted(found):
            if joined and start <= joined[-1][1] + _SAME_ADDRESS:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        return joined

    def _around_dwelling(self, word: Word) -> Iterator[tuple[int, int]]:
        number = _HOUSE_NUMBER.match(self._letters, word.end)
        if not number or self._counts(number.end()):
            return
        for street in (
            *reversed(self._cues.before(word.start, _ADDRESS_NEAR)),
            *self._cues.after(number.end(), _ADDRESS_NEAR),
        ):
            start = min(self._start_of_street(street), word.start)
            end = max(street.end, number.end())
            if "street" in street.kinds and "\n" not in self._letters[start:end]:
                if street.start > word.start:
                    end = self._end_of_name(street)
                yield start, end
                return

    def _where_somebody_lives(self, street: Word) -> Iterator[tuple[int, int]]:
        number = _HOUSE_NUMBER_NEAR.match(self._letters, street.end)
        if not number or self._counts(number.end()):
            return
        if self._has("living", [*self._cues.before(street.start, _NEAR)]):
            yield self._start_of_street(street), number.end()

    def _start_of_street(self, street: Word) -> int:
        """Where a street begins: at the number of the house, if that stands before it."""
        before = self._letters[max(0, street.start - _LONGEST_NUMBER_BEFORE) : street.start]
        number = _NUMBER_BEFORE.search(before)
        return street.start - len(number[0]) if number else street.start

    def _end_of_name(self, street: Word) -> int:
        end = street.end
        for _ in range(_WORDS_OF_A_NAME):
            name = _NAME_OF_STREET.match(self._letters, end)
            if not name or self._cues.at(name.start(1)):
                break
            end = name.end()
        return end


@lru_cache(maxsize=4_096)
def _forms(digits: str, *, has_plus: bool) -> tuple[tuple[Kind, Cue | None], ...]:
    """Return what digits may be by their form, and which word must say that they are."""
    if len(digits) < numbers.FEWEST_DIGITS:
        return ()
    if has_plus:
        return (("phone", None),) if numbers.is_phone_abroad(digits) else ()
    if numbers.is_national_id(digits):
        return (("national_id", None),)
    if numbers.is_card(digits):
        return (("card", None),)
    if digits.startswith("00"):
        return (("phone", None),) if numbers.is_phone_abroad(digits[2:]) else ()
    if numbers.is_phone_at_home(digits) or numbers.is_phone_with_code(digits):
        return (("phone", None),)
    found = list[tuple[Kind, Cue | None]]()
    if numbers.is_mobile(digits):
        found.append(("phone", "phone"))
    if numbers.may_be_national_id(digits):
        found.append(("national_id", "id"))
    return tuple(found)


def _groups(row: re.Match[str]) -> Iterator[_Group]:
    end = row.start()
    for match in _DIGITS.finditer(row.string, *row.span()):
        yield _Group(match[0], *match.span(), row.string[end : match.start()])
        end = match.end()


def _parts(between: str) -> bool:
    """Whether what stands between two groups of digits may part two numbers."""
    return any(blank in between for blank in _BLANKS)


def _belong_together(groups: Sequence[_Group]) -> bool:
    """Whether groups look like one number: digits that stand alone are split alike."""
    n_single = sum(len(group.digits) == 1 for group in groups)
    return n_single < _MANY_SINGLE or len({group.before for group in groups[1:]}) == 1


def _is_name(name: str, kinds: set[Cue], *, plain_will_do: bool) -> bool:
    """Whether what stands behind words of these kinds is a name on a network."""
    if not _SHORTEST_NAME <= len(name) <= _LONGEST_NAME:
        return False
    if name.startswith("@"):
        return bool(kinds & {"chat", "own"})
    if _TELLING.search(name):
        return sum(letter.isalpha() for letter in name) >= _FEWEST_LETTERS
    return plain_will_do and bool(kinds & {"chat", "network"})
