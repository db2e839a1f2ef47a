"""pyproject.toml, constraints.txt and environment.yml say the same, and this environment is what they say."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, version

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(number) for name, _, number in found}


def requirements() -> list[Requirement]:
    every = [Requirement(text) for text in [*PROJECT["dependencies"], *(r for extra in EXTRAS.values() for r in extra)]]
    return [requirement for requirement in every if requirement.name != PROJECT["name"]]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_tested_version_meets_the_loose_bound(requirement: Requirement) -> None:
    pinned = pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned)


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_bounds_are_loose(requirement: Requirement) -> None:
    """An exact pin in the package would fight with what a hosted notebook has; only a known break is fenced off."""
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators <= {">=", "<"} and ">=" in operators


def test_pins_are_exact_public_and_in_order() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines), "no addresses, no +local"
    assert len(pins()) == len(lines)
    assert pins()["torch"] == Version("2.13.0")


def test_this_environment_is_the_tested_set() -> None:
    differ = {}
    for name, pinned in pins().items():
        try:
            installed = Version(Version(version(name)).public)  # torch's local part names the build, not the version
        except PackageNotFoundError:
            continue  # needed on another system only
        if installed != pinned:
            differ[name] = f"{installed} here, {pinned} in constraints.txt"
    assert differ == {}


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_everything_declared_is_installed(requirement: Requirement) -> None:
    assert requirement.specifier.contains(version(requirement.name))


def test_conda_installs_the_same_set() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert environment["name"] == PROJECT["name"]
    assert [entry.partition("=")[0] for entry in conda] == ["python", "pip"], "all else through pip and its pins"
    python = next(entry.partition("=")[2] for entry in conda if entry.startswith("python="))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(f"{python}.0")
    assert pip == ["--constraint constraints.txt", "--editable .[book,test]"]
    makefile = (ROOT / "Makefile").read_text()
    assert "--constraint constraints.txt --editable '.[book,test]'" in makefile


def test_torch_is_installed_first_by_its_pin() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert 0 < makefile.index("--constraint constraints.txt torch") < makefile.index("--editable")


def test_page_scripts_are_pinned_exactly_and_by_hash() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert lock["packages"][""]["dependencies"] == wanted
    for name, number in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", number)
        assert lock["packages"][f"node_modules/{name}"]["version"] == number
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values()), "no download addresses in the repository"


# The training side runs on a machine that has none of the book's tools.
ALLOWED = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
MODULE_OF = {"pillow": "PIL"}


def test_training_side_imports_its_dependencies_alone() -> None:
    """A fresh interpreter imports it with everything else that pyproject.toml names made impossible to import."""
    forbidden = {canonicalize_name(r.name) for r in requirements()} - ALLOWED
    blocked = sorted({name.replace("-", "_") for name in forbidden} | {"torchvision", "IPython"})
    assert {"plotly", "matplotlib", "kornia", "papermill"} <= set(blocked)
    program = f"""
import sys
for name in {blocked!r}:
    sys.modules[name] = None  # importing it raises ImportError
import hand_lib.camera, hand_lib.metrics, hand_lib.synthetic, hand_lib.datasets, hand_lib.experiments, hand_lib.__main__
import hand_lib.models.rows, hand_lib.models.counting
hand_lib.__main__.make_parser(["book"]).parse_args(["models", "--json"])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


def test_ruff_passes_on_package_tests_and_notebooks() -> None:
    for command in (["check"], ["format", "--check"]):
        ran = subprocess.run([sys.executable, "-m", "ruff", *command, "."], capture_output=True, text=True, cwd=ROOT)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if listed.returncode:
        pytest.fail("not a clone: `git ls-files` does not answer")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_nothing_made_or_fetched_is_committed() -> None:
    made = re.compile(
        r"(^|/)(build|node_modules|\.venv|\.cache|__pycache__|vendor|\.ipynb_checkpoints)/|\.egg-info/|\.pyc$"
    )
    assert [name for name in tracked() if made.search(name)] == []


def test_no_path_of_somebodys_machine_is_committed() -> None:
    home = re.compile(r"/(home|Users|root)/[A-Za-z0-9._-]+/|[A-Z]:\\Users\\")
    found = []
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if b"\0" not in content[:4000] and home.search(content.decode("utf-8", errors="replace")):
            found.append(name)
    assert [name for name in found if name != "tests/test_environment.py"] == []


def test_everything_imported_is_declared() -> None:
    """Package, tests and benchmarks: an import that arrives by another package's dependency can leave with it."""
    of_module = packages_distributions()
    declared = {canonicalize_name(requirement.name) for requirement in requirements()}
    missing = set()
    for name in tracked():
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for module in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names:
                owners = {canonicalize_name(owner) for owner in of_module.get(module, ())}
                if owners and not owners & (declared | {PROJECT["name"]}):
                    missing.add(f"{name}: {module} ({', '.join(owners)})")
    assert sorted(missing) == []
