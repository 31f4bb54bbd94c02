"""The documents: what can be checked of them is true, and their examples run."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shlex
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import click
import openai
import pytest
import reference
from click.testing import CliRunner
from fake_sites import answering
from flask import Flask
from flask.testing import FlaskClient
from googleapiclient import discovery  # type: ignore[import-untyped]
from redis import Redis

from models.comment_files import open_comments
from models.schema import read_comments
from service.cli.main import hakam
from service.compat.openai import CATEGORIES
from service.compat.perspective.routes import ATTRIBUTES, NOT_MEASURED
from service.queue.records import Comment, content_digest
from service.sites.site import Site
from service.sites.sites import Sites
from training.cli import main as hakam_train

ROOT = Path(__file__).parent.parent
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
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def commands(group: click.Command | None, words: str) -> Iterator[str]:
    if not isinstance(group, click.Group) or group.invoke_without_command:
        yield words
    if isinstance(group, click.Group):
        for name, command in subcommands(group).items():
            yield from commands(command, f"{words} {name}")


def subcommands(group: click.Group) -> dict[str, click.Command | None]:
    context = click.Context(group)
    return {name: group.get_command(context, name) for name in group.list_commands(context)}


@pytest.mark.parametrize("group", [hakam, hakam_train], ids=["hakam", "hakam-train"])
def test_the_help_of_a_group_says_in_a_whole_line_what_each_command_does(
    group: click.Group,
) -> None:
    shown = click.Group.get_help(group, click.Context(group, terminal_width=80))
    assert "..." not in shown.partition("Commands:")[2]
    for command in subcommands(group).values():
        if isinstance(command, click.Group):
            test_the_help_of_a_group_says_in_a_whole_line_what_each_command_does(command)


def test_the_readme_fits_on_a_screen_or_two() -> None:
    assert len(README.splitlines()) <= 150


def test_one_table_names_every_command() -> None:
    live = set(commands(hakam, "hakam")) | set(commands(hakam_train, "hakam-train"))
    table = re.findall(r"(?m)^\| `(hakam(?:-train)?(?: [a-z-]+)+)", DOCUMENTS["docs/operations.md"])
    assert sorted(table) == sorted(live)


def fenced(document: str) -> str:
    """Return a document in which the lines of its code blocks stand without their prompts."""
    return re.sub(r"(?m)^(\$ |    +)", "", DOCUMENTS[document])


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


# What documents leave open, and what stands there when they are tried
FILLED = {
    "ID": "demo",
    "SITE": "demo",
    "NAME": "samira",
    "COMMENT": "c-1",
    "ADDRESS": "https://news.example/hakam",
    "https://...": "https://news.example/hakam",
}
# Its table is of names of commands; the test before holds that they exist.
GUIDES = [document for document in DOCUMENTS if document != "docs/operations.md"]


def words_of(line: str) -> list[str]:
    """Words of a line as a shell divides them, without its remark."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="<>|")
    lexer.whitespace_split = True
    return list(lexer)


def lines_about_sites(document: str) -> list[str]:
    """Return the commands of a document that say which site or moderator they are about."""
    code = re.findall(r"(?m)`(hakam [^`\n]+)`|^((?:[^|\n]* \| )?hakam .*)$", fenced(document))
    named = {"demo", "news", "yoursite", *FILLED}
    return [line for line in map("".join, code) if named & set(words_of(line))]


