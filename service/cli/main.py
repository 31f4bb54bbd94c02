"""The command ``hakam``, put together from one module for each group of commands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from models.errors import ModerationError
from service.errors import EXIT_REFUSED

# Command to module, which has it under the same name; it is imported when the command is wanted, so
# that none waits for the libraries of others.
MODULES = {
    "agreement": "agreement",
    "audit": "audit",
    "backed-up": "backup",
    "background": "background",
    "check": "start",
    "decisions": "decisions",
    "doctor": "doctor",
    "erase": "retention",
    "feedback": "feedback",
    "forget": "retention",
    "known-answers": "known_answers",
    "moderators": "moderators",
    "notices": "notices",
    "policy": "policy",
    "queue": "queue",
    "run": "start",
    "serve": "start",
    "sites": "sites",
    "thresholds": "thresholds",
    "transparency": "transparency",
    "watch": "watch",
    "webhooks": "webhooks",
}


class _Failure(click.ClickException):
    exit_code = EXIT_REFUSED


class _Commands(click.Group):
    """Commands whose failures are one sentence."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(MODULES)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in MODULES:
            return None
        command: click.Command = getattr(
            import_module(f"service.cli.{MODULES[name]}"), name.replace("-", "_")
        )
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModerationError as error:
            raise _Failure(str(error)) from error


@click.group(cls=_Commands)
@click.version_option(package_name="hakam")
def hakam() -> None:
    """Moderation of Arabic comments for news sites, on their own machines."""


if __name__ == "__main__":
    hakam(prog_name="hakam")
