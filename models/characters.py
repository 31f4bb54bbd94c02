"""Characters: what Unicode 18 says of them, whatever version comes with Python.

Promise: the same answer on every Python. A character that is newer than Python's own tables is no
way around a filter, and no reason to call a text blank.

Secret: the tables. Python 3.11, the oldest that Hakam runs on, knows Unicode 14; what was added
since is listed here, and what Unicode 14 knows never changes its kind. The tests compare each list
with the property it is named after, so a newer Unicode shows there what to write here.

Sources: Unicode Character Database 18.0, DerivedCoreProperties.txt (Default_Ignorable_Code_Point),
DerivedGeneralCategory.txt and UnicodeData.txt.
"""


def code_points(ranges: str) -> frozenset[int]:
    """Read code points in hexadecimal: "41-43 61" are four."""
    bounds = (text.split("-") for text in ranges.split())
    return frozenset(
        code for bound in bounds for code in range(int(bound[0], 16), int(bound[-1], 16) + 1)
    )


DEFAULT_IGNORABLE = code_points(
    "AD 34F 61C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF "
    "FFA0 FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)
"""Meant to show nothing, assigned or not: joiners, fillers, selectors, tags."""

NEW_MARKS = code_points(
    "5C8-5C9 897 B53-B54 ECE 1ACF-1AF0 10D69-10D6D 10ECB-10ECF 10EF0-10EFF 11241 113BB-113C0 "
    "113CE 113D0 113D2 113E1-113E2 11B60 11B62-11B64 11B66 11DF0 11F00-11F01 11F36-11F3A 11F40 "
    "11F42 11F5A 13439-13440 13447-13455 1611E-16129 1612D-1612F 1D127-1D128 1D25B-1D25C 1E08F "
    "1E4EC-1E4EF 1E5EE-1E5EF 1E6E3 1E6E6 1E6EE-1E6EF 1E6F5"
)
"""Marks and format controls (Mn, Me, Cf) since Unicode 15."""

NEW_LETTERS = code_points(
    "558 58B-58C 88F C5C CDC 1C89-1C8A 208F 209D-209F A7CB-A7CF A7D2 A7D4 A7DA-A7DD A7E2 A7F1 "
    "AB6C-AB6D 105C0-105F3 107BB-107BF 10940-10959 10D4A-10D65 10D6F-10D85 10EC2-10EC7 "
    "10ED9-10EEE 1123F-11240 11380-11389 1138B 1138E 11390-113B5 113B7 113D1 113D3 11B0A "
    "11BC0-11BE0 11DB0-11DDB 11DF1 11F02 11F04-11F10 11F12-11F33 1342F 13441-13446 13460-143FA "
    "16100-1611D 16D40-16D6C 16EA0-16EB8 16EBB-16ED3 16FF2-16FF3 187F8-187FF 18CD6-18CDA 18CFF "
    "18D09-18D20 18D80-18DF2 18E00-19191 191A0-191D2 1B123-1B128 1B132 1B155 1B168 1D6A6 "
    "1DF1F-1DF81 1DF90-1DF96 1DFCD-1DFFF 1E030-1E06D 1E4D0-1E4EB 1E5D0-1E5ED 1E5F0 1E6C0-1E6DE "
    "1E6E0-1E6E2 1E6E4-1E6E5 1E6E7-1E6ED 1E6F0-1E6F4 1E6FE-1E6FF"
)
"""Letters (L) since Unicode 15, without the rare ideographs from U+20000 on."""

NEW_NUMBERS = code_points(
    "10D40-10D49 116D0-116E3 11BF0-11BF9 11DE0-11DE9 11F50-11F59 1246F 12475-1247F 12550-12686 "
    "16130-16139 16D70-16D79 16FF4-16FF6 1CCF0-1CCF9 1D2C0-1D2D3 1E4F0-1E4F9 1E5F1-1E5FA"
)
"""Digits and other numbers (N) since Unicode 15."""

_SPELLED = {
    0x558: "\u0567",
    0x58B: "\u056b\u0575",
    0x209D: "wyz",
    0xA7F1: "s",
    0x107BB: "\u0287\u0296\u0297\u029e\U0001df0b",
    0x10D40: "0123456789",
    0x116D0: "01234567890123456789",
    0x11BF0: "0123456789",
    0x11DE0: "0123456789",
    0x11F50: "0123456789",
    0x16130: "0123456789",
    0x16D70: "0123456789",
    0x1CCD6: "abcdefghijklmnopqrstuvwxyz0123456789",
    0x1D6A6: "\u00df",
    0x1DF95: "\u00df",
    0x1DFCD: (
        "\U0001df57\U0001df58\U0001df59\u0263\u1d18\u0180\u0111\u01e5\u0142\u019a\U0001df50"
        "\U0001df3e\u0249\u1d7f\U0001df3f\u019e\u027c\u0238\u0239\U0001df2b\U0001df19\u0286"
        "\u1d98\U0001df2c\U0001df1c\u0293\u1d9a\u1d05\u1d00\u1d07\u027f\u0285\u02ae\u02af"
        "\u0221\u0234\u0235\u0236\u03c8\u03c9\u1d81\ua795\u1d87\u1d8a\u1d8e\u0188\u0199\u01a5"
        "\u02a0\u01ad\U0001df09"
    ),
    0x1E030: (
        "\u0430\u0431\u0432\u0433\u0434\u0435\u0436\u0437\u0438\u043a\u043b\u043c\u043e\u043f"
        "\u0440\u0441\u0442\u0443\u0444\u0445\u0446\u0447\u0448\u044b\u044d\u044e\ua689\u04d9"
        "\u0456\u0458\u04e9\u04af\u04cf\u0430\u0431\u0432\u0433\u0434\u0435\u0436\u0437\u0438"
        "\u043a\u043b\u043e\u043f\u0441\u0443\u0444\u0445\u0446\u0447\u0448\u044a\u044b\u0491"
        "\u0456\u0455\u045f\u04ab\ua651\u04b1"
    ),
    0x1E4F0: "0123456789",
    0x1E5F1: "0123456789",
}
NEW_SPELLINGS = {
    first + place: letter for first, row in _SPELLED.items() for place, letter in enumerate(row)
}
"""Since Unicode 15: what stands for one other character (compatibility decomposition, lower case,
decimal digits in ASCII), by code point."""

UNSEEN = DEFAULT_IGNORABLE | code_points("FFF9-FFFB 13430-1343F 1D159")
"""Prints nothing and takes no room: beside what is ignorable the other format controls that do not
enclose a number, and a musical symbol without a shape."""

EMPTY = code_points("2800 13441-13442")
"""Signs that are drawn as an empty place: braille without a dot, blanks of hieroglyphs."""

_SPACES = code_points("0-20 7F-A0 1680 2000-200A 2028-2029 202F 205F 3000")  # and controls
_BLANK = UNSEEN | EMPTY | _SPACES


def is_visible(text: str) -> bool:
    r"""Say whether a text shows anything at all.

    What is not assigned yet is drawn as something: a box today, a new emoji tomorrow.

    Examples
    --------
    >>> is_visible("x"), is_visible(" \t "), is_visible("\u3164\u2065"), is_visible("\U0001fadf")
    (True, False, False, True)
    """
    return not _BLANK.issuperset(map(ord, text))
