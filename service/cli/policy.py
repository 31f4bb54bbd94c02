"""Commands of the comment policy: its eight switches, and presets of them."""

from __future__ import annotations

import click

from models.registry import Registry
from service.cli.environment import connect_for, site_argument
from service.config import Settings
from service.rules.policy_pack import BY_NAME, PRESETS, SWITCHES, positions, preset_of
from service.sites.policy_pack import turned
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.trail import COMMAND_LINE


@click.group()
def policy() -> None:
    """Show or turn the switches of a comment policy."""


@policy.command()
@site_argument
def show(site_id: str) -> None:
    """Show each switch of a site, its position, and the others it has."""
    with connect_for(site_id) as (_redis, site):
        _show(site)


@policy.command("set")
@site_argument
@click.argument("switches", metavar="[SWITCH=POSITION]...", nargs=-1)
@click.option("--preset", type=click.Choice([*PRESETS]), help="Turn all switches, before others.")
def set_policy(site_id: str, switches: tuple[str, ...], preset: str | None) -> None:
    """Turn switches of a site, and show how all stand.

    Each sets a few of its settings; `hakam sites set` sets them one by one.
    """
    given: dict[str, str] = {**PRESETS[preset]} if preset else {}
    for word in switches:
        name, equals, position = word.partition("=")
        if not equals or name not in BY_NAME:
            raise click.BadParameter(
                f"expected SWITCH=POSITION, SWITCH one of {', '.join(BY_NAME)}"
            )
        given[name] = position
    with connect_for(site_id) as (redis, before):
        site = turned(before, given, _own_review())
        Sites(redis).update(site, by=COMMAND_LINE)
        _show(site)


def _show(site: Site) -> None:
    found = positions(site, _own_review())
    for one in SWITCHES:
        others = ", ".join(one.positions)
        click.echo(f"{one.name}\t{found[one.name] or 'as in the settings'}\t{others}")
    click.echo(f"preset\t{preset_of(found) or 'none'}\t{', '.join(PRESETS)}")


def _own_review() -> dict[str, float]:
    """Return the thresholds for review of the artefact in use."""
    registry = Registry(Settings.from_environ().artifacts)
    points = registry.manifest(registry.current())["operating_points"]
    return {label: at["review"]["threshold"] for label, at in points.items() if "review" in at}
