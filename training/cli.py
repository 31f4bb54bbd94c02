"""Command ``hakam-train``: public sets, fit, evaluate, score, promote, rollback, list."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import IO, Any

import click
from joblib import parallel_config
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from models.comment_files import Names, open_comments
from models.errors import ArtifactError, ModerationError
from models.registry import Registry
from training.progress import told
from training.sentence.commands import sentence

DEFAULT_ROOT = Path(__file__).parent.parent / "models" / "artifacts"

_places = click.argument(
    "places", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True)
)
_any_places = click.argument("places", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
_artifacts = click.option(
    "--artifacts",
    "--out",
    "root",
    envvar="HAKAM_ARTIFACTS",
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_ROOT,
    help="Folder of the artefacts; by default the project's own.",
)
_work = click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder where finished stages are kept, so that a stopped run can be taken up again.",
)
_decisions = click.option(
    "--decisions",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Labelled comments that moderators decided (`hakam decisions export`). May be repeated.",
)
_site = click.option(
    "--site", default="", help="Learn this site's decisions alone, and make the artefact its own."
)
_columns = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="A column of another name: text, decision, reason, labels.insult, ... May be repeated.",
)
_words = click.option(
    "--word",
    "words",
    multiple=True,
    metavar="WORD=MEANING",
    help="A word for a decision that means approve, reject or a reason. May be repeated.",
)
_threads = click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Processor cores to use; on many comments for labels at once, each in its own memory.",
)
_benchmarks = click.option(
    "--benchmarks",
    is_flag=True,
    help="Also fit some twenty times for grouped 5-fold and leave-one-set-out figures, protocols "
    "of others and the gain of each step (half an hour).",
)


class _Refusal(click.ClickException):
    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"hakam-train: {self.message}", err=True, file=file)


class _Stopped(_Refusal):
    exit_code = 130  # as shells say of what Ctrl-C ended


class _Commands(click.Group):
    """A group whose commands turn the project's errors, and those of a disk, into refusals."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModerationError as error:
            raise _Refusal(str(error)) from None
        except OSError as error:
            if isinstance(error, BrokenPipeError):  # who read the output has gone
                raise
            place = f"{error.filename}: " if error.filename else ""
            raise _Refusal(f"{place}{error.strerror or error}") from None
        except KeyboardInterrupt:
            raise _Stopped(
                "stopped. The same command begins again; `score`, and what is given --work, go on "
                "from what they had finished"
            ) from None


@click.group(cls=_Commands)
def main() -> None:
    """Fit, compare and promote the artefact that Hakam scores with."""


