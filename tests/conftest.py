"""What every test shares: one thread a process, and a cache of the session's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before torch is imported anywhere: several test processes share the cores, and two threads a process collapse then.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ.setdefault("MPLBACKEND", "agg")
# Tests neither read nor fill the reader's own cache. Workers of one run share one; the controller, which is imported
# first, names it and they inherit the name.
if "JOINT_BY_JOINT_TEST_CACHE" not in os.environ:
    os.environ["JOINT_BY_JOINT_TEST_CACHE"] = tempfile.mkdtemp(prefix="joint-by-joint-")
os.environ["JOINT_BY_JOINT_CACHE"] = os.environ["JOINT_BY_JOINT_TEST_CACHE"]

import pytest  # noqa: E402
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _same_numbers_each_time() -> Iterator[None]:
    """Each test starts from the same seed and leaves torch's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
