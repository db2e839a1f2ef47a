"""What a picture shows, in words of the hand: the mask, the joints that can be seen, the box round the hand."""

from __future__ import annotations

import torch
from torch import Tensor

from hand_lib.skeleton import FINGER_COLORS, FINGERS, NUM_JOINTS, ROOT, WRIST, WRIST_COLOR
from hand_lib.synthetic.renderer import Hits
from hand_lib.synthetic.surface import FOREARM_PART, NUM_PARTS, PALM_PART

# What a pixel shows, as a code: 0 nothing, 1–17 a part of this hand (part + 1), 18 another hand, 19 an object.
OTHER, OBJECT, _CODES = NUM_PARTS + 1, NUM_PARTS + 2, NUM_PARTS + 3
_THUMB_BALL = 2  # the part round the thumb's first bone
_REACH = 1.0  # palms; farther than that from the wrist, the forearm is something in front of it
# RHD's classes of a right hand; a left hand's are 16 less.
CLASS_OF_CODE = torch.tensor([0, *(18 + p for p in range(PALM_PART)), 33, 1, 1, 0])


def _own_flesh() -> Tensor:
    """(21, 20) bool: the codes that may be seen where a joint is visible, which are the parts that meet there.

    The wrist's are forearm, palm and the ball of the thumb. The thumb's first joint lies beside it, under the same
    skin. A finger's first joint is where finger and palm meet, and so on to the tip, which has the last segment only.
    """
    table = torch.zeros(NUM_JOINTS, _CODES, dtype=torch.bool)
    table[:2, [PALM_PART + 1, FOREARM_PART + 1, _THUMB_BALL + 1]] = True
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


def visible_joints(xyz: Tensor, inside: Tensor, part: Tensor, hands: Hits, things: Hits | None = None) -> Tensor:
    """Which joints a camera sees, in the sense in which one sees a bone: by the flesh on it.

    A joint is visible if the first thing on the line of sight to it is its own flesh, that is, skin of a part that
    meets in this joint, and the line stays in flesh from there to the joint. The wrist's own is also the forearm, as
    far as a palm is long: behind more of it the wrist is hidden. This is decided on the line itself, so it does not
    depend on the picture's size.

    Args:
        xyz: ``(B, 21, 3)`` mm, camera frame.
        inside: ``(B, 21)`` bool, the joint is in the picture.
        part: ``(V,)`` parts of the skin's vertices.
        hands: what the B · 21 lines of sight meet of hands, of which the first B are those of ``xyz``.
        things: what they meet of objects.

    Returns:
        ``(B, 21)`` bool.
    """
    batch, device = len(xyz), xyz.device
    own = hands.mesh < batch
    code = torch.where(own, part.index_select(0, hands.vertex) + 1, OTHER)
    # The forearm is an arm's length of one part: far from the wrist it is something in front.
    depth = xyz[..., 2].reshape(-1).index_select(0, hands.ray)
    stretch = (xyz.norm(dim=-1) / xyz[..., 2]).view(-1).index_select(0, hands.ray)
    palm = (xyz[:, ROOT] - xyz[:, WRIST]).norm(dim=-1).repeat_interleave(NUM_JOINTS).index_select(0, hands.ray)
    far = (depth - 1.0 / hands.w) * stretch > _REACH * palm
    code = torch.where((code == FOREARM_PART + 1) & far, OTHER, code)
    ray, w, step = hands.ray, hands.w, torch.where(own, hands.step, 0)
    if things is not None:
        ray, w = torch.cat([ray, things.ray]), torch.cat([w, things.w])
        code = torch.cat([code, torch.full_like(things.ray, OBJECT)])
        step = torch.cat([step, torch.zeros_like(things.step)])
    # Along each line, from the camera on.
    order = torch.argsort(w, descending=True, stable=True)
    order = order[torch.argsort(ray[order], stable=True)]
    ray, code, step = ray[order], code[order], step[order]
    rays = torch.arange(batch * NUM_JOINTS, device=device)
    start, end = torch.searchsorted(ray, rays), torch.searchsorted(ray, rays, right=True)
    met = end > start
    first = torch.where(met, torch.cat([code, code.new_zeros(1)])[start], 0)
    # How many times inside the hand the line is after each step: where flesh is pressed into flesh, more than once.
    layers = torch.cat([step.new_zeros(1), step.cumsum(0)])
    layers = layers[1:] - layers[start[ray]]
    left = torch.zeros(batch * NUM_JOINTS, dtype=torch.long, device=device)
    left.index_add_(0, ray, ((step != 0) & (layers < 1)).long())
    allowed = _own_flesh().to(device)[rays % NUM_JOINTS, first]
    return inside & (allowed & (left == 0)).view(batch, NUM_JOINTS)


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
