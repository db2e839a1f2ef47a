"""Each figure in two inks: dark on the light page, light on the dark one, with nothing behind it.

No single ink reads well on a white and on a near-black page. So a notebook's figure is drawn twice: as it is, and with
the colours of :data:`DARK` in place of the light page's. The second goes along in the output's metadata, where a
notebook's own viewers leave it alone; the built page shows the one that suits its theme
(:mod:`hand_lib.book.two_inks`). Plotly's figures are drawn by the page itself, which changes their colours by the same
mapping. Fingers keep their colours everywhere, and so does whatever lies over a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import matplotlib
import numpy as np
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend

PAPER = "#121212"  # the theme's dark page

# For every colour that is lost on a dark page, one that is not, of the same hue.
DARK: Mapping[str, str] = {
    "#222222": "#e6e6e6",  # ink
    "#000000": "#ffffff",
    "#ffffff": PAPER,  # and what is hollow
    "#d9d9d9": "#3d3d3d",  # grid
    "#eeeeee": "#2c2c2c",
    "#f6f6f6": "#1e1e1e",
    "#b0b0b0": "#757575",  # bones and rays behind what matters
    "#707070": "#a8a8a8",
    "#888888": "#a0a0a0",
    "#8c510a": "#d9a05b",  # series
    "#5e3c99": "#b5a0e0",
    "#4d9221": "#7fbf4d",
    "#004488": "#5b93d8",  # groups
    "#882255": "#c583d6",
    "#666633": "#b5b56a",
    "#eef2f6": "#26303a",  # boxes
    "#fff3d6": "#43391c",
}
_PARTS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")
METADATA_KEY = "on_dark"


def register() -> None:
    """In a notebook, let every matplotlib figure that a cell shows carry its dark twin along."""
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.mimebundle_formatter.for_type(Figure, in_two_inks)


def in_two_inks(figure: Figure, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What a notebook's cell keeps of a figure: the picture, and its dark twin in the metadata, both in base64."""
    light = print_figure(figure, base64=True)
    if light is None:  # it has nothing on it
        return {}, {}
    with _drawn_for_dark(figure):
        dark = print_figure(figure, base64=True)
    return {"image/png": light, "text/plain": repr(figure)}, {"image/png": {METADATA_KEY: dark}}


@contextmanager
def _drawn_for_dark(figure: Figure) -> Iterator[None]:
    """Inside, the figure has the dark page's colours and the same layout; afterwards it is as it was."""
    engine = figure.get_layout_engine()
    undo: list[Callable[[], object]] = [lambda: figure.set_layout_engine(engine)]
    figure.set_layout_engine("none")
    kept = _over_pictures(figure)
    papers = {figure.patch, *(axes.patch for axes in figure.axes if not axes.images)}
    for artist in figure.findobj(lambda artist: artist not in kept):
        for part in ("facecolor",) if artist in papers else _PARTS:
            get, put = getattr(artist, f"get_{part}", None), getattr(artist, f"set_{part}", None)
            if get is None or put is None:
                continue
            before = get()
            after = "none" if artist in papers else _on_dark(before)
            if after is not None:
                undo.append(lambda put=put, before=before: put(before))
                put(after)
    try:
        yield
    finally:
        for step in reversed(undo):
            step()


def _over_pictures(figure: Figure) -> set[Artist]:
    """All that lies over a picture: its colours are chosen for the picture, not for the page."""
    kept: set[Artist] = set()
    for axes in figure.axes:
        if axes.images:
            over = [*axes.lines, *axes.collections, *axes.patches, *axes.texts, *axes.images, axes.patch]
            legend = axes.get_legend()
            if legend is not None and _inside(legend, axes):
                over.append(legend)
            for artist in over:
                kept.update(artist.findobj())
    return kept


def _inside(legend: Legend, axes: Axes) -> bool:
    box = legend.get_window_extent()
    return bool(axes.get_window_extent().contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))


def _on_dark(colour: object) -> object | None:
    """The colour, or the array of colours, for the dark page; None where nothing changes."""
    if isinstance(colour, np.ndarray) and colour.ndim == 2:
        changed = np.array([_one_on_dark(tuple(row)) or tuple(row) for row in colour]).reshape(colour.shape)
        return None if np.array_equal(changed, colour) else changed
    return _one_on_dark(colour)


def _one_on_dark(colour: object) -> tuple[float, float, float, float] | None:
    if not matplotlib.colors.is_color_like(colour) or matplotlib.colors.same_color(colour, "none"):
        return None
    *_, alpha = rgba = to_rgba(colour)
    found = DARK.get(to_hex(rgba))
    return None if found is None or not alpha else to_rgba(found, alpha)
