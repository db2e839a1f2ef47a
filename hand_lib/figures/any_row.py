"""One figure for whichever row is chosen: where it errs, joint by joint and by viewpoint, and its best and worst hands.

The slider goes through the rows. What is drawn for all of them alike stays, so that rows are held against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from hand_lib.figures.features import bin_means
from hand_lib.figures.hands import finger_chain
from hand_lib.figures.sliders import data_uri, slider_figure
from hand_lib.figures.style import INK
from hand_lib.metrics import mean_epe
from hand_lib.skeleton import FINGER_COLORS, FINGERS, JOINT_COLORS, JOINTS

GAP = 0.05  # between tiles, in parts of a tile's side
CAPTION = 0.16  # over each tile, likewise


def error_slider(
    errors: Mapping[str, Tensor], angle: Tensor, visible: Tensor, *, still: tuple[str, Tensor], start: int = 0
) -> go.Figure:
    """A row's error by joint, above, and by viewpoint, below, over those of one row that stays.

    Over the figure stand the row's mean error and those of its visible and of its hidden joints.

    Args:
        errors: for each row's name ``(N, 21)`` mm.
        angle: ``(N,)`` degrees, of :func:`~hand_lib.figures.features.palm_angle`.
        visible: ``(N, 21)`` bool.
        still: name and errors ``(N, 21)`` mm of what stays.
        start: the row that is shown first.

    Returns:
        The plotly figure.
    """
    name, guess = still
    fixed = _by_joint_fixed(name, guess), _by_angle(name, angle, guess, moving=False)
    frames = [
        [_by_joint(values), _by_angle("this row", angle, values, moving=True), *fixed] for values in errors.values()
    ]
    titles = [
        f"{mean_epe(values):.2f} mm: visible joints {mean_epe(values, visible):.2f}, "
        f"hidden {mean_epe(values, ~visible):.2f}"
        for values in errors.values()
    ]
    figure = slider_figure(
        frames,
        list(errors),
        titles=titles,
        prefix="row: ",
        start=start,
        height=760,
        alt="Above a bar for each joint, its mean error with one row; below that row's error against the angle "
        f"between palm and line of sight; beside both the {name}. The slider goes through the rows.",
    )
    most = 1.08 * max(float(values.mean(0).max()) for values in (guess, *errors.values()))
    y = {"rangemode": "tozero", "range": [0, most], "title": {"text": "EPE, mm"}}
    figure.update_layout(
        barmode="overlay",
        legend={"y": 0.44, "yanchor": "middle"},
        xaxis={"anchor": "y", "tickangle": -90, "tickfont": {"size": 9.5}},
        yaxis={**y, "domain": [0.6, 1]},
        xaxis2={"anchor": "y2", "title": {"text": "palm to line of sight, degrees"}},
        yaxis2={**y, "domain": [0, 0.36]},
    )
    figure.layout.sliders[0].pad.t = 74  # below the title of the axis
    return figure


def _by_joint(errors: Tensor) -> go.Bar:
    """``(N, 21)`` mm to a bar per joint with the 95 % interval of its mean over the hands."""
    array = errors.double().numpy()
    half = 1.96 * array.std(0, ddof=1) / np.sqrt(len(array))
    return go.Bar(
        x=list(JOINTS),
        y=array.mean(0).round(2).tolist(),
        error_y={"array": half.round(2).tolist(), "thickness": 1, "width": 2, "color": INK},
        marker={"color": list(JOINT_COLORS)},
        hovertemplate="%{x}: %{y} mm<extra></extra>",
        showlegend=False,
    )


def _by_joint_fixed(name: str, errors: Tensor) -> go.Scatter:
    return go.Scatter(
        x=list(JOINTS),
        y=[round(value, 2) for value in errors.mean(0).tolist()],
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 14, "color": INK, "line": {"width": 1.5}},
        hovertemplate=f"{name}, %{{x}}: %{{y}} mm<extra></extra>",
        name=name,
        showlegend=False,
    )


def _by_angle(name: str, angle: Tensor, errors: Tensor, *, moving: bool) -> go.Scatter:
    x, means, half = bin_means(angle, errors.mean(-1))
    return go.Scatter(
        x=[round(value, 1) for value in x],
        y=[round(value, 2) for value in means],
        error_y={"array": [round(value, 2) for value in half], "thickness": 1, "width": 2},
        mode="lines+markers",
        line={"color": "#56b4e9" if moving else INK, "dash": "solid" if moving else "dot", "width": 2.5},
        name=name,
        xaxis="x2",
        yaxis="y2",
    )


def extremes_slider(
    images: Tensor,
    uv_true: Tensor,
    uv_predicted: Mapping[str, Tensor],
    errors: Mapping[str, Tensor],
    *,
    count: int = 3,
    start: int = 0,
) -> go.Figure:
    """A row's best hands, in the first line, and its worst: the truth white, the prediction in the fingers' colours.

    Args:
        images: ``(N, 3, S, S)`` in [0, 1].
        uv_true: ``(N, 21, 2)`` pixels.
        uv_predicted: for each row's name ``(N, 21, 2)`` pixels.
        errors: for each row's name ``(N, 21)`` mm.
        count: hands a line.
        start: the row that is shown first.

    Returns:
        The plotly figure.
    """
    side = images.shape[-1]
    corners = [
        (round(i * side * (1 + GAP), 2), round(line * side * (1 + GAP + CAPTION), 2))
        for line in range(2)
        for i in range(count)
    ]
    wide, high = corners[-1][0] + side, corners[-1][1] + side
    frames = []
    for row, off in errors.items():
        order = off.mean(-1).argsort()
        hands = [*order[:count].tolist(), *order.flip(0)[:count].tolist()]
        truth, said = (
            uv[hands] + torch.tensor(corners, dtype=uv.dtype)[:, None] for uv in (uv_true, uv_predicted[row])
        )
        captions = [f"{'best' if k < count else 'worst'} · {off[hand].mean():.1f} mm" for k, hand in enumerate(hands)]
        frames.append(
            [
                *(
                    go.Image(source=data_uri(images[hand]), x0=x, y0=y, hoverinfo="skip")
                    for hand, (x, y) in zip(hands, corners, strict=True)
                ),
                *_skeletons(truth, ghost=True),
                *_skeletons(said, ghost=False),
                go.Scatter(
                    x=[x + (side - 1) / 2 for x, _ in corners],
                    y=[y - 0.5 - 0.06 * side for _, y in corners],
                    text=captions,
                    mode="text",
                    textfont={"size": 12, "color": INK},
                    hoverinfo="skip",
                    showlegend=False,
                ),
            ]
        )
    figure = slider_figure(
        frames,
        list(errors),
        prefix="row: ",
        start=start,
        height=480,
        alt=f"Crops of hands: above the {count} that one row predicts best, below the {count} that it predicts worst; "
        "the truth white, the prediction in the fingers' colours. The slider goes through the rows.",
    )
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "title": None}
    figure.update_xaxes(range=[-0.5, wide - 0.5], constrain="domain", **hidden)
    figure.update_yaxes(range=[high - 0.5, -0.5 - CAPTION * side], scaleanchor="x", constrain="domain", **hidden)
    return figure.update_layout(margin={"t": 10})


def _skeletons(uv: Tensor, *, ghost: bool) -> list[go.Scatter]:
    """Hands ``(H, 21, 2)`` as a line a finger, or all fingers as one white line with a dark edge under it."""
    chains = [finger_chain(finger) for finger in range(len(FINGERS))]
    if ghost:
        points = _broken(uv, chains)
        return [
            _line(points, color="rgba(0,0,0,0.45)", width=5.0),
            _line(points, color="rgba(255,255,255,1)", width=3.0),
        ]
    return [
        _line(_broken(uv, [chain]), color=FINGER_COLORS[name], width=2.2)
        for chain, name in zip(chains, FINGERS, strict=True)
    ]


def _broken(uv: Tensor, chains: Sequence[Sequence[int]]) -> list[tuple[float | None, float | None]]:
    """The chains of all hands one after the other, with nothing between them, so that no line joins two."""
    points: list[tuple[float | None, float | None]] = []
    for hand in uv.double():
        for chain in chains:
            points += [(round(u, 1), round(v, 1)) for u, v in hand[list(chain)].tolist()]
            points.append((None, None))
    return points


def _line(points: Sequence[tuple[float | None, float | None]], *, color: str, width: float) -> go.Scatter:
    x, y = zip(*points, strict=True)
    return go.Scatter(x=x, y=y, mode="lines", line={"color": color, "width": width}, hoverinfo="skip", showlegend=False)
