"""What the pages need of Sphinx beside Jupyter Book's own settings; loaded through ``_config.yml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes

from hand_lib.book.front import HEADS
from hand_lib.book.live_figures import LIVE, scripts_for, widgets_of

TEMPLATES = Path(__file__).parent / "templates"


def drop_repeated_scripts(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Keep the first of equal scripts on a page.

    Sphinx lists an inline script of an extension twice, once without a file's name and once with an empty one. A second
    ``const THEBE_JS_URL`` is an error in the reader's console.
    """
    kept = {}
    for script in context["script_files"]:
        kept.setdefault((str(script.filename or ""), script.attributes.get("body")), script)
    context["script_files"] = list(kept.values())


def add_templates(app: Any, config: Any) -> None:
    """Let the templates here stand before the theme's."""
    config.templates_path = [str(TEMPLATES), *config.templates_path]


def put_head(app: Any, doctree: nodes.document) -> None:
    """Put under a chapter's title what :func:`hand_lib.book.front.write_heads` has written for it."""
    folder, _, name = app.env.docname.rpartition("/")
    file = Path(app.srcdir) / HEADS / f"{name}.html"
    title = next(doctree.findall(nodes.title), None)
    if folder == "notebooks" and file.is_file() and title is not None:
        title.parent.insert(1, nodes.raw("", file.read_text(encoding="utf-8"), format="html"))


def add_live_scripts(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a page that has figures which a network moves the scripts for them, and no other page."""
    names = [] if doctree is None else widgets_of(node.astext() for node in doctree.findall(nodes.raw))
    if names:
        app.add_css_file(f"{LIVE}/live.css")
    for script in scripts_for(names):
        app.add_js_file(script, loading_method="defer")


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("config-inited", add_templates)
    app.connect("doctree-read", put_head)
    app.connect("html-page-context", add_live_scripts)
    app.connect("html-page-context", drop_repeated_scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
