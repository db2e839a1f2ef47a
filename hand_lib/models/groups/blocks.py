"""What the branches are built of, for all the groups at once.

A group's features are its own: in a map of K·C channels the first C are the first group's, and so on. A convolution in
K groups then is K convolutions side by side, and batch normalisation, which knows one channel at a time, K of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def pointwise(channels: int, out_channels: int, *, groups: int = 1) -> nn.Sequential:
    """1×1 convolution, batch normalisation and ReLU; channels are a group's."""
    return nn.Sequential(
        nn.Conv2d(groups * channels, groups * out_channels, 1, groups=groups),
        nn.BatchNorm2d(groups * out_channels),
        nn.ReLU(),
    )


def doubling(channels: int, out_channels: int, *, groups: int = 1) -> nn.Sequential:
    """Transposed 4×4 convolution of stride 2, batch normalisation and ReLU: twice as many cells along either side."""
    return nn.Sequential(
        nn.ConvTranspose2d(groups * channels, groups * out_channels, 4, stride=2, padding=1, groups=groups),
        nn.BatchNorm2d(groups * out_channels),
        nn.ReLU(),
    )


def side_by_side(*maps: Tensor, groups: int) -> Tensor:
    """Join maps ``(B, K·Cᵢ, h, w)`` group by group, to ``(B, K·ΣCᵢ, h, w)``, the channels last in memory."""
    channels_last = [each.movedim(1, -1).unflatten(-1, (groups, -1)) for each in maps]  # (B, h, w, K, Cᵢ)
    return torch.cat(channels_last, dim=-1).flatten(-2).movedim(-1, 1)


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut, then ReLU.

    The shortcut is the identity where the shape allows it, else a 1×1 convolution with batch normalisation.

    Args:
        channels, out_channels: a group's.
        stride: 1, or 2 for half as many cells along either side.
        groups: K.
    """

    def __init__(self, channels: int, out_channels: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        inside, outside = groups * channels, groups * out_channels
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, padding=1, groups=groups)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, groups=groups)
        self.bn2 = nn.BatchNorm2d(outside)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != out_channels:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, groups=groups), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, K·C, h, w)`` to ``(B, K·C', h/stride, w/stride)``."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))
