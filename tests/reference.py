"""Write the tables of the documents that say what can be set, from the models that hold it.

``make docs`` runs this; a test finds tables that are not what this would write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.config import VARIABLES
from service.sites.site import SETTINGS

ROOT = Path(__file__).parent.parent


def variables() -> Sequence[str]:
    """One row for each variable of the environment."""
    rows = []
    for one in VARIABLES:
        default = one.default.replace(f"{ROOT}/", "")
        installed = " of the installation" if default != one.default else ""
        shown = f"`{default}`{installed}; " if default else ""
        rows.append(f"| `{one.name}` | {shown}{one.form}. {one.meaning} |")
    return rows


def settings() -> Sequence[str]:
    """One row for each setting of a site."""
    rows = []
    for one in SETTINGS.values():
        default = str(one.default) if one.default not in ("", (), {}) else "none"
        default = default.lower() if one.kind == "switch" else default
        rows.append(f"| `{one.option}` | {default}; {one.form}. {one.meaning.rstrip('.')}. |")
    return rows


#: Document -> head and rows of the table in it.
TABLES: Mapping[str, tuple[str, Sequence[str]]] = {
    "docs/operations.md": ("| variable | default, form, meaning |", variables()),
    "docs/settings.md": ("| setting | default, form, meaning |", settings()),
}


def written(name: str, document: str) -> str:
    """Return a document with its table in the place of the one that it has."""
    head, rows = TABLES[name]
    table = "\n".join([head, "|---|---|", *rows, ""])
    pattern = re.escape(head) + r"\n(?:\|.*\n)*"
    document, n_found = re.subn(pattern, table.replace("\\", r"\\"), document)
    assert n_found == 1, head
    return document


if __name__ == "__main__":
    for name in TABLES:
        file = ROOT / name
        file.write_text(written(name, file.read_text(encoding="utf-8")), encoding="utf-8")
