"""Policy pack: eight rules as newsrooms write them in their comment policies; pure.

Each is a switch with a few positions, from what lets everything pass on, and each position is
settings of a site, told here and nowhere else: to turn a switch is to set those. A label is in its
position ``review`` by the model's own threshold, and in ``closely`` by half of that probability,
but at least where one of four is what the label says. None rejects for a label: that would need a
model that is surer of itself; a site may do so by the thresholds themselves (`reject`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from service.rules.phrases import N_

Position = Literal["ignore", "review", "closely", "require", "reject"]
CLOSELY = 0.25  # a probability from which on even a careful model's label is looked at


@dataclass(frozen=True, slots=True)
class Switch:
    """One rule: its positions from the most lenient on, and what each says to readers."""

    name: str
    meaning: str
    says: Mapping[Position, str]  # a position with nothing to say to readers has no text
    label: str = ""  # whose threshold for review it is
    settings: Mapping[Position, Mapping[str, Any]] | None = None  # or these

    @property
    def positions(self) -> Sequence[Position]:
        """Its positions, the most lenient first."""
        return tuple(self.says)

    def position(self, settings: Any, own: Mapping[str, float]) -> Position | None:
        """Return its position by the settings of a site; None where they are of no position.

        `own` are the thresholds for review of the model. Numbers other than those of a position
        count as its own where they mean as much.
        """
        if self.label:
            threshold, usual = settings.review.get(self.label), own.get(self.label, 1.0)
            if threshold is None or threshold == usual:
                return "review"
            if threshold >= 1:
                return "ignore"
            return "closely" if threshold < usual else None
        return next((at for at in reversed(self.positions) if self._holds(at, settings)), None)

    def _holds(self, position: Position, settings: Any) -> bool:
        """Whether settings mean what a position wants: any number for a number, none for 0."""
        return all(
            bool(value) == bool(getattr(settings, name))
            if isinstance(value, int)
            else value == getattr(settings, name)
            for name, value in (self.settings or {})[position].items()
        )

    def turned(
        self, position: Position, settings: Any, own: Mapping[str, float]
    ) -> Mapping[str, Any]:
        """Return the settings that turn it; none where it is in this position already."""
        if self.position(settings, own) == position:
            return {}
        if not self.label:
            return (self.settings or {})[position]
        review = {name: at for name, at in settings.review.items() if name != self.label}
        usual = own.get(self.label, 1.0)
        at = {"ignore": 1.0, "closely": round(min(usual / 2, CLOSELY), 4)}.get(position)
        return {"review": review if at is None else review | {self.label: at}}


def _by_rule(name: str) -> Mapping[Position, Mapping[str, Any]]:
    return {"ignore": {name: "ignore"}, "review": {name: "review"}, "reject": {name: "reject"}}


SWITCHES: Sequence[Switch] = (
    Switch(
        "links",
        N_("Links"),
        {
            "ignore": "",
            "review": N_("A comment with a link is published after a moderator has read it."),
            "reject": N_("Comments with links are not published."),
        },
        settings=_by_rule("links"),
    ),
    Switch(
        "personal_data",
        N_("Phone numbers and personal data"),
        {
            "ignore": "",
            "review": N_(
                "A comment with a phone number, an address, an account or other personal data is "
                "published after a moderator has read it."
            ),
            "reject": N_(
                "Comments with phone numbers, addresses, accounts or other personal data, your own "
                "or those of others, are not published."
            ),
        },
        settings=_by_rule("personal_data"),
    ),
    Switch(
        "latin_script",
        N_("Comments in Latin letters"),
        {
            "ignore": "",
            "review": N_(
                "Please write in Arabic letters: a comment in Latin letters is published after a "
                "moderator has read it."
            ),
            "reject": N_("Only comments in Arabic letters are published."),
        },
        settings=_by_rule("latin_script"),
    ),
    Switch(
        "religious_insult",
        N_("Insults to religions and to what is sacred"),
        {
            "ignore": "",
            "review": N_(
                "Insults to religions, to what is sacred and to beliefs have no place here."
            ),
            "closely": N_(
                "Insults to religions, to what is sacred and to beliefs have no place here; a "
                "comment that may hold one is published after a moderator has read it."
            ),
        },
        label="religious_insult",
    ),
    Switch(
        "sectarian_attack",
        N_("Sectarian and racist incitement"),
        {
            "ignore": "",
            "review": N_(
                "Incitement against a sect, a people, an origin or a region has no place here."
            ),
            "closely": N_(
                "Incitement against a sect, a people, an origin or a region has no place here; a "
                "comment that may hold it is published after a moderator has read it."
            ),
        },
        label="identity_attack",
    ),
    Switch(
        "repeats",
        N_("Repeated comments"),
        {
            "ignore": "",
            "review": N_("A comment that is sent again and again is held for a moderator."),
            "reject": N_("A comment that is sent again and again is not published."),
        },
        settings={
            "ignore": {"repeat_review": 0, "repeat_reject": 0},
            "review": {"repeat_review": 3, "repeat_reject": 0},
            "reject": {"repeat_review": 3, "repeat_reject": 5},
        },
    ),
    Switch(
        "pen_names",
        N_("Pen names"),
        {
            "ignore": "",
            "review": N_(
                "A pen name is part of the comment: an insulting or advertising one is not "
                "accepted."
            ),
            "require": N_(
                "Please sign with a name: an insulting or advertising one is not accepted, and a "
                "comment without a name is published after a moderator has read it."
            ),
        },
        settings={
            "ignore": {"pen_names": "ignore"},
            "review": {"pen_names": "review"},
            "require": {"pen_names": "require"},
        },
    ),
    Switch(
        "first_comments",
        N_("First comments of a new reader"),
        {
            "ignore": "",
            "review": N_(
                "The first comments of a new reader are published after a moderator has read them."
            ),
        },
        settings={
            "ignore": {"review_first_comments": 0},
            "review": {"review_first_comments": 3},
        },
    ),
)
BY_NAME: Mapping[str, Switch] = {one.name: one for one in SWITCHES}

PRESETS: Mapping[str, Mapping[str, Position]] = {
    "lenient": {
        "links": "ignore",
        "personal_data": "review",
        "latin_script": "ignore",
        "religious_insult": "review",
        "sectarian_attack": "review",
        "repeats": "ignore",
        "pen_names": "review",
        "first_comments": "ignore",
    },
    "usual": {
        "links": "review",
        "personal_data": "review",
        "latin_script": "ignore",
        "religious_insult": "closely",
        "sectarian_attack": "review",
        "repeats": "review",
        "pen_names": "review",
        "first_comments": "ignore",
    },
    "strict": {
        "links": "reject",
        "personal_data": "reject",
        "latin_script": "review",
        "religious_insult": "closely",
        "sectarian_attack": "closely",
        "repeats": "reject",
        "pen_names": "require",
        "first_comments": "review",
    },
}


def positions(settings: Any, own: Mapping[str, float]) -> Mapping[str, Position | None]:
    """Return the position of each switch by the settings of a site."""
    return {one.name: one.position(settings, own) for one in SWITCHES}


def preset_of(found: Mapping[str, Position | None]) -> str | None:
    """Return the preset whose positions these are, if any."""
    return next((name for name, wanted in PRESETS.items() if dict(found) == dict(wanted)), None)
