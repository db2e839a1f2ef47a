"""Where the groups stand: on a ResNet, like the other rows of the book, or on the paper's hourglass.

The paper says that its module fits any network. On either backbone the maps have a cell every fourth pixel, as
published: 64×64 at 256 px, 32×32 at 128 px, 16×16 at 64 px.

- On a ResNet the features are those of transposed convolutions on X, as many as it takes from X's stride to 4. It
  starts from whatever the profile's other rows start from, and nothing but the last loss trains heatmaps.
- On the hourglass they are its own features and its 21 heatmaps, which a 2D training shapes beforehand
  (:class:`hand_lib.models.hourglass.HourglassPoints`).

A thinner backbone has thinner branches in proportion, but never fewer than 16 channels: 21 heatmaps and 21 depth maps
come from them.
"""

from __future__ import annotations

import math

from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models.groups.blocks import Residual, doubling
from hand_lib.models.groups.branches import Fusion, GroupMaps, level_width
from hand_lib.models.groups.decoding import GroupDecoder, GroupSoftArgmax
from hand_lib.models.hourglass import HOURGLASS_STRIDE, HourglassBackbone, HourglassPoints
from hand_lib.models.network import HandPoseNet
from hand_lib.models.size import NetworkSize

STRIDE = HOURGLASS_STRIDE  # pixels from cell to cell of the groups' maps
BRANCH, MIN_BRANCH = 32, 16  # channels of a branch at width 64, and at least
NECK = 128
FEATURES = 256  # of the hourglass, and between a ResNet's X and the neck


def branch_width(size: NetworkSize) -> int:
    """C: channels of one group's branch, and of the features that all branches read."""
    return max(MIN_BRANCH, size.scaled(BRANCH))


def wide_branch(size: NetworkSize, *, groups: int) -> int:
    """The width at which one group has as many parameters as so many groups have."""
    return level_width(channels=branch_width(size), width=branch_width(size), groups=groups)


def fusion(size: NetworkSize, *, groups: int) -> Fusion:
    """Eq. 9 for so many groups of the usual width."""
    return Fusion(width=branch_width(size), groups=groups)


def neck(channels: int, size: NetworkSize) -> nn.Sequential:
    """Two residuals, from the maps that the groups are given to the features that all branches read."""
    between = max(branch_width(size), size.scaled(NECK))
    return nn.Sequential(Residual(channels, between), Residual(between, branch_width(size)))


def upsampling(size: NetworkSize) -> nn.Sequential:
    """Transposed convolutions from a ResNet's X to maps of a cell every fourth pixel.

    Raises:
        HandLibError: pictures that are no whole number of X's cells, or whose maps cannot be halved twice.
    """
    multiple = max(size.stride, 4 * STRIDE)
    if size.image_size % multiple:
        raise HandLibError(
            f"joint groups on this backbone need pictures of a multiple of {multiple} px, not {size.image_size}"
        )
    features = size.scaled(FEATURES)
    doublings = int(math.log2(size.stride // STRIDE))
    return nn.Sequential(*(doubling(features if i else size.channels, features) for i in range(doublings)))


def grouped(
    size: NetworkSize,
    *,
    backbone: nn.Module,
    neck: nn.Module,
    selector: nn.Module,
    fusion: Fusion | None = None,
    width: int | None = None,
) -> HandPoseNet:
    """Groups behind a backbone.

    Args:
        size: of the network.
        backbone: F.
        neck: X to the features that all branches read, :func:`branch_width` channels.
        selector: says which group a joint is in, and how many there are.
        fusion: Eq. 9, or None.
        width: channels of a branch, where they are not :func:`branch_width`.
    """
    groups = selector.groups
    return HandPoseNet(
        backbone=backbone,
        representation=GroupMaps(
            neck=neck, channels=branch_width(size), width=width or branch_width(size), groups=groups, fusion=fusion
        ),
        decoder=GroupDecoder(soft_argmax=GroupSoftArgmax(grid=size.map_grid(STRIDE), groups=groups), selector=selector),
    )


def groups_on_resnet(
    size: NetworkSize, *, selector: nn.Module, fusion: Fusion | None = None, width: int | None = None
) -> HandPoseNet:
    """Groups on the features of transposed convolutions on X. Arguments and errors as above."""
    before = nn.Sequential(upsampling(size), neck(size.scaled(FEATURES), size))
    return grouped(size, backbone=size.backbone(), neck=before, selector=selector, fusion=fusion, width=width)


def hourglass(size: NetworkSize) -> HourglassBackbone:
    """The paper's backbone for pictures of this size: four times halved, or until its maps are one cell.

    Of the size it takes the width, 64 for the published 256 channels, and the pictures; the rest is a ResNet's.
    """
    depth = min(4, int(math.log2(size.image_size // HOURGLASS_STRIDE)))
    return HourglassBackbone(image_size=size.image_size, features=size.scaled(FEATURES), depth=depth)


def groups_on_hourglass(
    size: NetworkSize, *, selector: nn.Module, fusion: Fusion | None = None, width: int | None = None
) -> HandPoseNet:
    """The paper's own network: groups on an hourglass' features and heatmaps. Arguments as above.

    Raises:
        HandLibError: pictures whose maps cannot be halved so often.
    """
    backbone = hourglass(size)
    before = neck(backbone.channels, size)
    return grouped(size, backbone=backbone, neck=before, selector=selector, fusion=fusion, width=width)


def hourglass_points(size: NetworkSize) -> HourglassPoints:
    """What the hourglass is trained as, before any group: 2D joints."""
    return HourglassPoints(backbone=hourglass(size), grid=size.map_grid(HOURGLASS_STRIDE))
