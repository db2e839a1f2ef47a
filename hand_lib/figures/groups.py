"""Joint groups on the hand: a colour and a mark a group, a film of groups that form, and how sure θ is of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import plotly.graph_objects as go
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from hand_lib.figures.sliders import add_play_button, slider_figure
from hand_lib.figures.style import INK, panels
from hand_lib.skeleton import BONES, FINGERS, JOINTS
from hand_lib.synthetic.anatomy import HandPose, HandShape, forward_kinematics

# Neither a finger's colour nor a row's. The first three are told apart by any eye, and printed in grey (Paul Tol's
# "high contrast"). A group has a mark as well: the same colour never comes twice with the same mark.
GROUP_COLORS = ("#004488", "#ddaa33", "#bb5566", "#44aa99", "#882255", "#88ccee", "#666633")
GROUP_MARKS = ("o", "s", "^", "D", "v", "P", "X")  # matplotlib's
GROUP_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x")  # plotly's, the same

BONE = "#b0b0b0"
LEGEND_COLUMNS = 5


def group_look(group: int) -> tuple[str, str, str]:
    """Colour, matplotlib's mark and plotly's symbol of the group of that number, from 0."""
    turn = group // len(GROUP_COLORS)
    mark = (group + turn) % len(GROUP_MARKS)
    return GROUP_COLORS[group % len(GROUP_COLORS)], GROUP_MARKS[mark], GROUP_SYMBOLS[mark]


def open_hand() -> Tensor:
    """A right hand with its palm to the reader and its fingers spread: ``(21, 2)`` mm, x to the right, y down."""
    pose = HandPose.zero()
    pose.abduction.copy_(torch.tensor([[-0.1, -0.16, 0.0, 0.14, 0.3]]))
    joints, _ = forward_kinematics(HandShape.mean(), pose)
    return joints[0, :, :2] * torch.tensor([1.0, -1.0])


def draw_groups(
    ax: matplotlib.axes.Axes,
    group_of_joint: Tensor | Sequence[int],
    uv: Tensor | None = None,
    *,
    certainty: Tensor | None = None,
    title: str | None = None,
    markersize: float = 8.0,
) -> matplotlib.axes.Axes:
    """A hand whose joints have their group's colour and mark, over grey bones.

    Args:
        ax: the axes to draw on.
        group_of_joint: number of each joint's group, from 0.
        uv: ``(21, 2)``, where the joints are, v down; :func:`open_hand` if it is not given.
        certainty: ``(21,)`` in [0, 1]; the less certain a joint is, the smaller its mark.
        title: over the hand.
        markersize: of a certain joint, in points.

    Returns:
        The axes.
    """
    points = (open_hand() if uv is None else uv).detach().cpu().numpy()
    for bone in BONES:
        ax.plot(*points[list(bone)].T, color=BONE, linewidth=1.6, zorder=1, solid_capstyle="round")
    numbers = np.asarray(group_of_joint)
    sizes = markersize * (np.ones(len(points)) if certainty is None else _mark_share(certainty))
    for group in sorted(set(numbers.tolist())):
        color, mark, _ = group_look(group)
        mine = numbers == group
        ax.scatter(
            *points[mine].T, c=color, marker=mark, s=sizes[mine] ** 2, zorder=2, edgecolors="white", linewidths=0.7
        )
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.margins(0.06)
    if not ax.yaxis_inverted():
        ax.invert_yaxis()
    if title is not None:
        ax.set_title(title, fontsize=9)
    return ax


def group_hands(
    partitions: Mapping[str, Tensor | Sequence[int]],
    uv: Tensor | None = None,
    *,
    names: Sequence[str] | None = None,
    columns: int = 4,
    width: float = 6.4,
) -> Figure:
    """Several partitions side by side, each on a hand, with one legend.

    Args:
        partitions: by title, number of each joint's group, from 0. Number them alike first
            (:func:`hand_lib.partitions.renumbered`): colours follow numbers.
        uv: ``(21, 2)``, where the joints are; :func:`open_hand` if it is not given.
        names: of the groups, for the legend; "group 1" and so on if they are not given.
        columns: hands a line.
        width: in inches.

    Returns:
        The figure.
    """
    columns = min(columns, len(partitions))
    rows = -(-len(partitions) // columns)
    used = sorted({int(group) for groups in partitions.values() for group in groups})
    lines = -(-len(used) // LEGEND_COLUMNS)
    figure, axes = panels(rows, columns, width=width, height=rows * (1.1 * width / columns + 0.25) + 0.22 * lines + 0.1)
    for ax in axes.flat:
        ax.set_axis_off()
    size = min(9.0, 1.1 + 4.2 * width / columns)
    for ax, (title, groups) in zip(axes.flat, partitions.items(), strict=False):
        draw_groups(ax, groups, uv, title=title, markersize=size)
    columns = min(len(used), LEGEND_COLUMNS)
    figure.legend(handles=legend_handles(used, names), loc="outside lower center", ncols=columns, fontsize=9)
    return figure


def legend_handles(groups: Sequence[int], names: Sequence[str] | None = None) -> list[Line2D]:
    """A legend's entry for each group of these numbers."""
    handles = []
    for group in groups:
        color, mark, _ = group_look(group)
        label = f"group {group + 1}" if names is None else names[group]
        handles.append(
            Line2D([], [], color=color, marker=mark, linestyle="", markersize=7, markeredgecolor="white", label=label)
        )
    return handles


