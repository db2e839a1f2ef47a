"""What a renderer knows of a hand beside its joints: which part each pixel shows, and how far away it lies.

The maps are read, never resampled: a class has no mean with its neighbour, and at an outline neither has a depth. So
each cell of a coarse map takes what the nearest pixel of the source picture says.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hand_lib.camera import inverse
from hand_lib.datasets.augmentation import Crops
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples

PART_CLASSES = 17  # 0 all that is not the hand; 1–15 the finger parts, thumb to little finger; 16 the palm


def part_classes(mask: Tensor) -> Tensor:
    """RHD's classes (2–17 a left hand, 18–33 a right one) as the parts of a hand, 1–16, and 0; int64, same shape."""
    mask = mask.long()
    return torch.where(mask >= 18, mask - 17, torch.where(mask >= 2, mask - 1, 0))


def part_targets(samples: Samples, crops: Crops, *, stride: int) -> Tensor:
    """Part and depth at each cell of a map over the crops; cell i looks at pixel ``stride`` · i of the crop.

    Args:
        samples: B pictures with ``mask`` and ``depth``.
        crops: theirs, S pixels a side; left hands are mirrored there, and so are their maps here.
        stride: crop pixels from cell to cell.

    Returns:
        ``(B, 2, h, h)`` float32 on the device of the mask, h = ⌈S / stride⌉. First the class, see
        ``PART_CLASSES``, 0 outside the source; then, on the hand's cells, the depth of its surface relative to
        the root joint in lengths of the scale bone, as the joints' own; 0 on all others.

    Raises:
        HandLibError: the samples have no mask or no depth.
    """
    if samples.mask is None or samples.depth is None:
        raise HandLibError("there are no parts to name without mask and depth: load the samples with both")
    where = samples.mask.device
    count, height, width = samples.mask.shape
    cells = torch.arange(0, crops.images.shape[-1], stride, device=where)
    v, u = torch.meshgrid(cells, cells, indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).float().view(-1, 3)
    to_source = inverse(crops.A.to(where))
    nearest = (to_source[:, None, :2] * pixels[:, None]).sum(dim=-1).round().long()  # (B, cells, u and v)
    last = torch.tensor([width - 1, height - 1], device=where)
    inside = ((nearest >= 0) & (nearest <= last)).all(dim=-1)
    nearest = nearest.minimum(last).clamp(min=0)
    index = nearest[..., 1] * width + nearest[..., 0]
    part = part_classes(samples.mask.flatten(1).gather(1, index)) * inside
    z = samples.depth.flatten(1).gather(1, index)
    relative = (z - crops.z_root.to(where).view(-1, 1)) / crops.scale.to(where).view(-1, 1)
    relative = torch.where(part > 0, relative, 0.0)
    return torch.stack([part.float(), relative.float()], dim=1).view(count, 2, len(cells), len(cells))
