"""Stage the executed chapters beside the prose, and build the pages with warnings as errors."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hand_lib.book.chapters import Chapter
from hand_lib.book.vendor import vendor_assets
from hand_lib.cache import readable_errors
from hand_lib.errors import HandLibError

_LAUNCH_BUTTONS = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}


@dataclass(frozen=True)
class Folders:
    """Where one profile's book is made, all under ``build/<profile>/``.

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
    def of(root: Path, profile: str) -> Folders:
        base = root / "build" / profile
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
        (folders.stage / "_config.yml").write_text(yaml.safe_dump(staged_settings(settings), sort_keys=False))
        (folders.stage / "notebooks").mkdir()
        missing = []
        for chapter in chapters:
            executed = folders.executed / chapter.path.name
            if not is_current(executed, chapter):
                missing.append(chapter)
                executed = chapter.path
            shutil.copy(executed, folders.stage / "notebooks")
    return missing


def build(folders: Folders) -> None:
    """Build the staged book into ``folders.site``, nitpicky and with warnings as errors.

    Raises:
        HandLibError: a warning or an error; the message holds them all.
    """
    book = folders.site.parents[1]
    command = [sys.executable, "-m", "jupyter_book", "build", str(folders.stage), "--path-output", str(book)]
    built = subprocess.run([*command, "--all", "-W", "-n", "--keep-going"], capture_output=True, text=True)
    folders.log.write_text(built.stdout + built.stderr, encoding="utf-8")
    if built.returncode:
        complaints = [line for line in built.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
        complaints = complaints or built.stderr.strip().splitlines()[-15:]
        raise HandLibError("\n  ".join([f"the site was not built, see {folders.log}", *complaints]))


def read_settings(root: Path) -> dict[str, Any]:
    """``_config.yml`` as a dictionary."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def repository(settings: dict[str, Any]) -> str:
    """The one setting that says where the book is published from: ``repository.url``, empty until there is one."""
    return ((settings.get("repository") or {}).get("url") or "").rstrip("/")


def staged_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with all that needs the repository's address switched on where there is one, and off elsewhere."""
    address = repository(settings)
    buttons = dict.fromkeys(("use_repository_button", "use_edit_page_button", "use_issues_button"), bool(address))
    return {
        **settings,
        "html": {**settings["html"], **buttons},
        "repository": {**(settings.get("repository") or {}), "url": address},
        "launch_buttons": _LAUNCH_BUTTONS if address else {"colab_url": "", "binderhub_url": ""},
    }


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
    part = notebook.with_suffix(".part")
    part.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(notebook)


def is_current(notebook: Path, chapter: Chapter) -> bool:
    """Whether ``notebook`` is the chapter as it stands, executed to its end."""
    try:
        metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    except (OSError, ValueError, KeyError):
        return False
    return metadata.get("hand_lib", {}).get("executed_from") == fingerprint(chapter)
