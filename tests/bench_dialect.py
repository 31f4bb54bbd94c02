"""How well dialects are told: of the texts told, and of all, the share told right.

Usage: ``bench_dialect.py DATASETS``, the folder of the public sets. Rows on which the words were
tried are left out. ArSarcasm-v2 is left out too: of 40 of its rows that are told otherwise than
labelled, a reading found most to be what is told here. Prints a table; asserts nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from zlib import crc32

from models.dialect import DIALECTS, dialect_of
from training.public_sets import POLICIES, read_set

NEWS = "aoc_news_comments_unl"


def main(datasets: Path) -> None:
    """Count what is told of rows whose dialect is known, and print the table."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for set_id in POLICIES:
        if set_id == "arsarcasm_v2":
            continue
        for row in read_set(datasets / f"{set_id}.tsv.xz"):
            if row.dialect and crc32(row.text.encode()) % 2:
                kind = "news comments" if set_id == NEWS else "sets of one dialect"
                counts[kind, row.dialect, dialect_of(row.text)] += 1
    for kind in ("news comments", "sets of one dialect"):
        for dialect in DIALECTS:
            right = counts[kind, dialect, dialect]
            told = sum(n for (of, _, said), n in counts.items() if (of, said) == (kind, dialect))
            true = sum(n for (of, is_, _), n in counts.items() if (of, is_) == (kind, dialect))
            if true:
                print(
                    f"{kind:20} {dialect:10} precision {right / max(told, 1):.2f} of {told:5}"
                    f"   recall {right / true:.2f} of {true:5}"
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
