"""Pen names: whether somebody gave one at all, or only a word that stands for none; pure."""

from __future__ import annotations

from service.rules.repeats import letters_of

# "visitor", "guest", "unknown", "reader", "without a name", "anonymous", "name", "user", "nobody"
_NONE = """
    زائر زائرة ضيف ضيفة مجهول مجهولة المجهول قارئ قارئة بدون_اسم بلا_اسم دون_اسم غير_معروف
    غير_معروفة اسم_مستعار الاسم مستخدم مستخدمة لا_احد
    guest anonymous anonym anonyme anon visitor visiteur unknown noname no_name nobody user name
    invite reader lecteur
"""
_PLACEHOLDERS = frozenset(letters_of(name) for name in _NONE.split())
MAX_LETTERS = max(map(len, _PLACEHOLDERS))


def is_nameless(name: str) -> bool:
    """Whether a display name names nobody.

    >>> [is_nameless(name) for name in ("", "***", "Guest 12", "Samira", "Reader of maps")]
    [True, True, True, False, False]
    """
    letters = letters_of(name[: 4 * MAX_LETTERS])
    return not letters or letters in _PLACEHOLDERS
