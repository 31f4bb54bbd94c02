"""No pattern takes long, whatever it is given: its work grows with the text and no faster.

Every regular expression of the product is found in its source, Python, Lua and JavaScript, and is
fed with what makes careless ones slow: runs and mixtures of the very letters it is made of, behind
its own openings, with an end on which it fails. At 100 KB a linear one takes milliseconds and a
quadratic one minutes, so a bound of processor time (not of the clock) tells them apart.
"""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from re import _parser
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SIZES = (5_000, 10_000, 20_000, 100_000)
BOUND_SECONDS = 2.0
FAILING = "\0"  # no pattern has it, so that one which wants an end finds none

METHODS = {"match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split"}
ONCE = {"match", "fullmatch", "search"}  # the others look for every place
ONE_OF = {
    _parser.CATEGORY_DIGIT: "7",
    _parser.CATEGORY_SPACE: " ",
    _parser.CATEGORY_WORD: "a",
    _parser.CATEGORY_NOT_DIGIT: "x",
    _parser.CATEGORY_NOT_SPACE: "x",
    _parser.CATEGORY_NOT_WORD: "-",
}
LUA_VARIABLES = {"time": "%d%d%d%d%d%d%d%d%d%d%d%d%d"}  # patterns that are made on the way
MAX_ALPHABET = 6


@dataclass(frozen=True)
class Use:
    """A pattern as some line of the product uses it."""

    where: str
    pattern: str
    flags: int
    method: str

    def on(self, text: str) -> None:
        """Do all the work that the pattern can have with a text."""
        pattern = re.compile(self.pattern, self.flags)
        if self.method in ONCE:
            getattr(pattern, self.method)(text)
        else:
            pattern.sub("", text)


# Where patterns are


def python_uses() -> Iterator[Use]:
    for folder in ("models", "service", "training"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            ours = [call for call in calls if _of_re(call)]
            if ours:
                names = vars(importlib.import_module(_module(path)))
                methods = _methods_by_name(calls)
                for call in ours:
                    yield from _uses_of(path, call, names, methods, tree)


def _of_re(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "re"
        and function.attr in METHODS | {"compile"}
    )


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _methods_by_name(calls: list[ast.Call]) -> dict[str, set[str]]:
    """What is called on each name: ``_WORD.findall`` counts for ``_WORD``."""
    found = defaultdict(set)
    for call in calls:
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=method) if method in METHODS:
                found[name].add(method)
    return found


def _uses_of(
    path: Path,
    call: ast.Call,
    names: dict[str, Any],
    methods: dict[str, set[str]],
    tree: ast.Module,
) -> Iterator[Use]:
    where = f"{path.relative_to(ROOT)}:{call.lineno}"
    assert isinstance(call.func, ast.Attribute)
    try:
        pattern = _value(call.args[0], names)
    except NameError:
        pytest.fail(f"{where}: make this pattern of constants, so that it can be checked")
    flags = [_value(word.value, names) for word in call.keywords if word.arg == "flags"]
    if call.func.attr == "compile":
        flags += [_value(argument, names) for argument in call.args[1:]]
        used = methods.get(_assigned_to(call, tree), set()) or {"finditer"}
    else:
        used = {call.func.attr}
    for method in sorted(used):
        yield Use(where, pattern, int(sum(flags)), method)


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), "pattern", "eval"), names)  # our own source


def _assigned_to(call: ast.Call, tree: ast.Module) -> str:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is call:
                return name
    return ""


def lua_uses() -> Iterator[Use]:
    for path in sorted((ROOT / "service").rglob("*.lua")):
        found = re.findall(
            r":(match|gmatch|find|gsub)\((?:'([^']*)'|(\w+)(?: \.\. '[^']*')?)(, [^,)]+, true)?",
            path.read_text(encoding="utf-8"),
        )
        for method, quoted, name, plain in found:
            if not plain:
                pattern = quoted or _lua_constant(path, name)
                yield Use(f"{path.name} {method}", _from_lua(pattern), 0, "finditer")


def _lua_constant(path: Path, name: str) -> str:
    if name in LUA_VARIABLES:
        return LUA_VARIABLES[name]
    (value,) = re.findall(rf"(?m)^local {name} = '([^']*)'", path.read_text(encoding="utf-8"))
    return str(value)


def _from_lua(pattern: str) -> str:
    r"""Translate a pattern; ``%b``, ``%f`` and the lazy ``-`` would need a second thought."""
    assert not re.search(r"%[bf]", pattern), pattern
    assert not re.search(r"(?<!\[)(?:\]|\.|%\w)-", pattern), pattern
    pattern = pattern.replace("[%l", "[a-z").replace("%l", "[a-z]")
    return pattern.replace("%x", "[0-9A-Fa-f]").replace("%", "\\")