@main.command()
@_any_places
@_decisions
@_site
@_columns
@_words
@_artifacts
@_work
@click.option(
    "--license",
    type=click.Choice(("any", "permissive")),
    default="any",
    help="Learn from permissively licensed sets and our own comments alone.",
)
@click.option("--seed", type=int, default=0, help="Of the word vectors.")
@click.option(
    "--word-vectors/--no-word-vectors",
    default=None,
    help="Group words by their contexts first; by default if there are enough texts.",
)
@click.option(
    "--sentence",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of the sentence scorer (`hakam-train sentence export`); by default that of the "
    "version in use, if it has one.",
)
@click.option("--words-alone", is_flag=True, help="Make a version without a sentence scorer.")
@click.option("--on", help="Without PLACES: the version to go on from, by default the one in use.")
@_threads
@_benchmarks
def fit(
    *,
    places: Sequence[Path],
    decisions: Sequence[Path],
    root: Path,
    work: Path | None,
    threads: int | None,
    benchmarks: bool,
    word_vectors: bool | None,
    sentence: Path | None,
    words_alone: bool,
    columns: Sequence[str],
    words: Sequence[str],
    on: str | None,
    **settings: Any,
) -> None:
    """Fit a new version and save it, to be promoted.

    PLACES are files of comments (CSV, JSON Lines, Parquet, spreadsheets), public sets (.tsv.xz)
    or folders of these. Without any, the decisions are learned on top of a version that is there.
    """
    from training.datasets import read_corpus
    from training.release import ENOUGH_FOR_WORDS, Settings, release
    from training.sentence.exported import in_use, read_exported
    from training.site_model import release_site_model

    if sentence and words_alone:
        raise click.UsageError("--sentence and --words-alone exclude each other")
    if not places and not decisions:
        raise click.UsageError("give PLACES to learn from, or --decisions")
    if not places and (sentence or words_alone or benchmarks or word_vectors):
        raise click.UsageError("what is learned on top of a version takes its readers over")
    if places and on:
        raise click.UsageError("--on says what decisions go on from, and there are PLACES")
    registry = Registry(root)
    registry.prepare()
    with threadpool_limits(threads), parallel_config(n_jobs=threads or 1), told() as tell:
        tell("reading", 0.0)
        names = Names.given(columns, words)
        corpus = read_corpus(places, decisions, site=settings["site"], names=names, tell=_tell)
        if places:
            if word_vectors is None:
                word_vectors = len(corpus) >= ENOUGH_FOR_WORDS
            chosen = Settings(word_vectors=word_vectors, **settings)
            second = None
            if not words_alone:
                second = read_exported(sentence) if sentence else in_use(registry)
            try:
                version = release(
                    corpus,
                    chosen,
                    registry,
                    work=work,
                    sentence=second,
                    benchmarks=benchmarks,
                    progress=tell,
                )
            except ValueError as error:
                raise _Refusal(f"cannot fit on {' '.join(map(str, places))}: {error}") from None
        else:
            base = registry.load(on) if on else None
            version = release_site_model(
                corpus, settings["site"], registry, base=base, progress=tell
            )
    _print_tables(registry.manifest(version)["evaluation"], brief=True)
    click.echo(f"saved {version} in {root / version}")
    if point := registry.manifest(version)["training"].get("review_point"):
        click.echo(_of_review_point(**point))
    option = "" if root == DEFAULT_ROOT else f" --artifacts {root}"
    given = "".join(f" --decisions {path}" for path in decisions)
    click.echo(f"to use it: hakam-train promote {version}{given}{option}")


