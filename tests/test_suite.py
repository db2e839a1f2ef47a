"""The suite itself: a test that takes its process down is one failed test, named, and the others still run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

TESTS = """
import os, signal, pytest
@pytest.mark.parametrize("number", range(12))
def test_before(number): pass
def test_dies(): {death}
@pytest.mark.parametrize("number", range(12))
def test_after(number): pass
"""


@pytest.mark.slow
def test_the_death_of_two_workers_is_two_failures(tmp_path: Path) -> None:
    """With the options of `make test`. With `--dist loadgroup` pytest-xdist 3.8 hangs here, or fails itself."""
    (options,) = re.findall(r"-m pytest -n \$\(or \S+auto\) (.*)", (ROOT / "Makefile").read_text())
    (tmp_path / "test_aborts.py").write_text(TESTS.format(death="os.abort()"))
    (tmp_path / "test_killed.py").write_text(TESTS.format(death="os.kill(os.getpid(), signal.SIGKILL)"))
    command = [sys.executable, "-m", "pytest", "-n", "2", *options.split(), "-p", "no:cacheprovider"]
    ran = subprocess.run([*command, "--rootdir", tmp_path, tmp_path], capture_output=True, text=True, timeout=100)
    assert ran.returncode == 1, ran.stdout
    assert "2 failed, 48 passed" in ran.stdout and "INTERNALERROR" not in ran.stdout
    for name in ("test_aborts.py::test_dies", "test_killed.py::test_dies"):
        assert re.search(rf"worker 'gw\d' crashed while running '{name}'", ran.stdout)