@pytest.mark.parametrize("document", [name for name in GUIDES if lines_about_sites(name)])
def test_each_command_that_a_document_says_about_a_site_is_carried_out(
    document: str,
    redis: Redis,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    known = {"id": "1", "text": "a", "labels": {"insult": 0}, "source": "moderator"}
    Path("known.jsonl").write_text('{"id": "1", "action": "review"}\n')
    for name in ("FILE", "EXPORT"):
        Path(name).write_text(json.dumps(known) + "\n")
    for name in ("secrets.txt", "old.txt", "new.txt"):
        Path(name).write_text(f"{token_hex(32)}\n")
    site = Site("demo", webhook_private=True).changed({"webhook_url": "http://127.0.0.1:9/"})
    Sites(redis).add(site)
    if any("NAME" in line for line in lines_about_sites(document)):
        account = ["moderators", "add", "samira", "--role", "trainee"]
        assert CliRunner().invoke(hakam, account, env=environ).exit_code == 0
    with answering() as channel:
        Path("notices.txt").write_text(channel.url.replace("http:", "json:"))
        for line in lines_about_sites(document):
            words, given = words_of(line), token_hex(32)
            if "|" in words:  # something random
                words = words[words.index("|") + 1 :]
            if "<" in words:
                given = Path(words.pop()).read_text()
            is_new = words[1:3] == ["sites", "add"]
            filled = FILLED | ({"ID": "another", "SITE": "another"} if is_new else {})
            *words, file = words if ">" in words else [*words, ""]
            words = [filled.get(word, word) for word in words if word not in {"<", ">"}]
            done = CliRunner().invoke(hakam, words[1:], env=environ, input=given)
            assert done.exit_code == 0, f"{line}: {done.output}"
            if file:
                Path(file).write_text(done.stdout)


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
    for name in reference.TABLES:
        assert reference.written(name, DOCUMENTS[name]) == DOCUMENTS[name], "make docs writes them"


def test_one_table_names_every_route_of_the_api(app: Flask) -> None:
    live = {
        f"{method} {PARAMETER.sub(lambda found: f'{{{found[1]}}}', rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith(("/console", "/readers")) and rule.endpoint != "static"
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


def test_the_architecture_names_the_layers_that_imports_are_held_to() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in contracts["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == ["service"]
    )
    text = DOCUMENTS["docs/architecture.md"].partition("## What imports what")[2]
    named = [re.findall(r"`(\w+)`", one) for one in text.partition(". A module")[0].split("→")]
    assert named == [*(layer.split(" | ") for layer in layers), ["models"]]


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


def test_the_glossary_says_its_main_words_as_the_catalogues_do() -> None:
    rows = re.findall(
        r"(?m)^\| [^|]+ \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", DOCUMENTS["docs/glossary.md"]
    )
    (head, *rows) = rows
    assert (head, len(rows)) == (("Arabic", "French"), 10)
    for n, language in enumerate(("ar", "fr")):
        folder = ROOT / "service/console/translations" / language / "LC_MESSAGES"
        catalogue = (folder / "messages.po").read_text(encoding="utf-8").lower()
        for row in rows:
            for word in re.split("[,\N{ARABIC COMMA}] ", row[n]):
                assert word in catalogue, word


def test_the_labelled_comments_of_the_documents_are_read() -> None:
    (block,) = re.findall(
        r"(?s)Labelled comments are .*?```json\n(.*?)```", DOCUMENTS["docs/model.md"]
    )
    comments = list(read_comments(io.StringIO(block)))
    assert [comment.labels for comment in comments] == [
        {"toxicity": 0, "insult": 0},
        {"insult": 0.8},
    ]


def test_the_documented_columns_and_words_of_a_table_are_understood(tmp_path: Path) -> None:
    table = DOCUMENTS["docs/model.md"].partition("| column | other names |")[2]
    rows = re.findall(
        r"(?m)^\| (`\w[^|]+) \| ([^|]*?) ?\| ([^|]*?) ?\|$", table.partition("\n\n")[0]
    )
    assert len(rows) >= 7
    path = tmp_path / "comments.csv"
    for names, others, meaning in rows:
        first, *more = re.findall(r"`([\w.]+)`", names)
        also = re.findall(r"[^`,\s]+", others)
        for name in (first, *more, *also):
            role = name if name in more else first
            path.write_text(f"text,{name}\na,0\n" if role != "text" else f"{name}\na\n")
            with open_comments(path) as file:
                assert file.understood.columns[role] == name
        if first == "decision":
            words = re.split(r"[,;] | or ", meaning.removesuffix("nothing"))
            path.write_text("text,decision\n" + "".join(f"a,{word}\n" for word in words))
            with open_comments(path) as file:
                assert len(list(file.rows())) > 10
            assert not file.understood.unknown_words
            assert min(file.understood.decisions[one] for one in ("approve", "reject")) >= 6


def test_the_documented_digest_of_a_content_is_the_one_that_we_tell() -> None:
    (block,) = re.findall(r"(?s)```python\n(\s+digest = hashlib.*?)```", DOCUMENTS["docs/api.md"])
    comment = Comment(id="1", text="مرحبا", author_name="قارئ")  # "hello", "reader"
    known: dict[str, Any] = {"text": comment.text, "name": comment.author_name}
    exec(textwrap.dedent(block), {"hashlib": hashlib, "base64": base64}, known)
    assert known["content_digest"] == content_digest(comment)


def test_the_page_on_the_model_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    page: dict[str, Any] = {}
    for block in blocks("docs/model.md", "python"):
        exec(compile(block, "docs/model.md", "exec"), page)
    kind, abusive = page["toxicity"] >= page["review"]
    assert abusive
    assert not kind
    logits = page["classifier"].decision_function(page["texts"])
    insult = page["classifier"].labels.index("insult")
    assert page["total"] == pytest.approx(logits[1, insult], abs=1e-6)
    sesame = "\u0633\u0645\u0633\u0645"
    before, after = (page[name].predict_proba([sesame])[0, 0] for name in ("classifier", "own"))
    assert after > before
    assert capsys.readouterr().out.startswith(f"{page['artifact'].version} ('toxicity', ")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_examples_in_python_are_python(document: str) -> None:
    for block in blocks(document, "python"):
        compile(block, document, "exec")


def blocks(document: str, language: str) -> list[str]:
    found = re.findall(rf"(?ms)^( *)```{language}\n(.*?)^ *```", DOCUMENTS[document])
    return [textwrap.dedent(block) for _, block in found]


def test_the_example_of_openais_client_works(server: str, api_key: str) -> None:
    (example,) = blocks("docs/openai.md", "python")
    known: dict[str, Any] = {"openai": openai, "HAKAM_KEY": api_key}
    exec(example.replace("https://hakam.example", server), known)
    with known["client"] as client:
        assert client.moderations.create(input="x").results[0].flagged is False


def test_the_examples_of_perspectives_clients_work(server: str, api_key: str) -> None:
    (example,) = blocks("docs/perspective.md", "python")
    known: dict[str, Any] = {"discovery": discovery, "HAKAM_KEY": api_key}
    exec(example.replace("https://hakam.example", server), known)
    with known["client"] as client:
        assert client.comments()
    (request,) = blocks("docs/perspective.md", "sh")
    command = request.replace("https://hakam.example", server).replace("curl", "curl --silent", 1)
    answer = subprocess.run(
        ["sh", "-c", command],
        env=os.environ | {"HAKAM_KEY": api_key},
        capture_output=True,
        check=True,
    )
    assert json.loads(answer.stdout)["attributeScores"]["TOXICITY"]["summaryScore"]


def test_the_table_of_attributes_is_what_perspectives_clients_get() -> None:
    rows = re.findall(
        r"(?m)^\| ((?:`[A-Z_]+`(?:, )?)+) \| (.*) \|$", DOCUMENTS["docs/perspective.md"]
    )
    measured, other = {}, set()
    for names, meaning in rows:
        for name in re.findall(r"`([A-Z_]+)`", names):
            label = re.match(r"`([a-z_]+)`", meaning)
            if label:
                measured[name] = label[1]
            else:
                other.add(name)
    assert other == NOT_MEASURED
    plain = {name: label for name, label in ATTRIBUTES.items() if "_EXPERIMENTAL" not in name}
    assert measured == plain


def test_the_table_of_categories_is_what_openais_clients_get() -> None:
    rows = re.findall(r"(?m)^\| (`[a-z/`, -]+`) \| (.*) \|$", DOCUMENTS["docs/openai.md"])
    told = {
        name: (tuple(re.findall(r"`([a-z_]+)`", meaning)), "the lower of" in meaning)
        for names, meaning in rows
        for name in re.findall(r"`([a-z/-]+)`", names)
    }
    assert told == {name: (kind.labels, kind.all) for name, kind in CATEGORIES.items()}