def group_film(
    probabilities: Tensor,
    labels: Sequence[str],
    *,
    alt: str,
    uv: Tensor | None = None,
    titles: Sequence[str] | None = None,
    prefix: str = "step ",
    suffix: str = "",
    start: int = 0,
    height: int = 560,
) -> go.Figure:
    """A hand on a slider while its groups form: colour and mark are the likeliest group, size is how likely it is.

    A joint that prefers no group, two being the likeliest alike, is a hollow grey circle.

    Args:
        probabilities: ``(P, 21, K)``, softmax(θ) at each of P positions.
        labels: one a position.
        alt: what the figure shows and what the slider changes.
        uv: ``(21, 2)``, where the joints are; :func:`open_hand` if it is not given.
        titles, prefix, suffix, start, height: as in :func:`~hand_lib.figures.sliders.slider_figure`.

    Returns:
        The plotly figure, with a button that plays it.
    """
    points = (open_hand() if uv is None else uv).detach().cpu().double().numpy().round(1)
    ends = [(points[a], points[b]) for a, b in BONES]
    bones = go.Scatter(
        x=[value for a, b in ends for value in (a[0], b[0], None)],
        y=[value for a, b in ends for value in (a[1], b[1], None)],
        mode="lines",
        line={"color": BONE, "width": 3},
        hoverinfo="skip",
        showlegend=False,
    )
    groups = probabilities.shape[-1]
    looks = [(f"group {k + 1}", group_look(k)[0], group_look(k)[2], "white") for k in range(groups)]
    looks.append(("no preference", "#707070", "circle-open", "#707070"))
    frames = []
    for shares in probabilities.detach().cpu().double():
        numbers = torch.where(_undecided(shares), groups, shares.argmax(dim=-1))
        likeliest = shares.amax(dim=-1)
        sizes = (20 * _mark_share(_certainty(shares))).round(1)
        traces = [bones]
        for number, (name, color, symbol, edge) in enumerate(looks):
            mine = (numbers == number).nonzero()[:, 0].tolist()
            # A trace without points has no line in the legend; one with a point that is nowhere has.
            traces.append(
                go.Scatter(
                    x=[float(points[j, 0]) for j in mine] or [None],
                    y=[float(points[j, 1]) for j in mine] or [None],
                    text=[f"{JOINTS[j]}: {float(likeliest[j]):.0%}" for j in mine] or [""],
                    mode="markers",
                    name=name,
                    hovertemplate="%{text}<extra></extra>",
                    marker={
                        "color": color,
                        "symbol": symbol,
                        "opacity": 1,  # plotly's own is 0.7 where sizes differ
                        "size": [float(sizes[j]) for j in mine] or [10.0],
                        "line": {"color": edge, "width": 1},
                    },
                )
            )
        frames.append(traces)
    figure = slider_figure(
        frames, labels, alt=alt, titles=titles, prefix=prefix, suffix=suffix, start=start, height=height
    )
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "title": None}
    (left, top), (right, bottom) = points.min(0) - 10, points.max(0) + 10
    figure.update_xaxes(range=[left, right], constrain="domain", **hidden)
    figure.update_yaxes(range=[bottom, top], scaleanchor="x", constrain="domain", **hidden)
    figure.update_layout(legend={"itemsizing": "constant", "font": {"size": 12}})
    return add_play_button(figure)


