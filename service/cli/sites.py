"""Commands of sites: their settings and API keys."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import click

from models.registry import Registry
from service.cli.environment import connect, local_address
from service.config import Settings
from service.errors import InvalidRequest, UnknownSite
from service.queue.reader_links import read_link, sign_link
from service.rules.times import iso_time
from service.sites.key_uses import KeyUses
from service.sites.settings import Setting, lines_of
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites
from service.store.trail import COMMAND_LINE


@click.group()
def sites() -> None:
    """Add, list and change sites and their API keys."""


def _options(setting: Setting) -> Iterator[Callable[[Any], Any]]:
    """Yield the options that set one setting; what is repeated is named in the singular."""
    name, one = setting.option, f"--{setting.singular}"
    help_ = f"{setting.meaning.rstrip('.')} ({setting.form})."
    repeated = f"{help_} May be repeated."
    match setting.kind:
        case "number":
            yield click.option(f"--{name}", type=int if setting.whole else float, help=help_)
        case "choice":
            choice = click.Choice(setting.choices)
            yield click.option(f"--{name}", type=choice, help=f"{setting.meaning}.")
        case "switch":
            yield click.option(f"--{name}/--no-{name}", default=None, help=f"{setting.meaning}.")
        case "by_label":
            form = "LABEL=NUMBER"
            yield click.option(
                one, setting.name, multiple=True, metavar=form, callback=_numbers, help=repeated
            )
        case "lines" | "hosts":
            yield click.option(one, setting.name, multiple=True, help=repeated)
            yield click.option(
                f"--{name}",
                f"{setting.name}_file",
                type=click.File(encoding="utf-8", errors="surrogateescape"),
                callback=lambda _context, _option, file: file and lines_of(file.read()),
                help="The same from a file, one on each line; - is standard input.",
            )
        case _ if setting.secret:
            told = f"{help_} - reads it from standard input."
            yield click.option(f"--{name}", callback=_secret, help=told)
        case _:
            yield click.option(f"--{name}", help=help_)


def _secret(_context: click.Context, _option: click.Parameter, word: str | None) -> str | None:
    """Read a secret where other users of the machine see no command line."""
    return sys.stdin.readline().strip() if word == "-" else word


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
    for setting in reversed([*SETTINGS.values()]):
        for option in reversed([*_options(setting)]):
            command = option(command)
    return command


@sites.command("add")
@click.argument("site_id", metavar="ID")
@_site_options
def add_site(site_id: str, **options: Any) -> None:
    """Add a site and print its API key, once.

    On a second line stands the webhook's secret, if new.
    """
    given = _given(options)
    site = Site(site_id).changed(given)
    _check_shadow(site, "")
    with connect() as redis:
        click.echo(Sites(redis).add(site, by=COMMAND_LINE))
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
def set_site(site_id: str, defaults: tuple[str, ...], **options: Any) -> None:
    """Change settings of a site; print a webhook's new secret."""
    given = {one.name: one.default for one in SETTINGS.values() if one.option in defaults}
    given |= _given(options)
    with connect() as redis:
        before = Sites(redis).get(site_id)
        site = before.changed(given)
        _check_shadow(site, before.shadow)
        Sites(redis).update(site, by=COMMAND_LINE)
    _show_new_secret(site, {"", before.webhook_secret, given.get("webhook_secret")})


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given; what is repeated and what is in a file add up."""
    given = {}
    for name in SETTINGS:
        value, in_file = options[name], options.get(f"{name}_file")
        if in_file is not None:
            value = (*value, *in_file)
        if in_file is not None or value not in (None, {}, ()):
            given[name] = value
    return given


def _check_shadow(site: Site, before: str) -> None:
    if site.shadow != before:
        site.check_shadow(Registry(Settings.from_environ().artifacts).versions(), before)


def _show_new_secret(site: Site, known: Container[str | None]) -> None:
    if site.webhook_secret not in known:
        click.echo(site.webhook_secret)


@sites.command("list")
def list_sites() -> None:
    """List the sites: id, name, webhook."""
    with connect() as redis:
        for site in Sites(redis).list():
            click.echo("\t".join([site.id, site.name, site.webhook_url]))


@sites.command("keys")
@click.argument("site_id", metavar="ID")
def list_keys(site_id: str) -> None:
    """List a site's API keys: last letters, made, ends, last used.

    The last use is noted to the hour; - is what nobody knows, or what has no end.
    """
    with connect() as redis:
        record, uses = Sites(redis).record(site_id), KeyUses(redis).of(site_id)
    if record is None:
        raise UnknownSite("no site has this id")
    for key in record.keys.valid(time.time()):
        moments = (key.created_at or None, key.ends_at, uses.get(key.name))
        click.echo("\t".join([key.called, *map(_written, moments)]))


def _written(moment: float | None) -> str:
    return "-" if moment is None else iso_time(moment)


@sites.command("report-link")
@click.argument("site_id", metavar="ID")
@click.argument("comment_id", metavar="COMMENT")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True)
@click.option("--url", default="", help="Where moderators can read the comment.")
@click.option("--title", default="", help="Title of its article.")
def make_report_link(site_id: str, comment_id: str, days: int, url: str, title: str) -> None:
    """Print a link by which readers report a comment.

    As a site signs them itself; this is for trying it out, and for a link by hand.
    """
    settings = Settings.from_environ()
    with connect() as redis:
        site = Sites(redis).get(site_id)
    if not site.reader_link_secret:
        raise InvalidRequest.of("reader_link_secret", "expected one, for links to be signed with")
    ends = time.time() + days * 86_400
    token = sign_link(site, "report", comment_id, ends, url=url, title=title)
    if read_link(site, "report", token) is None:
        raise InvalidRequest.of("comment", "expected an id, an address and a title in bounds")
    base = settings.public_url or local_address(settings)
    click.echo(f"{base}/readers/{site.id}/report?token={token}")


@sites.command("rotate-key")
@click.argument("site_id", metavar="ID")
@click.option("--grace-seconds", default=0.0, help="How long the old key goes on working.")
def rotate_key(site_id: str, grace_seconds: float) -> None:
    """Give a site a new API key and print it, once."""
    with connect() as redis:
        sites = Sites(redis)
        click.echo(sites.rotate_key(site_id, grace_seconds=grace_seconds, by=COMMAND_LINE))


@sites.command("rotate-secret")
@click.argument("site_id", metavar="ID")
def rotate_secret(site_id: str) -> None:
    """Give a webhook a new secret and print it, once.

    Messages are signed with both until `hakam sites set ID --default webhook-old-secret`.
    """
    with connect() as redis:
        site = Sites(redis).get(site_id).with_new_webhook_secret()
        Sites(redis).update(site, by=COMMAND_LINE)
        click.echo(site.webhook_secret)
