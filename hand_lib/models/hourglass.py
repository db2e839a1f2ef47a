"""The groups paper's backbone: one hourglass (Newell et al., 2016), its features and 21 heatmaps.

Maps have a quarter of the picture's side: 64×64 at 256 px, 16×16 at 64 px. The stem's pooling leaves cell i looking at
pixel 4i + 1, while cell i of a :class:`~hand_lib.models.grid.MapGrid` of stride 4 stands on pixel 4i; the kernels learn
that quarter of a cell, since their targets are pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hand_lib.errors import HandLibError
from hand_lib.models.backbone import IMAGENET_MEAN, IMAGENET_STD
from hand_lib.models.grid import MapGrid
from hand_lib.models.heatmaps import SharpSoftArgmax
from hand_lib.skeleton import NUM_JOINTS

HOURGLASS_STRIDE = 4  # pixels from cell to cell


class PreActivated(nn.Module):
    """A bottleneck of 1×1, 3×3 and 1×1 convolutions, normalisation and ReLU before each, beside a shortcut.

    The shortcut is the identity where the shape allows it, else a 1×1 convolution.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        inner = out_channels // 2
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, out_channels, 1),
        )
        self.shortcut = nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, C', h, w)``."""
        return self.layers(x) + self.shortcut(x)


def two_residuals(channels: int) -> nn.Sequential:
    """What stands at every position of an hourglass."""
    return nn.Sequential(PreActivated(channels, channels), PreActivated(channels, channels))


class Hourglass(nn.Module):
    """Down to half the side and back, with another hourglass in between, and added to what stayed at full side.

    Args:
        channels: everywhere.
        depth: how often the side is halved in all.
    """

    def __init__(self, *, channels: int, depth: int) -> None:
        super().__init__()
        self.beside = two_residuals(channels)
        self.down = two_residuals(channels)
        self.inside = Hourglass(channels=channels, depth=depth - 1) if depth > 1 else two_residuals(channels)
        self.up = two_residuals(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, h, w)`` to the same shape; h and w are multiples of 2 to the depth."""
        low = self.up(self.inside(self.down(functional.max_pool2d(x, 2))))
        return self.beside(x) + functional.interpolate(low, scale_factor=2.0, mode="nearest")


class HourglassBackbone(nn.Module):
    """X = F(I): a stem, an hourglass, features, and a heatmap a joint.

    Pictures go in as RGB in [0, 1]; ImageNet's mean and deviation are applied here, as in
    :class:`hand_lib.models.backbone.ResNet`.

    Args:
        image_size: side of the square pictures, in pixels.
        features: channels of the hourglass, 256 as published; the stem has a quarter and a half of them.
        depth: how often the hourglass halves its maps, 4 as published.

    Raises:
        HandLibError: fewer than 8 features; pictures whose maps cannot be halved so often.
    """

    def __init__(self, *, image_size: int, features: int = 256, depth: int = 4) -> None:
        super().__init__()
        if features < 8 or depth < 1:
            raise HandLibError(f"an hourglass has at least 8 features and a depth of 1, not {features} and {depth}")
        if image_size % (HOURGLASS_STRIDE * 2**depth):
            raise HandLibError(
                f"an hourglass of depth {depth} needs pictures of a multiple of {HOURGLASS_STRIDE * 2**depth} px, not "
                f"{image_size}"
            )
        self.features = features
        self.channels = features + NUM_JOINTS  # of X
        quarter, half = features // 4, features // 2
        self.stem = nn.Sequential(
            nn.Conv2d(3, quarter, 7, stride=2, padding=3),
            nn.BatchNorm2d(quarter),
            nn.ReLU(),
            PreActivated(quarter, half),
            nn.MaxPool2d(2),
            PreActivated(half, half),
            PreActivated(half, features),
        )
        self.hourglass = Hourglass(channels=features, depth=depth)
        self.last = nn.Sequential(
            two_residuals(features), nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU()
        )
        self.heatmaps = nn.Conv2d(features, NUM_JOINTS, 1)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, S, S)`` in [0, 1] to X, ``(B, 21 + features, S/4, S/4)``: heatmaps (logits), then features."""
        features = self.last(self.hourglass(self.stem((images - self.mean) / self.std)))
        return torch.cat([self.heatmaps(features), features], dim=1)

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Start from a trained hourglass, such as :class:`HourglassPoints`' ``backbone``.

        Raises:
            HandLibError: where names or shapes differ from this network's.
        """
        ours = {name: tensor.shape for name, tensor in self.state_dict().items()}
        theirs = {name: tensor.shape for name, tensor in weights.items()}
        if ours != theirs:
            wrong = next(name for name in [*ours, *theirs] if ours.get(name) != theirs.get(name))
            raise HandLibError(f"these weights do not fit an hourglass of {self.features} features: {wrong}")
        self.load_state_dict(weights)


class HourglassPoints(nn.Module):
    """What the hourglass learns first: u and v of each joint, by soft-argmax of its 21 heatmaps.

    Only the backbone is kept. Its objective is ``POINTS``.

    Args:
        backbone: the hourglass.
        grid: where its cells stand on the crop.
    """

    def __init__(self, *, backbone: HourglassBackbone, grid: MapGrid) -> None:
        super().__init__()
        self.backbone = backbone
        self.read = SharpSoftArgmax(grid=grid, start=1.0)  # its last layer starts as an ordinary one

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, S, S)`` in [0, 1] to u and v, ``(B, 21, 2)``."""
        heatmaps = self.backbone(images)[:, :NUM_JOINTS]
        nothing = torch.zeros_like(heatmaps)
        return self.read(torch.stack([heatmaps, nothing], dim=2))[..., :2]

    def stages(self, images: Tensor) -> Tensor:
        """The same as the one stage there is, ``(1, B, 21, 2)``."""
        return self.forward(images)[None]
