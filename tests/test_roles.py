"""Which roles groups give."""

from __future__ import annotations

from itertools import permutations

from service.roles import ROLES, Grant, GroupRoles


def test_the_highest_role_counts_whatever_the_order_of_the_groups() -> None:
    roles = GroupRoles.parse("; ".join(f"{role}=g-{role}" for role in reversed(ROLES)))
    for some in permutations(("g-trainee", "g-senior", "elsewhere")):
        assert roles.of(some) == Grant("senior")
    assert roles.of(f"g-{role}" for role in ROLES) == Grant("admin")


def test_sites_are_those_of_the_highest_role_from_all_groups_that_give_it() -> None:
    roles = GroupRoles.parse("moderator=all; senior@b,a=x; senior@c=y; senior=z; senior@d=x;")
    assert roles.of(["all", "x"]) == Grant("senior", ("a", "b", "d"))
    assert roles.of(["y", "x"]) == Grant("senior", ("a", "b", "c", "d"))
    assert roles.of(["x", "z"]) == Grant("senior")


def test_names_of_groups_are_compared_to_the_letter() -> None:
    roles = GroupRoles.parse("admin= CN=Chiefs, OU=News ;trainee=/desk/night")
    assert roles.of(["CN=Chiefs, OU=News"]) == Grant("admin")
    assert roles.of(["/desk/night", "cn=chiefs, ou=news", "Chiefs"]) == Grant("trainee")
    for other in ([], [""], ["admin"], ["desk/night"], ["/DESK/NIGHT"]):
        assert roles.of(other) is None
