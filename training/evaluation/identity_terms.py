"""Identity terms: templates that show whether the name of a group moves the score.

Every template is filled with every term, so that two cases differ in nothing but the group they
name. What a classifier scores differently there, it holds against (or in favour of) the group.
The form follows Dixon et al. 2018, "Measuring and Mitigating Unintended Bias in Text
Classification"; subgroup, BPSN and BNSP AUC compare a term's cases with those of the others.

Two files of JSON Lines: ``terms.jsonl`` (``term`` in English, ``category``, ``plural`` as it
stands after a preposition, ``singular``) and ``templates.jsonl`` (``text``, and its ``kind``:
neutral, positive, critical, which is hard but clean, or toxic, which alone is abuse).
"""

from dataclasses import dataclass
from pathlib import Path

from training.hakamcheck import SUITES, join_particles, read_lines

FOLDER = SUITES / "identity_terms"


@dataclass(frozen=True, slots=True)
class TermCase:
    """A comment that names a group."""

    id: str
    text: str
    term: str  # the group, in English
    written: str  # and in the comment
    category: str
    kind: str
    template: str

    @property
    def toxicity(self) -> int:
        """1 if the comment is abuse, else 0."""
        return int(self.kind == "toxic")


def load_terms(folder: Path = FOLDER) -> list[TermCase]:
    """Fill every template with every term."""
    templates = list(read_lines(folder / "templates.jsonl"))
    return [
        TermCase(
            id=f"{term['term']}-{number:02d}",
            text=join_particles(
                template["text"]
                .replace("{plural}", term["plural"])
                .replace("{singular}", term["singular"])
            ),
            term=term["term"],
            written=term["plural"],
            category=term["category"],
            kind=template["kind"],
            template=template["text"],
        )
        for term in read_lines(folder / "terms.jsonl")
        for number, template in enumerate(templates, start=1)
    ]
