"""Runs luacheck over every Lua script as Redis runs it: a verb with the files that it includes."""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from service.store.scripts import read_script

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Return the exit status of luacheck."""
    if shutil.which("luacheck") is None:
        sys.exit(
            "make lint needs luacheck: apt-get install lua-check, or luarocks install luacheck"
        )
    with TemporaryDirectory() as folder:
        for path in ROOT.glob("service/*/lua/*.lua"):
            owner = path.parts[-3]
            script = Path(folder, f"{owner}_{path.name}")
            script.write_text(read_script(owner, path.stem).text, encoding="utf-8")
        return subprocess.run(
            [
                "luacheck",
                folder,
                "--quiet",
                "--codes",
                *("--config", str(ROOT / ".luacheckrc")),
            ],
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
