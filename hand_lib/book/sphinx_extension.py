"""What the pages need of Sphinx beside Jupyter Book's own settings; loaded through ``_config.yml``."""

from __future__ import annotations

from typing import Any


def drop_repeated_scripts(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Keep the first of equal inline scripts: an extension that adds one for each page leaves all of them on the last.

    A second ``const THEBE_JS_URL`` is an error in the reader's console.
    """
    seen = set()
    kept = []
    for script in context.get("script_files", []):
        key = (getattr(script, "filename", script), script.attributes.get("body") if hasattr(script, "attributes") else None)
        if key not in seen:
            seen.add(key)
            kept.append(script)
    context["script_files"] = kept


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("html-page-context", drop_repeated_scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
