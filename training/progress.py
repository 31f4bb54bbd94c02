"""Progress of long work, shown on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


@contextmanager
def told() -> Iterator[Callable[[str, float], None]]:
    """Show what is being done, one line per stage, on standard error."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    present: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def tell(phrase: str, share: float) -> None:
            if phrase not in present:
                finish()
                present[phrase] = progress.add_task(phrase, total=1.0)
                if not console.is_terminal:  # a log shows no bars
                    click.echo(phrase, err=True)
            progress.update(present[phrase], completed=share)

        def finish() -> None:
            for task in present.values():
                progress.update(task, completed=1.0)
                progress.stop_task(task)
            present.clear()

        yield tell
        finish()
