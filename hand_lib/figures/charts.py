"""Charts of training and of error: learning curves, PCK, error by joint and by finger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from hand_lib.figures.style import FINGER_PALETTE, INK, SERIES_COLORS, SERIES_DASHES, SERIES_HATCHES, panels
from hand_lib.skeleton import FINGER_OF_JOINT, FINGERS, JOINT_COLORS, JOINTS

Curve = Sequence[tuple[float, float]]  # (step, value) pairs


def curve(
    curves: Mapping[str, Curve | Sequence[Curve]],
    *,
    ylabel: str,
    xlabel: str = "training step",
    constant: float | None = None,
    log: bool = False,
    width: float = 6.0,
    height: float = 3.4,
) -> Figure:
    """Learning curves, one colour and one dash a row; several seeds of a row are thin lines of the same colour.

    Args:
        curves: for each name, ``(step, value)`` pairs, or a list of such curves, one a seed.
        ylabel, xlabel: with their units.
        constant: the value that a constant prediction reaches, drawn as a level line.
        log: a logarithmic y axis.
        width, height: in inches.

    Returns:
        The figure.
    """
    figure, axes = panels(width=width, height=height)
    ax = axes[0, 0]
    for number, (name, given) in enumerate(curves.items()):
        seeds = [given] if np.ndim(given[0][0]) == 0 else given
        for i, pairs in enumerate(seeds):
            steps, values = zip(*pairs, strict=True)
            ax.plot(
                steps,
                values,
                color=cycle(SERIES_COLORS, number),
                linestyle=cycle(SERIES_DASHES, number),
                linewidth=1.8 if len(seeds) == 1 else 1.1,
                label=name if i == 0 else None,
            )
    if constant is not None:
        ax.axhline(constant, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
        ax.annotate(
            "constant prediction",
            (1, constant),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=8,
        )
    if log:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.margins(x=0.01)
    if len(curves) > 1:
        ax.legend()
    return figure


def pck_curves(
    errors: Mapping[str, Tensor],
    *,
    limit: float = 50.0,
    shade: tuple[float, float] | None = None,
    width: float = 6.0,
    height: float = 3.6,
) -> Figure:
    """The share of joints within each distance, 0 to ``limit`` mm.

    Args:
        errors: for each name, distances in mm of any shape.
        limit: the largest distance shown, mm.
        shade: ``(low, high)`` mm, a range of thresholds to set off, such as that of an AUC.
        width, height: in inches.

    Returns:
        The figure.
    """
    figure, axes = panels(width=width, height=height)
    ax = axes[0, 0]
    if shade is not None:
        ax.axvspan(*shade, color="#eeeeee", zorder=0)
        ax.annotate(
            f"AUC {shade[0]:g}–{shade[1]:g} mm is the mean height here",
            (sum(shade) / 2, 0.03),
            ha="center",
            fontsize=8,
        )
    for number, (name, values) in enumerate(errors.items()):
        values = np.sort(values.detach().cpu().double().numpy().ravel())
        thresholds = np.linspace(0, limit, 401)
        share = np.searchsorted(values, thresholds, side="right") / len(values)  # "right" counts e <= threshold
        ax.plot(
            thresholds,
            share,
            color=cycle(SERIES_COLORS, number),
            linestyle=cycle(SERIES_DASHES, number),
            label=name,
        )
    ax.set(xlabel="threshold, mm", ylabel="PCK: share of joints within it", xlim=(0, limit), ylim=(0, 1.01))
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 0.08))
    return figure


def error_by_joint(
    errors: Tensor | Mapping[str, Tensor], *, ylabel: str = "EPE, mm", width: float = 6.8, height: float = 3.4
) -> Figure:
    """Mean error of each joint in its finger's colour, with the 95 % interval of that mean over the hands.

    Args:
        errors: ``(N, 21)`` mm, or several named ones, told apart by hatching.
        ylabel: with its unit.
        width, height: in inches.

    Returns:
        The figure.
    """
    labels = ["wrist", *(JOINTS[i].split()[1] for i in range(1, len(JOINTS)))]
    figure, ax = _bars(_named(errors), labels, JOINT_COLORS, ylabel, width, height)
    ax.tick_params(axis="x", rotation=90, labelsize=8)
    ax.set_xlim(-0.7, len(JOINTS) - 0.3)
    # Name the fingers once under their four joints.
    for finger, name in enumerate(FINGERS):
        ax.annotate(
            name,
            (4 * finger + 2.5, -0.17),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
            fontsize=9,
            annotation_clip=False,
        )
    return figure


def error_by_finger(
    errors: Tensor | Mapping[str, Tensor], *, ylabel: str = "EPE, mm", width: float = 5.6, height: float = 3.0
) -> Figure:
    """Mean error of the wrist and of each finger's four joints, with the 95 % interval of that mean over the hands.

    Args:
        errors: ``(N, 21)`` mm, or several named ones, told apart by hatching.
        ylabel: with its unit.
        width, height: in inches.

    Returns:
        The figure.
    """
    members = [[j for j, f in enumerate(FINGER_OF_JOINT) if f == finger] for finger in (-1, *range(len(FINGERS)))]
    names = ("wrist", *FINGERS)
    grouped = {
        name: np.stack([_array(values)[:, joints].mean(1) for joints in members], axis=1)
        for name, values in _named(errors).items()
    }
    figure, _ = _bars(grouped, names, [FINGER_PALETTE[name] for name in names], ylabel, width, height)
    return figure


def _bars(
    errors: Mapping[str, Tensor | np.ndarray],
    labels: Sequence[str],
    colors: Sequence[str],
    ylabel: str,
    width: float,
    height: float,
) -> tuple[Figure, matplotlib.axes.Axes]:
    figure, axes = panels(width=width, height=height)
    ax = axes[0, 0]
    thickness = 0.8 / len(errors)
    positions = np.arange(len(labels))
    for number, values in enumerate(errors.values()):
        array = _array(values)
        half = 1.96 * array.std(0, ddof=1) / np.sqrt(len(array)) if len(array) > 1 else np.zeros(array.shape[1])
        ax.bar(
            positions + (number - (len(errors) - 1) / 2) * thickness,
            array.mean(0),
            thickness,
            yerr=half,
            color=colors,
            hatch=cycle(SERIES_HATCHES, number),
            edgecolor="white" if number else "none",
            error_kw={"elinewidth": 0.9, "capsize": 1.5, "ecolor": INK},
        )
    ax.set_xticks(positions, labels)
    ax.set(ylabel=ylabel)
    ax.grid(axis="x", visible=False)
    handles = [Line2D([], [], color=INK, linewidth=0.9, marker="_", label="95 % interval of the mean")]
    if len(errors) > 1:
        handles = [
            Patch(facecolor="#999999", edgecolor="white", hatch=cycle(SERIES_HATCHES, i) * 2, label=name)
            for i, name in enumerate(errors)
        ] + handles
    ax.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(handles), fontsize=8)
    return figure, ax


def _named(errors: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {"": errors} if isinstance(errors, Tensor) else errors


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values


def cycle(options: Sequence, number: int):
    """The option for a series of that number, from the start again after the last."""
    return options[number % len(options)]
