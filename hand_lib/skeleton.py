"""The hand's skeleton: 21 joints, five fingers, twenty bones, and the orders datasets keep them in.

Everything in the package uses one order, the *canonical* one (that of FreiHAND): the wrist, then thumb,
index, middle, ring and little finger, each from its base to its tip.
"""

from __future__ import annotations

import torch
from torch import Tensor

FINGERS = ("thumb", "index", "middle", "ring", "little")

# From base to tip. The thumb has a carpometacarpal joint where the fingers have a knuckle.
THUMB_JOINTS = ("CMC", "MCP", "IP", "tip")
FINGER_JOINTS = ("MCP", "PIP", "DIP", "tip")

JOINTS = (
    "wrist",
    *(f"{finger} {joint}" for finger in FINGERS for joint in (THUMB_JOINTS if finger == "thumb" else FINGER_JOINTS)),
)
NUM_JOINTS = len(JOINTS)  # 21

WRIST = 0
ROOT = JOINTS.index("middle MCP")  # 9: depths are given relative to this joint
SCALE_BONE = (ROOT, JOINTS.index("middle PIP"))  # its length is the unit of root-relative depth
TIPS = tuple(i for i, name in enumerate(JOINTS) if name.endswith("tip"))  # 4, 8, 12, 16, 20

# The joint each joint hangs from; the wrist hangs from nothing.
PARENTS = tuple(-1 if i == WRIST else (WRIST if (i - 1) % 4 == 0 else i - 1) for i in range(NUM_JOINTS))
BONES = tuple((parent, child) for child, parent in enumerate(PARENTS) if parent >= 0)  # 20 (parent, child) pairs

# Finger index of each joint, −1 for the wrist.
FINGER_OF_JOINT = tuple(-1 if i == WRIST else (i - 1) // 4 for i in range(NUM_JOINTS))

# One colour a finger in the whole book. Wong's palette for the colour-blind (Nature Methods 8, 441; 2011), and grey
# for the wrist: each is dark enough for a white page and light enough for a black one.
WRIST_COLOR = "#7f7f7f"
FINGER_COLORS = {
    "thumb": "#d55e00",
    "index": "#e69f00",
    "middle": "#009e73",
    "ring": "#0072b2",
    "little": "#cc79a7",
}
JOINT_COLORS = tuple(WRIST_COLOR if f < 0 else FINGER_COLORS[FINGERS[f]] for f in FINGER_OF_JOINT)

# Permutations P with canonical[i] = theirs[P[i]].
RHD_ORDER = (0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17)
STB_ORDER = (0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4)
HO3D_ORDER = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)


def to_canonical(joints: Tensor, order: tuple[int, ...]) -> Tensor:
    """Reorder joints from a dataset's own order to the canonical one.

    Args:
        joints: ``(..., 21, C)`` in the dataset's order.
        order: one of ``RHD_ORDER``, ``STB_ORDER``, ``HO3D_ORDER``.

    Returns:
        ``(..., 21, C)`` in canonical order.
    """
    return joints[..., list(order), :]


def from_canonical(joints: Tensor, order: tuple[int, ...]) -> Tensor:
    """The inverse of :func:`to_canonical`: ``(..., 21, C)`` canonical to the dataset's own order."""
    inverse = torch.argsort(torch.tensor(order)).tolist()
    return joints[..., inverse, :]


def bone_lengths(xyz: Tensor) -> Tensor:
    """Lengths of the twenty bones, ``(..., 21, 3)`` to ``(..., 20)``, in the unit of ``xyz``, ordered as ``BONES``."""
    parents, children = zip(*BONES, strict=True)
    return (xyz[..., list(children), :] - xyz[..., list(parents), :]).norm(dim=-1)