@main.command()
@_places
@_artifacts
@click.option("--version", help="By default the one in use.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an HTML page with all tables and pictures.",
)
@click.option(
    "--errors",
    "errors_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write false alarms and misses among texts read along our own line, with their kinds and "
    "what each reader says (JSON Lines). The file holds comments, some abusive.",
)
@click.option(
    "--n-errors",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="At most so many of each side and set.",
)
@_columns
@_words
@click.option(
    "--recorded",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of what sentence scorers said that learned from the other folds or without a set "
    "(`FIT.jsonl`, see training/evaluation/recorded.py), for --benchmarks.",
)
@click.option("--to-card", is_flag=True, help="Add the figures of --benchmarks to the model card.")
@_work
@_threads
@_benchmarks
def evaluate(
    *,
    places: Sequence[Path],
    root: Path,
    version: str | None,
    report: Path | None,
    errors_path: Path | None,
    n_errors: int,
    recorded: Path | None,
    to_card: bool,
    work: Path | None,
    threads: int | None,
    benchmarks: bool,
    columns: Sequence[str],
    words: Sequence[str],
) -> None:
    """Measure a version on held-out rows of PLACES and our suites."""
    from training.datasets import read_corpus, split_corpus
    from training.evaluation.errors import errors, write_errors
    from training.evaluation.held_out import curves, review_points
    from training.evaluation.held_out import evaluate as measured
    from training.evaluation.recorded import recorded_in
    from training.release import Settings, measure_by_fitting
    from training.report import model_card, write_report

    if not benchmarks and (to_card or recorded):
        raise click.UsageError("--to-card and --recorded are about the figures of --benchmarks")
    registry = Registry(root)
    artifact = registry.load(version)
    made_with = artifact.manifest.get("training", {})
    with threadpool_limits(threads), parallel_config(n_jobs=threads or 1), told() as tell:
        tell("reading", 0.0)
        corpus = read_corpus(places, names=Names.given(columns, words), tell=_tell)
        split = split_corpus(corpus)
        figures = measured(artifact.classifier, artifact.operating_points, split, progress=tell)
        # What only a fresh classifier has, its own heads, was measured when it was fitted.
        for name in ("own_heads", "cross_validated", "left_out", "steps"):
            figures[name] = artifact.manifest.get("evaluation", {}).get(name, {})
        if benchmarks:
            known = {name: made_with[name] for name in Settings.__annotations__}
            blend = artifact.classifier.blend
            by_fitting = measure_by_fitting(
                corpus,
                Settings(**known),
                work,
                blend.scorer if blend else None,
                recorded=recorded_in(recorded) if recorded else None,
                progress=tell,
            )
            figures |= by_fitting
            if to_card:
                registry.describe(artifact.version, by_fitting, model_card)
        drawn = curves(artifact.classifier, split.test) if report else {}
        found = []
        if errors_path:
            review = review_points(artifact.operating_points)
            found = errors(artifact.classifier, review, split.test, n_errors)
    _print_tables(figures)
    if errors_path:
        write_errors(errors_path, found)
        click.echo(f"wrote {len(found)} errors to {errors_path}; it holds comments, some abusive")
    if report:
        write_report(report, artifact.manifest, figures, drawn)
        click.echo(f"wrote {report}")


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write the scores: .csv, .jsonl or .parquet.",
)
@_artifacts
@click.option("--version", help="By default the one in use.")
@click.option("--words-alone", is_flag=True, help="Score by words alone, many times as fast.")
@click.option("--with-text", is_flag=True, help="Write the texts beside their scores.")
@_columns
@click.option(
    "--threads", type=click.IntRange(min=1), help="Processor cores to use; by default all."
)
@click.option(
    "--dask", metavar="ADDRESS", help="Score on this Dask cluster (tcp://HOST:8786) instead."
)
def score(
    *,
    files: Sequence[Path],
    output: Path,
    root: Path,
    version: str | None,
    words_alone: bool,
    with_text: bool,
    columns: Sequence[str],
    threads: int | None,
    dask: str | None,
) -> None:
    """Score the comments of FILES, however many they are.

    FILES are CSV, JSON Lines, Parquet or spreadsheets. A run that was stopped goes on when its
    command is given again.
    """
    from training import bulk_scoring

    if output.suffix not in bulk_scoring.FORMATS:
        raise click.UsageError(f"--output ends in {', '.join(bulk_scoring.FORMATS)}")
    registry = Registry(root)
    version = version or registry.current()
    labels = registry.load(version).classifier.labels
    names = Names.given(columns, ())
    for path in files:
        with open_comments(path, names) as file:
            for line in file.understood.lines():
                _tell(line)
    model = bulk_scoring.Model.of(root / version, words_alone=words_alone, is_sent=bool(dask))
    job = bulk_scoring.Job(
        files=tuple(map(str, files)),
        columns=tuple(sorted(names.columns.items())),
        version=version,
        labels=labels,
        words_alone=words_alone,
        with_text=with_text,
        form=output.suffix,
    )
    where = bulk_scoring.on_dask(dask, model) if dask else bulk_scoring.local(threads)
    began = monotonic()
    with where as n_cores, told() as tell:
        patience = bulk_scoring.PATIENCE if dask else None
        n_before, done = bulk_scoring.score(job, names, model, output, tell, patience=patience)
    seconds = monotonic() - began
    rate = (done.n_rows - n_before) / seconds
    before = f", {n_before:,} of them before" if n_before else ""
    click.echo(
        f"{done.n_rows:,} rows scored by {version}{before}, {rate:,.0f} a second on {n_cores} cores"
    )
    if done.n_faults:
        click.echo(f"{done.n_faults:,} rows have no scores; the column fault says why")
    click.echo(f"wrote {output}")


