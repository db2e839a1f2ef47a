"""``python -m hand_lib.book.address``: put the repository's address from ``_config.yml`` into the notebooks.

A hosted notebook knows nothing but its own text, so the address must stand in it. This is run once, when the setting is
filled in; a test holds the two together.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

from hand_lib.book.chapters import checkout, find_chapters, put_address, read_notebook, write_notebook
from hand_lib.book.settings import read_settings
from hand_lib.errors import HandLibError


def write_address(root: Path) -> list[Path]:
    """Write the install cell, with the address of ``root/_config.yml``, into every chapter that has another.

    Returns:
        The notebooks that changed.
    """
    address = read_settings(root).address
    changed = []
    for chapter in find_chapters(root):
        content = read_notebook(chapter.path)
        before = copy.deepcopy(content)
        if put_address(content, address) != 1:
            raise HandLibError(f"{chapter.path}: needs one install cell, see hand_lib/book/chapters.py")
        if before != content:
            write_notebook(chapter.path, content)
            changed.append(chapter.path)
    return changed


if __name__ == "__main__":
    try:
        for path in write_address(checkout()):
            print(f"wrote the install cell of {path}")
    except HandLibError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
