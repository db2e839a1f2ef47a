"""Which scripts a page needs for its figures that a network moves; what they load is :mod:`hand_lib.live.site`'s."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LIVE = "live"  # the folder of the scripts, under assets/ and on the site under _static/
_SECTION = re.compile(r'<section class="live" data-widget="([a-z_]+)"')


def widgets_of(texts: Iterable[str]) -> list[str]:
    """The widgets that pieces of a page's HTML ask for, each once."""
    return list(dict.fromkeys(name for text in texts for name in _SECTION.findall(text)))


def scripts_for(widgets: Sequence[str]) -> list[str]:
    """The scripts for these widgets, in the order in which they run; none for none."""
    if not widgets:
        return []
    return [f"{LIVE}/live.js", f"{LIVE}/list.js", *(f"{LIVE}/widgets/{name}.js" for name in widgets)]
