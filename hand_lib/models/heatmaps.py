"""The detection rival of Table 2: 2.5D heatmaps by transposed convolutions, read by soft-argmax (section 2.1).

The same Eq. 1: G is learned up to hand-crafted maps, D is fixed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hand_lib.models.grid import MapGrid
from hand_lib.skeleton import NUM_JOINTS


class Deconvolutions(nn.Module):
    """G of detection: three transposed convolutions, each doubling the maps' sides, then one heatmap and one depth
    map a joint.

    What input cell i stamps lies round output cell 8i + 3.5, while cell 8i stands on its pixel. The kernels can learn
    the difference, since their targets are pixels: the maps stand where soft-argmax reads them.

    Args:
        channels: C of X.
        features: channels between.
    """

    def __init__(self, *, channels: int, features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (channels, features, features):
            layers += [
                nn.ConvTranspose2d(inputs, features, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(features),
                nn.ReLU(),
            ]
            # An output cell sums 2×2 of the 4×4 kernel over the inputs.
            nn.init.normal_(layers[-3].weight, std=(2 / (4 * inputs)) ** 0.5)
        self.upsample = nn.Sequential(*layers)
        self.maps = nn.Conv2d(features, NUM_JOINTS * 2, 1)
        # Nearly flat heatmaps, nearly empty depth maps: predictions start near zero.
        nn.init.normal_(self.maps.weight, std=0.1 * features**-0.5)
        nn.init.zeros_(self.maps.bias)

    def forward(self, X: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, 21, 2, 8h, 8w)``: a joint's heatmap (logits), then its depth map."""
        return self.maps(self.upsample(X)).unflatten(1, (NUM_JOINTS, 2))


class SoftArgmax(nn.Module):
    """D of detection: soft-argmax for u and v, and the depth map's mean under the same weights. Nothing is learned.

    Args:
        grid: where the cells of the maps stand on the crop.
        beta: what the logits are multiplied by before the softmax, 1 in the paper.
    """

    def __init__(self, *, grid: MapGrid, beta: float = 1.0) -> None:
        super().__init__()
        self.grid = grid
        self.beta = beta

    def extra_repr(self) -> str:
        return f"{self.grid}, beta={self.beta}"

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, 21, 2, h, w)`` to ``(B, 21, 3)``, in float32 whatever the maps are in."""
        logits, depths = maps.float().unbind(2)  # (B, 21, h, w) each
        return self.read(logits, depths)

    def read(self, logits: Tensor, depths: Tensor) -> Tensor:
        """Heatmaps (logits) and depth maps, each ``(..., 21, h, w)``, to u, v and depth, ``(..., 21, 3)``."""
        h, w = logits.shape[-2:]
        weights = (self.beta * logits).flatten(-2).softmax(-1).unflatten(-1, (h, w))
        column = (weights.sum(-2) * torch.arange(w, device=logits.device)).sum(-1)
        row = (weights.sum(-1) * torch.arange(h, device=logits.device)).sum(-1)
        uv = self.grid.to_uv(torch.stack([column, row], dim=-1))
        return torch.cat([uv, (weights * depths).sum(dim=(-2, -1))[..., None]], dim=-1)


class SharpSoftArgmax(SoftArgmax):
    """Soft-argmax with a learnable sharpness β a joint, as in the groups paper: softmax(β · heatmap).

    Its logarithm is what is learnt: β stays positive, and a step of the optimiser changes it by a share of itself.

    Args:
        grid: where the cells of the maps stand on the crop.
        start: β of every joint at first. 10 undoes the tenth with which :class:`Deconvolutions` begins its heatmaps:
            the logits then begin about as spread as an ordinary layer's, the depth maps still nearly empty.
    """

    def __init__(self, *, grid: MapGrid, start: float = 10.0) -> None:
        super().__init__(grid=grid)
        self.log_sharpness = nn.Parameter(torch.full((NUM_JOINTS,), math.log(start)))

    @property
    def sharpness(self) -> Tensor:
        """β, ``(21,)``."""
        return self.log_sharpness.exp()

    def read(self, logits: Tensor, depths: Tensor) -> Tensor:
        """Heatmaps (logits) and depth maps, each ``(..., 21, h, w)``, to u, v and depth, ``(..., 21, 3)``."""
        return super().read(self.sharpness[:, None, None] * logits, depths)
