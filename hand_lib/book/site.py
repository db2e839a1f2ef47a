"""Stage the executed chapters beside the prose, and build the pages with warnings as errors."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import yaml

from hand_lib.book.chapters import Chapter, put_address, write_notebook
from hand_lib.book.settings import read_settings, repository, staged_settings
from hand_lib.book.vendor import vendor_assets
from hand_lib.cache import readable_errors
from hand_lib.figures import results_page


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


def stage(root: Path, folders: Folders, chapters: list[Chapter]) -> list[Chapter]:
    """Copy what the site is made of to ``folders.stage``, under the same relative paths as in the checkout.

    Returns:
        The chapters that have not been executed since they were last changed: they are staged without outputs.
    """
    vendor_assets(root)
    settings = read_settings(root)
    with readable_errors(folders.stage):
        shutil.rmtree(folders.stage, ignore_errors=True)
        for name in ("book", "assets"):
            shutil.copytree(root / name, folders.stage / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        shutil.copy(root / "_toc.yml", folders.stage)
        results_page.write(folders.stage / "book" / "results_table.md", root / "results")
        (folders.stage / "_config.yml").write_text(yaml.safe_dump(staged_settings(settings), sort_keys=False))
        (folders.stage / "notebooks").mkdir()
        missing = []
        for chapter in chapters:
            executed = folders.executed / chapter.path.name
            if not is_current(executed, chapter):
                missing.append(chapter)
                executed = chapter.path
            content = json.loads(executed.read_text(encoding="utf-8"))
            put_address(content, repository(settings))
            write_notebook(folders.stage / "notebooks" / chapter.path.name, content)
    return missing


def build(folders: Folders) -> list[str]:
    """Build the staged book into ``folders.site``, nitpicky and with warnings as errors.

    Returns:
        What Sphinx complained of; an empty list where the site was built.
    """
    book = folders.site.parents[1]
    with readable_errors(folders.site):
        shutil.rmtree(folders.site.parent, ignore_errors=True)  # no page of an older build stays
    command = [
        str(Path(sysconfig.get_path("scripts")) / "jupyter-book"),
        "build",
        str(folders.stage),
        "--path-output",
        str(book),
    ]
    built = subprocess.run([*command, "--all", "-W", "-n", "--keep-going"], capture_output=True, text=True)
    folders.log.write_text(built.stdout + built.stderr, encoding="utf-8")
    if not built.returncode:
        return []
    lines = re.sub(r"\x1b\[[\d;]*m", "", built.stderr).strip().splitlines()
    return [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-15:]


def fingerprint(chapter: Chapter) -> str:
    """What tells whether a chapter changed since it was executed."""
    return hashlib.sha256(chapter.path.read_bytes()).hexdigest()


def mark_executed(notebook: Path, chapter: Chapter) -> None:
    """Finish an executed notebook: hide the parameters that papermill put in, and note what it was made from."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags and "remove-cell" not in tags:
            tags.append("remove-cell")
    content["metadata"].setdefault("hand_lib", {})["executed_from"] = fingerprint(chapter)
    write_notebook(notebook, content)


def is_current(notebook: Path, chapter: Chapter) -> bool:
    """Whether ``notebook`` is the chapter as it stands, executed to its end."""
    try:
        metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    except (OSError, ValueError, KeyError):
        return False
    return metadata.get("hand_lib", {}).get("executed_from") == fingerprint(chapter)
