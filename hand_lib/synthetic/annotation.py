"""What a picture shows, in words of the hand: the mask, the joints that can be seen, the box round the hand."""

from __future__ import annotations

import torch
from torch import Tensor

from hand_lib.skeleton import FINGER_COLORS, FINGERS, NUM_JOINTS, WRIST_COLOR
from hand_lib.synthetic.anatomy import RADII
from hand_lib.synthetic.surface import FOREARM_PART, NUM_PARTS, PALM_PART

# What a pixel shows, as a code: 0 nothing, 1–17 a part of this hand (part + 1), 18 another hand, 19 an object.
OTHER, OBJECT, _CODES = NUM_PARTS + 1, NUM_PARTS + 2, NUM_PARTS + 3
# RHD's classes of a right hand; a left hand's are 16 less.
CLASS_OF_CODE = torch.tensor([0, *(18 + p for p in range(PALM_PART)), 33, 1, 1, 0])


def _parts_of_joint() -> Tensor:
    """(21, 20) bool: the codes that may be seen where a joint is visible, which are the parts that meet there."""
    table = torch.zeros(NUM_JOINTS, _CODES, dtype=torch.bool)
    table[0, [PALM_PART + 1, FOREARM_PART + 1]] = True
    for joint in range(1, NUM_JOINTS):
        chain, place = divmod(joint - 1, 4)
        for segment in {2 - min(place, 2), min(3 - place, 2)}:
            table[joint, 3 * chain + segment + 1] = True
        if place == 0 or (chain == 0 and place == 1):
            table[joint, PALM_PART + 1] = True
    return table


def second_nearest(block: Tensor) -> Tensor:
    """(N, 4) to (N,): the second largest of each row; of one sample, that one."""
    if block.shape[1] == 1:
        return block[:, 0]
    a, b, c, d = block.unbind(1)
    ab, cd = torch.maximum(a, b), torch.maximum(c, d)
    return torch.maximum(torch.minimum(ab, cd), torch.maximum(torch.minimum(a, b), torch.minimum(c, d)))


def visible_joints(xyz: Tensor, uv: Tensor, thickness: Tensor, depth: Tensor, codes: Tensor) -> Tensor:
    """(B, 21) bool: the surface at a joint's pixel is that of its own parts, and no farther in front than flesh is."""
    batch, size = len(xyz), depth.shape[-1]
    pixel = torch.floor(uv + 0.5).long()
    inside = ((pixel >= 0) & (pixel < size)).all(-1)
    pixel = pixel.clamp(0, size - 1)
    flat = pixel[..., 1] * size + pixel[..., 0]
    front = depth.view(batch, -1).gather(1, flat)
    code = codes.view(batch, -1).gather(1, flat)
    allowed = _parts_of_joint().to(xyz.device)[torch.arange(NUM_JOINTS, device=xyz.device), code]
    flesh = flesh_at_joints(thickness)
    return inside & allowed & (xyz[..., 2] - front < flesh)


def flesh_at_joints(thickness: Tensor) -> Tensor:
    """(B, 5) finger thicknesses to (B, 21) mm: how deep under the skin a visible joint can lie."""
    radii = RADII.to(thickness.device) * thickness[..., None]
    wrist = 26.0 * thickness.mean(1, keepdim=True)
    deep = torch.tensor([2.3, 1.9, 1.6, 1.6], device=thickness.device)
    return torch.cat([wrist, (radii * deep).flatten(1)], 1)


def color_mask(mask: Tensor) -> Tensor:
    """A mask of RHD's classes ``(..., H, W)`` as a picture ``(..., 3, H, W)`` uint8.

    Fingers have the book's colours, lightest at the tip, the palm is grey, other persons' flesh dark grey and the
    background black; left and right hands look alike.
    """

    def rgb(text: str) -> Tensor:
        return torch.tensor([int(text[i : i + 2], 16) for i in (1, 3, 5)], dtype=torch.float32)

    fingers = [rgb(FINGER_COLORS[name]) for name in FINGERS]
    hand = [c + share * (255.0 - c) for c in fingers for share in (0.45, 0.2, 0.0)] + [rgb(WRIST_COLOR) + 40.0]
    table = torch.stack([torch.zeros(3), torch.full((3,), 60.0), *hand, *hand]).round().to(torch.uint8)
    return table.to(mask.device)[mask.long()].movedim(-1, -3)


def boxes(mask: Tensor, uv: Tensor) -> Tensor:
    """(B, 4) ``u0, v0, u1, v1``, pixels' sides included; the joints' own where no pixel is seen."""
    size = mask.shape[-1]
    grid = torch.arange(size, device=mask.device, dtype=torch.float32)
    columns, rows = mask.any(1), mask.any(2)
    far = 1e9
    box = torch.stack(
        [
            torch.where(columns, grid, far).amin(1) - 0.5,
            torch.where(rows, grid, far).amin(1) - 0.5,
            torch.where(columns, grid, -far).amax(1) + 0.5,
            torch.where(rows, grid, -far).amax(1) + 0.5,
        ],
        1,
    )
    joints = torch.cat([uv.amin(1) - 0.5, uv.amax(1) + 0.5], 1)
    return torch.where(columns.any(1)[:, None], box, joints)
