"""Commands of thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from models.artifact import Artifact
from models.comment_files import Names
from models.errors import RecordError
from models.schema import LABELS
from service.config import Settings
from service.reports.thresholds import Suggestion, has_decisions, read_export, suggest
from service.scoring import artifact_in_use

_BATCH = 1_000

_PURPOSES = {
    "review": "finds what was asked for",
    "balanced": "best balance",
    "reject": "sure enough to act alone",
    "same volume": "flags as many as before",
}


def suggestions(
    artifact: Artifact,
    export: Path,
    label: str,
    *,
    recall: float,
    precision: float,
    old_threshold: float | None,
    names: Names | None = None,
) -> Iterator[str]:
    """Read an export, score it and propose thresholds, line by line."""
    if label not in artifact.classifier.labels:
        raise RecordError(f"the artefact {artifact.version} has not learned {label}")
    comments, understood = read_export(export, names, label)
    yield from (*understood.lines(), "")
    texts = [comment.text for comment in comments]
    column = artifact.classifier.labels.index(label)
    scores = np.concatenate(
        [
            artifact.classifier.predict_proba(texts[start : start + _BATCH])[:, column]
            for start in range(0, len(texts), _BATCH)
        ]
    )
    found = suggest(
        scores, comments, recall=recall, precision=precision, old_threshold=old_threshold
    )
    decided = has_decisions(comments)
    by = "people's decisions" if decided else "the scores' own calibration: no decisions known"
    yield f"{len(comments):,} comments, {label} by artefact {artifact.version}, judged by {by}"
    yield ""
    yield f"{'threshold':>9}  {'precision':>20}  {'recall':>6}  {'per 1,000':>9}  good for"
    yield from map(_line, found)
    if not any(one.purpose == "reject" for one in found):
        yield ""
        yield f"No threshold reaches precision {precision:g}: let people decide."
    yield ""
    yield f"To use one: hakam sites set SITE --review {label}={found[0].threshold:.3f}"


def _line(one: Suggestion) -> str:
    interval = f"{one.precision:.2f} ({one.precision_from:.2f} to {one.precision_to:.2f})"
    return (
        f"{one.threshold:9.3f}  {interval:>20}  {one.recall:6.2f}  {one.share * 1000:9.0f}  "
        f"{one.purpose}: {_PURPOSES[one.purpose]}"
    )


class _Share(click.FloatRange):
    """A number from 0 to 1; click takes "nan" for one that lies between all bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        share = super().convert(value, param, ctx)
        if math.isnan(share):
            self.fail("expected a number from 0 to 1", param, ctx)
        return share


@click.group()
def thresholds() -> None:
    """Choose the thresholds of a site."""


@thresholds.command("suggest")
@click.option(
    "--from",
    "export",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    help="CSV, JSON Lines, Parquet or a spreadsheet.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="A column of another name: text, decision, reason, score, ... May be repeated.",
)
@click.option(
    "--word",
    "words",
    multiple=True,
    metavar="WORD=MEANING",
    help="A word for a decision that means approve, reject or a reason. May be repeated.",
)
@click.option("--label", type=click.Choice(LABELS), default="toxicity", show_default=True)
@click.option("--recall", type=_Share(0, 1), default=0.9, show_default=True)
@click.option("--precision", type=_Share(0, 1), default=0.95, show_default=True)
@click.option("--old-threshold", type=_Share(0, 1), help="Where the old scores flagged.")
def suggest_thresholds(
    export: Path,
    label: str,
    recall: float,
    precision: float,
    old_threshold: float | None,
    columns: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    """Propose thresholds from past decisions or other scores.

    The file needs a column of texts (text, comment, body); a column of decisions (decision,
    action, status) or of old scores (score, toxicity) says more. Names and words may be Arabic.
    """
    for line in suggestions(
        artifact_in_use(Settings.from_environ()),
        export,
        label,
        recall=recall,
        precision=precision,
        old_threshold=old_threshold,
        names=Names.given(columns, words),
    ):
        click.echo(line)
