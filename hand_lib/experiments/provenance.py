"""Where and with what a run was made: the commit of the code, the libraries, the device."""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from hand_lib import cache
from hand_lib.errors import printable


def commit_of_code() -> tuple[str, tuple[str, ...]]:
    """The checkout's commit, and the package's files that are not in it as they lie here.

    A commit counts only where the package runs from a checkout of its own and git has its files. A copy that lies in
    a folder of another repository, whether ignored there or not, says nothing about that repository's commit.

    Returns:
        The commit as hexadecimal digits, and the files with uncommitted changes; ``("unknown", ())`` without git.
    """
    package = Path(__file__).resolve().parents[1]  # all of hand_lib
    root = cache.checkout()
    if root is None:
        return "unknown", ()
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel").removesuffix("\n")).resolve() != root.resolve():
            return "unknown", ()
        _git(root, "ls-files", "--error-unmatch", "--", str(package / "__init__.py"))
        commit = _git(root, "rev-parse", "HEAD").strip()
        tracked = {root / name for name in _git(root, "ls-files", "-z", "--", str(package)).split("\0")}
        changed = _git(root, "diff", "--name-only", "-z", "HEAD", "--", str(package)).split("\0")
    except (OSError, subprocess.SubprocessError):
        return "unknown", ()
    # Files that git does not know, ignored ones too: they can be imported all the same.
    untracked = {str(path.relative_to(root)) for path in package.rglob("*.py") if path not in tracked}
    return commit, tuple(sorted({*filter(None, changed), *untracked}))


def _git(root: Path, *words: str) -> str:
    # Inside a hook GIT_DIR and its like name another repository, or another index.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(root), *words]
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=True,
        timeout=20,
        env=environment,
    ).stdout


def library_versions() -> dict[str, str]:
    """Python's version and those of the libraries that decide a run's numbers."""
    versions = {"python": platform.python_version()}
    for name in ("torch", "numpy", "scipy", "lightning", "safetensors"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = getattr(sys.modules.get(name), "__version__", "unknown")
    return versions


def device_name(device: torch.device) -> str:
    """The device for people and records: "NVIDIA …", or the processor and the number of threads."""
    if device.type == "cuda":
        return _tidy(torch.cuda.get_device_name(device))
    if device.type == "mps":
        return f"{_processor()} (GPU)"
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


@functools.cache
def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return _tidy(found[1] if found else platform.processor() or platform.machine())


def _tidy(name: str) -> str:
    """A short name in one line: what a machine calls itself is not ours."""
    return printable(" ".join(name.split()))[:100]
