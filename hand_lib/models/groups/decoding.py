"""From every group's maps to one pose: soft-argmax in each group, then the selector's choice (Eq. 5).

The paper's text reads coordinates "at the maxima location" of each heatmap; its network, like the rival's, takes the
soft-argmax, with a sharpness β that is learnt for each joint in each group.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hand_lib.models.grid import MapGrid
from hand_lib.models.heatmaps import SoftArgmax
from hand_lib.skeleton import NUM_JOINTS


class GroupSoftArgmax(SoftArgmax):
    """:class:`~hand_lib.models.heatmaps.SharpSoftArgmax` in every group: a sharpness β a joint and group.

    The depth is the depth map's mean under the softmax of β times the heatmap.

    Args:
        grid: where the cells of the maps stand on the crop.
        groups: K.
        start: β at first; 10 undoes the tenth with which the heatmaps begin.
    """

    def __init__(self, *, grid: MapGrid, groups: int, start: float = 10.0) -> None:
        super().__init__(grid=grid)
        self.log_sharpness = nn.Parameter(torch.full((groups, NUM_JOINTS), math.log(start)))

    @property
    def sharpness(self) -> Tensor:
        """β, ``(K, 21)``."""
        return self.log_sharpness.exp()

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, K, 21, 2, h, w)`` to ``(B, K, 21, 3)``, in float32 whatever the maps are in."""
        logits, depths = maps.float().unbind(3)
        return self.read(self.sharpness[..., None, None] * logits, depths)


def select(selected: Tensor, poses: Tensor) -> Tensor:
    """Eq. 5: the sum over the groups of S times what they say.

    Args:
        selected: S, ``(21, K)``. One-hot, it takes each joint from its group.
        poses: ``(B, K, 21, 3)``.

    Returns:
        ``(B, 21, 3)``.
    """
    return (selected.mT[..., None] * poses).sum(dim=1)


class GroupDecoder(nn.Module):
    """D of Eq. 1: a pose of every group, of which the selector takes each joint's.

    Args:
        soft_argmax: reads maps.
        selector: gives S, ``(21, K)``; one of :mod:`hand_lib.models.groups.selectors`.
    """

    def __init__(self, *, soft_argmax: GroupSoftArgmax, selector: nn.Module) -> None:
        super().__init__()
        self.soft_argmax = soft_argmax
        self.selector = selector

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, K, 21, 2, h, w)`` to ``(B, 21, 3)``."""
        return select(self.selector(), self.soft_argmax(maps))
