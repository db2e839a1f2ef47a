"""Which scripts a page has for its figures that a network moves; what they load is :mod:`hand_lib.live.site`'s."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LIVE = "live"  # the folder of the scripts, under assets/ and on the site under _static/
_SECTION = re.compile(r'<section class="live" data-widget="([a-z_]+)"')


def widgets_of(texts: Iterable[str]) -> list[str]:
    """The widgets that pieces of a page's HTML ask for, each once."""
    return list(dict.fromkeys(name for text in texts for name in _SECTION.findall(text)))


def scripts_for(widgets: Sequence[str]) -> list[str]:
    """The scripts that a page with these widgets has from the start; none for none. The others come when asked for."""
    return [f"{LIVE}/list.js", f"{LIVE}/start.js"] if widgets else []
