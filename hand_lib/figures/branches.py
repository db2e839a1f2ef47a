"""What the branches of joint groups say, what fusion does to their features, and the groups paper's Table 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from hand_lib.figures.hands import draw_hand_2d
from hand_lib.figures.style import INK, panels
from hand_lib.figures.tables import Table, mean_and_spread, together
from hand_lib.models.groups.rows import PRINTED, GroupFigures

# Table 2's lines as the paper orders them: the rows' names without their backbone, then its three columns of ticks.
TABLE_2_OF_GROUPS: Mapping[str, tuple[bool, bool, bool]] = {
    "k1": (False, False, False),
    "k3-manual": (True, False, False),
    "k3-manual-fused": (True, False, True),
    "k3": (False, True, False),
    "k3-fused": (False, True, True),
}


def stations(
    flow: Sequence[tuple[str | Sequence[str], Sequence[int]]], *, width: float = 5.6, height: float | None = None
) -> Figure:
    """What a picture goes through in a network with branches, from top to bottom: a box per layer, or a box per group.

    Args:
        flow: for each station what it is and the shape of what comes out of it. One name is a box across, shared by
            the groups; several names are boxes side by side, a group's own each, with lines down from one to the next.
        width, height: in inches.

    Returns:
        The figure, the shapes beside the boxes.
    """
    figure, axes = panels(width=width, height=0.5 * len(flow) + 0.1 if height is None else height)
    ax = axes[0, 0]
    ax.set_axis_off()
    ax.set(xlim=(0, 1.42), ylim=(len(flow) - 0.3, -0.7))
    above = [0.5]
    for row, (given, shape) in enumerate(flow):
        names = [given] if isinstance(given, str) else list(given)
        middles = [(i + 0.5) / len(names) for i in range(len(names))]
        if row:
            for x in middles if len(middles) >= len(above) else above:
                ax.plot([x, x], [row - 0.72, row - 0.28], color=INK, linewidth=1.0, zorder=1)
        for x, name in zip(middles, names, strict=True):
            half = 0.5 / len(names) - 0.012
            ax.add_patch(
                FancyBboxPatch(
                    (x - half, row - 0.28),
                    2 * half,
                    0.56,
                    boxstyle="round,pad=0,rounding_size=0.02",
                    facecolor="#eef2f6" if len(names) == 1 else "#fff3d6",
                    edgecolor=INK,
                    linewidth=0.8,
                    zorder=2,
                )
            )
            ax.text(x, row, name, ha="center", va="center", fontsize=8.5, zorder=3)
        ax.text(1.03, row, " × ".join(map(str, shape)), ha="left", va="center", fontsize=8.5)
        above = middles
    return figure


def said_by_groups(
    image: Tensor, uv: Tensor, selected: Tensor, names: Sequence[str], *, chosen: Tensor, width: float = 6.6
) -> Figure:
    """One hand as every group predicts it, then as the selector puts it together.

    Args:
        image: ``(3, H, W)``.
        uv: ``(K, 21, 2)`` pixels, a group each.
        selected: one-hot S, ``(21, K)``: a group's own joints are drawn full, the others hollow and pale.
        names: of the K groups.
        chosen: ``(21, 2)`` pixels, what S makes of them.
        width: of the sheet, in inches.

    Returns:
        The figure: a panel a group, and one more.
    """
    count = len(uv) + 1
    figure, axes = panels(1, count, width=width, height=width / count + 0.17)
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    for k, (ax, name) in enumerate(zip(axes[0], names, strict=False)):
        own = selected[:, k] > 0
        draw_hand_2d(ax, uv[k], image, visible=own, markersize=2.8, linewidth=0.9, alpha=0.7)
        for joint in own.nonzero().flatten().tolist():
            ax.plot(*uv[k, joint].tolist(), "o", color=INK, markersize=4.2, markerfacecolor="none", markeredgewidth=0.9)
        ax.set_title(name, fontsize=9, pad=2)
    draw_hand_2d(axes[0, -1], chosen, image, markersize=2.8, linewidth=1.4)
    axes[0, -1].set_title("selected", fontsize=9, pad=2)
    return figure


def mixing_weights(
    weights: Mapping[str, Tensor], names: Sequence[str], *, limit: float = 0.4, width: float = 6.6
) -> Figure:
    """A fusion's 1×1 convolution as a picture: what each group's features are made of, channel by channel.

    Args:
        weights: for each title ``(K·C, K·C)``, the first index what is made; all share one scale of colours, orange
            above zero and purple below.
        names: of the K groups.
        limit: where the colours end; weights beyond it look like it.
        width: of the sheet, in inches.

    Returns:
        The figure: a panel each, with a line between one group's channels and the next one's.
    """
    count, groups = len(weights), len(names)
    figure, axes = panels(1, count, width=width, height=0.85 * width / count + 0.35)
    for ax, (title, weight) in zip(axes[0], weights.items(), strict=True):
        size = len(weight)
        shown = ax.imshow(weight.detach().cpu().float().numpy(), cmap="PuOr_r", vmin=-limit, vmax=limit)
        ax.grid(visible=False)
        middles = [(k + 0.5) * size / groups - 0.5 for k in range(groups)]
        ax.set_xticks(middles, names, fontsize=8)
        ax.set_yticks(middles, names, fontsize=8, rotation=90, va="center")
        ax.tick_params(length=0)
        for k in range(1, groups):
            for line in (ax.axhline, ax.axvline):
                line(k * size / groups - 0.5, color=INK, linewidth=0.7)
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("from the features of", fontsize=9)
    axes[0, 0].set_ylabel("to the features of", fontsize=9)
    figure.colorbar(shown, ax=axes[0].tolist(), label="weight", extend="both", shrink=0.7)
    return figure


def groups_table_2(metrics: Mapping[str, Sequence[Mapping[str, Any]]], *, note: str = "") -> Table:
    """The groups paper's Table 2 whole: this book's errors on a ResNet, and what the paper prints of its hourglass.

    Args:
        metrics: for each name of a row, such as ``groups-k1``, its runs' or records' metrics, one a seed; a row that
            has none has a dash.
        note: under the table.
    """
    lines = [
        (*("✓" if tick else "" for tick in ticks), *errors_beside_printed(short, metrics.get(f"groups-{short}", ())))
        for short, ticks in TABLE_2_OF_GROUPS.items()
    ]
    return Table(("by hand", "learnt", "fused", *ERRORS_BESIDE_PRINTED), tuple(lines), note)


ERRORS_BESIDE_PRINTED = (
    "EPE mean, mm",
    "median, mm",
    "n",
    "paper's mean, RHD (not comparable)",
    "its median",
    "its AUC 20–50",
)


def errors_beside_printed(short: str, metrics: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A row's cells under :data:`ERRORS_BESIDE_PRINTED`: this book's errors, then what the paper prints.

    Args:
        short: the row's name without its backbone, such as ``k3-fused``.
        metrics: of its runs or records, one per seed; of none there are dashes.
    """
    paper: GroupFigures = PRINTED[short]
    return (
        together(mean_and_spread([one["epe_mean"] for one in metrics], digits=2)),
        together(mean_and_spread([one["epe_median"] for one in metrics], digits=2)),
        str(len(metrics)),
        f"{paper.mean:.3f}",
        f"{paper.median:.3f}",
        f"{paper.auc:.3f}",
    )
