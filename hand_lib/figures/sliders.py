"""Figures that move without a kernel: every position of the slider is computed before the page is built."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import plotly.graph_objects as go
from PIL import Image
from plotly.basedatatypes import BaseTraceType
from torch import Tensor

from hand_lib.figures.hands import SEEN_FROM, cube_around, finger_chain, hand_traces, set_scene
from hand_lib.figures.style import TEMPLATE, describe, to_array
from hand_lib.figures.tables import with_minus
from hand_lib.skeleton import FINGER_COLORS, FINGERS, JOINTS


def slider_figure(
    frames: Sequence[Sequence[BaseTraceType]],
    labels: Sequence[str],
    *,
    alt: str,
    prefix: str = "",
    suffix: str = "",
    start: int = 0,
    titles: Sequence[str] | None = None,
    height: int = 400,
) -> go.Figure:
    """A plotly figure with a slider whose every position is in the figure itself.

    Args:
        frames: for each position the same number of traces in the same order.
        labels: one a position, shown beside ``prefix`` and under the slider.
        alt: what the figure shows and what the slider changes, for those who cannot see it.
        prefix, suffix: around the label, such as "bend: " and "°".
        start: the position that is shown first.
        titles: one a position, for what is to be read off at that position.
        height: in pixels; the width follows the page.

    Returns:
        The figure. Lay out its axes with ``update_layout`` and friends.

    Raises:
        ValueError: no frame at all, a label count that is not the frame count, or frames of unlike trace counts.
    """
    frames = [list(traces) for traces in frames]
    if not frames or len(labels) != len(frames) or (titles is not None and len(titles) != len(frames)):
        raise ValueError(f"{len(frames)} frames need as many labels and titles: {len(labels)} labels given")
    if len({len(traces) for traces in frames}) != 1:
        raise ValueError("every frame needs the same number of traces")
    labels, titles = map(with_minus, labels), titles and list(map(with_minus, titles))
    names = [str(i) for i in range(len(frames))]
    moving = zip(*(_moving_parts(positions) for positions in zip(*frames, strict=True)), strict=True)
    figure = go.Figure(
        data=frames[start],
        frames=[
            go.Frame(
                data=list(traces),
                name=name,
                layout=None if titles is None else {"title": {"text": titles[int(name)]}},
            )
            for traces, name in zip(moving, names, strict=True)
        ],
    )
    steps = [
        {
            "label": label,
            "method": "animate",
            "args": [
                [name],
                {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}},
            ],
        }
        for label, name in zip(labels, names, strict=True)
    ]
    figure.update_layout(
        template=TEMPLATE,
        height=height,
        margin={"l": 10, "r": 10, "t": 66 if titles is not None else 36, "b": 10},
        legend={
            "orientation": "h",
            "x": 0.5,
            "xanchor": "center",
            "y": 1.01,
            "yanchor": "bottom",
            "font": {"size": 10},
        },
        sliders=[
            {
                "active": start,
                "steps": steps,
                "currentvalue": {"prefix": prefix, "suffix": suffix, "font": {"size": 14}},
                "pad": {"t": 48, "b": 4, "l": 8, "r": 8},
                "len": 0.94,
                "x": 0.03,
                "font": {"size": 11},
                "bgcolor": "#eeeeee",
                "bordercolor": "#888888",
                "activebgcolor": "#888888",
            }
        ],
    )
    if titles is not None:
        figure.update_layout(
            title={"text": titles[start], "x": 0.5, "y": 1, "yanchor": "top", "pad": {"t": 8}, "font": {"size": 14}}
        )
    return describe(figure, alt)


def add_play_button(figure: go.Figure, *, milliseconds: int = 350) -> go.Figure:
    """A button beside the slider's label that goes through the positions by itself, from the one that is shown.

    Args:
        figure: from :func:`slider_figure`.
        milliseconds: at each position.

    Returns:
        The same figure.
    """
    how = {"mode": "immediate", "transition": {"duration": 0}}
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "x": 0.97,
                "xanchor": "right",
                "y": 0,
                "yanchor": "top",
                "pad": {"t": 14},
                "font": {"size": 12},
                "buttons": [
                    {
                        "label": "Play",
                        "method": "animate",
                        "args": [
                            None,
                            {**how, "fromcurrent": True, "frame": {"duration": milliseconds, "redraw": True}},
                        ],
                    },
                    {
                        "label": "Stop",
                        "method": "animate",
                        "args": [[None], {**how, "frame": {"duration": 0, "redraw": False}}],
                    },
                ],
            }
        ]
    )
    return figure


def hand_slider(
    hands: Tensor,
    labels: Sequence[str],
    *,
    alt: str,
    still: Tensor | None = None,
    titles: Sequence[str] | None = None,
    prefix: str = "",
    suffix: str = "",
    start: int = 0,
    height: int = 500,
    seen_from: Sequence[float] = SEEN_FROM,
) -> go.Figure:
    """A 3D hand that changes with the slider.

    Args:
        hands: ``(N, 21, 3)`` mm, one a position.
        labels: one a position.
        alt: what the figure shows and what the slider changes.
        still: ``(21, 3)`` mm, a second hand that stays, drawn thin and dotted.
        titles, prefix, suffix, start, height: as in :func:`slider_figure`.
        seen_from: where the eye stands, as in :func:`~hand_lib.figures.hands.hand_3d`.

    Returns:
        The plotly figure.
    """
    fixed = [] if still is None else hand_traces(still, solid=False)
    figure = slider_figure(
        [hand_traces(hand) + fixed for hand in hands],
        labels,
        alt=alt,
        titles=titles,
        prefix=prefix,
        suffix=suffix,
        start=start,
        height=height,
    )
    return set_scene(figure, cube_around(hands, *([] if still is None else [still])), seen_from=seen_from)


def image_slider(
    images: Tensor,
    labels: Sequence[str],
    *,
    alt: str,
    uv: Tensor | None = None,
    titles: Sequence[str] | None = None,
    prefix: str = "",
    suffix: str = "",
    start: int = 0,
    height: int = 460,
) -> go.Figure:
    """Pictures that change with the slider, with their skeletons over them.

    Args:
        images: ``(N, 3, H, W)`` uint8 or float in [0, 1], one a position, all of one size.
        labels: one a position.
        alt: what the figure shows and what the slider changes.
        uv: ``(N, 21, 2)`` pixels, drawn over the pictures.
        titles, prefix, suffix, start, height: as in :func:`slider_figure`.

    Returns:
        The plotly figure.
    """
    frames = []
    for i, image in enumerate(images):
        traces: list[BaseTraceType] = [go.Image(source=data_uri(image), hoverinfo="skip")]
        if uv is not None:
            traces += skeleton_traces_2d(uv[i])
        frames.append(traces)
    figure = slider_figure(
        frames, labels, alt=alt, titles=titles, prefix=prefix, suffix=suffix, start=start, height=height
    )
    picture_axes(figure, *images.shape[-2:])
    return figure


def skeleton_traces_2d(uv: Tensor, *, dash: str = "solid", showlegend: bool = True) -> list[go.Scatter]:
    """Five plotly lines in the picture's plane, wrist to tip: ``(21, 2)`` to traces in the order of ``FINGERS``."""
    points = uv.detach().cpu().double().numpy().round(1)
    traces = []
    for finger, name in enumerate(FINGERS):
        chain = finger_chain(finger)
        x, y = points[chain].T.tolist()
        traces.append(
            go.Scatter(
                x=x,
                y=y,
                mode="lines+markers",
                name=name,
                text=[JOINTS[j] for j in chain],
                hovertemplate="%{text}<br>u %{x} v %{y} px<extra></extra>",
                line={"color": FINGER_COLORS[name], "width": 3, "dash": dash},
                marker={"color": FINGER_COLORS[name], "size": 6, "line": {"color": "white", "width": 1}},
                showlegend=showlegend,
            )
        )
    return traces


