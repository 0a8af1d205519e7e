"""constraints.txt: the versions of all packages, so that next year's build is this year's."""

import importlib.metadata
import itertools
import re

import pytest
from apps import ROOT
from install import requirement_lines
from maintain.constraints import FOLDERS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

APPS = FOLDERS[1:]
NEEDED = [f"{folder}/requirements.txt" for folder in APPS]
NEEDED += ["flower_classification/requirements-train.txt"]
OF_RECIPES = [
    str(file.parent.relative_to(ROOT)) for file in ROOT.glob("docs/recipes/*/files/constraints.txt")
]
SYSTEMS = [("linux", "Linux", "x86_64"), ("darwin", "Darwin", "arm64")]
SYSTEMS += [("win32", "Windows", "AMD64")]
ENVIRONMENTS = [
    {
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.1",
        "sys_platform": system,
        "platform_system": name,
        "platform_machine": machine,
        "extra": "",
    }
    for minor, (system, name, machine) in itertools.product(range(10, 15), SYSTEMS)
]


def lines_of(folder):
    return (ROOT / folder / "constraints.txt").read_text(encoding="utf-8").splitlines()


def versions(lines, environment=None):
    """Return {package: version} of the lines that hold in an environment (default: here)."""
    wanted = map(Requirement, lines)
    return {
        canonicalize_name(r.name): str(r.specifier).removeprefix("==")
        for r in wanted
        if not r.marker or r.marker.evaluate(environment)
    }


def test_each_line_is_a_version_and_no_address():
    for folder in [*FOLDERS, *OF_RECIPES]:
        for line in lines_of(folder):
            assert re.fullmatch(r"[\w.-]+==[\w.+!]+( ; .+)?", line), (folder, line)
            assert "://" not in line


@pytest.mark.parametrize("name", NEEDED)
def test_what_an_app_names_is_fixed_to_the_same_version_everywhere(name):
    file = ROOT / name
    lines = requirement_lines(file)
    assert lines.pop(0) == f"-c {file.with_name('constraints.txt')}"
    for environment in ENVIRONMENTS:
        fixed = versions(lines_of(file.parent), environment)
        named = versions(lines, environment)
        assert named.items() <= fixed.items()


def test_folders_agree():
    for environment in ENVIRONMENTS:
        all_fixed = versions(lines_of("tests"), environment)
        for folder in APPS:
            assert versions(lines_of(folder), environment).items() <= all_fixed.items(), folder


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_installed_for_an_app_is_what_is_fixed(name):
    file = ROOT / name
    fixed, seen = versions(lines_of(file.parent)), set()
    lines = requirement_lines(file)[1:]
    todo = [Requirement(line) for line in lines]
    while todo:
        wanted = todo.pop()
        name, extras = canonicalize_name(wanted.name), wanted.extras or {""}
        marker = wanted.marker
        if (name, *sorted(extras)) in seen or (marker and not marker.evaluate({"extra": ""})):
            continue
        seen.add((name, *sorted(extras)))
        installed = importlib.metadata.version(name).partition("+")[0]  # 2.14.1+cpu is 2.14.1
        assert fixed.get(name) == installed
        for more in map(Requirement, importlib.metadata.requires(name) or []):
            if not more.marker or any(more.marker.evaluate({"extra": e}) for e in extras):
                more.marker = None
                todo.append(more)
    assert len(seen) > len(lines)
