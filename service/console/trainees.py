"""Trainees: what is open to them."""

from service.accounts.account import Account
from service.errors import Forbidden

#: All that a trainee can open: a page or a form that is not named here is closed to them.
OPEN_TO_TRAINEES = frozenset(
    {
        "console.index",
        "console.static",
        "console.update_language",
        "console.account.index",
        "console.account.update",
        "console.account.update_password",
        "console.account.update_second_factor",
        "console.account.delete_session",
        "console.login.index",
        "console.login.create",
        "console.login.confirm",
        "console.login.accept",
        "console.login.delete",
    }
)


def check_open(account: Account, endpoint: str) -> None:
    """Raise Forbidden where an account is a trainee's, and a page or form is not for trainees."""
    if not account.at_least("moderator") and endpoint not in OPEN_TO_TRAINEES:
        raise Forbidden("this page is for moderators")