def picture_axes(figure: go.Figure, rows: int, columns: int) -> go.Figure:
    """Axes of a picture ``rows`` × ``columns``: u to the right, v down, in pixels, equal scales."""
    figure.update_xaxes(
        range=[-0.5, columns - 0.5],
        title={"text": "u, px", "standoff": 6},
        constrain="domain",
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(
        range=[rows - 0.5, -0.5],
        title={"text": "v, px", "standoff": 6},
        scaleanchor="x",
        constrain="domain",
        showgrid=False,
        zeroline=False,
    )
    return figure


def data_uri(image: Tensor) -> str:
    """``(3, H, W)`` or ``(H, W)`` picture to a JPEG data address, small enough to put a dozen in a page."""
    buffer = io.BytesIO()
    Image.fromarray(to_array(image)).save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _moving_parts(positions: Sequence[BaseTraceType]) -> list[BaseTraceType]:
    """One trace at every position, cut down to the properties that change anywhere: the rest needs no second copy.

    A position must name every property that any other one changes, or it would keep what the last one left behind.
    """
    contents = [trace.to_plotly_json() for trace in positions]
    if uneven := set().union(*contents) - set.intersection(*(set(content) for content in contents)):
        raise ValueError(f"every frame must set the same properties; some lack {', '.join(sorted(uneven))}")
    first = contents[0]
    moving = [key for key in first if any(content[key] != first[key] for content in contents)]
    # Even coordinates that stay put: plotly draws nothing for a frame's trace that names none.
    kept = {*moving, *(key for key in ("x", "y", "z", "source") if key in first)}
    kind = type(positions[0])
    return [kind(**{key: content[key] for key in content if key in kept}) for content in contents]
