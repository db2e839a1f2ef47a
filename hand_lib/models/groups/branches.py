"""The grouped feature learning module: a branch a group, the fusion of their features (Eq. 9), and their maps.

All groups are computed at once, see :mod:`hand_lib.models.groups.blocks`. Every group gives maps of all 21 joints;
which of them count the selector says (:mod:`hand_lib.models.groups.decoding`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hand_lib.errors import HandLibError
from hand_lib.models.groups.blocks import Residual, doubling, pointwise, side_by_side
from hand_lib.models.groups.selectors import check_groups
from hand_lib.skeleton import NUM_JOINTS


class GroupBranches(nn.Module):
    """K branches of one shape, each with weights of its own: a small hourglass that halves its maps twice.

    Args:
        channels: of the features that all branches read.
        width: C, channels of a branch.
        groups: K, 1 to 21.

    Raises:
        HandLibError: a number of groups that 21 joints cannot have.
    """

    def __init__(self, *, channels: int, width: int, groups: int) -> None:
        super().__init__()
        check_groups(groups)
        self.groups = groups
        self.first = pointwise(channels, groups * width)  # one input, so no convolution in groups
        self.to_whole = Residual(width, width, groups=groups)
        self.to_half = Residual(width, width, stride=2, groups=groups)
        self.to_quarter = Residual(width, width, stride=2, groups=groups)
        self.quarter_to_half = doubling(width, width, groups=groups)
        self.half_to_whole = nn.Sequential(
            pointwise(2 * width, width, groups=groups), doubling(width, width, groups=groups)
        )
        self.last = nn.Sequential(
            pointwise(3 * width, 2 * width, groups=groups), Residual(2 * width, width, groups=groups)
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to ``(B, K·C, h, w)``, group by group; h and w are multiples of 4."""
        first = self.first(features)
        whole = self.to_whole(first)
        half = self.to_half(whole)
        back = self.quarter_to_half(self.to_quarter(half))
        back = self.half_to_whole(side_by_side(back, half, groups=self.groups))
        return self.last(side_by_side(back, whole, first, groups=self.groups))


class Fusion(nn.Module):
    """Eq. 9: every group's features become a weighted sum of all the groups', by a 1×1 convolution a group.

    It begins as the weighted sum of the paper: α = 0.9 of the group's own features, 0.1/(K − 1) of each other group's.

    Args:
        width: C, channels of a branch.
        groups: K, 2 to 21.
        own: α at first of a group's own features.

    Attributes:
        mix: the K convolutions as one, ``(K·C, K·C, 1, 1)``: entry (k, i) of its C×C blocks begins as α·identity.

    Raises:
        HandLibError: one group, which has nothing to be fused with, or more than there are joints.
    """

    def __init__(self, *, width: int, groups: int, own: float = 0.9) -> None:
        super().__init__()
        check_groups(groups)
        if groups < 2:
            raise HandLibError("one group has no other to be fused with: leave the fusion out")
        self.mix = nn.Conv2d(groups * width, groups * width, 1)
        self.bn = nn.BatchNorm2d(groups * width)
        self.relu = nn.ReLU()
        alpha = torch.full((groups, groups), (1 - own) / (groups - 1)).fill_diagonal_(own)
        with torch.no_grad():
            self.mix.weight.copy_(torch.kron(alpha, torch.eye(width))[:, :, None, None])
            self.mix.bias.zero_()

    def forward(self, features: Tensor) -> Tensor:
        """``(B, K·C, h, w)`` to the same shape."""
        return self.relu(self.bn(self.mix(features)))


class MapHead(nn.Module):
    """21 maps a group: 3×3 convolution, ReLU, 3×3 convolution.

    The last layer starts with a tenth of an ordinary one's weights, as the rival's does
    (:class:`hand_lib.models.heatmaps.Deconvolutions`): nearly flat heatmaps, nearly empty depth maps.

    Args:
        width: C, channels of a branch.
        groups: K.
    """

    def __init__(self, *, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.hidden = nn.Conv2d(groups * width, groups * width, 3, padding=1, groups=groups)
        self.relu = nn.ReLU()
        self.maps = nn.Conv2d(groups * width, groups * NUM_JOINTS, 3, padding=1, groups=groups)
        nn.init.normal_(self.maps.weight, std=0.1 * (9 * width) ** -0.5)
        nn.init.zeros_(self.maps.bias)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, K·C, h, w)`` to ``(B, K, 21, h, w)``."""
        return self.maps(self.relu(self.hidden(features))).unflatten(1, (self.groups, NUM_JOINTS))


class GroupMaps(nn.Module):
    """G of Eq. 1: from what the backbone gives to every group's heatmaps and depth maps.

    Args:
        neck: X to the features that all groups read, ``(B, channels, h, w)``.
        channels: of these.
        width: C, channels of a branch.
        groups: K, 1 to 21.
        fusion: Eq. 9, or None where groups do not see one another.

    Raises:
        HandLibError: a number of groups that 21 joints cannot have.
    """

    def __init__(
        self, *, neck: nn.Module, channels: int, width: int, groups: int, fusion: Fusion | None = None
    ) -> None:
        super().__init__()
        self.neck = neck
        self.branches = GroupBranches(channels=channels, width=width, groups=groups)
        self.fusion = fusion or nn.Identity()
        self.heatmaps = MapHead(width=width, groups=groups)
        self.depths = MapHead(width=width, groups=groups)

    def forward(self, X: Tensor) -> Tensor:
        """X to ``(B, K, 21, 2, h, w)``: of every group each joint's heatmap (logits), then its depth map."""
        features = self.fusion(self.branches(self.neck(X)))
        return torch.stack([self.heatmaps(features), self.depths(features)], dim=3)


def branch_parameters(*, channels: int, width: int) -> int:
    """Parameters of one group: its branch and its two heads. θ, the sharpness and the fusion come on top."""
    weights = 143 * width**2 + (channels + 2 * 9 * NUM_JOINTS) * width
    biases_and_normalisation = 53 * width + 2 * NUM_JOINTS
    return weights + biases_and_normalisation


def level_width(*, channels: int, width: int, groups: int) -> int:
    """The width at which one branch has as many parameters as so many groups of ``width`` have, nearly."""
    wanted = groups * (branch_parameters(channels=channels, width=width) + 2 * NUM_JOINTS) - 2 * NUM_JOINTS
    return min(
        range(width, 5 * width + 1), key=lambda wide: abs(branch_parameters(channels=channels, width=wide) - wanted)
    )