def group_strips(
    runs: Mapping[str, Tensor], steps: Sequence[float], *, xlabel: str = "training step", width: float = 4.8
) -> Figure:
    """All of a training at a glance: a line per joint, the likeliest group's colour, pale where θ is not sure.

    At the end of each line stands the mark of the group that the joint ended in.

    Args:
        runs: by title, ``(P, 21, K)``, softmax(θ) at each of P steps.
        steps: these steps, evenly spaced.
        xlabel: under the steps.
        width: in inches.

    Returns:
        The figure.
    """
    figure, axes = panels(1, len(runs), width=width, height=3.9, sharey=True)
    first, last = steps[0], steps[-1]
    half = (last - first) / max(len(steps) - 1, 1) / 2
    groups = 0
    for ax, (title, probabilities) in zip(axes[0], runs.items(), strict=True):
        shares = probabilities.detach().cpu().double()
        groups = max(groups, shares.shape[-1])
        colors = np.array([matplotlib.colors.to_rgb(group_look(k)[0]) for k in range(shares.shape[-1])])
        chosen = colors[shares.argmax(dim=-1).numpy()]  # (P, 21, 3)
        strength = torch.stack([torch.where(_undecided(s), 0.0, 0.12 + 0.88 * _certainty(s)) for s in shares])
        sheet = 1 - strength.numpy()[..., None] * (1 - chosen)  # white where nothing is preferred
        extent = (first - half, last + half, len(JOINTS) - 0.5, -0.5)
        ax.imshow(sheet.transpose(1, 0, 2), extent=extent, aspect="auto")
        for finger in range(len(FINGERS)):
            ax.axhline(4 * finger + 0.5, color=INK, linewidth=0.5)
        for joint, group in enumerate(shares[-1].argmax(dim=-1).tolist()):
            color, mark, _ = group_look(group)
            ax.plot(
                last + half + 0.035 * (last - first), joint, mark, color=color, markersize=4.5, clip_on=False, mew=0
            )
        ax.set_xlim(first - half, last + half)
        ax.set(xlabel=xlabel)
        ax.set_title(title, fontsize=9)
        ax.grid(visible=False)
    axes[0, 0].set_yticks(range(len(JOINTS)), JOINTS, fontsize=7)
    handles = legend_handles(range(groups))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(groups, LEGEND_COLUMNS), fontsize=9)
    return figure


def _certainty(shares: Tensor) -> Tensor:
    """``(21, K)`` probabilities to ``(21,)``: 0 where all groups are as likely, 1 where one is certain."""
    groups = shares.shape[-1]
    if groups == 1:
        return torch.ones(len(shares))
    return (shares.amax(dim=-1) - 1 / groups) / (1 - 1 / groups)


def _undecided(shares: Tensor) -> Tensor:
    """``(21, K)`` probabilities to ``(21,)`` bool: no group is likelier than all others."""
    if shares.shape[-1] == 1:
        return torch.zeros(len(shares), dtype=torch.bool)
    first, second = shares.topk(2, dim=-1).values.unbind(dim=-1)
    return first - second < 1e-6


def _mark_share(certainty: Tensor) -> np.ndarray:
    """How large a mark is beside that of a certain joint: never so small that it is lost."""
    return 0.45 + 0.55 * certainty.detach().cpu().double().clamp(0, 1).numpy()
