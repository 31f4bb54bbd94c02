"""Keyboard commands of the work page, and the key of each."""

from collections.abc import Mapping
from string import ascii_lowercase

#: In the order of the sheet that `?` opens.
KEYS: Mapping[str, str] = {
    "approve": "a",
    "reject": "r",
    "skip": "s",
    "escalate": "e",
    "undo": "u",
    "note": "n",
    "reveal": "b",
    "mark": "m",
}


def keys_of(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the key of each command; a default gives way to one that somebody chose."""
    taken = {*chosen.values(), *KEYS.values()}
    free = (letter for letter in ascii_lowercase if letter not in taken)
    return {
        command: chosen.get(command) or (next(free) if key in chosen.values() else key)
        for command, key in KEYS.items()
    }
