"""The settings of the site, ``_config.yml``: what is switched on once the repository's address is filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_LAUNCH_BUTTONS = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}


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
