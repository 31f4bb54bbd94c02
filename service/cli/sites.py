"""Commands that keep the newsroom's sites and moderators.

Each takes the context's object, a function that connects to Redis, from the group `hakam`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import click

from service.accounts.accounts import ROLES, Accounts
from service.cli.decisions import Connect
from service.sites.settings import Setting, lines_of
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites

# Sites


@click.group()
def sites() -> None:
    """Keep sites and their API keys."""


def _options(setting: Setting) -> Iterator[Callable[[Any], Any]]:
    """Yield the options that set one setting; what is repeated is named in the singular."""
    name = setting.option
    help_ = f"{setting.meaning.rstrip('.')} ({setting.form})."
    match setting.kind:
        case "number":
            yield click.option(f"--{name}", type=int if setting.whole else float, help=help_)
        case "choice":
            yield click.option(
                f"--{name}", type=click.Choice(setting.choices), help=f"{setting.meaning}."
            )
        case "switch":
            yield click.option(f"--{name}/--no-{name}", default=None, help=f"{setting.meaning}.")
        case "by_label":
            yield click.option(
                f"--{name.removesuffix('s')}",
                setting.name,
                multiple=True,
                metavar="LABEL=NUMBER",
                callback=_numbers,
                help=f"{help_} May be repeated.",
            )
        case "lines":
            yield click.option(
                f"--{name.removesuffix('s')}",
                setting.name,
                multiple=True,
                help=f"{help_} May be repeated.",
            )
            yield click.option(
                f"--{name}",
                f"{setting.name}_file",
                type=click.File(encoding="utf-8", errors="surrogateescape"),
                callback=lambda _context, _option, file: file and lines_of(file.read()),
                help="The same from a file, one on each line; - is standard input.",
            )
        case _:
            yield click.option(f"--{name}", help=help_)


def _numbers(
    _context: click.Context, _option: click.Parameter, words: tuple[str, ...]
) -> dict[str, float]:
    numbers = {}
    for word in words:
        label, _equals, number = word.partition("=")
        try:
            numbers[label] = float(number)
        except ValueError:
            raise click.BadParameter("expected LABEL=NUMBER") from None
    return numbers


def _site_options(command: Callable[..., None]) -> Callable[..., None]:
    options = [option for setting in SETTINGS.values() for option in _options(setting)]
    for option in reversed(options):
        command = option(command)
    return command


@sites.command("add")
@click.argument("site_id", metavar="ID")
@_site_options
@click.pass_obj
def add_site(connect: Connect, /, site_id: str, **wishes: Any) -> None:
    """Add a site and print its API key, once; on a second line the webhook's secret, if new."""
    given = _given(wishes)
    site = Site(site_id).changed(given)
    with connect() as redis:
        click.echo(Sites(redis).add(site))
    _show_new_secret(site, {"", given.get("webhook_secret")})


@sites.command("set")
@click.argument("site_id", metavar="ID")
@_site_options
@click.option(
    "--default",
    "defaults",
    multiple=True,
    metavar="SETTING",
    type=click.Choice([setting.option for setting in SETTINGS.values()]),
    help="Set this back to its default, as in --default block-words. May be repeated.",
)
@click.pass_obj
def set_site(connect: Connect, /, site_id: str, defaults: tuple[str, ...], **wishes: Any) -> None:
    """Change what a site wants; prints the webhook's secret, if new."""
    given = {one.name: one.default for one in SETTINGS.values() if one.option in defaults}
    given |= _given(wishes)
    with connect() as redis:
        before = Sites(redis).get(site_id)
        site = before.changed(given)
        Sites(redis).update(site)
    _show_new_secret(site, {"", before.webhook_secret, given.get("webhook_secret")})


def _given(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given; what is repeated and what is in a file add up."""
    given = {}
    for name in SETTINGS:
        value, in_file = wishes[name], wishes.get(f"{name}_file")
        if in_file is not None:
            value = (*value, *in_file)
        if in_file is not None or value not in (None, {}, ()):
            given[name] = value
    return given


def _show_new_secret(site: Site, known: Container[str | None]) -> None:
    if site.webhook_secret not in known:
        click.echo(site.webhook_secret)


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
