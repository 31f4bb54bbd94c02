"""Each Lua file says what it takes and gives, and that is what it does."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from redis import Redis

from service.store.durability import FORMAT, OLDEST
from service.store.scripts import SITE_KEYS, Verbs, declared, read_script

SERVICE = Path(__file__).parent.parent / "service"
VERBS = sorted(SERVICE.glob("*/lua/*.lua"))
INCLUDED = sorted(SERVICE.glob("*/lua/include/*.lua"))


def name_of(path: Path) -> str:
    return "/".join((*path.relative_to(SERVICE).parts[:1], path.stem))


def head(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()


def code(path: Path) -> str:
    """Text of a Lua file without comments and strings."""
    return re.sub(r"--[^\n]*|'[^'\n]*'", "", path.read_text(encoding="utf-8"))


def included(path: Path) -> list[Path]:
    """All files that a file includes, itself or through others."""
    found = []
    for name in declared(path.read_text(encoding="utf-8"), "include"):
        owner, _, file = name.partition("/")
        other = SERVICE / owner / "lua" / "include" / f"{file}.lua"
        found += [other, *included(other)]
    return found


def keys_named(path: Path) -> set[str]:
    return {key for key in SITE_KEYS if re.search(rf"\b{key.upper()}\b", code(path))}


@pytest.mark.parametrize("path", [*VERBS, *INCLUDED], ids=name_of)
def test_a_lua_file_declares_the_keys_that_it_uses_and_no_others(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    keys = declared(text, "KEYS")
    assert set(keys) <= set(SITE_KEYS)
    assert len(keys) == len(set(keys))
    used = keys_named(path)
    if path in VERBS:
        used = used.union(*map(keys_named, included(path)))
    assert set(keys) == used
    assert not re.search(r"\b(KEYS|ARGV)\b", code(path)), "the head names them"


@pytest.mark.parametrize("path", VERBS, ids=name_of)
def test_a_verb_says_what_it_does_takes_and_returns(path: Path) -> None:
    lines = head(path)
    assert re.fullmatch(r"-- [A-Z].{10,}", lines[0])
    kinds = [match[1] for line in lines if (match := re.match(r"-- (\w+): ", line))]
    assert {"KEYS", "returns"} <= set(kinds)
    assert all(line.startswith("-- ") and len(line) <= 110 for line in lines)
    for name in read_script(*name_of(path).split("/")).arguments:
        assert re.search(rf"\b{name}\b", code(path)), f"{name} is not used"


@pytest.mark.parametrize("path", INCLUDED, ids=name_of)
def test_an_included_file_is_needed_by_those_that_include_it(path: Path) -> None:
    functions = re.findall(r"(?m)^local (?:function )?(\w+)", path.read_text(encoding="utf-8"))
    needing = [
        other
        for other in (*VERBS, *INCLUDED)
        if name_of(path) in declared(other.read_text(encoding="utf-8"), "include")
    ]
    assert needing
    for other in needing:
        used = [name for name in functions if re.search(rf"\b{name}\b", code(other))]
        assert used, f"{name_of(other)} uses nothing of it"


@pytest.mark.parametrize("path", VERBS, ids=name_of)
def test_redis_can_read_the_script_of_a_verb(path: Path, redis: Redis) -> None:
    script = read_script(*name_of(path).split("/"))
    assert redis.script_load(script.text) == script.digest


def test_each_verb_is_called_by_exactly_one_method() -> None:
    calls: Counter[str] = Counter()
    for path in SERVICE.glob("*/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case (
                    ast.Call(
                        func=ast.Attribute(
                            attr="_verbs" | "_done" | "of_sites" | "until_done" | "pages"
                        ),
                        args=[_, ast.Constant(value=str(verb)), *_],
                    )
                    | ast.Call(func=ast.Name(id="Call"), args=[ast.Constant(value=str(verb)), *_])
                ):
                    calls[f"{path.parent.name}/{verb}"] += 1
    assert calls == Counter(map(name_of, VERBS))


def test_a_verb_refuses_arguments_that_its_file_does_not_declare(redis: Redis) -> None:
    verbs = Verbs(redis, "queue")
    with pytest.raises(KeyError):
        verbs("demo", "author", author="u1")
    with pytest.raises(TypeError, match="author takes facet"):
        verbs("demo", "author", facet="u1", limit=1)
    with pytest.raises(TypeError, match="author takes facet"):
        verbs("demo", "author", "more", facet="u1")


def test_the_scripts_and_the_service_mean_the_same_format() -> None:
    record = (SERVICE / "queue" / "lua" / "include" / "record.lua").read_text(encoding="utf-8")
    assert f"local OLDEST = {OLDEST}\nlocal FORMAT = {FORMAT} " in record
