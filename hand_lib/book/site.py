"""Stage the executed chapters beside the prose, and build the pages with warnings as errors."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hand_lib.book import own_hand, run_time
from hand_lib.book.chapters import Chapter, find_chapters, put_address, read_notebook, write_notebook
from hand_lib.book.children import run
from hand_lib.book.execution import is_current
from hand_lib.book.front import HEADS, check_rows, write_heads, write_map
from hand_lib.book.live_figures import LIVE
from hand_lib.book.settings import Settings, check_files, read_contents, read_settings
from hand_lib.book.vendor import vendor_assets
from hand_lib.cache import readable_errors
from hand_lib.errors import HandLibError
from hand_lib.experiments import records
from hand_lib.experiments.recording import REAL
from hand_lib.figures import public_results, results_page
from hand_lib.figures.tables import with_minus
from hand_lib.live.site import write_site


@dataclass(frozen=True)
class Folders:
    """Where a book is made: ``build/<profile>/`` in the checkout, and these in it.

    Attributes:
        executed: the notebooks as papermill left them.
        stage: the source tree that Sphinx reads: prose, executed chapters, assets, settings.
        site: the pages; open ``index.html``.
        log: what the build printed.
    """

    executed: Path
    stage: Path
    site: Path
    log: Path

    @staticmethod
    def under(base: Path) -> Folders:
        return Folders(base / "notebooks", base / "stage", base / "_build" / "html", base / "build.log")


def check(root: Path) -> Settings:
    """Read and check all that :func:`stage` and :func:`build` need beside the chapters; fetch the pages' scripts.

    Raises:
        HandLibError: a setting, a page, a record or a tool is missing or wrong.
    """
    settings = read_settings(root)
    check_files(root, settings, read_contents(root))
    results_page.markdown(records(folder=root / "results"))
    public_results.markdown(records(folder=root / "results" / REAL))
    check_rows(find_chapters(root))
    if not _jupyter_book().is_file():
        raise HandLibError(f"no {_jupyter_book()}: install the book's tools with `make`, or `pip install -e .[book]`")
    vendor_assets(root)
    return settings


def stage(root: Path, folders: Folders, chapters: list[Chapter], settings: Settings) -> list[Chapter]:
    """Copy what the site is made of to ``folders.stage``, under the same relative paths as in the checkout.

    Returns:
        The chapters that have not been executed since they were last changed: they are staged without outputs.
    """
    with readable_errors(folders.stage):
        shutil.rmtree(folders.stage, ignore_errors=True)
        for name in ("book", "assets"):
            without = shutil.ignore_patterns(".ipynb_checkpoints")
            shutil.copytree(root / name, folders.stage / name, ignore=without, copy_function=_copy)
        shutil.rmtree(folders.stage / "assets" / LIVE, ignore_errors=True)
        write_site(root / "assets" / LIVE, folders.stage / "assets" / LIVE)
        shutil.copy(root / "_toc.yml", folders.stage)
        results_page.write(folders.stage / "book" / "results_table.md", root / "results")
        public_results.write(folders.stage / "book" / "public_results_table.md", root / "results" / REAL)
        if (folders.stage / "book" / "your_own_hand.md").is_file():
            own_hand.write(folders.stage / "book", root / "results")
        if (folders.stage / "book" / "networks_in_the_page.md").is_file():
            run_time.write(folders.stage / "book", root / "results")
        write_map(folders.stage / "book" / "ladder_map.md", chapters)
        write_heads(folders.stage / HEADS, chapters, root / "results")
        staged = yaml.safe_dump(settings.staged(), sort_keys=False)
        (folders.stage / "_config.yml").write_text(staged, encoding="utf-8")
        (folders.stage / "notebooks").mkdir()
        missing = []
        for chapter in chapters:
            executed = folders.executed / chapter.path.name
            if not is_current(executed, chapter):
                missing.append(chapter)
                executed = chapter.path
            content = read_notebook(executed)
            put_address(content, settings.address)
            content["metadata"].pop("widgets", None)  # the state of live controls, which no page shows
            put_minus_signs(content)
            write_notebook(folders.stage / "notebooks" / chapter.path.name, content)
    return missing


def put_minus_signs(notebook: dict[str, Any]) -> None:
    """Give the sentences that cells have made minus signs, as tables have them; what is printed stays as it is."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if text := data.get("text/markdown"):
                data["text/markdown"] = with_minus("".join(text))


def _copy(source: str, target: str) -> str:
    """Copy a file. `copytree` goes on after an OSError, with a list of all of them; here the first one ends it."""
    if os.path.exists(source) and not os.path.isfile(source):  # such as a link to /dev/zero, which has no end
        raise HandLibError(f"cannot read {source}: it is no regular file")
    with readable_errors(target):
        return shutil.copy2(source, target)


def build(folders: Folders) -> list[str]:
    """Build the staged book into ``folders.site``, nitpicky and with warnings as errors.

    Returns:
        What Sphinx complained of; an empty list where the site was built.

    Raises:
        HandLibError: the folder cannot be written, or the disk is full.
    """
    book = folders.site.parents[1]
    with readable_errors(folders.site):
        shutil.rmtree(folders.site.parent, ignore_errors=True)  # no page of an older build stays
    command = [str(_jupyter_book()), "build", str(folders.stage), "--path-output", str(book)]
    built = run([*command, "--all", "-W", "-n", "--keep-going"])
    with readable_errors(folders.log):
        folders.log.write_text(built.stdout + built.stderr, encoding="utf-8")
    if not built.returncode:
        return []
    if os.strerror(errno.ENOSPC) in built.stderr:
        raise HandLibError(f"cannot write {folders.site}: the disk is full")
    lines = re.sub(r"\x1b\[[\d;]*m", "", built.stderr).strip().splitlines()
    return [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-15:]


def _jupyter_book() -> Path:
    return Path(sysconfig.get_path("scripts")) / "jupyter-book"
