"""Commands ``hakam-train sentence``: the steps from texts to the graph of an artefact.

Each step reads a folder of weights, with their tokenizer and the record of all steps before, and
writes another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from models.errors import ModerationError
from training.progress import told

_Decorator = Callable[[Callable[..., None]], Callable[..., None]]
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_FILE = click.Path(path_type=Path, exists=True)

_places = click.argument("places", nargs=-1, required=True, type=_FILE)
_from = click.option("--from", "start", required=True, type=_FOLDER, help="Folder of the weights.")
_out = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write; a run that was stopped is taken up again from what is there.",
)


class TorchMissing(ModerationError):
    """A step needs torch, which is not installed."""


class _Step(click.Command):
    """A command that learns."""

    def invoke(self, ctx: click.Context) -> Any:
        if not find_spec("torch"):
            raise TorchMissing(
                "learning a sentence scorer needs torch, the extra `sentence`: `make sentence`"
            )
        # Threads that wait for each other give their core to others; beside other work torch is
        # three times as slow without this. It is read when torch is first imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return super().invoke(ctx)


def _learning(rate: float, head_rate: float, n_passes: float, tokens: int) -> _Decorator:
    """Add the options of a step that learns, with the values that suit it."""
    options = (
        click.option("--passes", "n_passes", type=float, default=n_passes, show_default=True),
        click.option("--minutes", type=float, default=0.0, help="End in this time at the latest."),
        click.option("--rate", type=float, default=rate, show_default=True, help="Of AdamW."),
        click.option("--head-rate", type=float, default=head_rate, show_default=True),
        click.option(
            "--tokens", type=int, default=tokens, show_default=True, help="Pieces in a batch."
        ),
        click.option("--seed", type=int, default=0),
        click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True),
        click.option("--dropout", type=click.FloatRange(0, 1), default=0.1, show_default=True),
        click.option(
            "--half/--full", default=False, help="Reckon in bfloat16: twice as fast, if not more."
        ),
        click.option("--checkpoint-minutes", type=float, default=5.0, show_default=True),
    )

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group()
def sentence() -> None:
    """Learn the sentence scorer; needs the extra `sentence`."""


@sentence.command(cls=_Step)
@_places
@_out
@click.option("--base", type=_FILE, help="Folder or file of multilingual-e5-small to start from.")
@click.option("--from", "start", type=_FOLDER, help="Folder of weights to start from instead.")
@click.option("--tokenizer", type=_FILE, help="A tokenizer to use; else one is learned.")
@click.option("--pieces", type=int, default=24_000, show_default=True, help="Of that tokenizer.")
@click.option("--layers", type=int, default=12, show_default=True, help="Without base, by chance.")
@click.option("--width", type=int, default=384, show_default=True, help="The same.")
@_learning(rate=4e-4, head_rate=4e-4, n_passes=10, tokens=65_536)
def pretrain(
    *,
    places: Sequence[Path],
    out: Path,
    base: Path | None,
    start: Path | None,
    tokenizer: Path | None,
    pieces: int,
    layers: int,
    width: int,
    threads: int,
    dropout: float,
    **plan: Any,
) -> None:
    """Guess masked words of PLACES."""
    from training.datasets import read_corpus, split_corpus
    from training.sentence import steps

    if base and start:
        raise click.UsageError("--base and --from exclude each other")
    with told() as tell:
        tell("reading", 0.0)
        split = split_corpus(read_corpus(places))
        texts = [*split.train.texts, *split.validation.texts, *split.unlabeled]
        begin = (
            steps.given(start)
            if start
            else steps.beginning(
                texts,
                out,
                base=base,
                tokenizer=tokenizer,
                n_pieces=pieces,
                n_layers=layers,
                width=width,
            )
        )
        steps.pretrain(begin, texts, steps.Run(out, dropout, threads, tell), steps.Plan(**plan))
    click.echo(f"wrote {out}")


@sentence.command(cls=_Step)
@_places
@_from
@_out
@_learning(rate=8e-5, head_rate=1e-3, n_passes=4, tokens=6144)
def finetune(
    *,
    places: Sequence[Path],
    start: Path,
    out: Path,
    threads: int,
    dropout: float,
    **plan: Any,
) -> None:
    """Learn the labels of the training part of PLACES."""
    from training.datasets import read_corpus, split_corpus
    from training.sentence import steps

    with told() as tell:
        tell("reading", 0.0)
        corpus = read_corpus(places)
        steps.finetune(
            steps.given(start),
            corpus,
            split_corpus(corpus),
            steps.Run(out, dropout, threads, tell),
            steps.Plan(**plan),
        )
    click.echo(f"wrote {out}")


@sentence.command(cls=_Step)
@_places
@click.option(
    "--teacher", "teachers", required=True, multiple=True, type=_FOLDER, help="May be repeated."
)
@click.option("--layers", type=click.IntRange(min=1), default=6, show_default=True)
@click.option(
    "--artifacts",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the artefacts: the words of the version in use then teach as well.",
)
@_out
@_learning(rate=4e-4, head_rate=2e-3, n_passes=3, tokens=12_288)
def distil(
    *,
    places: Sequence[Path],
    teachers: Sequence[Path],
    layers: int,
    root: Path | None,
    out: Path,
    threads: int,
    dropout: float,
    **plan: Any,
) -> None:
    """Teach fewer layers what more layers learned of PLACES."""
    from models.registry import Registry
    from training.datasets import read_corpus, split_corpus
    from training.sentence import steps

    words = Registry(root).load().classifier.by_words_alone() if root else None
    with told() as tell:
        tell("reading", 0.0)
        steps.distil(
            [steps.given(teacher) for teacher in teachers],
            split_corpus(read_corpus(places)),
            layers,
            words,
            steps.Run(out, dropout, threads, tell),
            steps.Plan(**plan),
        )
    click.echo(f"wrote {out}")


@sentence.command(cls=_Step)
@_places
@click.option(
    "--from",
    "teachers",
    required=True,
    multiple=True,
    type=_FOLDER,
    help="Folder of weights whose probabilities, or their mean if repeated, soften the targets.",
)
@click.option(
    "--artifacts",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the artefacts: the words of the version in use then speak as well.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--seed", type=int, default=0)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
def rows(
    *,
    places: Sequence[Path],
    teachers: Sequence[Path],
    root: Path | None,
    out: Path,
    seed: int,
    threads: int,
) -> None:
    """Mix rows of PLACES for `continue`, with soft targets."""
    from models.registry import Registry
    from training.datasets import read_corpus, split_corpus
    from training.sentence import mixture, steps
    from training.sentence.rows import write_rows

    words = Registry(root).load().classifier.by_words_alone() if root else None
    with told() as tell:
        tell("reading", 0.0)
        split = split_corpus(read_corpus(places))
        run = steps.Run(out, 0.0, threads, tell)
        given = [steps.given(teacher) for teacher in teachers]

        def by_sentence(texts: list[str]) -> mixture.Said:
            return given[0].labels, steps.said(given, given[0].pieces(texts), run)

        by_words: mixture.Reader | None = None
        if words:
            by_words = lambda texts: (words.labels, words.predict_proba(texts))  # noqa: E731
        tell("scoring", 0.1)
        mixed = mixture.rows(split, by_sentence, by_words, seed)
        write_rows(mixed, out)
    click.echo(f"wrote {out}: {len(mixed):,} rows")


@sentence.command("continue", cls=_Step)
@click.argument("rows", nargs=-1, required=True, type=_FILE)
@_from
@_out
@_learning(rate=1e-4, head_rate=3e-4, n_passes=1, tokens=1500)
def go_on(
    *,
    rows: Sequence[Path],
    start: Path,
    out: Path,
    threads: int,
    dropout: float,
    **plan: Any,
) -> None:
    """Learn on from ROWS (JSON Lines).

    A row is `{"text": ..., "labels": {"toxicity": 0.7}, "weight": 2}`: a label that is missing was
    not observed, a weight that is missing is 1.
    """
    from training.sentence import steps

    with told() as tell:
        run = steps.Run(out, dropout, threads, tell)
        steps.go_on(steps.given(start), rows, run, steps.Plan(**plan))
    click.echo(f"wrote {out}")


@sentence.command()
@click.argument("folders", nargs=-1, required=True, type=_FOLDER)
@click.option(
    "--share", "shares", multiple=True, type=float, help="Of each folder; else all count the same."
)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
def average(*, folders: Sequence[Path], shares: Sequence[float], out: Path) -> None:
    """Average the weights in FOLDERS.

    They must come from one beginning.
    """
    from training.sentence.weights import TOKENIZER, averaged, read_weights, write_weights

    if shares and len(shares) != len(folders):
        raise click.UsageError("as many --share as folders are needed, or none")
    read = [read_weights(folder) for folder in folders]
    arrays, record = averaged(read, shares or [1.0] * len(folders))
    write_weights(out, arrays, folders[-1] / TOKENIZER, record)
    click.echo(f"wrote {out}")


@sentence.command()
@click.argument("folder", type=_FOLDER)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
def export(*, folder: Path, out: Path) -> None:
    """Write the weights in FOLDER as a graph.

    `hakam-train fit --sentence` takes it.
    """
    from training.sentence.exported import write_exported

    size = write_exported(folder, out)
    click.echo(f"wrote {out}: {size / 1e6:.1f} MB")
