"""Cues: words that say what a number or a name beside them is.

A word is looked up as it is, and without the particles before it and the pronoun behind it, in any
of its spellings with hamza, teh marbuta and alef maqsura. One look-up a word: linear.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Cue = Literal[
    "phone",  # a phone number follows
    "other_number",  # the number of an order, a law, a ticket
    "id",  # the number of a person's papers
    "chat",  # a service on which private people are found
    "network",  # a service on which people publish
    "own",  # an account of somebody's: my account, add me
    "street",
    "dwelling",  # a house, a flat, of which the number follows
    "counted",  # behind a number: floors, persons, years
    "living",  # where somebody lives
]

_WORDS: dict[Cue, str] = {
    # Mobile, phone, WhatsApp, my number, call, write to me, get in touch, for questions, bookings
    "phone": """
        جوال جوالات موبايل موبيل مبايل محمول هاتف هواتف تلفون تليفون تيليفون تلفونات
        نقال خلوي خليوي واتس واتساب واتسب وتساب واتسآب الواتساب رقمي رقمه رقمها رقمك
        رقمنا رقمهم ارقامنا اتصل اتصلوا اتصلي يتصل تتصل نتصل كلمني كلموني كلمه كلمها
        كلمنا راسلني راسلوني راسله راسلها راسلنا تواصل تواصلوا يتواصل نتواصل للتواصل
        للاتصال للاستفسار للحجز دق دقوا رن رنوا خابرني خابروني نمرتي نمره نيميرو
        نومرو عيطلي عيطولي صيفطلي خطي بوتيم فايبر ايمو whatsapp whatsap watsap
        wats tel telephone phone mobile mob cell call contact sms text gsm numero
        appelez contactez raqmi ra9mi rakmi nemti nemra nimero tlfon telefon watsapp
        viber imo signal
    """,
    # Order, invoice, shipment, booking, ticket, case, decision, law, article, complaint, licence,
    # code, serial number, deposit, edition, flight, part
    "other_number": """
        طلب طلبي طلبيه طلبيتي فاتوره شحنه شحنتي تتبع حجز حجزي تذكره تذكرتي قضيه قرار
        مرسوم قانون ماده بلاغ شكوي معامله معاملتي ترخيص رخصه عقد سند كود باركود
        سيريال موديل ايداع مرجع مرجعي رحله قطعه حلقه عدد سر باسورد صك ايصال حواله قسيمه كوبون
        جلوس order invoice shipment tracking ticket booking case ref reference isbn
        issn doi serial model code sku barcode flight episode password facture commande colis
    """,
    # Identity, residence permit, card, national and civil registry
    "id": """
        هويه هويتي هويته هويتها اقامه اقامتي اقامته اقامتها بطاقه بطاقتي بطاقته وطني
        قومي مدني مدنيه id iqama civil national identity cin
    """,
    "chat": """
        سناب سنابي سنابه سنابها سنابشات سنابجات انستا انستاي انستقرام انستغرام
        انستجرام انستكرام انستاجرام انستاغرام تيكتوك تكتوك تيك تلي تلجرام تليجرام
        تلغرام تلقرام تليغرام تليقرام تيليجرام تيليغرام ديسكورد سكايب ماسنجر snap
        snapchat tiktok insta instagram ig telegram discord skype messenger kik
    """,
    "network": """
        تويتر تويتري فيس فيسبوك بوك فيسي لينكد ثريدز twitter facebook fb linkedin
        threads
    """,
    # My, his account, user name; add, follow, write to me; mine in the dialects
    "own": """
        حسابي حسابه حسابها حسابنا حسابك اكونتي اكونت اكاونتي يوزر يوزري يوزره يوزرها
        معرفي معرفه ضيفوني ضيفني اضيفوني اضفني تابعوني تابعني فولو بتاعي تبعي مالتي
        مالي ديالي متاعي حقي راسلوني راسلني كلموني كلمني صفحتي قناتي بروفايلي my
        mine username user add follow dm pm account
    """,
    "street": """
        شارع ش طريق زنقه نهج درب حاره جاده حي قطعه بلوك مجمع كمبوند مخيم سكه زقاق
        محله اوتوستراد street st road rd rue avenue ave boulevard bd block quartier
        cite
    """,
    "dwelling": """
        عماره بنايه مبني شقه فيلا فله منزل بيت دار برج عقار بلدينغ apartment apt
        flat building bldg bld villa house immeuble appartement
    """,
    "counted": """
        طوابق طابق ادوار دور اشخاص شخص شخصا غرف غرفه شقق شقه وحده وحدات منازل منزل
        سنوات سنه سنين متر مترا امتار كيلومتر كم مليون مليار الف الاف بالمئه بالمائه
        قتلي جرحي قتيل جريح ضحايا ساعات ساعه ايام يوم دقيقه دقائق شهر اشهر مرات مره
        عائله عائلات اسره دولار دينار ريال درهم جنيه ليره floors floor people
        persons years rooms meters metres million
    """,
    "living": """
        عنواني عنوانه عنوانها عنوانهم عنوانك عنوان ساكن ساكنه ساكنين يسكن تسكن بيسكن
        بتسكن سكنه سكني يقطن تقطن مسكنه بيته بيتها بيتهم بيتي منزله منزلها منزلهم
        عايش عايشه مقيم address lives adresse habite
    """,
}

_FOLD = str.maketrans(
    "\u0622\u0623\u0625\u0671\u0629\u0649\u06a9\u06cc\u0624\u0626",
    "\u0627\u0627\u0627\u0627\u0647\u064a\u0643\u064a\u0648\u064a",
)
# And, so; with, in, like, for, on; the.
_PARTICLES = ("", "و", "ف", "ب", "ل", "ك", "ع")
_THE = ("ال", "")
_PRONOUNS = ("ي", "ه", "ها", "هم", "ك", "كم", "نا", "و")  # my, his, her, their, your, our; his
_OWNED: frozenset[Cue] = frozenset({"phone", "id", "chat", "network", "own", "living"})
_SHORTEST = 3  # letters that are left where something is taken off
_LONGEST_WORD = 20
# A word in Latin letters beside a digit or a dash below is a part of a name, or of Arabic in Latin.
_WORD = re.compile(r"(?<![@#_.0-9])(?:[^\W\d_a-z]++|[a-z]++(?![0-9_]))")


def folded(text: str) -> str:
    """Return a plain text in which the spellings of a letter are one; no place changes."""
    return text.translate(_FOLD)


_KINDS: dict[str, frozenset[Cue]] = {}
for _kind, _words in _WORDS.items():
    for _word in folded(_words).split():
        _KINDS[_word] = _KINDS.get(_word, frozenset()) | {_kind}


@lru_cache(maxsize=8_192)
def _kinds(word: str) -> frozenset[Cue]:
    if found := _KINDS.get(word):
        return found
    for particle in _PARTICLES:
        for article in _THE:
            before = particle + article
            if not word.startswith(before):
                continue
            stem = word[len(before) :]
            if len(stem) >= _SHORTEST and (found := _KINDS.get(stem)):
                return found
            for pronoun in _PRONOUNS:
                bare = stem.removesuffix(pronoun)
                if len(bare) >= _SHORTEST and bare != stem and (found := _KINDS.get(bare)):
                    return found & _OWNED
    # "for the": one LAM in place of the article's ALEF
    return _kinds("ال" + word[2:]) if word.startswith("لل") else frozenset()


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is a cue, and where it stands."""

    text: str
    start: int
    end: int
    kinds: frozenset[Cue]


class Cues:
    """The cues of a folded text, by their places."""

    def __init__(self, text: str) -> None:
        self.words = [
            Word(match[0], *match.span(), kinds)
            for match in _WORD.finditer(text)
            if len(match[0]) <= _LONGEST_WORD and (kinds := _kinds(match[0]))
        ]
        self._starts = [word.start for word in self.words]
        self._ends = [word.end for word in self.words]

    def at(self, place: int) -> frozenset[Cue]:
        """Return what the word says that begins at a place."""
        found = bisect_left(self._starts, place)
        there = found < len(self.words) and self.words[found].start == place
        return self.words[found].kinds if there else frozenset()

    def before(self, place: int, within: int) -> list[Word]:
        """Return the cues that end within so many letters before a place, the nearest first."""
        first = bisect_left(self._ends, place - within)
        return self.words[first : bisect_right(self._ends, place)][::-1]

    def after(self, place: int, within: int) -> list[Word]:
        """Return the cues that begin within so many letters from a place on, in order."""
        first = bisect_left(self._starts, place)
        return self.words[first : bisect_right(self._starts, place + within)]
