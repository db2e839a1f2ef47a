"""The look of the book: one colour per finger, labelled axes, figures that read on a light and on a dark page.

Colours here are the light page's; :mod:`hand_lib.figures.dark` says what stands for them on the dark one.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import plotly.graph_objects as go
from matplotlib import pyplot
from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.figures import dark
from hand_lib.skeleton import FINGER_COLORS, WRIST_COLOR

INK = "#222222"
GRID = "#d9d9d9"
PAPER = "#ffffff"

# For rows and methods. Kept apart from the fingers' colours, and told apart by their dashes as well.
SERIES_COLORS = ("#222222", "#56b4e9", "#8c510a", "#5e3c99", "#4d9221", "#888888")
SERIES_DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 2)))
SERIES_HATCHES = ("", "////", "....", "xxxx", "----", "++++")

FINGER_PALETTE: Mapping[str, str] = {**FINGER_COLORS, "wrist": WRIST_COLOR}

_RC = {
    "figure.facecolor": PAPER,
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": PAPER,
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.facecolor": PAPER,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": matplotlib.cycler(color=SERIES_COLORS),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "hatch.linewidth": 0.6,
    "image.interpolation": "nearest",
}

# Plotly's own default template is 7 kB in every figure; this is all that the book needs of it.
TEMPLATE = go.layout.Template(
    layout={
        "font": {"color": INK, "size": 13},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "colorway": list(SERIES_COLORS),
        "hovermode": "closest",
        "dragmode": False,  # a finger that drags over the figure scrolls the page
        "modebar": {
            "orientation": "v",  # beside the title, not over it
            "bgcolor": "rgba(255, 255, 255, 0.7)",
            "remove": [
                "select2d",
                "lasso2d",
                "zoomIn2d",
                "zoomOut2d",
                "autoScale2d",
                "tableRotation",
                "resetCameraLastSave3d",
            ],
        },
        "xaxis": {"gridcolor": GRID, "linecolor": INK, "zerolinecolor": GRID, "automargin": True, "ticks": "outside"},
        "yaxis": {"gridcolor": GRID, "linecolor": INK, "zerolinecolor": GRID, "automargin": True, "ticks": "outside"},
    }
)


def use() -> None:
    """Set matplotlib's defaults for the book, and let figures be drawn in two inks. Call it once in a chapter."""
    matplotlib.rcParams.update(_RC)
    dark.register()


def panels(
    rows: int = 1, columns: int = 1, *, width: float = 6.4, height: float | None = None, **options
) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of axes, in the book's style, that pyplot does not hold.

    A notebook shows it where it is the last value of a cell, once; no ``plt.show()`` is needed and nothing leaks.

    Args:
        rows, columns: of axes.
        width, height: of the whole figure, in inches; the height follows from square panels if it is not given.
        options: passed on to ``pyplot.subplots``.

    Returns:
        The figure and its axes, always a 2D array ``(rows, columns)``.
    """
    height = width * rows / columns if height is None else height
    with matplotlib.rc_context(_RC):
        figure, axes = pyplot.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)
    pyplot.close(figure)
    return figure, axes


def show_image(ax: matplotlib.axes.Axes, image: Tensor, *, title: str | None = None, **options) -> None:
    """Draw a picture without axes: pixel centres at whole numbers, (0, 0) in the top-left corner.

    Args:
        ax: the axes to draw on.
        image: ``(3, H, W)`` uint8 or float in [0, 1], or ``(H, W)`` for a map.
        title: over the picture.
        options: passed on to ``imshow``, such as ``cmap``.
    """
    ax.imshow(to_array(image), **options)
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title)


def to_array(image: Tensor) -> np.ndarray:
    """``(3, H, W)`` or ``(H, W)`` tensor to what matplotlib and Pillow draw: ``(H, W, 3)`` uint8 or ``(H, W)``."""
    array = image.detach().cpu().numpy()
    if array.ndim == 2:
        return array
    if array.dtype != np.uint8:
        array = (np.clip(array, 0, 1) * 255).round().astype(np.uint8)
    return array.transpose(1, 2, 0)


def describe(figure: go.Figure, alt: str) -> go.Figure:
    """Give a plotly figure its description for those who cannot see it; the page reads it into ``aria-label``."""
    figure.update_layout(meta={"alt": alt})
    return figure
