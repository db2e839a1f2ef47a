"""Show a notebook's picture in the ink that suits the page's theme.

:mod:`hand_lib.figures.dark` keeps a dark twin in the metadata of a picture. This entry point
(``myst_nb.mime_renderers``) writes both into the page; the theme shows one. The other is never fetched: a picture that
is not shown and is lazy stays where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from docutils import nodes

from hand_lib.figures.dark import METADATA_KEY

MIME_TYPE = "image/png"


class TwoInksRenderer:
    """A MyST-NB plugin for pictures that have a dark twin, in HTML."""

    mime_priority_overrides: ClassVar[Sequence[tuple[str, str, int | None]]] = ()

    @staticmethod
    def handle_mime(renderer: Any, data: Any, inline: bool) -> list[nodes.Element] | None:
        """Two image nodes, or None for what has no twin. ``renderer`` and ``data`` are MyST-NB's."""
        if data.mime_type != MIME_TYPE or inline:
            return None
        dark = data.output_metadata.get(MIME_TYPE, {}).get(METADATA_KEY)
        if dark is None:
            return None
        found = []
        for content, name in ((data.content, "only-light"), (dark, "only-dark")):
            for node in renderer.render_image(replace(data, content=content)):
                node["classes"] = [*node.get("classes", []), name]
                node["loading"] = "lazy"
                found.append(node)
        return found
