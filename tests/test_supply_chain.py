"""What an install of Hakam holds: libraries, their licences and digests, images, the wheel."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path

import pytest
from license_expression import ExpressionError, get_spdx_licensing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
BUILD = "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])"

#: With which Hakam may be handed on under its own licence, Apache 2.0.
HANDED_ON = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",  # of files that are not changed
    "PSF-2.0",
    "ZPL-2.1",
    "Zlib",
}
#: What is imported by who learns, and not handed on with Hakam: also a library under LGPL.
LEARNING = HANDED_ON | {"LGPL-2.1-only", "MIT-CMU"}
#: What only ever runs as a tool, on a machine that tests or lints: also programs under GPL.
TOOLS = LEARNING | {"CNRI-Python", "GPL-2.0-only", "GPL-3.0-or-later"}
#: Each lock holds all of the one before it, and is judged for what it adds.
LOCKS = {"requirements.lock": HANDED_ON, "training/requirements.lock": LEARNING}
LOCKS |= {"tests/requirements.lock": TOOLS}
#: What older metadata say in place of an identifier; None says nothing.
CLASSIFIED = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: Zope Public License": "ZPL-2.1",
    "License :: OSI Approved": None,
    "License :: DFSG approved": None,
}
#: Whose metadata name none; read in the licence files that they bring.
READ = {
    "axe-playwright-python": "MIT",
    "kubernetes-validate": "Apache-2.0",
    "partd": "BSD-3-Clause",
    "protobuf": "BSD-3-Clause",
    "uritemplate": "BSD-3-Clause OR Apache-2.0",
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licences() -> dict[str, list[str]]:
    """What is said about the licence of each library that is installed here, by its name."""
    found = {}
    for one in distributions():
        name = canonical(one.metadata["Name"])
        classes = [
            CLASSIFIED.get(line, line)
            for line in one.metadata.get_all("Classifier", [])
            if line.startswith("License ::")
        ]
        if "License-Expression" in one.metadata:
            classes = [one.metadata["License-Expression"]]
        said = [expression for expression in classes if expression is not None]
        (named, *_) = one.metadata.get_all("License") or ["none"]
        found[name] = said or [READ.get(name, named)]
    return found


def locked(lock: str) -> set[str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return set(map(canonical, re.findall(r"(?m)^([\w.-]+)==", text)))


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_that_a_lock_installs_has_a_licence_that_allows_what_is_done_with_it(
    lock: str,
) -> None:
    licensing, installed, names = get_spdx_licensing(), licences(), list(LOCKS)
    before = [locked(other) for other in names[: names.index(lock)]]
    added = locked(lock).difference(*before) & set(installed)  # the rest is of another platform
    assert len(added) > 5
    refused = {}
    for name in added:
        try:
            parsed = [licensing.parse(one, validate=True) for one in installed[name]]
        except ExpressionError:
            parsed = []
        if not parsed or not all(allows(one, LOCKS[lock]) for one in parsed):
            refused[name] = installed[name]
    assert refused == {}


def allows(parsed: object, allowed: set[str]) -> bool:
    """Whether an expression is met with licences that are allowed: all of AND, one of OR."""
    operator = getattr(parsed, "operator", "").strip()
    if not operator:
        return getattr(parsed, "key", "") in allowed
    met = [allows(one, allowed) for one in getattr(parsed, "args", ())]
    return any(met) if operator == "OR" else all(met)


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("(GPL-3.0-only OR MIT) AND BSD-3-Clause", True),
    ],
)
def test_a_choice_of_licences_needs_one_that_is_allowed_and_a_sum_needs_all(
    expression: str, met: bool
) -> None:
    assert allows(get_spdx_licensing().parse(expression), HANDED_ON) is met


Pin = Callable[..., tuple[int, list[str]]]
PINNED = ("docker-compose.yml", "service/Dockerfile", "service/run/kubernetes/base/redis.yaml")
#: A Docker that knows a digest for each image and day, and none for one that it is told.
DOCKER = """#!/bin/sh
for image; do :; done
[ "$image" != "$MISSING" ] || exit 1
[ "$image" != "$EMPTY" ] || exit 0
echo "sha256:$(printf %s "$image$DAY" | sha256sum | cut -c 1-64)"
"""


@pytest.fixture
def pin(tmp_path: Path) -> Pin:
    """Run ``make pin`` on copies, with a stub of Docker; gives its exit status and the files."""
    docker = tmp_path / "path" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    for file in PINNED:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(unpinned(file))

    def run(**said: str) -> tuple[int, list[str]]:
        environment = {**os.environ, "PATH": f"{docker.parent}:{os.environ['PATH']}", **said}
        done = subprocess.run(
            ["make", "pin"], cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert not list(tmp_path.rglob("*.before"))
        return done.returncode, [(tmp_path / file).read_text() for file in PINNED]

    return run


def unpinned(file: str) -> str:
    return re.sub(r"@sha256:[0-9a-f]+", "", (ROOT / file).read_text())


def images(texts: list[str]) -> list[str]:
    found = [re.findall(r"(?m)^[ -]*(?:image:|FROM) (\S+:\S+)$", text) for text in texts]
    return [image for file in found for image in file]


def test_make_pin_writes_a_digest_behind_the_tag_of_every_image(
    pin: Pin,
) -> None:
    before = [unpinned(file) for file in PINNED]
    done, after = pin()
    assert done == 0
    digests = [sha256(image.encode()).hexdigest() for image in images(before)]
    assert len(digests) == 5
    assert images(after) == [
        f"{image}@sha256:{digest}" for image, digest in zip(images(before), digests, strict=True)
    ]
    assert [re.sub(r"@sha256:[0-9a-f]+", "", text) for text in after] == before


def test_make_pin_changes_nothing_the_second_time_and_the_digest_alone_on_another_day(
    pin: Pin,
) -> None:
    first = pin()
    assert pin() == first
    done, later = pin(DAY="later")
    assert done == 0
    assert [image.split("@")[0] for image in images(later)] == [
        image.split("@")[0] for image in images(first[1])
    ]
    assert not set(images(later)) & set(images(first[1]))


def test_every_image_of_others_is_pinned_by_digest() -> None:
    named = images([(ROOT / file).read_text() for file in PINNED])
    assert [image for image in named if not re.search(r"@sha256:[0-9a-f]{64}$", image)] == []


def test_make_pin_knows_every_file_that_names_an_image_of_others() -> None:
    named = {
        str(path.relative_to(ROOT))
        for folder in (ROOT, ROOT / "service", *(ROOT / "service" / "run").rglob("*/"))
        for path in folder.iterdir()
        if path.is_file() and images([path.read_text(encoding="utf-8", errors="replace")])
    }
    assert named == set(PINNED)


@pytest.mark.parametrize("failure", ["MISSING", "EMPTY"])
@pytest.mark.parametrize("image", ["redis:7-alpine", "python:3.13-slim"])
def test_make_pin_writes_nothing_where_one_image_has_no_digest(
    pin: Pin, image: str, failure: str
) -> None:
    _, before = pin()
    done, after = pin(DAY="later", **{failure: image})
    assert done != 0
    assert after == before


def test_the_wheel_has_the_same_bytes_wherever_and_whenever_it_is_built(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(".*", "build", "var", "dist", "*.egg-info", "__pycache__")
    wheels = []
    for place in ("here", "elsewhere/deeper"):
        copy = tmp_path / place
        shutil.copytree(ROOT, copy, ignore=ignored, copy_function=shutil.copyfile)
        subprocess.run(
            [sys.executable, "-c", BUILD, str(copy)],
            cwd=copy,
            check=True,
            env=os.environ | {"SOURCE_DATE_EPOCH": "1760000000"},
            capture_output=True,
        )
        (wheel,) = copy.glob("*.whl")
        wheels.append(wheel.read_bytes())
        with zipfile.ZipFile(wheel) as archive:
            assert "service/app.py" in archive.namelist()
        shutil.rmtree(copy)
    assert wheels[0] == wheels[1]
