"""Commands that keep the newsroom's sites and moderators.

Each takes the context's object, a function that connects to Redis, from the group `hakam`.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import click

from models.schema import LABELS
from service.accounts.accounts import ROLES, Accounts
from service.cli.decisions import Connect
from service.sites.sites import Site, Sites

# Sites


@click.group()
def sites() -> None:
    """Keep sites and their API keys."""


def _thresholds(
    _context: click.Context, _option: click.Parameter, words: tuple[str, ...]
) -> dict[str, float]:
    thresholds = {}
    for word in words:
        label, _equals, number = word.partition("=")
        try:
            thresholds[label] = float(number)
        except ValueError:
            raise click.BadParameter(f"{word!r}: expected LABEL=NUMBER") from None
        if label not in LABELS:
            raise click.BadParameter(f"{label!r}: expected one of {', '.join(LABELS)}")
    return thresholds


def _site_options(command: Callable[..., None]) -> Callable[..., None]:
    per_label: dict[str, Any] = {
        "multiple": True,
        "metavar": "LABEL=NUMBER",
        "callback": _thresholds,
    }
    for option in (
        click.option("--coral-token", help="Access token of an administrator of Coral."),
        click.option("--coral-url", help="Address of Coral's GraphQL, .../api/graphql."),
        click.option(
            "--coral-secret",
            "coral_secrets",
            multiple=True,
            help="Signing secret of Coral; may be repeated.",
        ),
        click.option(
            "--queue-analyzed/--no-queue-analyzed",
            default=None,
            help="Whether flagged comments of the Perspective interface are queued.",
        ),
        click.option(
            "--unsupported-language",
            type=click.Choice(["approve", "review"]),
            help="What becomes of a text without any Arabic or Latin letter.",
        ),
        click.option("--requests-per-minute", type=int, help="Quota of the site; 0 for none."),
        click.option("--time-target-seconds", type=int, help="Wanted time to a decision."),
        click.option("--retention-days", type=int, help="How long decided items are kept."),
        click.option(
            "--webhook-private/--webhook-public",
            default=None,
            help="Whether the webhook may be in a private network.",
        ),
        click.option(
            "--review-first-comments", type=int, help="Review so many comments of a new author."
        ),
        click.option(
            "--review-after-rejections",
            type=int,
            help="Review all of an author with so many rejections in thirty days.",
        ),
        click.option(
            "--second-opinion-share", type=float, help="Share of items that two people judge."
        ),
        click.option(
            "--known-answer-share", type=float, help="Share of comments with a known answer."
        ),
        click.option("--webhook-secret", help="Key that deliveries are signed with, whsec_..."),
        click.option("--webhook-url", help="Where decisions are sent."),
        click.option(
            "--random-sample-share", type=float, help="Share of clean comments people see too."
        ),
        click.option("--reject", **per_label, help="Reject from this score on, without a person."),
        click.option("--review", **per_label, help="Show to a person from this score on."),
        click.option("--name", help="Name for people."),
    ):
        command = option(command)
    return command


@sites.command("add")
@click.argument("site_id", metavar="ID")
@_site_options
@click.pass_obj
def add_site(connect: Connect, /, site_id: str, **wishes: Any) -> None:
    """Add a site and print its API key, once; on a second line the webhook's secret, if new."""
    site = _with_secret(Site(id=site_id, **_given(wishes)))
    with connect() as redis:
        click.echo(Sites(redis).add(site))
    _show_new_secret(site, wishes)


@sites.command("set")
@click.argument("site_id", metavar="ID")
@_site_options
@click.pass_obj
def set_site(connect: Connect, /, site_id: str, **wishes: Any) -> None:
    """Change what a site wants; prints the webhook's secret, if new."""
    with connect() as redis:
        before = Sites(redis).get(site_id)
        site = _with_secret(replace(before, **_given(wishes)))
        Sites(redis).update(site)
    if site.webhook_secret != before.webhook_secret:
        _show_new_secret(site, wishes)


def _with_secret(site: Site) -> Site:
    """Return the site with a webhook secret, where it has a webhook and needs one."""
    if not site.webhook_url or site.webhook_secret:
        return site
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    return replace(site, webhook_secret=f"whsec_{secret}")


def _show_new_secret(site: Site, wishes: Mapping[str, Any]) -> None:
    if site.webhook_secret and not wishes["webhook_secret"]:
        click.echo(site.webhook_secret)


def _given(wishes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wishes.items() if value not in (None, {}, ())}


@sites.command("list")
@click.pass_obj
def list_sites(connect: Connect) -> None:
    """List the sites: id, name, webhook."""
    with connect() as redis:
        for site in Sites(redis).list():
            click.echo("\t".join([site.id, site.name, site.webhook_url]))


@sites.command("rotate-key")
@click.argument("site_id", metavar="ID")
@click.option("--grace-seconds", default=0.0, help="How long the old key goes on working.")
@click.pass_obj
def rotate_key(connect: Connect, site_id: str, grace_seconds: float) -> None:
    """Give a site a new API key and print it, once."""
    with connect() as redis:
        click.echo(Sites(redis).rotate_key(site_id, grace_seconds=grace_seconds))


# Moderators


@click.group()
def moderators() -> None:
    """Keep the people of the console."""


@moderators.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="moderator", show_default=True)
@click.option("--site", "site_ids", multiple=True, help="Only for this site; may be repeated.")
@click.pass_obj
def add_moderator(connect: Connect, name: str, role: str, site_ids: tuple[str, ...]) -> None:
    """Add a moderator and print a random password, once."""
    password = secrets.token_urlsafe(12)
    with connect() as redis:
        for site_id in site_ids:
            Sites(redis).get(site_id)
        Accounts(redis).add(name, password, role, sites=site_ids or None)
    click.echo(password)


@moderators.command("list")
@click.pass_obj
def list_moderators(connect: Connect) -> None:
    """List the moderators: name, role, sites, state."""
    with connect() as redis:
        for account in Accounts(redis).list():
            where = "all sites" if account.sites is None else ",".join(account.sites)
            state = "disabled" if account.disabled else "active"
            click.echo("\t".join([account.name, account.role, where, state]))


@moderators.command("disable")
@click.argument("name")
@click.pass_obj
def disable_moderator(connect: Connect, name: str) -> None:
    """Close an account and its sessions; what it decided stays."""
    with connect() as redis:
        Accounts(redis).disable(name)


@moderators.command("reset")
@click.argument("name")
@click.option(
    "--drop-second-factor", is_flag=True, help="Turn the second factor off too; else it stays."
)
@click.pass_obj
def reset_moderator(connect: Connect, name: str, drop_second_factor: bool) -> None:
    """Give a moderator a new random password and print it, once; sessions and links end."""
    password = secrets.token_urlsafe(12)
    with connect() as redis:
        accounts = Accounts(redis)
        accounts.set_password(name, password, drops_second_factor=drop_second_factor)
        account = accounts.get(name)
    click.echo(password)
    if account and account.has_totp:
        click.echo("The second factor stays; --drop-second-factor turns it off.", err=True)