@main.command()
@click.argument("version")
@_any_places
@_decisions
@_columns
@_words
@click.option("--force", is_flag=True, help="Promote it although it is worse.")
@_artifacts
@_threads
def promote(
    *,
    version: str,
    places: Sequence[Path],
    decisions: Sequence[Path],
    columns: Sequence[str],
    words: Sequence[str],
    force: bool,
    root: Path,
    threads: int | None,
) -> None:
    """Put VERSION in use, unless it is worse than the one in use.

    Both judge the same comments: decisions that neither learned from, the suites that are part of
    the project, and the held-out rows of PLACES, public sets as for `fit`, where they are given.
    """
    from training import gate
    from training.datasets import read_corpus, split_corpus

    registry = Registry(root)
    refused: gate.PromotionRefused | None = None
    found: Sequence[gate.Finding]
    with threadpool_limits(threads), parallel_config(n_jobs=threads or 1), told() as tell:
        site = registry.manifest(version).get("training", {}).get("site", "")
        names = Names.given(columns, words)
        decided = public = None
        if decisions:
            decided = read_corpus([], decisions, site=site, names=names, tell=_tell)
        if places:
            public = split_corpus(read_corpus(places, names=names, tell=_tell)).test
        try:
            found = gate.promote(
                registry,
                version,
                force=force,
                decisions=decided,
                benchmarks=public,
                progress=tell,
            )
        except gate.PromotionRefused as error:
            found, refused = error.findings, error
    if found:
        _print_table("What decided", gate.HEADS, [finding.row for finding in found])
    if refused:
        raise refused
    click.echo(f"{version} is in use; running services take it up by themselves")


@main.command("curve")
@_places
@_work
@click.option("--set", "sets", multiple=True, help="A newsroom's public set. May be repeated.")
@click.option("--seed", type=int, default=0, help="Of the word vectors.")
@click.option("--word-vectors/--no-word-vectors", default=True, help="Group words first.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw it in this file."
)
@_threads
def learning_curve(
    *,
    picture: Path | None,
    places: Sequence[Path],
    work: Path | None,
    sets: Sequence[str],
    seed: int,
    word_vectors: bool,
    threads: int | None,
) -> None:
    """Show the learning curve of a site's own model.

    Of the public sets in PLACES some are newsrooms, each beside a version that saw nothing of it.
    The word scorers are compared; it takes five fits and some minutes more.
    """
    from training import newsrooms
    from training.calibration import calibrate
    from training.datasets import Split, read_corpus
    from training.release import Settings, fresh_fits, head_for

    with threadpool_limits(threads), parallel_config(n_jobs=threads or 1), told() as tell:
        tell("reading", 0.0)
        corpus = read_corpus(places)
        settings = Settings(seed=seed, word_vectors=word_vectors)
        refit = fresh_fits(corpus, settings, work, tell)

        def without(split: Split) -> newsrooms.Version:
            return calibrate(head_for(refit(split), split), split)

        chosen = sets or newsrooms.SETS
        steps = list(newsrooms.learning_curve(corpus, without, chosen, progress=tell))
    _print_table("What a site's own model gains", *newsrooms.table(steps))
    if picture:
        newsrooms.draw(steps).savefig(picture, dpi=90, metadata={"Software": None})
        click.echo(f"drew {picture}")


@main.command()
@_artifacts
def rollback(root: Path) -> None:
    """Put the version back in use that was in use before."""
    click.echo(f"{Registry(root).rollback()} is in use again")


