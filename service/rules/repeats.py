"""Repeats: copies of a text, what an author sends, what an article gets; pure.

A text is known again by its letters alone, as normalization reads them: without blanks, signs and
digits, so that neither a changed number nor letters that were set apart make it another one. What
is nearly alike shares half of a sketch of runs of letters (`service.rules.min_hash`).

Of three public sets of 61,289 comments of readers (aj_comments, annotated_news, alakrot_youtube),
the texts that stand there five times or more have fewer than 16 letters, all but one: a word of
assent, a blessing. The long formulas of faith and condolence have up to some 32 letters. So a text
counts as repeated from `MIN_LETTERS` on; shorter ones are grouped for the desk, and held against
nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.normalize import normalize
from service.rules.min_hash import min_hash

MIN_LETTERS = 36
MAX_READ = 4_000  # code points of a text, of which its letters are taken
RUN_LETTERS = 5
N_PARTS = 12
PART_DIGITS = 4  # of each part of the sketch; the lowest are as good as any


@dataclass(frozen=True, slots=True)
class Seen:
    """What else came like a comment, itself included; numbers of a sliding window."""

    group: str = ""  # id of what is nearly the same text; empty where there are no letters
    n_copies: int = 0  # in a day; 0 for a text that is too short to count
    n_of_author: int = 0  # in an hour


def letters_of(text: str) -> str:
    """Return the letters of a text as normalization reads them, and nothing else.

    >>> letters_of("One, TWO 3!") == letters_of("one two 4")
    True
    """
    return "".join(filter(str.isalpha, normalize(text[:MAX_READ]).text))


def sketch(letters: str) -> str:
    """Return the sketch of a text by its letters, of which there is at least one."""
    n_runs = max(1, len(letters) - RUN_LETTERS + 1)
    runs = {letters[start : start + RUN_LETTERS] for start in range(n_runs)}
    return "".join(part[-PART_DIGITS:] for part in min_hash(runs, N_PARTS))
