"""Learnable multi-stage refinement (section 2.2, Eq. 5–7): a prediction drawn as maps, for the next stage to look at.

Coordinates u, v in −1 … +1 stand on a map so that −1 is the centre of its first cell and +1 that of its last: what lies
in the crop lies on the map. Maps are indexed (row, column) = (v, u).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hand_lib.errors import HandLibError
from hand_lib.models.backbone import ResNet
from hand_lib.models.decoders import MLP, MultiHeadDecoder
from hand_lib.skeleton import NUM_JOINTS

# --- Eq. 6, as functions --------------------------------------------------------------------------------------------


def cell_offsets(coordinate: Tensor, cells: int) -> Tensor:
    """Signed distance of every cell's centre from a coordinate, in cells: ``(...)`` to ``(..., cells)``."""
    position = (coordinate + 1) / 2 * (cells - 1)
    return torch.arange(cells, device=position.device, dtype=position.dtype) - position[..., None]


def draw_heatmaps(uv: Tensor, grid: tuple[int, int], *, sigma: float) -> Tensor:
    """H of Eq. 6, corrected: H_i(p) = exp(−‖p − p_i‖² / σ²).

    The paper prints exp(‖p − p_i‖ / σ²), which has no minus sign and no square, and grows away from the joint.

    Args:
        uv: ``(..., 2)``, u and v in −1 … +1.
        grid: (h, w), cells of the map.
        sigma: σ in cells.

    Returns:
        ``(..., h, w)``.
    """
    h, w = grid
    du, dv = cell_offsets(uv[..., 0], w), cell_offsets(uv[..., 1], h)
    along_u, along_v = torch.exp(-((du / sigma) ** 2)), torch.exp(-((dv / sigma) ** 2))
    return along_v[..., :, None] * along_u[..., None, :]


def draw_depths(uvz: Tensor, grid: tuple[int, int]) -> Tensor:
    """D of Eq. 6: z_i in the cell nearest to the joint, zero elsewhere; zero everywhere for a joint off the map.

    The root's relative depth is zero, and so is its map: it does not tell where the root is.

    Args:
        uvz: ``(..., 3)``, u and v in −1 … +1, root-relative depth.
        grid: (h, w), cells of the map.

    Returns:
        ``(..., h, w)``. Its gradient reaches the depth only.
    """
    h, w = grid
    z = uvz[..., 2, None, None]
    # Adding half a cell before rounding down puts a joint between two cells into one of them, never into both.
    at_u = torch.floor(0.5 - cell_offsets(uvz[..., 0], w)) == 0
    at_v = torch.floor(0.5 - cell_offsets(uvz[..., 1], h)) == 0
    return torch.where(at_v[..., :, None] & at_u[..., None, :], z, torch.zeros_like(z))


def splat_depths(uvz: Tensor, grid: tuple[int, int]) -> Tensor:
    """D of Eq. 6, shared out to the four cells round the joint by bilinear weights, which sum to one on the map.

    For small maps, where the nearest cell says too little of where the joint is.

    Args:
        uvz: ``(..., 3)``, u and v in −1 … +1, root-relative depth.
        grid: (h, w), cells of the map.

    Returns:
        ``(..., h, w)``. Its gradient reaches u, v and the depth. A joint more than a cell off the map leaves it empty.
    """
    h, w = grid
    along_u = (1 - cell_offsets(uvz[..., 0], w).abs()).relu()
    along_v = (1 - cell_offsets(uvz[..., 1], h).abs()).relu()
    return uvz[..., 2, None, None] * along_v[..., :, None] * along_u[..., None, :]


# --- The maps as modules, to be chosen by composition ---------------------------------------------------------------
# Each takes the stage's prediction Y (B, 21, 3), its multi-head outputs M (B, 21, n·e) and F⁰'s (h, w), and gives one
# map a joint, (B, 21, h, w). Eq. 5 stops the gradient at M. Of H and D the paper says nothing; the purpose that it
# gives ("stop the gradient flow to previous networks") holds for them alike, so they stop it at Y, unless told
# otherwise.


class Heatmaps(nn.Module):
    """H of Eq. 6 (ID-8 and on).

    Args:
        sigma: σ in cells of the map.
        detach: whether the next stages' losses stop here, or go on to the stage before.
    """

    def __init__(self, *, sigma: float, detach: bool = True) -> None:
        super().__init__()
        self.sigma = sigma
        self.detach = detach

    def forward(self, Y: Tensor, M: Tensor, grid: tuple[int, int]) -> Tensor:
        """One heatmap a joint, ``(B, 21, h, w)``."""
        Y = Y.detach() if self.detach else Y
        return draw_heatmaps(Y[..., :2], grid, sigma=self.sigma)


