"""A network that names the parts of a hand: how a backbone learns to see hands before any row asks it for joints.

Its targets are the renderer's mask and depth. No joint's coordinate is among them, so the backbone that comes out
favours no way of regressing coordinates. No row takes the head.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from hand_lib.datasets.part_maps import PART_CLASSES
from hand_lib.errors import HandLibError
from hand_lib.models.size import NetworkSize

STRIDE = 4  # crop pixels from cell to cell of what the head says
FEATURES = 64  # of the head


class PartsNet(nn.Module):
    """Backbone F and a head that says of every fourth pixel which part of the hand is there, and how deep.

    The head is a 1×1 convolution, transposed convolutions that double the map until a cell is :data:`STRIDE` pixels,
    and a 1×1 convolution to the classes and the depth.

    Args:
        size: of the backbone and the pictures.

    Raises:
        HandLibError: the pictures' side is no whole number of the backbone's cells, so that no doubling would meet it.
    """

    def __init__(self, *, size: NetworkSize) -> None:
        super().__init__()
        if size.image_size % size.stride:
            raise HandLibError(f"pictures of {size.image_size} px are no whole number of cells of {size.stride} px")
        self.backbone = size.backbone()
        layers: list[nn.Module] = [nn.Conv2d(size.channels, FEATURES, 1, bias=False)]
        stride = size.stride
        while stride > STRIDE:
            layers += [nn.BatchNorm2d(FEATURES), nn.ReLU()]
            layers += [nn.ConvTranspose2d(FEATURES, FEATURES, 4, stride=2, padding=1, bias=False)]
            stride //= 2
        layers += [nn.BatchNorm2d(FEATURES), nn.ReLU(), nn.Conv2d(FEATURES, PART_CLASSES + 1, 1)]
        self.head = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to ``(B, 18, H/4, W/4)``: the logits of 17 classes, and one depth.

        Classes and depth are those of :func:`hand_lib.datasets.part_maps.part_targets`.
        """
        return self.head(self.backbone(images))

    def stages(self, images: Tensor) -> Tensor:
        """The same as the one stage there is, ``(1, B, 18, H/4, W/4)``: what the training loop asks for."""
        return self.forward(images)[None]


def parts_loss(stages: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over all cells plus the L1 of the depth over the hand's cells, ``(S,)``, one number a stage.

    Args:
        stages: ``(S, B, 18, h, w)``, see :meth:`PartsNet.stages`.
        targets: ``(B, 2, h, w)``, see :func:`hand_lib.datasets.part_maps.part_targets`.
    """
    count = len(stages)
    said = stages.float()
    part, depth = targets[:, 0].long(), targets[:, 1]
    hand = (part > 0).float()
    every = part.expand(count, *part.shape).flatten(0, 1)
    naming = functional.cross_entropy(said[:, :, :PART_CLASSES].flatten(0, 1), every, reduction="none")
    naming = naming.view(count, -1).mean(dim=1)
    miss = (said[:, :, PART_CLASSES] - depth).abs() * hand
    return naming + miss.flatten(1).sum(dim=1) / hand.sum().clamp(min=1)
