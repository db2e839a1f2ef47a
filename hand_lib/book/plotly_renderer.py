"""Draw plotly figures on the built pages.

Under papermill a figure leaves ``application/vnd.plotly.v1+json`` and nothing else, and MyST-NB drops types that it
does not know. This entry point (``myst_nb.mime_renderers``) writes the figure's data into the page;
``assets/plotly-figures.js`` draws it, in the ink that suits the page's theme. plotly.js is loaded from the site, on the
pages that have a figure.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any, ClassVar

from docutils import nodes

from hand_lib.figures.dark import DARK

MIME_TYPE = "application/vnd.plotly.v1+json"


class PlotlyRenderer:
    """A MyST-NB plugin for figures, with their frames and sliders, in HTML."""

    mime_priority_overrides: ClassVar = [("html", MIME_TYPE, 5)]

    @staticmethod
    def handle_mime(renderer: Any, data: Any, inline: bool) -> list[nodes.Element] | None:
        """The nodes for one figure, or None for what is not one. ``renderer`` and ``data`` are MyST-NB's."""
        if data.mime_type != MIME_TYPE or inline:
            return None
        figure = data.content if isinstance(data.content, dict) else json.loads(data.content)
        description = describe(figure)
        if not description:
            renderer.logger.warning(
                "a plotly figure without a description: set layout.meta = {'alt': '...'} or a title",
                subtype="mime_type",
                line=data.line,
            )
        identifier = f"plotly-{data.cell_index}-{data.output_index}"
        renderer.add_js_file("dark-inks", None, {"body": f"window.darkInks = {json.dumps(DARK)};", "priority": 299})
        renderer.add_js_file("plotly", "vendor/plotly/plotly.min.js", {"priority": 300})
        renderer.add_js_file("plotly-figures", "plotly-figures.js", {"priority": 301})
        return [nodes.raw(text=figure_html(figure, identifier, description), format="html")]


def describe(figure: dict[str, Any]) -> str:
    """The figure's alternative text: ``layout.meta["alt"]``, else its title without tags, else nothing."""
    layout = figure.get("layout", {})
    meta = layout.get("meta")
    if isinstance(meta, dict) and meta.get("alt"):
        return str(meta["alt"])
    title = layout.get("title") or {}
    text = title if isinstance(title, str) else title.get("text") or ""
    return re.sub(r"<[^>]*>", " ", text).strip()


def figure_html(figure: dict[str, Any], identifier: str, description: str) -> str:
    """The place where a figure is drawn, and its data beside it."""
    height = figure.get("layout", {}).get("height", 450)  # kept free, so that the page does not jump
    # "</script>" inside a string must not end the element; "\/" means the same in JSON.
    data = (
        json.dumps(figure, ensure_ascii=False, separators=(",", ":"))
        .replace("</", "<\\/")
        .replace("<!--", "<\\u0021--")
    )
    label = html.escape(description, quote=True)
    place = f'id="{identifier}" role="group" aria-label="{label}" style="min-height:{height}px"'
    return (
        f'<div class="plotly-figure" {place}></div>'
        f'<script type="application/json" data-plotly-for="{identifier}">{data}</script>'
        f"<noscript><p>Figure: {label} (drawn by JavaScript, which is switched off)</p></noscript>"
    )
