"""One container for what every dataset gives: pictures of hands and where their joints are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from hand_lib.errors import HandLibError


@dataclass(frozen=True, kw_only=True)
class Samples:
    """A batch of B annotated pictures of one hand each.

    Camera frame: x right, y down, z forward, **millimetres**. Pixels: ``(u, v)`` = (column, row), the centre of the
    top-left pixel is ``(0, 0)``. Joints are in the canonical order of :mod:`hand_lib.skeleton`.

    Attributes:
        images: ``(B, 3, H, W)`` uint8, RGB.
        uv: ``(B, 21, 2)`` float32, joints in pixels.
        xyz: ``(B, 21, 3)`` float32, joints in millimetres.
        visible: ``(B, 21)`` bool, not hidden by the hand itself, an object or the border.
        K: ``(B, 3, 3)`` float32, intrinsics; a full matrix, so that a rotated crop stays exact.
        right: ``(B,)`` bool, a right hand.
        box: ``(B, 4)`` float32, ``u0, v0, u1, v1`` of the hand's pixels from outer edge to outer edge: −½ and W−½
            for a hand that fills the picture's width.
        mask: ``(B, H, W)`` uint8 in RHD's classes, or None where a dataset has none.
        depth: ``(B, H, W)`` float32, z of the nearest surface in millimetres, or None.
    """

    images: Tensor
    uv: Tensor
    xyz: Tensor
    visible: Tensor
    K: Tensor
    right: Tensor
    box: Tensor
    mask: Tensor | None = None
    depth: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | Tensor | list[int]) -> Samples:
        """A sub-batch: a slice, a list or a tensor of indices (an integer would drop the batch dimension)."""
        if isinstance(index, list):
            index = torch.tensor(index, dtype=torch.long)
        if isinstance(index, slice):
            return self._map(lambda tensor: tensor[index])
        return self._map(lambda tensor: tensor[index.to(tensor.device, non_blocking=True)])

    def to(self, device: torch.device | str) -> Samples:
        """The same samples with every tensor on ``device``."""
        return self._map(lambda tensor: tensor.to(device))

    def pictures_to(self, device: torch.device | str) -> Samples:
        """The same samples with their pictures, masks and depth maps on ``device`` and the rest where it was.

        Pixels are a GPU's work. What is known of them is a few numbers each: kept on the CPU they can be looked at
        without waiting for the GPU.
        """
        pixels = {name: getattr(self, name) for name in ("images", "mask", "depth")}
        return replace(self, **{name: maps.to(device) for name, maps in pixels.items() if maps is not None})

    def _map(self, function: Callable[[Tensor], Tensor]) -> Samples:
        present = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: function(value) for name, value in present.items() if value is not None})

    @staticmethod
    def concat(parts: list[Samples]) -> Samples:
        """Join batches along B.

        Raises:
            HandLibError: there is nothing to join, or a field is None in some parts and not in others.
        """
        if not parts:
            raise HandLibError("there are no samples to join")
        joined = {}
        for field in fields(Samples):
            tensors = [getattr(part, field.name) for part in parts]
            missing = sum(tensor is None for tensor in tensors)
            if missing not in (0, len(parts)):
                raise HandLibError(f"{missing} of {len(parts)} batches have no {field.name}: give it to all or to none")
            joined[field.name] = torch.cat(tensors) if not missing else None
        return Samples(**joined)
