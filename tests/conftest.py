"""What every test shares: one thread a process, a cache of the session's own, and the book, made once."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before torch is imported anywhere: several test processes share the cores, and two threads a process collapse then.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ.setdefault("MPLBACKEND", "agg")

# A session started in the background of a script may ignore Ctrl-C, and its children would inherit that: the tests that
# send it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests neither read nor fill the reader's own cache and records. The workers of one session share one folder: the
# process that starts them is imported first, makes it, and they inherit its name.
_FOLDER = "JOINT_BY_JOINT_TEST_FOLDER"
_OURS = _FOLDER not in os.environ
if _OURS:
    os.environ[_FOLDER] = tempfile.mkdtemp(prefix="joint-by-joint-")
SESSION = Path(os.environ[_FOLDER])
os.environ["JOINT_BY_JOINT_CACHE"] = str(SESSION / "cache")
os.environ["JOINT_BY_JOINT_RESULTS"] = str(SESSION / "results")
# What torch has compiled for one set of instructions is wrong for another, and its own cache does not tell them apart.
os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(SESSION / "inductor")

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

# A shared machine is slow now and then: no deadline an example. In CI the same examples each time, so that a red run is
# the change's doing.
hypothesis.settings.register_profile("shared", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("shared")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # tests share helpers


def pytest_sessionfinish() -> None:
    if _OURS:
        shutil.rmtree(SESSION, ignore_errors=True)


@pytest.fixture(autouse=True)
def _same_numbers_each_time() -> Iterator[None]:
    """Each test starts from the same seed and leaves torch's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def executed_book():
    """Every chapter, executed by papermill in ``smoke``, once for all workers: the folders and what became of each."""
    from made_book import executed

    return executed(SESSION)


@pytest.fixture(scope="session")
def built_site(executed_book) -> Path:
    """The folder of the site built from those chapters, once for all workers."""
    from made_book import built

    return built(SESSION)
