"""Permissions: who is logged in, and which pages and sites they may see."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from flask import request
from flask_login import UserMixin, current_user

from service.accounts.account import Account
from service.errors import Forbidden, UnknownSite
from service.services import services
from service.sites.site import Site
from service.store.trail import Origin

P = ParamSpec("P")
R = TypeVar("R")


class Moderator(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """Whoever is logged in, as Flask-Login wants to see them."""

    def __init__(self, account: Account, session_id: str) -> None:
        self.account = account
        self.session_id = session_id

    def get_id(self) -> str:
        """Return what the signed cookie keeps: the name and the id of the session."""
        return f"{self.account.name} {self.session_id}"

    @classmethod
    def from_id(cls, user_id: str) -> Moderator | None:
        """Return the moderator whose cookie this is, if the session is still open."""
        name, _, session_id = user_id.partition(" ")
        account = services().accounts.sessions.resume(name, session_id)
        return cls(account, session_id) if account else None


def me() -> Account:
    """Return the account of whoever is logged in."""
    return cast(Account, current_user.account)


def by_me() -> Origin:
    """Return whose changes are those of this request, for the trail."""
    return Origin("console", me().name)


def needs(role: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Open a view only to moderators of ``role`` or above."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not me().at_least(role):
                raise Forbidden(f"this page is for the role {role} and above")
            return view(*args, **kwargs)

        return call

    return decorate


def my_sites() -> list[Site]:
    """Return the sites of whoever is logged in."""
    return [site for site in services().sites.list() if me().may_see(site.id)]


def site_for(site_id: str) -> Site:
    """Return the site, if whoever is logged in works for it; else it is as if it did not exist."""
    if not me().may_see(site_id):
        raise UnknownSite("there is no such site")
    return services().sites.get(site_id)


def shows_personal_data(site: Site) -> bool:
    """Return whether a page shows personal data: where the site ignores them, or on wish."""
    return site.personal_data == "ignore" or request.args.get("personal_data") == "shown"
