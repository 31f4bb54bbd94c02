"""Bulk scoring: whole archives, in constant memory, taken up again where it was stopped.

Promise: every row of the input has a row in the output, in its order, also where it cannot be
scored; the output is there when it is complete and not before. What was scored is on the disk after
each wave, and a run that was stopped goes on from there when its command is given again.

Secret: rows are scored in waves of tasks of bounded size, which joblib hands to processes of this
machine or to a Dask cluster. While a wave is scored the next is read. Beside the output stand
``OUTPUT.part``, what was scored, and ``OUTPUT.progress``, from what and how far. A worker on
another machine gets the artefact sent and must run the same code (`Model`).
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, Any

from joblib import Parallel, delayed, effective_n_jobs, parallel_config

import models
from models import artifact
from models.characters import is_visible
from models.classifier import READ, READERS, Classifier
from models.comment_files import Names, open_comments
from models.errors import ModerationError, RecordError
from models.files import sync, write_durably
from models.spreadsheets import as_csv
from models.table_files import Row

TASK_ROWS, TASK_LETTERS = 500, 250_000
"""A task is as long as one of these, so that its memory and its time have bounds."""

PATIENCE = 600.0  # seconds without an answer after which a cluster is lost
TASKS = 16  # of a wave, for each core
GROUP_ROWS = 50_000  # of Parquet, in memory at once
FORMATS = (".csv", ".jsonl", ".parquet")

Progress = Callable[[str, float], None]
Judged = tuple[list[list[float]], list[bool]]
"""Of each text the probability of each label, and whether both readers read it."""


class BulkScoringRefused(ModerationError):
    """The output cannot be written, or the workers cannot score it."""


@dataclass(frozen=True, eq=False)
class Model:
    """What scores, in a form that other processes and machines can be handed.

    Attributes
    ----------
    folder : Path
        Of the artefact's version, where the worker is on the same machine.
    manifest : str
        Digest of the manifest, which names those of all files.
    words_alone : bool
        Whether the sentence scorer is off.
    code : str
        Digest of the code that scores.
    files : tuple of (str, bytes), optional
        The artefact itself, for workers elsewhere.
    """

    folder: Path
    manifest: str
    words_alone: bool
    code: str
    files: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, folder: Path, *, words_alone: bool = False, is_sent: bool = False) -> Model:
        """Describe the version in a folder."""
        digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        names = sorted(path for path in folder.iterdir() if path.is_file()) if is_sent else []
        files = tuple((path.name, path.read_bytes()) for path in names)
        return cls(folder.absolute(), digest, words_alone, _code(), files)

    def load(self) -> Classifier:
        """Load the classifier, once in each process."""
        with _loading:
            if self.code != _code():
                raise BulkScoringRefused("a worker runs another version of Hakam's code")
            key = (self.manifest, self.words_alone)
            if key not in _loaded:
                _loaded.clear()
                _loaded[key] = self._load()
            return _loaded[key]

    def _load(self) -> Classifier:
        with ExitStack() as stack:
            folder = self.folder
            if self.files:  # what is mapped into memory stays when its file goes
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / folder.name
                folder.mkdir()
                for name, content in self.files:
                    (folder / Path(name).name).write_bytes(content)
            classifier = artifact.load(folder).classifier
        return classifier.by_words_alone() if self.words_alone else classifier


_loading = Lock()
_loaded: dict[tuple[str, bool], Classifier] = {}


@cache
def _code() -> str:
    """Return the digest of the code that a score depends on."""
    folder = Path(models.__path__[0])
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def judge(model: Model, texts: Sequence[str]) -> Judged:
    """Score texts."""
    probabilities, states = model.load().judge(texts)
    return probabilities.round(6).tolist(), (states == READ).tolist()


@dataclass(frozen=True)
class Job:
    """What is scored, and how; a run that goes on must be the same."""

    files: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    version: str
    labels: tuple[str, ...]
    words_alone: bool
    with_text: bool
    form: str  # one of `FORMATS`

    @property
    def head(self) -> tuple[str, ...]:
        """Name the columns of the output."""
        text = ("text",) * self.with_text
        return ("file", "line", "id", *text, *self.labels, "readers", "model_version", "fault")


@dataclass(frozen=True, slots=True)
class InputRow:
    """A row as it was read, and what keeps it from being scored."""

    file: str
    line: int
    id: str
    text: str
    fault: str

    @classmethod
    def of(cls, file: str, line: int, cells: Row) -> InputRow:
        """Make one of the cells of a table."""
        text = cells["text"]
        fault = "" if is_visible(text) else "no text"
        try:
            text.encode()
        except UnicodeEncodeError:
            fault = "not valid Unicode"
        return cls(file, line, cells.get("id", "").strip(), text, fault)


@dataclass
class Done:
    """How far a job is."""

    n_rows: int = 0
    n_faults: int = 0
    n_bytes: int = 0  # of ``OUTPUT.part``
    digest: str = ""  # of the rows, so that other rows are not taken for them

    def add(self, row: InputRow) -> None:
        """Count a row."""
        content = f"{self.digest}{row.file}\0{row.line}\0{row.id}\0{row.text}"
        self.digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        self.n_rows += 1
        self.n_faults += bool(row.fault)


def score(
    job: Job,
    names: Names,
    model: Model,
    output: Path,
    tell: Progress = lambda phrase, share: None,
    *,
    patience: float | None = None,
) -> tuple[int, Done]:
    """Score the files of a job by as many processes as `joblib.parallel_config` says.

    Without an answer for `patience` seconds the workers count as lost.

    Returns
    -------
    n_before : int
        Rows that an earlier run had scored.
    done : Done

    Raises
    ------
    RecordError
        If a file cannot be read; what comes before that row is kept.
    BulkScoringRefused
        If there is an output already, one was begun from something else, or workers are lost.
    """
    if output.exists():
        raise BulkScoringRefused(f"{output}: is there already")
    with (
        _kept_where_it_fails(output),
        _part(output) as part,
        Parallel(return_as="generator", timeout=patience) as parallel,
    ):
        done = _taken_up(job, output, part)
        n_before = done.n_rows
        rows = _rows(job, names, tell)
        _pass_over(rows, done, output)
        tasks = _tasks(rows)
        wave, fault = _wave(tasks)
        while wave:
            results: Iterator[Judged]
            if len(wave) == 1:
                results = iter([judge(model, _texts(wave[0]))])
            else:
                results = parallel([delayed(judge)(model, _texts(task)) for task in wave])
            # While they work.
            following, fault = _wave(tasks) if fault is None else ([], fault)
            for task, judged in zip(wave, results, strict=True):
                part.write(_written(job, task, judged, is_first=not done.n_rows))
                for row in task:
                    done.add(row)
            _keep(job, output, part, done)
            wave = following
        if fault:
            raise fault
        _finish(job, output, part)
    return n_before, done


# What joblib raises where a process ends, and where a cluster is silent.
_LOST = (BrokenExecutor, multiprocessing.TimeoutError)


@contextmanager
def _kept_where_it_fails(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not error.errno:  # what a cluster's connection raises
            raise
        raise BulkScoringRefused(
            f"{output}: cannot be written: {error.strerror}; what was scored is in "
            f"{output}.part, and the same command goes on from there"
        ) from None
    except _LOST:
        raise BulkScoringRefused(
            f"workers are lost, or have no memory left; what they scored is in {output}.part, and "
            "the same command goes on from there"
        ) from None


def _rows(job: Job, names: Names, tell: Progress) -> Iterator[InputRow]:
    for path in job.files:
        with open_comments(path, names) as file:
            phrase = f"scoring {file.table.name}"
            for number, (line, cells) in enumerate(file.cells()):
                if number % TASK_ROWS == 0:
                    tell(phrase, file.table.share())
                yield InputRow.of(path, line, cells)


def _pass_over(rows: Iterator[InputRow], done: Done, output: Path) -> None:
    """Pass over the rows that an earlier run scored, if they are still the same."""
    again = Done()
    for row in itertools.islice(rows, done.n_rows):
        again.add(row)
    if again.digest != done.digest:
        raise BulkScoringRefused(
            f"{output}.part holds scores of rows that have changed; remove {output}.progress to "
            "begin anew"
        )


def _tasks(rows: Iterator[InputRow]) -> Iterator[list[InputRow] | RecordError]:
    """Cut rows into tasks; the last thing may be what is wrong with the row behind them."""
    task: list[InputRow] = []
    n_letters = 0
    try:
        for row in rows:
            task.append(row)
            n_letters += len(row.text)
            if len(task) >= TASK_ROWS or n_letters >= TASK_LETTERS:
                yield task
                task, n_letters = [], 0
    except RecordError as fault:
        yield task
        yield fault
    else:
        yield task


def _wave(
    tasks: Iterator[list[InputRow] | RecordError],
) -> tuple[list[list[InputRow]], RecordError | None]:
    """Read the tasks of a wave, and what is wrong with the row behind them."""
    wave: list[list[InputRow]] = []
    for task in itertools.islice(tasks, TASKS * effective_n_jobs(None)):
        if isinstance(task, RecordError):
            return wave, task
        wave += [task] if task else []
    return wave, None


def _texts(task: list[InputRow]) -> list[str]:
    return [row.text for row in task if not row.fault]


# The output


@contextmanager
def _part(output: Path) -> Iterator[IO[bytes]]:
    """Open what was scored so far, for this run alone."""
    try:
        part = Path(f"{output}.part").open("ab")  # noqa: SIM115 -- closed below
    except OSError as error:
        raise BulkScoringRefused(f"{output}: cannot be written: {error.strerror}") from None
    with part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BulkScoringRefused(f"{output}: another run is writing it") from None
        yield part


def _taken_up(job: Job, output: Path, part: IO[bytes]) -> Done:
    """Return how far an earlier run came, and cut off what it did not finish."""
    progress = Path(f"{output}.progress")
    done = Done()
    if progress.exists():
        try:
            kept = json.loads(progress.read_text(encoding="utf-8"))
            same = kept["job"] == json.loads(json.dumps(asdict(job)))
            done = Done(**kept["done"])
        except (ValueError, KeyError, TypeError):
            raise BulkScoringRefused(f"{progress}: is damaged; remove it to begin anew") from None
        if not same:
            raise BulkScoringRefused(
                f"{output}.part was begun with other files, other options or another version; give "
                f"the same command to go on, or remove {progress} to begin anew"
            )
    part.truncate(done.n_bytes)
    return done


def _keep(job: Job, output: Path, part: IO[bytes], done: Done) -> None:
    part.flush()
    os.fsync(part.fileno())
    done.n_bytes = part.tell()
    kept = json.dumps({"job": asdict(job), "done": asdict(done)})
    write_durably(Path(f"{output}.progress"), kept.encode())


def _written(job: Job, task: list[InputRow], judged: Judged, *, is_first: bool) -> bytes:
    """Write the rows of a task, CSV with a byte order mark, as spreadsheets want it."""
    scored = zip(*judged, strict=True)
    nothing: list[Any] = [None] * len(job.labels)
    rows: list[list[Any]] = []
    for row in task:
        scores, is_read_twice = (nothing, False) if row.fault else next(scored)
        readers = "" if row.fault else "+".join(READERS[: 1 + is_read_twice])
        place = [_valid(row.file), row.line, _valid(row.id), *[_valid(row.text)] * job.with_text]
        rows.append([*place, *scores, readers, job.version, row.fault])
    if job.form == ".csv":
        head = "\ufeff" + as_csv([job.head]) if is_first else ""
        return (head + as_csv(rows)).encode()
    records = (dict(zip(job.head, row, strict=True)) for row in rows)
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records).encode()


def _valid(text: str) -> str:
    """Return a text that can be written: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _finish(job: Job, output: Path, part: IO[bytes]) -> None:
    """Put the output in its place."""
    written = Path(f"{output}.part")
    if job.form == ".parquet":
        _write_parquet(job, written, Path(f"{output}.parquet.part"))
        Path(f"{output}.parquet.part").replace(output)
        written.unlink()
    else:
        if not part.tell() and job.form == ".csv":
            part.write(("\ufeff" + as_csv([job.head])).encode())
            part.flush()
        written.replace(output)
    Path(f"{output}.progress").unlink(missing_ok=True)
    sync(output.parent)


