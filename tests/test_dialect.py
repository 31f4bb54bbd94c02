"""Dialects: told by their small words, and not told where a text does not say."""

import pytest

from conftest import SAMPLE_COMMENTS
from models.dialect import DIALECTS, dialect_of
from models.schema import read_comments


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("انت عايز ايه دلوقتي", "egyptian"),  # "what do you want now"
        ("الكلام ده مش كويس خالص", "egyptian"),  # "this talk is not good at all"
        ("شو بدك هلق", "levantine"),  # "what do you want now"
        ("هيك الحكي منيح", "levantine"),  # "this is good talk"
        ("وش تبي الحين", "gulf"),  # "what do you want now"
        ("مدري ليش يبون كذا", "gulf"),  # "I don't know why they want it so"
        ("شگد غالي السوق هسه", "iraqi"),  # "how dear the market is now"
        ("هيچ يحچي وماكو فايده", "iraqi"),  # "so he talks, and it is no use"
        ("واش بغيتي دابا", "maghrebi"),  # "what do you want now"
        ("علاش هاد الناس بزاف", "maghrebi"),  # "why are these people so many"
        ("ماذا تريد الآن", ""),  # "what do you want now", standard
        ("هذه المقالة ممتازة وشكرا للكاتب", ""),  # "an excellent article, thanks to its author"
        ("ليش وين", ""),  # "why, where": Levantine, Gulf and Iraqi alike
        ("chnou bghiti daba", ""),
        ("", ""),
    ],
)
def test_a_dialect_is_told_by_its_own_words(text: str, dialect: str) -> None:
    assert dialect_of(text) == dialect


def test_the_spelling_of_alef_and_heh_marks_and_length_tell_no_dialects_apart() -> None:
    assert dialect_of("عــايـزة إيـــــه دِلوقتى") == dialect_of("عايزه ايه دلوقتي") == "egyptian"


def test_of_our_own_comments_nine_in_ten_of_those_told_are_told_right() -> None:
    told = [
        (dialect_of(comment.text), comment.dialect) for comment in read_comments(SAMPLE_COMMENTS)
    ]
    for dialect in DIALECTS:
        right = [said == true for said, true in told if said == dialect]
        assert len(right) >= 2
        assert sum(right) >= 0.9 * len(right), dialect
