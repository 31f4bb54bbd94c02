"""Commands of moderators' accounts."""

from __future__ import annotations

import secrets

import click

from service.accounts.accounts import Accounts
from service.cli.environment import connect
from service.roles import ROLES
from service.sites.sites import Sites
from service.store.trail import COMMAND_LINE


@click.group()
def moderators() -> None:
    """Add, list, disable and reset the accounts of moderators."""


@moderators.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="moderator", show_default=True)
@click.option("--site", "site_ids", multiple=True, help="Only for this site; may be repeated.")
def add_moderator(name: str, role: str, site_ids: tuple[str, ...]) -> None:
    """Add a moderator and print a random password, once."""
    password = secrets.token_urlsafe(12)
    with connect() as redis:
        for site_id in site_ids:
            Sites(redis).get(site_id)
        Accounts(redis).add(name, password, role, sites=site_ids or None, by=COMMAND_LINE)
    click.echo(password)


@moderators.command("list")
def list_moderators() -> None:
    """List the moderators: name, role, sites, state."""
    with connect() as redis:
        for account in Accounts(redis).list():
            where = "all sites" if account.sites is None else ",".join(account.sites)
            state = "disabled" if account.disabled else "active"
            click.echo("\t".join([account.name, account.role, where, state]))


@moderators.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
def change_role(name: str, role: str) -> None:
    """Give an account another role; its sites stay."""
    with connect() as redis:
        accounts = Accounts(redis)
        sites = accounts.must_get(name).sites
        accounts.change(name, role=role, sites=sites, by=COMMAND_LINE)


@moderators.command("disable")
@click.argument("name")
def disable_moderator(name: str) -> None:
    """Close an account and its sessions; what it decided stays."""
    with connect() as redis:
        Accounts(redis).disable(name, by=COMMAND_LINE)


@moderators.command("second-factor")
@click.argument("role", type=click.Choice(["nobody", *ROLES]))
def require_second_factor(role: str) -> None:
    """Say from which role on a second factor is required.

    Whoever has none is asked to set it up, and can do nothing else before.
    """
    with connect() as redis:
        Accounts(redis).second_factor.require(role if role in ROLES else "", by=COMMAND_LINE)


@moderators.command("reset")
@click.argument("name")
@click.option(
    "--drop-second-factor", is_flag=True, help="Turn the second factor off too; else it stays."
)
def reset_moderator(name: str, drop_second_factor: bool) -> None:
    """Print a new random password, once; sessions and links end."""
    password = secrets.token_urlsafe(12)
    with connect() as redis:
        accounts = Accounts(redis)
        accounts.set_password(
            name, password, drops_second_factor=drop_second_factor, by=COMMAND_LINE
        )
        account = accounts.get(name)
    click.echo(password)
    if account and account.has_totp:
        click.echo("The second factor stays; --drop-second-factor turns it off.", err=True)
