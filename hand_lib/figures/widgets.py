"""Controls for the live notebook. On the page their twin stands, a plotly figure of :mod:`hand_lib.figures.sliders`.

A widget needs a running kernel. On a page it would be a dead control: a cell with one has the tag ``remove-cell``.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable

import ipywidgets
from matplotlib.figure import Figure

_STYLE = {"description_width": "initial"}


def slider(
    description: str, low: float, high: float, *, value: float | None = None, step: float = 1.0, unit: str = ""
) -> ipywidgets.FloatSlider:
    """A slider for one number.

    Args:
        description: what the number is.
        low, high: its range.
        value: where it starts; the middle if it is not given.
        step: between positions.
        unit: put behind the description.

    Returns:
        The control.
    """
    decimals = max(0, len(f"{step:g}".partition(".")[2]))
    return ipywidgets.FloatSlider(
        value=(low + high) / 2 if value is None else value,
        min=low,
        max=high,
        step=step,
        description=f"{description}, {unit}" if unit else description,
        readout_format=f".{decimals}f",
        style=_STYLE,
        layout={"width": "min(100%, 30em)"},
    )


def choice(description: str, options: list[str], value: str | None = None) -> ipywidgets.Dropdown:
    """A menu of names; the first one is chosen unless ``value`` says otherwise."""
    return ipywidgets.Dropdown(
        options=options, value=options[0] if value is None else value, description=description, style=_STYLE
    )


def switch(description: str, value: bool = False) -> ipywidgets.Checkbox:
    """A box to tick."""
    return ipywidgets.Checkbox(value=value, description=description, indent=False)


def explore(draw: Callable[..., Figure], *, alt: str, **controls: ipywidgets.ValueWidget) -> ipywidgets.VBox:
    """Controls over a matplotlib figure that is drawn again whenever one of them moves.

    Args:
        draw: takes each control's value by its name and returns a figure.
        alt: what the figure shows, for those who cannot see it.
        controls: as :func:`slider`, :func:`choice` and :func:`switch` make them.

    Returns:
        The box; show it as the last value of a cell.
    """
    picture = ipywidgets.HTML()

    def redraw(_change: object = None) -> None:
        values = {name: control.value for name, control in controls.items()}
        picture.value = _as_html(draw(**values), alt)

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture])


def _as_html(figure: Figure, alt: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alt, quote=True)}" style="max-width:100%" src="data:image/png;base64,{data}">'
