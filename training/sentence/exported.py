"""Sentence scorer as it was exported: a folder of its graph, its tokenizer and its record."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from models.artifact import TWO_READERS
from models.files import write_durably
from models.registry import Registry
from models.sentence_scorer import SentenceScorer
from training.sentence.weights import RECORD, TOKENIZER, Record, WeightsUnusable, read_weights

GRAPH = "sentence.onnx"


@dataclass(frozen=True)
class Exported:
    """A sentence scorer, and how it was made."""

    scorer: SentenceScorer
    record: Record


def read_exported(folder: Path) -> Exported:
    """Read what `hakam-train sentence export` wrote."""
    try:
        record: Record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        graph, tokenizer = (folder / GRAPH).read_bytes(), (folder / TOKENIZER).read_bytes()
        return Exported(SentenceScorer(graph, tokenizer, record["labels"]), record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsUnusable(f"{folder}: not an exported sentence scorer: {error}") from None


def write_exported(folder: Path, out: Path) -> int:
    """Write the weights of a folder as a graph, and return its size in bytes."""
    from training.sentence.export import graph_of

    arrays, record = read_weights(folder)
    graph = graph_of(arrays)
    out.mkdir(parents=True, exist_ok=True)
    write_durably(out / GRAPH, graph)
    shutil.copyfile(folder / TOKENIZER, out / TOKENIZER)
    write_durably(out / RECORD, json.dumps(record, ensure_ascii=False, indent=1).encode())
    read_exported(out)  # what it will be refused for, it is refused for now
    return len(graph)


def in_use(registry: Registry) -> Exported | None:
    """Return the sentence scorer of the version in use, if it has one."""
    if not registry.has_current():
        return None
    manifest = registry.manifest(registry.current())
    if manifest["format"] != TWO_READERS:
        return None
    blend = registry.load().classifier.blend
    return Exported(blend.scorer, manifest.get("sentence", {})) if blend else None
