"""A network's answer to a photograph, drawn."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hand_lib.figures.hands import cube_around, draw_hand_2d
from hand_lib.figures.style import panels
from hand_lib.live.photographs import Answer


def answer_figure(picture: Tensor, box: Tensor, said: Answer, *, title: str) -> Figure:
    """The picture with the hand over it, what the network saw, and the hand from the camera and from the side.

    Args:
        picture: ``(3, H, W)`` uint8.
        box: ``(4,)`` u0, v0, u1, v1.
        said: the answer.
        title: which network has answered, in words.
    """
    figure, axes = panels(2, 2, width=7.5, height=7.0)
    (whole, crop), views = axes
    draw_hand_2d(whole, said.uv, picture, title="the picture")
    (u0, v0), (u1, v1) = box[:2].tolist(), box[2:].tolist()
    whole.add_patch(Rectangle((u0, v0), u1 - u0, v1 - v0, fill=False, edgecolor="white", linewidth=1.2))
    draw_hand_2d(crop, said.seen, said.crop, title="what the network saw")
    limits = cube_around(said.xyz)
    for ax, across, name, seen in zip(views, (0, 2), ("right", "away"), ("the camera", "the side"), strict=True):
        draw_hand_2d(ax, said.xyz[:, torch.tensor([across, 1])], title=f"from {seen}, as if far away")
        ax.set(xlabel=f"{name}, lengths of the scale bone", ylabel="down", xlim=limits[across], ylim=limits[1][::-1])
    figure.suptitle(title, fontsize=10)
    return figure
