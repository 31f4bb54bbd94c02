"""Command that tells what a maintainer would ask for, without secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import click

from models.errors import ModerationError
from service.cli import probes
from service.cli.environment import connect
from service.cli.probes import Case, Fact, Probe
from service.config import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--public-address",
    is_flag=True,
    help="Ask HAKAM_PUBLIC_URL for its certificate too, which leaves this machine.",
)
def doctor(*, as_json: bool, public_address: bool) -> None:
    """Tell what a maintainer would ask for, without secrets.

    It looks at all that `hakam check` does, and at versions, machine, settings, Redis, sites,
    processes and files. Ends with 1 where something is wrong, marked with !.
    """
    wanted = dict(probes.PROBES)
    if public_address:
        wanted["public address"] = (probes.certificate,)
    with ExitStack() as stack:
        case = Case(Settings.from_environ(), stack.enter_context(connect()))
        found = {part: list(_facts(case, *some)) for part, some in wanted.items()}
    n_problems = sum(bool(fact.problem) for facts in found.values() for fact in facts)
    if as_json:
        parts = {part: [fact._asdict() for fact in facts] for part, facts in found.items()}
        click.echo(json.dumps({"problems": n_problems, "parts": parts}, indent=2))
    else:
        for part, facts in found.items():
            click.echo(f"{part}:")
            for fact in facts:
                click.echo(_line(fact))
        click.echo(f"{n_problems} problems" if n_problems else "nothing is wrong")
    sys.exit(1 if n_problems else 0)


def _facts(case: Case, *some: Probe) -> Iterator[Fact]:
    """Ask each; one that fails is a fact as well, and keeps no other from being asked."""
    for probe in some:
        try:
            yield from probe(case)
        except ModerationError as error:
            yield Fact(probe.__name__.replace("_", " "), None, str(error))
        except Exception as error:  # noqa: BLE001 - whose message may quote anything
            yield Fact(probe.__name__.replace("_", " "), None, f"failed: {type(error).__name__}")


def _line(fact: Fact) -> str:
    value = "not known" if fact.value is None else fact.value
    if isinstance(value, dict):
        value = ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    mark, problem = ("!", f" ({fact.problem})") if fact.problem else (" ", "")
    return f"  {mark} {fact.name}: {value}{problem}"