def _write_parquet(job: Job, lines: Path, output: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = dict.fromkeys(job.labels, pa.float64()) | {"line": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in job.head])
    with lines.open(encoding="utf-8") as file, parquet.ParquetWriter(output, schema) as writer:
        while batch := [json.loads(line) for line in itertools.islice(file, GROUP_ROWS)]:
            writer.write_table(pa.Table.from_pylist(batch, schema))


# Where it is scored


@contextmanager
def local(n_jobs: int | None) -> Iterator[int]:
    """Score in processes of this machine, by default one for each core; say in how many."""
    with parallel_config(n_jobs=n_jobs or -1):
        yield effective_n_jobs(None)


@contextmanager
def on_dask(address: str, model: Model) -> Iterator[int]:
    """Score on a Dask cluster; say how many cores it has."""
    try:
        import distributed
        from distributed.comm.core import CommClosedError
    except ImportError:
        raise BulkScoringRefused("Dask is needed: pip install distributed") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what is wrong is told below
    connect: Any = distributed.Client
    try:
        client = connect(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise BulkScoringRefused(f"{address}: no Dask scheduler answers: {error}") from None
    try:
        with client:
            if not client.ncores():
                raise BulkScoringRefused(f"{address}: the cluster has no worker")
            with parallel_config(backend="dask", client=client, scatter=[model]):
                n_cores = effective_n_jobs(None)
                if n_cores == 1:
                    raise BulkScoringRefused(
                        f"{address}: the cluster has one core, for which joblib would work here "
                        "instead; leave --dask out"
                    )
                yield n_cores
    except (distributed.CancelledError, distributed.KilledWorker, CommClosedError):
        raise BulkScoringRefused(
            f"{address}: the cluster is lost; the same command goes on where it was lost"
        ) from None
