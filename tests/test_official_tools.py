"""The comparison with the data sets' own tools: what it needs, what it calls a difference, and the page it wrote."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

FOLDER = ROOT / "benchmarks" / "official"
sys.path.insert(0, str(FOLDER))

from lines import Line  # noqa: E402
from material import wrong  # noqa: E402

from hand_lib.datasets.real.shots import small_studio  # noqa: E402
from hand_lib.metrics import align_procrustes, joint_errors  # noqa: E402


def compare(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(FOLDER), *arguments], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--freihand, --ho3d, --hand3d, --groups"),
        (("--freihand", "no/such"), "git clone https://github.com/lmb-freiburg/freihand"),
        (("--ho3d", "."), "git clone https://github.com/shreyashampali/ho3d"),
        (("--groups", "."), "git clone https://github.com/moranli-aca/LearnableGroups-Hand"),
    ],
)
def test_a_folder_without_the_tool_is_one_line_that_says_what_to_clone(arguments, named):
    ran = compare(*arguments)
    assert ran.returncode == 2 and ran.stderr.count("\n") == 1 and named in ran.stderr, ran.stderr


@pytest.mark.parametrize(
    ("theirs", "ours", "agrees"),
    [
        (1.0, 1.0 + 1e-7, True),
        (1.0, 1.0 + 1e-5, False),
        (np.zeros((2, 21)), np.zeros((2, 20)), False),
        (np.array([True, False]), np.array([True, True]), False),
        (np.array([1.0, np.nan]), np.array([1.0, 1.0]), False),
    ],
)
def test_what_differs_by_more_than_rounding_does_not_agree(theirs, ours, agrees):
    assert Line(tool="tool", what="what", theirs=theirs, ours=ours).agrees == agrees


def test_each_alignment_has_something_to_do():
    """Predictions that no alignment improves could not tell one from another."""
    true = small_studio().hands.xyz[:6].double()
    pred = wrong(true)
    before = joint_errors(pred, true).mean(1)
    turned, mirrored = (
        joint_errors(align_procrustes(pred, true, reflection=flag), true).mean(1) for flag in (False, True)
    )
    assert (turned[:3] < 0.8 * before[:3]).all() and mirrored[3] < 0.85 * turned[3]


def test_the_page_holds_a_row_of_each_tool_and_none_that_differs_much():
    rows = re.findall(
        r"^\| (\S+) \w{10} \|.*\| (\S+)(?: \w+)? \|$", (ROOT / "book/official_tools.md").read_text(), re.M
    )
    assert {tool for tool, _ in rows} == {"freihand", "ho3d", "hand3d", "LearnableGroups-Hand"}
    assert all(apart == "none" or float(apart) <= 1e-3 for _, apart in rows)
