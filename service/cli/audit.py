"""Commands of the hash chain."""

from __future__ import annotations

from pathlib import Path

import click

from service.cli.environment import archive_option, connect
from service.errors import ArchiveDamaged, ChainBroken, SiteUnreadable
from service.queue.archive import Archive
from service.queue.decisions import DecisionStream
from service.sites.sites import Sites


@click.group()
def audit() -> None:
    """Prove by the hash chain that no stored decision was changed."""


@audit.command("verify")
@click.argument("site_ids", metavar="[SITE]...", nargs=-1)
@click.option("--digest", default="", help="A digest noted earlier, which must be in the chain.")
@archive_option
def verify_audit(site_ids: tuple[str, ...], digest: str, archive: Path | None) -> None:
    """Check the chain; print site, number of entries, last digest."""
    with connect() as redis:
        failures = [] if site_ids else [_unreadable(one) for one in Sites(redis).unreadable()]
        for site_id in site_ids or [site.id for site in Sites(redis).list()]:
            try:
                Sites(redis).get(site_id)
                archived = Archive(redis, archive).entries(site_id) if archive else None
                verified = DecisionStream(redis).verify(
                    site_id, known_digest=digest, archived=archived
                )
            except (ChainBroken, ArchiveDamaged) as broken:
                failures.append(str(broken))
            except SiteUnreadable:
                failures.append(_unreadable(site_id))
            else:
                click.echo(f"{site_id}\t{verified.n_entries}\t{verified.digest}")
    if failures:
        raise ChainBroken("\n".join(failures))


def _unreadable(site_id: str) -> str:
    return f"What is stored of {site_id} cannot be worked with."
