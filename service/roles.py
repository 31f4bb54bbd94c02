"""Roles of moderators, and which groups of a single sign-on give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: The lowest first. What a trainee decides has no effect.
ROLES = ("trainee", "moderator", "senior", "admin")

_GRANT = re.compile(r"([a-z]+)(?:@([a-z0-9,_-]+))?=([^;]+)")
MAX_GROUP_LENGTH = 1_024


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and the sites that it is for; None for every site."""

    role: str
    sites: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class GroupRoles:
    """What each group gives; a group may stand in several grants."""

    grants: Mapping[str, Sequence[Grant]]

    @classmethod
    def parse(cls, text: str) -> GroupRoles:
        """Read ``admin=chiefs; senior@news,sport=desk``; ValueError for anything else.

        A role comes first, then the sites that it is for, then a group: all up to the semicolon,
        so that names of groups may hold commas, spaces and signs of equality.

        >>> GroupRoles.parse("senior@sport=CN=Desk,OU=Press").of(["CN=Desk,OU=Press"])
        Grant(role='senior', sites=('sport',))
        """
        grants: dict[str, list[Grant]] = {}
        for part in filter(None, map(str.strip, text.split(";"))):
            found = _GRANT.fullmatch(part)
            if not found:
                raise ValueError
            role, sites, group = found[1], found[2], found[3].strip()
            named = tuple(sites.split(",")) if sites else None
            if role not in ROLES or not group or len(group) > MAX_GROUP_LENGTH:
                raise ValueError
            if named is not None and (role == "admin" or not all(named)):
                raise ValueError  # administrators work for every site
            grants.setdefault(group, []).append(Grant(role, named))
        if not grants:
            raise ValueError
        return cls(grants)

    def of(self, groups: Iterable[str]) -> Grant | None:
        """Return the highest role that groups give, on the sites of that role alone; else None."""
        given = [grant for group in set(groups) for grant in self.grants.get(group, ())]
        if not given:
            return None
        role = max((grant.role for grant in given), key=ROLES.index)
        sites = set[str]()
        for grant in given:
            if grant.role == role:
                if grant.sites is None:
                    return Grant(role)
                sites.update(grant.sites)
        return Grant(role, tuple(sorted(sites)))
