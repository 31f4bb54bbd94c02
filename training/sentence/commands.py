"""Commands ``hakam-train sentence``: the steps from texts to the graph of an artefact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


@click.group()
def sentence() -> None:
    """Learn the sentence scorer; needs the extra `sentence`."""


@sentence.command("continue")
@click.argument("rows", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--from", "start", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--minutes", type=float, default=0.0)
@click.option("--passes", "n_passes", type=float, default=1.0)
@click.option("--rate", type=float, default=1e-4)
@click.option("--head-rate", type=float, default=3e-4)
@click.option("--tokens", type=int, default=1500)
@click.option("--seed", type=int, default=0)
@click.option("--threads", type=int, default=2)
@click.option("--half/--full", default=False)
@click.option("--dropout", type=float, default=0.1)
@click.option("--checkpoint-minutes", type=float, default=5.0)
def go_on(
    *, rows: Sequence[Path], start: Path, out: Path, threads: int, dropout: float, **plan: Any
) -> None:
    """Learn on from given weights."""
    import torch
    from tokenizers import Tokenizer

    from training.progress import told
    from training.sentence.learning import Plan, labels_loss, learn
    from training.sentence.network import arrays_of, network_of
    from training.sentence.rows import read_rows
    from training.sentence.weights import TOKENIZER, read_weights, write_weights

    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with told() as tell:
        arrays, record = read_weights(start)
        known = tuple(record["labels"])
        tell("reading rows", 0.0)
        read = read_rows(rows, Tokenizer.from_file(str(start / TOKENIZER)), known)
        network = network_of(arrays, known, read.labels, dropout)
        loss = labels_loss(read.tokens, read.y, read.weight, device)
        done = learn(
            network,
            loss,
            read.tokens.lengths,
            Plan(**plan),
            device=device,
            checkpoint=out / "checkpoint.pt",
            progress=tell,
        )
        steps = [*record["steps"], {"step": "continue", "rows": len(read.y)} | done]
        write_weights(
            out,
            arrays_of(network),
            start / TOKENIZER,
            {"labels": list(read.labels), "steps": steps},
        )
        (out / "checkpoint.pt").unlink(missing_ok=True)
    click.echo(f"wrote {out}")
