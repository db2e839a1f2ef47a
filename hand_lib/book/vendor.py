"""The scripts that the pages load, fetched once and served from the site itself: no page asks another host.

MathJax is a package of the npm registry, pinned by ``package.json`` and ``package-lock.json``. npm checks its hash;
node comes as a Python package. plotly.js comes in plotly's own wheel.
"""

from __future__ import annotations

import hashlib
import shutil
import sysconfig
import tempfile
from importlib.resources import files
from pathlib import Path

from hand_lib.book.children import run
from hand_lib.book.reading import read_bytes
from hand_lib.cache import lock, make_folder, readable_errors
from hand_lib.errors import HandLibError

# folder under assets/vendor: files and folders of the npm package
_FROM_NPM = {
    "mathjax": ("mathjax/es5", ("tex-mml-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")),
}
_MATHJAX_LICENSE = "mathjax/LICENSE"
_STAMP = "fetched"
_LARGEST = 2**20  # bytes; the lock file has fifty thousand


def vendor_assets(root: Path) -> Path:
    """Make sure that ``root/assets/vendor`` is whole and of the pinned versions; returns it.

    Raises:
        HandLibError: npm is missing, or could not fetch the packages; or one of the two files cannot be read.
    """
    target = root / "assets" / "vendor"
    wanted = _fingerprint(root)
    make_folder(root / "build")
    with lock(root / "build", waiting_for="the fetching of the pages' scripts"):
        if _stamp(target) != wanted:
            print("fetching the pages' scripts (once)", flush=True)
            with tempfile.TemporaryDirectory(prefix="vendor-", dir=root / "build") as folder:
                made = _fetch(root, Path(folder))
                (made / _STAMP).write_text(wanted)
                with readable_errors(target):
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.move(made, target)
    return target


def _fingerprint(root: Path) -> str:
    pinned = b""
    for name in ("package.json", "package-lock.json"):
        pinned += read_bytes(root / name, most=_LARGEST)
    return hashlib.sha256(pinned + _plotly_js().encode() + repr(_FROM_NPM).encode()).hexdigest()


def _plotly_js() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _stamp(target: Path) -> str | None:
    stamp = target / _STAMP
    return stamp.read_text() if stamp.is_file() else None


def _fetch(root: Path, folder: Path) -> Path:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, folder)
    npm = shutil.which("npm", path=sysconfig.get_path("scripts")) or shutil.which("npm")
    if npm is None:
        raise HandLibError("npm is missing: install the book's tools with `make`, or `pip install -e .[book]`")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    fetched = run(command, cwd=folder)
    if fetched.returncode:
        reason = (fetched.stderr.strip().splitlines() or ["no message"])[0]
        raise HandLibError(f"npm could not fetch the packages of {root / 'package-lock.json'}: {reason}")

    made = folder / "vendor"
    for name, (package, patterns) in _FROM_NPM.items():
        source = folder / "node_modules" / package
        for pattern in patterns:
            found = list(source.glob(pattern))
            if not found:
                raise HandLibError(f"{package} has no {pattern}: package.json and hand_lib/book/vendor.py disagree")
            for path in found:
                place = made / name / path.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if path.is_dir() else shutil.copy)(path, place)
    shutil.copy(folder / "node_modules" / _MATHJAX_LICENSE, made / "mathjax")
    (made / "plotly").mkdir()
    (made / "plotly" / "plotly.min.js").write_text(_plotly_js(), encoding="utf-8")
    return made
