"""What an install of Hakam holds: its bill of materials, its licences, and the wheel's bytes."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from license_expression import get_spdx_licensing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
BUILD = "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])"

#: With which Hakam may be handed on under its own licence, Apache 2.0.
ALLOWED = {
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
#: What older metadata say in place of an identifier.
CLASSIFIED = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Zope Public License": "ZPL-2.1",
}
#: Whose metadata name none; read in the licence files that they bring.
READ = {"protobuf": "BSD-3-Clause"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The licences of what is installed here, by name, as a bill of materials says them."""
    file = tmp_path_factory.mktemp("bill") / "bill.json"
    words = ["environment", "--output-reproducible", "--output-file", str(file), sys.executable]
    subprocess.run([Path(sys.executable).parent / "cyclonedx-py", *words], check=True)
    found = {}
    for component in json.loads(file.read_bytes())["components"]:
        said = [one.get("license", one) for one in component.get("licenses", [])]
        named = [one.get("id") or one.get("expression") or one.get("name") for one in said]
        found[canonical(component["name"])] = [
            CLASSIFIED.get(name, name)
            for name in named
            if not name.startswith("declared license")  # the text or file that a name stands for
        ]
    return found


def test_everything_that_the_service_installs_has_a_licence_that_allows_to_hand_it_on(
    bill: dict[str, list[str]],
) -> None:
    licensing = get_spdx_licensing()
    locked = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements.lock").read_text())
    refused = {}
    for name in map(canonical, locked):
        if name not in bill:
            continue  # of another platform or Python
        said = bill[name] or [READ.get(name, "none")]
        for expression in said:
            parsed = licensing.parse(expression, validate=True) if expression != "none" else None
            if parsed is None or not allows(parsed):
                refused[name] = said
    assert refused == {}
    assert len(set(map(canonical, locked)) & set(bill)) > 50


def allows(parsed: object) -> bool:
    """Whether an expression is met with licences that are allowed: all of AND, one of OR."""
    operator = getattr(parsed, "operator", "").strip()
    if not operator:
        return getattr(parsed, "key", "") in ALLOWED
    met = map(allows, getattr(parsed, "args", ()))
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
    assert allows(get_spdx_licensing().parse(expression)) is met


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
