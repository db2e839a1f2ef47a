"""From where a hand is seen: rotations of the hand's frame to the camera's."""

from __future__ import annotations

import torch
from torch import Tensor

from hand_lib.synthetic.draws import Draws


def rotation_of_unit(u: Tensor) -> Tensor:
    """Three uniform numbers (B, 3) to a uniform rotation (B, 3, 3), by Shoemake's quaternion."""
    a, b = torch.sqrt(1 - u[:, 0]), torch.sqrt(u[:, 0])
    t1, t2 = 2 * torch.pi * u[:, 1], 2 * torch.pi * u[:, 2]
    x, y, z, w = a * torch.sin(t1), a * torch.cos(t1), b * torch.sin(t2), b * torch.cos(t2)
    return torch.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
            2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
            2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
        ],
        dim=1,
    ).unflatten(1, (3, 3))  # fmt: skip


def _about(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotation (B, 3, 3) about unit axes (B, 3) by angles (B,): Rodrigues' formula."""
    x, y, z = axis.unbind(1)
    o = torch.zeros_like(x)
    k = torch.stack([o, -z, y, z, o, -x, -y, x, o], 1).unflatten(1, (3, 3))
    s, c = torch.sin(angle)[:, None, None], torch.cos(angle)[:, None, None]
    return torch.eye(3) + s * k + (1 - c) * (k @ k)


_PALM_TO_CAMERA = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # fingers up, palm to the camera
_FOREARM_TOWARDS_CAMERA = 0.35  # cosine; beyond it the arm would hide the hand or run into the lens


def viewpoints(draws: Draws, *, cone: float, roll: float) -> Tensor:
    """Rotations (B, 3, 3) from the hand's frame to the camera's; cone and roll in degrees, see :class:`SceneConfig`."""
    # What would have the forearm come at the camera is seen from the opposite side.
    u = draws.unit(5)
    if cone >= 180.0 and roll >= 180.0:
        return turn_away(rotation_of_unit(u[:, :3]), _FOREARM_TOWARDS_CAMERA)
    angle = torch.deg2rad(cone * torch.sqrt(u[:, 0]))
    turn = 2 * torch.pi * u[:, 1]
    axis = torch.stack([torch.cos(turn), torch.sin(turn), torch.zeros_like(turn)], 1)
    turn = torch.deg2rad(roll * (2 * u[:, 2] - 1))
    turn = _about(torch.tensor([[0.0, 0.0, 1.0]]).expand(len(u), 3), turn)
    one, opposite = (turn @ _about(axis, sign * angle) @ _PALM_TO_CAMERA for sign in (1.0, -1.0))
    return torch.where((one[:, 2, 1] > _FOREARM_TOWARDS_CAMERA)[:, None, None], opposite, one)


def turn_away(rotation: Tensor, limit: float) -> Tensor:
    """Half a turn about the picture's vertical for hands whose forearm comes nearer by more than ``limit`` (cosine)."""
    flipped = torch.diag(torch.tensor([-1.0, 1.0, -1.0])) @ rotation
    return torch.where((rotation[:, 2, 1] > limit)[:, None, None], flipped, rotation)