class DepthMaps(nn.Module):
    """D of Eq. 6 (ID-9 and on), one cell a joint.

    Args:
        detach: whether the next stages' losses stop here, or go on to the stage before.
    """

    def __init__(self, *, detach: bool = True) -> None:
        super().__init__()
        self.detach = detach

    def forward(self, Y: Tensor, M: Tensor, grid: tuple[int, int]) -> Tensor:
        """One depth map a joint, ``(B, 21, h, w)``."""
        return draw_depths(Y.detach() if self.detach else Y, grid)


class SplatDepthMaps(DepthMaps):
    """D of Eq. 6 with bilinear weights, for small maps."""

    def forward(self, Y: Tensor, M: Tensor, grid: tuple[int, int]) -> Tensor:
        """One depth map a joint, ``(B, 21, h, w)``."""
        return splat_depths(Y.detach() if self.detach else Y, grid)


class RefineMaps(nn.Module):
    """R of Eq. 5 (ID-10 and on): R_i = reshape(T_r(detach(M_i))), T_r shared by the joints.

    Args:
        features: length of M_i.
        hidden: width of T_r's hidden layer.
        grid: (h, w) of F⁰, which fixes the size of T_r's output.
        detach: whether the next stages' losses stop here, as in Eq. 5, or go on to the stage before.
    """

    def __init__(self, *, features: int, hidden: int, grid: tuple[int, int], detach: bool = True) -> None:
        super().__init__()
        self.transform = MLP(nn.Linear(features, hidden), nn.Linear(hidden, grid[0] * grid[1]))
        self.grid = grid
        self.detach = detach

    def forward(self, Y: Tensor, M: Tensor, grid: tuple[int, int]) -> Tensor:
        """One refine map a joint, ``(B, 21, h, w)``. Raises HandLibError for another grid than its own."""
        if grid != self.grid:
            raise HandLibError(
                f"refine maps of {self.grid} cells cannot join F⁰ of {grid}: was it built for another image size?"
            )
        return self.transform(M.detach() if self.detach else M).unflatten(-1, self.grid)


# --- One further stage ----------------------------------------------------------------------------------------------


class Refinement(nn.Module):
    """A further stage: the maps of the stage before beside F⁰ (Eq. 7), an own last residual block, an own G and D.

    Args:
        backbone: the first stage's; its last block is copied, not shared.
        maps: any of :class:`RefineMaps`, :class:`Heatmaps`, :class:`DepthMaps`, in the order in which they are joined;
            none of them for a stage that is told nothing, a control.
        representation: the stage's G.
        decoder: the stage's D.
    """

    def __init__(
        self, *, backbone: ResNet, maps: Sequence[nn.Module], representation: nn.Module, decoder: MultiHeadDecoder
    ) -> None:
        super().__init__()
        self.maps = nn.ModuleList(maps)
        channels, drawn = backbone.middle_channels, NUM_JOINTS * len(maps)
        # A (B, C⁰ + 21·maps, h, w) → (B, C⁰, h, w): the copied block expects F⁰'s channels, so F⁰ passes through at
        # first and what the maps say is added.
        self.join = nn.Conv2d(channels + drawn, channels, 1)
        nn.init.dirac_(self.join.weight[:, :channels].detach())
        nn.init.normal_(self.join.weight[:, channels:].detach(), std=max(drawn, 1) ** -0.5)
        nn.init.zeros_(self.join.bias)
        self.block = copy.deepcopy(backbone.layer4)
        self.representation = representation
        self.decoder = decoder

    def forward(self, F0: Tensor, Y: Tensor, M: Tensor) -> tuple[Tensor, Tensor]:
        """F⁰, and Y and M of the stage before, to this stage's Y ``(B, 21, 3)`` and M ``(B, 21, n·e)``."""
        grid = (F0.shape[2], F0.shape[3])
        drawn = [draw(Y, M, grid).to(F0.dtype) for draw in self.maps]
        A = torch.cat([F0, *drawn], dim=1)  # Eq. 7
        X = self.block(self.join(A))
        M = self.decoder.multi_head(self.representation(X))
        return self.decoder.fuse(M), M