@main.command("list")
@_artifacts
def list_versions(root: Path) -> None:
    """List versions with their main figures; * marks that in use."""
    registry = Registry(root)
    versions = registry.versions()
    current = ""
    fault: ArtifactError | None = None  # of what is in use
    try:
        current = registry.current() if registry.has_current() else ""
        if current and current not in versions:
            registry.manifest(current)
    except ArtifactError as error:
        fault = error
    if not versions and not fault:
        click.echo(f"no artefact in {root}")
        return
    shown = ("osact4 test", "osact5 dev", "lhsab fold", "mpold fold", "alakrot_youtube fold")
    rows: list[Sequence[str]] = []
    for version in versions:
        star = "*" if version == current else ""
        try:
            manifest = registry.load(version).manifest
        except ArtifactError as error:
            rows.append((star, version, str(error), "", "", ""))
            fault = error if version == current else fault
            continue
        metrics = manifest.get("metrics", {})
        names = [name for name in shown if name in metrics] or list(metrics)[:1]
        figures = ", ".join(f"{name} {_macro_f1(metrics[name])}" for name in names)
        made = manifest.get("training", {})
        n_learned, license_ = f"{made.get('n_train', 0):,}", made.get("license", "")
        rows.append((star, version, manifest.get("created_at", ""), n_learned, license_, figures))
    _print_table("", ("", "version", "saved", "learned from", "licences", "macro-F1"), rows)
    if fault:
        raise fault


def _tell(line: str) -> None:
    """Say what was understood of the files, before anything starts."""
    click.echo(line, err=True)


def _macro_f1(metrics: Mapping[str, Any]) -> str:
    from training.gate import value_of

    found = metrics.get("macro_f1")
    return "" if found is None else f"{value_of(found):.3f}"


def _of_review_point(*, chosen: bool, n_effective: float) -> str:
    """Say how a site's review point came about."""
    from training.site_points import ENOUGH

    told = f"later decisions say as much of all comments as {n_effective:.0f} drawn at random"
    if chosen:
        return f"review point of toxicity: chosen on the site's own decisions; {told}"
    return (
        f"review point of toxicity: the version's line is kept; {told}, and {ENOUGH:.0f} are "
        "needed (a larger share of the random sample says more)"
    )


def _print_tables(figures: Mapping[str, Any], *, brief: bool = False) -> None:
    from training.report import tables

    for i, (title, (heads, rows)) in enumerate(tables(figures).items()):
        if not brief or i == 0:
            _print_table(title, heads, rows)


def _print_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title or None, title_justify="left", title_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # A pipe has no width of its own, and a table cut off there is of no use.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table, markup=False)


@main.command()
@click.option(
    "--build",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Make sets (.tsv.xz) of the downloaded files in this folder, whatever their names.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where to put the sets."
)
def datasets(folder: Path | None, out: Path | None) -> None:
    """List the public sets and where they are published, or build them.

    Their texts are other people's, so they are not in this repository. Download the files that are
    listed, and let --build make of them what `hakam-train fit` reads. A set of which a file is
    missing is left out.
    """
    from training.public_sets import POLICIES
    from training.upstream import build, found, upstream

    known = upstream()
    if folder is None:
        for name, policy in POLICIES.items():
            click.echo(f"{name}: licence {policy.license}, quality {policy.quality}")
            for file in known.get(name, ()):
                click.echo(f"  {file.name}, {file.n_bytes:,} bytes, sha256 {file.sha256}")
                for repository, commit, place in file.places:
                    click.echo(f"    https://github.com/{repository} at {commit}: {place}")
            if name not in known:
                click.echo("  where it is published is not recorded here")
        return
    if out is None:
        raise click.UsageError("--build needs --out")
    there = found(folder)
    out.mkdir(parents=True, exist_ok=True)
    n_built = 0
    for name, files in known.items():
        missing = [file.name for file in files if file.sha256 not in there]
        if missing:
            click.echo(f"{name}: left out, missing {', '.join(missing)}")
            continue
        path, n_rows = build(name, {file.name: there[file.sha256] for file in files}, out)
        n_built += 1
        click.echo(f"{name}: {n_rows:,} rows in {path}")
    if not n_built:
        raise _Refusal(f"{folder}: no set has all of its files; `hakam-train datasets` lists them")


main.add_command(sentence)

if __name__ == "__main__":
    main()
