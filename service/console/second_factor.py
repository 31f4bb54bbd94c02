"""Second factor that a role must have: who has none sets it up, and can do nothing else before."""

import re

import pyotp
import segno
from flask import make_response, render_template, session
from werkzeug.wrappers import Response

from service.accounts.account import Account
from service.services import services

SET_UP = "console.account.update_second_factor"
#: In the session, whether the provider of single sign-on has asked for a second factor.
ASKED_ELSEWHERE = "second_factor_elsewhere"


def must_set_up(account: Account) -> bool:
    """Whether somebody must set up a second factor before they may do anything else."""
    if session.get(ASKED_ELSEWHERE):
        return False
    return services().accounts.second_factor.is_missing(account)


def ask_to_set_up() -> Response:
    """Answer any request of somebody who must set it up by the page that does."""
    return make_response(render_template("second_factor.html"), 403)


def proposed(name: str, secret: str) -> dict[str, object]:
    """Return what a page shows of a secret that an authenticator is to learn."""
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Hakam")
    modules = list(segno.make(uri, micro=False).matrix_iter(border=4))
    dark = [(x, y) for y, row in enumerate(modules) for x, module in enumerate(row) if module]
    return {
        "secret": " ".join(re.findall(".{1,4}", secret)),
        "uri": uri,
        "side": len(modules),
        "picture": "".join(f"M{x} {y}h1v1h-1z" for x, y in dark),
    }
