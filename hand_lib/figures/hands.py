"""Drawing hands: skeletons over pictures, contact sheets, and hands in 3D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import plotly.graph_objects as go
from matplotlib import patheffects
from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.figures.style import GRID, INK, TEMPLATE, describe, panels, show_image
from hand_lib.samples import Samples
from hand_lib.skeleton import FINGER_COLORS, FINGERS, JOINT_COLORS, JOINTS, ROOT, WRIST

# A thin light edge keeps every finger's colour apart from whatever picture lies behind it.
_HALO = [patheffects.withStroke(linewidth=3.2, foreground="white", alpha=0.8)]

_EDGE = [patheffects.withStroke(linewidth=3.4, foreground="black", alpha=0.45)]

GHOST = "#888888"  # of a hand in 3D that another one is compared with

# Where the eye stands, in units of the scene's cube: on the camera's side, a little from above and from the right, so
# near that the cube fills a wide figure. Where a figure is narrow the page steps back (assets/plotly-figures.js).
SEEN_FROM = (0.96, -0.72, -1.76)


def finger_chain(finger: int) -> list[int]:
    """Joint indices from the wrist along one finger to its tip: ``[0, 1, 2, 3, 4]`` for the thumb."""
    return [WRIST, *range(1 + 4 * finger, 5 + 4 * finger)]


def draw_hand_2d(
    ax: matplotlib.axes.Axes,
    uv: Tensor,
    image: Tensor | None = None,
    *,
    visible: Tensor | None = None,
    title: str | None = None,
    linestyle: str = "-",
    alpha: float = 1.0,
    markersize: float = 3.5,
    linewidth: float = 1.6,
    legend: bool = False,
) -> matplotlib.axes.Axes:
    """Draw one hand's skeleton, a colour per finger, over its picture if there is one.

    Args:
        ax: the axes to draw on.
        uv: ``(21, 2)``, joints in pixels (u right, v down); any other plane works too.
        image: ``(3, H, W)``, uint8 or float in [0, 1].
        visible: ``(21,)`` bool; hidden joints are drawn hollow.
        title: over the picture.
        linestyle, alpha, markersize, linewidth: of the bones and joints, to tell two hands apart.
        legend: name the fingers.

    Returns:
        The axes.
    """
    if image is not None:
        show_image(ax, image)
    points = uv.detach().cpu().numpy()
    effects = _HALO if image is not None else None
    for finger, name in enumerate(FINGERS):
        chain = finger_chain(finger)
        ax.plot(
            *points[chain].T,
            color=FINGER_COLORS[name],
            linestyle=linestyle,
            linewidth=linewidth,
            alpha=alpha,
            label=name,
            solid_capstyle="round",
            path_effects=effects,
        )
    seen = np.ones(len(points), bool) if visible is None else visible.detach().cpu().numpy().astype(bool)
    colors = np.array(JOINT_COLORS)
    size = markersize**2
    ax.scatter(*points[seen].T, c=colors[seen], s=size, zorder=3, linewidths=0, alpha=alpha)
    if not seen.all():
        ax.scatter(
            *points[~seen].T,
            facecolors="white",
            edgecolors=colors[~seen],
            s=size,
            zorder=3,
            linewidths=1.1,
            alpha=alpha,
        )
    if image is None:
        ax.set_aspect("equal")
        if not ax.yaxis_inverted():
            ax.invert_yaxis()
    else:
        height, width = image.shape[-2:]
        ax.set_xlim(-0.5, width - 0.5)
        ax.set_ylim(height - 0.5, -0.5)
    if title is not None:
        ax.set_title(title)
    if legend:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def contact_sheet(
    images: Tensor | Samples,
    uv: Tensor | None = None,
    *,
    visible: Tensor | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 6,
    width: float = 6.4,
    limit: int = 24,
) -> Figure:
    """Many hands on one sheet, with or without their skeletons.

    Args:
        images: ``(B, 3, H, W)``, or :class:`~hand_lib.samples.Samples`.
        uv: ``(B, 21, 2)`` pixels, drawn over the pictures; no skeletons without it.
        visible: ``(B, 21)`` bool; hidden joints are drawn hollow.
        titles: one a picture.
        columns: pictures a line.
        width: of the sheet, in inches.
        limit: no more pictures than this.

    Returns:
        The figure.
    """
    pictures = images.images if isinstance(images, Samples) else images
    count = min(len(pictures), limit)
    columns = min(columns, count)
    rows = -(-count // columns)
    caption = 0.17 if titles is not None else 0.03
    figure, axes = panels(rows, columns, width=width, height=rows * (width / columns + caption))
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    for i, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if i >= count:
            continue
        if uv is None:
            show_image(ax, pictures[i])
        else:
            hidden = None if visible is None else visible[i]
            draw_hand_2d(ax, uv[i], pictures[i], visible=hidden, markersize=2.2, linewidth=1.2)
        if titles is not None:
            ax.set_title(titles[i], fontsize=8, pad=2)
    return figure


def draw_ghost_2d(ax: matplotlib.axes.Axes, uv: Tensor) -> None:
    """A hand that another is compared with, over its picture: white bones with a dark edge, no joints.

    Args:
        ax: the axes, with the picture on it.
        uv: ``(21, 2)`` pixels.
    """
    points = uv.detach().cpu().numpy()
    for finger in range(len(FINGERS)):
        ax.plot(*points[finger_chain(finger)].T, color="white", linewidth=2.2, path_effects=_EDGE, zorder=1.5)


def hand_views(xyz: Tensor, *, width: float = 6.0, limits: Tensor | None = None) -> Figure:
    """One hand seen from the camera and from its right side: two flat views that redraw quickly in a live notebook.

    Args:
        xyz: ``(21, 3)`` mm, camera frame.
        width: in inches.
        limits: ``(3, 2)`` mm, smallest and largest x, y and z of the frame; from the hand if it is not given.

    Returns:
        The figure.
    """
    figure, axes = panels(1, 2, width=width, height=width * 0.52)
    limits = cube_around(xyz) if limits is None else np.asarray(limits)
    for ax, (across, label, title) in zip(
        axes[0], ((0, "x, mm (right)", "from the camera"), (2, "z, mm (away)", "from the side")), strict=True
    ):
        draw_hand_2d(ax, xyz[:, [across, 1]], title=title)
        ax.set(xlabel=label, ylabel="y, mm (down)", xlim=limits[across], ylim=limits[1][::-1])
    return figure


def hand_3d(
    xyz: Tensor | Mapping[str, Tensor],
    *,
    alt: str,
    title: str | None = None,
    mesh: tuple[Tensor, Tensor] | None = None,
    height: int = 430,
    seen_from: Sequence[float] = SEEN_FROM,
) -> go.Figure:
    """A hand, or several, in a scene that can be turned: one colour per finger, equal axes in millimetres.

    Args:
        xyz: ``(21, 3)`` mm in the camera frame, or named hands (the first is drawn solid, the others thin and dotted).
        alt: what the figure shows, for those who cannot see it.
        title: short, over the scene.
        mesh: ``(V, 3)`` mm and ``(F, 3)`` integer triangles of a skin, drawn see-through.
        height: in pixels; the width follows the page.
        seen_from: where the eye stands, in units of the scene's cube, around its centre.

    Returns:
        The plotly figure.
    """
    hands = {"hand": xyz} if isinstance(xyz, Tensor) else dict(xyz)
    figure = go.Figure()
    for number, joints in enumerate(hands.values()):
        figure.add_traces(hand_traces(joints, solid=number == 0))
    if len(hands) > 1:
        figure.add_traces([legend_line(name, solid=number == 0) for number, name in enumerate(hands)])
    clouds = list(hands.values())
    if mesh is not None:
        figure.add_trace(mesh_trace(*mesh))
        clouds.append(mesh[0])
    set_scene(figure, cube_around(*clouds), seen_from=seen_from)
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 34 if title else 4, "b": 4},
        title=None if title is None else {"text": title, "x": 0.5, "y": 0.98, "font": {"size": 14}},
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": 0.0, "yanchor": "top", "font": {"size": 11}},
    )
    return describe(figure, alt)


def hand_traces(xyz: Tensor, *, solid: bool = True) -> list[go.Scatter3d]:
    """Five plotly lines, wrist to tip, one per finger.

    Args:
        xyz: ``(21, 3)`` mm.
        solid: thick, with round joints, in the legend; otherwise a ghost: thin, dotted, grey, and not in the legend.

    Returns:
        The traces in the order of ``FINGERS``.
    """
    points = xyz.detach().cpu().double().numpy().round(1)
    traces = []
    for finger, finger_name in enumerate(FINGERS):
        chain = finger_chain(finger)
        x, y, z = points[chain].T.tolist()
        traces.append(
            go.Scatter3d(
                x=x,
                y=y,
                z=z,
                mode="lines+markers",
                name=finger_name,
                text=[JOINTS[j] for j in chain],
                hovertemplate="%{text}<br>x %{x} y %{y} z %{z} mm<extra></extra>",
                line={
                    "color": FINGER_COLORS[finger_name] if solid else GHOST,
                    "width": 7 if solid else 5,
                    "dash": "solid" if solid else "dot",
                },
                marker={"color": FINGER_COLORS[finger_name] if solid else GHOST, "size": 4 if solid else 3},
                showlegend=solid,
            )
        )
    return traces


def mesh_trace(vertices: Tensor, faces: Tensor, *, color: str = "#c9a58b", opacity: float = 0.35) -> go.Mesh3d:
    """A see-through skin: ``(V, 3)`` mm and ``(F, 3)`` integer triangles to one plotly trace."""
    x, y, z = vertices.detach().cpu().double().numpy().round(1).T.tolist()
    i, j, k = faces.detach().cpu().numpy().T.tolist()
    return go.Mesh3d(
        x=x, y=y, z=z, i=i, j=j, k=k, color=color, opacity=opacity, hoverinfo="skip", name="skin", flatshading=False
    )


def set_scene(figure: go.Figure, limits: np.ndarray, *, seen_from: Sequence[float] = SEEN_FROM) -> go.Figure:
    """Equal axes in millimetres, y down and z away from the camera.

    Args:
        figure: with 3D traces.
        limits: ``(3, 2)`` mm from :func:`cube_around`.
        seen_from: where the eye stands, in units of the scene's cube.

    Returns:
        The same figure.
    """
    axes = {
        f"{letter}axis": {
            "title": {"text": f"{letter}, mm", "font": {"size": 11}},
            "range": [float(low), float(high)],
            "nticks": 4,
            "showbackground": True,
            "backgroundcolor": "#f6f6f6",
            "gridcolor": GRID,
            "zerolinecolor": GRID,
            "showspikes": False,
            "color": INK,
            "tickfont": {"size": 10},
        }
        for letter, (low, high) in zip("xyz", limits, strict=True)
    }
    figure.update_layout(
        template=TEMPLATE,
        scene={
            **axes,
            "aspectmode": "cube",
            "dragmode": "orbit",
            "camera": {
                "eye": dict(zip("xyz", seen_from, strict=True)),
                "up": {"x": 0, "y": -1, "z": 0},
                # Low, so that the titles of the lower axes are not cut off.
                "center": {"x": 0, "y": 0.12, "z": 0},
            },
        },
    )
    return figure


def cube_around(*clouds: Tensor) -> np.ndarray:
    """Points ``(..., 3)`` to the ``(3, 2)`` limits of the smallest cube around all of them, with a little air."""
    points = np.concatenate([cloud.detach().cpu().double().reshape(-1, 3).numpy() for cloud in clouds])
    low, high = points.min(0), points.max(0)
    centre, half = (low + high) / 2, max(float((high - low).max()) / 2 * 1.06, 1e-3)
    return np.stack([centre - half, centre + half], axis=1).round(1)


def legend_line(name: str, *, solid: bool) -> go.Scatter3d:
    """A line that is nowhere but in the legend, to name a hand by how it is drawn."""
    line = {"color": INK if solid else GHOST, "width": 7 if solid else 5, "dash": "solid" if solid else "dot"}
    return go.Scatter3d(x=[None], y=[None], z=[None], mode="lines", name=name, line=line)


def joint_names_2d(ax: matplotlib.axes.Axes, uv: Tensor, *, fontsize: float = 7) -> None:
    """Write each joint's index beside it.

    Args:
        ax: the axes that the hand was drawn on.
        uv: ``(21, 2)``, the same points.
        fontsize: in points.
    """
    centre = uv[ROOT]
    for index, point in enumerate(uv.detach().cpu()):
        away = point - centre
        away = away / away.norm().clamp_min(1e-6)
        ax.annotate(
            str(index),
            point.tolist(),
            xytext=(7 * float(away[0]), -7 * float(away[1])),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=fontsize,
            path_effects=_HALO,
        )
