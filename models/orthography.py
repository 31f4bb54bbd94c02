"""Orthography: which letters are one letter, and which signs are none.

Promise: tables alone, in Unicode's names; what a word is, `models.normalize` says.

Secret: which of the many ways to write a word are the same word. The same tables serve
normalization, the recognition of dialects and the comparison of comments in a corpus, each of which
takes as much of them as its purpose allows.

Sources: Unicode Standard, chapter 9 (Arabic); the folding follows what Arabic search engines do
(Larkey, Ballesteros and Connell 2002, "light" normalization), widened by the look-alikes seen in
evasion.
"""

from __future__ import annotations

from models.characters import code_points

# Letters a reader takes for one another. The dotless BEH (U+066E) is not among them: it is written
# for five letters, so it stays a letter of its own. Target first, then what folds into it.
_ALIKE = (
    "\u0627\u0671\u0672\u0673\u0675\u0622\u0623\u0625",  # ALEF: wasla, wavy hamza
    "\u0628\u067b\u067e\u0680\u0750\u0751\u0752\u0753\u0754\u0755\u0756\u08a0",  # BEH: peh
    "\u062a\u0679\u067a\u067c\u067d\u067f",  # TEH: tteh, tteheh, ring, three dots, teheh
    "\u062c\u0683\u0684\u0686\u0687\u06bf",  # JEEM: nyeh, dyeh, tcheh, tcheheh
    "\u062d\u0681\u0682\u0685\u0757\u0758\u076e\u076f\u0772",  # HAH with foreign dots
    "\u062f\u0688\u0689\u068a\u068b\u068c\u068d\u068f\u0690\u06ee\u0759\u075a",  # DAL: ddal ...
    "\u0630\u068e",  # THAL: dul
    "\u0631\u0691\u0692\u0693\u0694\u0695\u0696\u06ef\u075b",  # REH: rreh ...
    "\u0632\u0697\u0698\u0699",  # ZAIN: jeh
    "\u0633\u069a\u069b\u069c\u075c\u076d",  # SEEN
    "\u0634\u06fa",  # SHEEN
    "\u0635\u069d\u069e",  # SAD
    "\u0636\u06fb",  # DAD
    "\u0637\u069f",  # TAH
    "\u0639\u06a0\u075d\u075e\u075f",  # AIN
    "\u063a\u06fc",  # GHAIN
    "\u0641\u06a1\u06a2\u06a3\u06a4\u06a5\u06a6\u0760\u0761",  # FEH: dotless, veh, peheh
    "\u0642\u06a7\u06a8\u066f",  # QAF: dotless, three dots (g in the Maghreb)
    "\u0643\u063b\u063c\u06a9\u06aa\u06ab\u06ac\u06ad\u06ae\u06af\u06b0\u06b1\u06b2",  # KAF: gaf
    "\u0644\u06b5\u06b6\u06b7\u06b8\u076a",  # LAM
    "\u0645\u0765\u0766\u08a7",  # MEEM
    "\u0646\u06b9\u06ba\u06bb\u06bc\u06bd\u0767\u0768\u0769",  # NOON: ghunna, rnoon
    "\u0647\u0629\u06be\u06c0\u06c1\u06c2\u06c3\u06d5\u06ff",  # HEH: teh marbuta, goal, ae ...
    "\u0648\u0676\u0677\u06c4\u06c5\u06c6\u06c7\u06c8\u06c9\u06ca\u06cb\u06cf\u0778\u0779",  # WAW
    "\u064a\u0649\u0678\u063d\u063e\u063f\u06cc\u06cd\u06ce\u06d0\u06d1\u06d2\u06d3\u0620\u0777",
)  # the last: YEH: alef maksura, farsi yeh, e, yeh barree
# The rest of Unicode's Arabic letters, of Asian and African languages, by the letter that each is a
# form of: other dots, strokes, small letters and digits above and below.
_FOREIGN = {
    "\u0627": "773-774 870-882 8AD",  # ALEF
    "\u0628": "8A1 8B6-8B7 8BE",  # BEH
    "\u062a": "8B8 8BF-8C0",  # TEH
    "\u062c": "8A2 8C1 8C5-8C6",  # JEEM
    "\u062d": "77C 88A",  # HAH
    "\u062f": "8AE 10EC2",  # DAL
    "\u0631": "76B-76C 771 8AA 8B9",  # REH
    "\u0632": "8B2",  # ZAIN
    "\u0633": "770 77D-77E",  # SEEN
    "\u0635": "8AF",  # SAD
    "\u0637": "88B-88C 8A3 10EC3",  # TAH
    "\u0639": "8B3",  # AIN
    "\u063a": "8C3",  # GHAIN
    "\u0641": "8A4 8BB",  # FEH
    "\u0642": "8A5 8B5 8BC 8C4",  # QAF
    "\u0643": "6B3-6B4 762-764 77F 88D 8B0 8B4 8C2 8C8 10EC4",  # KAF
    "\u0644": "8A6 8C7",  # LAM
    "\u0646": "889 88F 8BD 10EC6",  # NOON
    "\u0648": "8AB 8B1",  # WAW
    "\u064a": "775-776 77A-77B 886 8A8-8A9 8AC 8BA 10EC5 10EC7",  # YEH
}
FOLD = {ord(letter): row[0] for row in _ALIKE for letter in row[1:]}
FOLD |= {code: letter for letter, codes in _FOREIGN.items() for code in code_points(codes)}
"""From the code point of a letter to the letter that a reader takes it for."""


def folding(letters: str) -> dict[int, str]:
    r"""Give `FOLD` for some letters alone, in the form that `str.translate` takes.

    Examples
    --------
    >>> "\u0629\u0623".translate(folding("\u0629")) == "\u0647\u0623"  # teh marbuta alone
    True
    """
    return {ord(letter): FOLD[ord(letter)] for letter in letters}


# In a word with Arabic letters: foreign ones, and the Arabic letter that they are drawn for. Of
# digits a single one, because longer ones are numbers: by its shape or by its sound in Arabizi.
LOOK_ALIKES = {
    "li|\u0131\u03b9\u0456\u04cf1": "\u0627",  # ALEF: strokes
    "o\u03bf\u043e\u03c30": "\u0647",  # HEH: rings
    "j": "\u0644",  # LAM
    "m\u043c": "\u0645",  # MEEM: also CYRILLIC SMALL LETTER EM
    "w\u0448": "\u0633",  # SEEN: three teeth, also CYRILLIC SMALL LETTER SHA
    "2": "\u0621", "3": "\u0639", "5": "\u062e", "6": "\u0637", "7": "\u062d", "9": "\u0648",
}  # fmt: skip

# Signs that end a word without a blank. Any other may be put between letters to hide a word: stars,
# pictures, signs without a shape or a meaning.
PARTING_SIGNS = (
    ',;:!?()[]{}<>"#&%\u00a1\u00ab\u00bb\u00bf\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a'
    "\u060c\u061b\u061f\u06d4"  # Arabic COMMA, SEMICOLON, QUESTION MARK, FULL STOP
)

# What only lengthens a letter or hangs on it: TATWEEL, HIGH HAMZA, SMALL WAW, SMALL YEH, tatweels
# with signs, BASELINE ROUND DOT, VERTICAL TAIL, SMALL FARSI YEH, TAIL FRAGMENT.
HANGING = code_points("640 674 6E5-6E6 883-885 887 88E 8C9 FE73")
