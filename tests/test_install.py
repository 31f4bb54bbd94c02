"""The project installed as the image installs it: a copy, beside what the service's lock brings."""

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from models.registry import Registry

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "training" / "data" / "samples.jsonl"
BUILD = "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])"

# Runs hakam-train where nothing can be imported but what the service's lock names.
RUN = r"""
import re, sys
from importlib.metadata import packages_distributions

def plain(name): return re.sub(r"[-_.]+", "-", name).lower()

locked = {plain(name) for name in re.findall(r"(?m)^([\w.-]+)==", open(sys.argv.pop(1)).read())}
foreign = {
    top for top, names in packages_distributions().items()
    if not {plain(name) for name in names} & (locked | {"hakam"})
}

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in foreign:
            raise ModuleNotFoundError(f"{name} is not in the service's lock", name=name)

sys.meta_path.insert(0, Refusing())
from training.cli import main
main(prog_name="hakam-train")
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def hakam_train(tmp_path_factory: pytest.TempPathFactory) -> Run:
    here = tmp_path_factory.mktemp("install")
    copy = here / "copy"
    ignored = shutil.ignore_patterns(".*", "build", "var", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=ignored)
    subprocess.run([sys.executable, "-c", BUILD, str(here)], cwd=copy, check=True)
    shutil.rmtree(copy)
    venv.create(here / "venv")
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(here / "venv")}))
    (wheel,) = here.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # The libraries of this environment; its own install of the project is not seen from there.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))

    def run(*words: object) -> "subprocess.CompletedProcess[str]":
        command = [here / "venv" / "bin" / "python", "-c", RUN, ROOT / "requirements.lock", *words]
        return subprocess.run(
            list(map(str, command)), cwd=here, capture_output=True, text=True, check=False
        )

    return run


def test_the_services_own_install_fits_lists_promotes_and_rolls_back(
    hakam_train: Run, tmp_path: Path
) -> None:
    root = tmp_path / "artifacts"
    for _ in range(2):
        fitted = hakam_train("fit", SAMPLE, "--out", root)
        assert fitted.returncode == 0, fitted.stderr
    first, second = Registry(root).versions()
    for version in (first, second):
        promoted = hakam_train("promote", version, "--out", root)
        assert promoted.returncode == 0, promoted.stderr
    listed = hakam_train("list", "--out", root)
    assert first in listed.stdout
    assert second in listed.stdout
    rolled_back = hakam_train("rollback", "--out", root)
    assert rolled_back.stdout == f"{first} is in use again\n"


def test_an_install_without_a_checkout_evaluates_with_the_suites_it_brought(
    hakam_train: Run,
) -> None:
    evaluated = hakam_train("evaluate", SAMPLE)
    assert evaluated.returncode == 0, evaluated.stderr
    assert "HakamCheck by function" in evaluated.stdout
