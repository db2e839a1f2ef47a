"""Learnable multi-stage refinement (section 2.2, Eq. 5–7): a prediction drawn as maps, for the next stage to look at.

A drawn cell stands where the cell of F⁰ looks that it is joined with: :class:`hand_lib.models.grid.MapGrid` says where.
Maps are indexed (row, column) = (v, u).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hand_lib.errors import HandLibError
from hand_lib.models.backbone import ResNet
from hand_lib.models.decoders import MLP, MultiHeadDecoder
from hand_lib.models.grid import MapGrid
from hand_lib.skeleton import NUM_JOINTS

# --- Eq. 6, as functions --------------------------------------------------------------------------------------------


def cell_offsets(place: Tensor, cells: int) -> Tensor:
    """Signed distance of every cell from a place, along one side and in cells: ``(...)`` to ``(..., cells)``."""
    return torch.arange(cells, device=place.device, dtype=place.dtype) - place[..., None]


def draw_heatmaps(uv: Tensor, grid: MapGrid, *, sigma: float) -> Tensor:
    """H of Eq. 6, corrected: H_i(p) = exp(−‖p − p_i‖² / σ²).

    The paper prints exp(‖p − p_i‖ / σ²), which has no minus sign and no square, and grows away from the joint. Of a
    joint beyond the last cell, on the crop or off it, the map shows the flank.

    Args:
        uv: ``(..., 2)``, u and v in −1 … +1.
        grid: h × w cells.
        sigma: σ in cells.

    Returns:
        ``(..., h, w)``.
    """
    (h, w), (column, row) = grid.cells, grid.to_cells(uv).unbind(-1)
    along_u, along_v = (torch.exp(-((cell_offsets(at, n) / sigma) ** 2)) for at, n in ((column, w), (row, h)))
    return along_v[..., :, None] * along_u[..., None, :]


def draw_depths(uvz: Tensor, grid: MapGrid) -> Tensor:
    """D of Eq. 6: z_i in the cell nearest to the joint, zero elsewhere.

    Every joint on the crop has its cell: the outermost cells reach to the crop's edge and half a cell beyond it. Of a
    joint further off the map is zero everywhere. So is the root's, whose relative depth is zero: it does not tell
    where the root is.

    Args:
        uvz: ``(..., 3)``, u and v in −1 … +1, root-relative depth.
        grid: h × w cells.

    Returns:
        ``(..., h, w)``. Its gradient reaches the depth only.
    """
    (h, w), (column, row) = grid.cells, grid.onto_cells(uvz[..., :2]).unbind(-1)
    z = uvz[..., 2, None, None]
    # Adding half a cell before rounding down puts a joint between two cells into one of them, never into both.
    at_u = torch.floor(0.5 - cell_offsets(column, w)) == 0
    at_v = torch.floor(0.5 - cell_offsets(row, h)) == 0
    return torch.where(at_v[..., :, None] & at_u[..., None, :], z, torch.zeros_like(z))


def splat_depths(uvz: Tensor, grid: MapGrid) -> Tensor:
    """D of Eq. 6, shared out to the four cells round the joint by bilinear weights, which sum to one on the crop.

    For small maps, where the nearest cell says too little of where the joint is. A joint beyond the last cell but on
    the crop is that cell's alone; one that leaves the crop fades away over one cell.

    Args:
        uvz: ``(..., 3)``, u and v in −1 … +1, root-relative depth.
        grid: h × w cells.

    Returns:
        ``(..., h, w)``. Its gradient reaches the depth, and u and v wherever the weights change with them.
    """
    (h, w), (column, row) = grid.cells, grid.onto_cells(uvz[..., :2]).unbind(-1)
    along_u, along_v = ((1 - cell_offsets(at, n).abs()).relu() for at, n in ((column, w), (row, h)))
    return uvz[..., 2, None, None] * along_v[..., :, None] * along_u[..., None, :]


# --- The maps as modules, to be chosen by composition ---------------------------------------------------------------
# Each is built for F⁰'s grid, takes the stage's prediction Y (B, 21, 3) and its multi-head outputs M (B, 21, n·e), and
# gives one map a joint, (B, 21, h, w). Eq. 5 stops the gradient at M. Of H and D the paper says nothing; the purpose
# that it gives ("stop the gradient flow to previous networks") holds for them alike, so they stop it at Y, unless told
# otherwise.


class Heatmaps(nn.Module):
    """H of Eq. 6 (ID-8 and on).

    Args:
        grid: of F⁰.
        sigma: σ in cells of the map.
        detach: whether the next stages' losses stop here, or go on to the stage before.
    """

    def __init__(self, *, grid: MapGrid, sigma: float, detach: bool = True) -> None:
        super().__init__()
        self.grid = grid
        self.sigma = sigma
        self.detach = detach

    def forward(self, Y: Tensor, M: Tensor) -> Tensor:
        """One heatmap a joint, ``(B, 21, h, w)``."""
        Y = Y.detach() if self.detach else Y
        return draw_heatmaps(Y[..., :2], self.grid, sigma=self.sigma)


class DepthMaps(nn.Module):
    """D of Eq. 6 (ID-9 and on), one cell a joint.

    Args:
        grid: of F⁰.
        detach: whether the next stages' losses stop here, or go on to the stage before.
    """

    def __init__(self, *, grid: MapGrid, detach: bool = True) -> None:
        super().__init__()
        self.grid = grid
        self.detach = detach

    def forward(self, Y: Tensor, M: Tensor) -> Tensor:
        """One depth map a joint, ``(B, 21, h, w)``."""
        return draw_depths(Y.detach() if self.detach else Y, self.grid)


class SplatDepthMaps(DepthMaps):
    """D of Eq. 6 with bilinear weights, for small maps."""

    def forward(self, Y: Tensor, M: Tensor) -> Tensor:
        """One depth map a joint, ``(B, 21, h, w)``."""
        return splat_depths(Y.detach() if self.detach else Y, self.grid)


class RefineMaps(nn.Module):
    """R of Eq. 5 (ID-10 and on): R_i = reshape(T_r(detach(M_i))), T_r shared by the joints.

    Args:
        grid: of F⁰, which fixes the size of T_r's output.
        features: length of M_i.
        hidden: width of T_r's hidden layer.
        detach: whether the next stages' losses stop here, as in Eq. 5, or go on to the stage before.
    """

    def __init__(self, *, grid: MapGrid, features: int, hidden: int, detach: bool = True) -> None:
        super().__init__()
        h, w = grid.cells
        self.transform = MLP(nn.Linear(features, hidden), nn.Linear(hidden, h * w))
        self.grid = grid
        self.detach = detach

    def forward(self, Y: Tensor, M: Tensor) -> Tensor:
        """One refine map a joint, ``(B, 21, h, w)``."""
        return self.transform(M.detach() if self.detach else M).unflatten(-1, self.grid.cells)


# --- One further stage ----------------------------------------------------------------------------------------------


class Refinement(nn.Module):
    """A further stage: the maps of the stage before beside F⁰ (Eq. 7), an own last residual block, an own G and D.

    Eq. 7 only concatenates. But a heatmap of one narrow peak hardly differs from hand to hand, measured against F⁰, and
    what is joined so is not read. So each kind of map is brought to F⁰'s scale first, by a batch normalisation without
    weights, joint by joint.

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
        self.scales = nn.ModuleList(nn.BatchNorm2d(NUM_JOINTS, affine=False) for _ in maps)
        channels = backbone.middle_channels
        # A (B, C⁰ + 21·maps, h, w) → (B, C⁰, h, w): the copied block expects F⁰'s channels, so F⁰ passes through at
        # first and what the maps say is added, each kind with a variance of one.
        self.join = nn.Conv2d(channels + NUM_JOINTS * len(maps), channels, 1)
        nn.init.dirac_(self.join.weight[:, :channels].detach())
        nn.init.normal_(self.join.weight[:, channels:].detach(), std=NUM_JOINTS**-0.5)
        nn.init.zeros_(self.join.bias)
        self.block = copy.deepcopy(backbone.layer4)
        self.representation = representation
        self.decoder = decoder

    def draw(self, Y: Tensor, M: Tensor) -> list[Tensor]:
        """The maps of a prediction on F⁰'s scale, ``(B, 21, h, w)`` of each kind, in the order of ``maps``."""
        return [scale(draw(Y, M)) for draw, scale in zip(self.maps, self.scales, strict=True)]

    def look(self, F0: Tensor, drawn: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """F⁰ and drawn maps to this stage's Y ``(B, 21, 3)`` and M ``(B, 21, n·e)``.

        Raises:
            HandLibError: the maps are drawn for another picture's size than F⁰ is of.
        """
        for maps in drawn:
            if maps.shape[2:] != F0.shape[2:]:
                raise HandLibError(
                    f"maps of {tuple(maps.shape[2:])} cells cannot join F⁰ of {tuple(F0.shape[2:])}: was the network "
                    "built for another image size?"
                )
        A = torch.cat([F0, *(maps.to(F0.dtype) for maps in drawn)], dim=1)  # Eq. 7
        X = self.block(self.join(A))
        M = self.decoder.multi_head(self.representation(X))
        return self.decoder.fuse(M), M

    def forward(self, F0: Tensor, Y: Tensor, M: Tensor) -> tuple[Tensor, Tensor]:
        """F⁰, and Y and M of the stage before, to this stage's Y ``(B, 21, 3)`` and M ``(B, 21, n·e)``."""
        return self.look(F0, self.draw(Y, M))
