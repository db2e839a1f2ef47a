"""``python -m hand_lib.book.address``: put the repository's address from ``_config.yml`` into the notebooks.

A hosted notebook knows nothing but its own text, so the address must stand in it. This is run once, when the setting is
filled in; a test holds the two together.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hand_lib.book.chapters import INSTALL_CELL, checkout, find_chapters, install_cell
from hand_lib.book.site import read_settings, repository
from hand_lib.cache import atomic_write
from hand_lib.errors import HandLibError

_FIRST_LINE = INSTALL_CELL.partition("\n")[0]


def write_address(root: Path) -> list[Path]:
    """Write the install cell, with the address of ``root/_config.yml``, into every chapter that has another.

    Returns:
        The notebooks that changed.
    """
    wanted = install_cell(repository(read_settings(root)))
    changed = []
    for chapter in find_chapters(root):
        content = json.loads(chapter.path.read_text(encoding="utf-8"))
        cells = [cell for cell in content["cells"] if "".join(cell["source"]).startswith(_FIRST_LINE)]
        if len(cells) != 1:
            raise HandLibError(f"{chapter.path}: has {len(cells)} install cells, not one")
        if "".join(cells[0]["source"]) != wanted:
            cells[0]["source"] = wanted.splitlines(keepends=True)
            with atomic_write(chapter.path) as file:
                file.write((json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
            changed.append(chapter.path)
    return changed


if __name__ == "__main__":
    try:
        for path in write_address(checkout()):
            print(f"wrote the install cell of {path}")
    except HandLibError as error:
        sys.exit(f"error: {error}")