def browser_uses() -> Iterator[Use]:
    for path in sorted((ROOT / "service").rglob("*.js")):
        text = path.read_text(encoding="utf-8")
        for pattern in re.findall(r"/((?:[^/\\\n*]|\\.)(?:[^/\\\n]|\\.)*)/[a-z]*[.,;)]", text):
            # Python has no classes of Unicode's properties; this one is of letters as well.
            yield Use(path.name, re.sub(r"\\[pP]\{[^}]*\}", r"\\w", pattern), 0, "finditer")
    for path in sorted((ROOT / "service" / "console" / "templates").rglob("*.html")):
        for pattern in re.findall(r'\spattern="([^"]*)"', path.read_text(encoding="utf-8")):
            yield Use(path.name, pattern, 0, "fullmatch")


# What makes a careless one slow


def shapes(pattern: str, flags: int, n: int) -> Iterator[str]:
    """Texts of `n` letters: runs and mixtures of the pattern's own, behind its own words."""
    letters, words = _letters_and_words(pattern, flags)
    for one in letters:
        yield one * n
        yield one * n + FAILING
    for one, other in itertools.permutations(letters, 2):
        yield (one + other) * (n // 2) + FAILING
        yield one * (n // 2) + other * (n // 2) + FAILING
    for word in words:
        yield word * (n // len(word)) + FAILING
        for one in letters:
            yield word + one * n + FAILING
            yield (word + one) * (n // (len(word) + 1)) + FAILING


@functools.cache
def _letters_and_words(pattern: str, flags: int) -> tuple[list[str], list[str]]:
    letters: dict[str, None] = {}
    words: dict[str, None] = {}
    _gather(_parser.parse(pattern, flags), letters, words)
    return [*list(letters)[: MAX_ALPHABET - 1], "\n"], list(words)


def _gather(parsed: Any, letters: dict[str, None], words: dict[str, None]) -> None:
    word = ""
    for kind, content in parsed:
        if kind is _parser.LITERAL:
            word += chr(content)
            continue
        words |= dict.fromkeys([word] if len(word) > 1 else [])
        letters |= dict.fromkeys(word[:1])
        word = ""
        if kind is _parser.IN:
            letters |= dict.fromkeys(map(_one_of, content))
        elif kind in (_parser.ANY, _parser.NOT_LITERAL):
            letters["x"] = None
        elif isinstance(content, tuple):
            for inner in content:
                for part in inner if isinstance(inner, list) else [inner]:
                    if isinstance(part, _parser.SubPattern):
                        _gather(part, letters, words)
    words |= dict.fromkeys([word] if len(word) > 1 else [])
    letters |= dict.fromkeys(word[:1])


def _one_of(content: tuple[Any, Any]) -> str:
    kind, value = content
    if kind is _parser.LITERAL:
        return chr(value)
    if kind is _parser.RANGE:
        return chr(value[0])
    return ONE_OF.get(value, "x")  # a class of letters; of a negated set anything else


# The measure


class TooLong(Exception):
    """The bound of processor time is reached."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Stop what takes more processor time; Python's engine looks up from its work for a signal."""

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def slow_shapes(use: Use, seconds: float = BOUND_SECONDS) -> Iterator[str]:
    for n in SIZES:
        for text in shapes(use.pattern, use.flags, n):
            try:
                with bounded(seconds):
                    use.on(text)
            except TooLong:
                yield f"{use.where}: {text[:24]!a}... of {n:,} letters"
                return


@pytest.mark.parametrize(
    "language", [python_uses, lua_uses, browser_uses], ids=["Python", "Lua", "browser"]
)
def test_every_pattern_of_the_product_takes_linear_time(language: Any) -> None:
    uses = list(language())
    assert uses
    once = {(use.pattern, use.flags, use.method if use.method in ONCE else ""): use for use in uses}
    assert [slow for use in once.values() for slow in slow_shapes(use)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"</?([a-zA-Z][a-zA-Z0-9]*)[^<>]*>",
        r"\S.*?(?:[.!?]+[\"')\]]*(?=\s|\Z)|(?=\n)|\Z)",
        r"\s*--.*",
        r"\[([^\]]*)\]",
        r"(?:a|aa)+\Z",
        r"(\w+\s?)*:",
    ],
)
def test_a_pattern_that_takes_longer_is_noticed(pattern: str) -> None:
    assert list(slow_shapes(Use("here", pattern, re.DOTALL, "finditer"), seconds=0.3))
