"""From where a hand is seen, and a forearm that does not stand in the way.

A view is given by the *ray*, the direction from the camera to the hand. In the hand's frame the rays of a scene are
uniform over a cap of the sphere round the palm's normal; a cap of 180° is the whole sphere. Some rays come from the
side of the wrist, as the own hand is seen by its owner. There the forearm would hide the hand or run into the lens, if
the wrist were straight. So it is bent as far as needed, as one bends it to look at one's own hand from there.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import WRIST_LIMITS, HandPose, HandShape, dot, forearm_direction, forward_kinematics
from hand_lib.synthetic.draws import Draws

FOREARM_ASIDE = 60.0  # degrees that a wrist's bend tries to keep between the forearm and the line to the camera


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


def _about(axis: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotation (B, 3, 3) about unit axes (B, 3) by angles of given cosine and sine (B,): Rodrigues' formula."""
    x, y, z = axis.unbind(1)
    o = torch.zeros_like(x)
    k = torch.stack([o, -z, y, z, o, -x, -y, x, o], 1).unflatten(1, (3, 3))
    return torch.eye(3) + sin[:, None, None] * k + (1 - cos)[:, None, None] * (k @ k)


def _tilt(x: Tensor, y: Tensor, cos: Tensor) -> Tensor:
    """The rotation that carries z to a unit vector (x, y, cos) along the great circle between them, all (B,)."""
    sin = (x * x + y * y).sqrt()
    safe = sin.clamp(min=1e-9)
    return _about(torch.stack([-y / safe, x / safe, torch.zeros_like(x)], 1), cos, sin)


_PALM_TO_CAMERA = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # fingers up, palm to the camera


def viewpoints(draws: Draws, ray: Tensor, *, cone: float, roll: float) -> Tensor:
    """Rotations from the hand's frame to the camera's.

    Args:
        draws: B pictures' random numbers; takes three.
        ray: ``(B, 3)`` unit vectors from the camera to the hand, camera frame.
        cone: degrees; against the ray, the palm's normal deviates by at most this angle, uniformly over the cap.
        roll: degrees; the hand is turned about the ray within ± this angle of upright.

    Returns:
        ``(B, 3, 3)``.
    """
    u = draws.unit(3)
    cos = 1.0 - u[:, 0] * (1.0 - torch.cos(torch.deg2rad(torch.tensor(cone))))
    sin = (1.0 - cos * cos).clamp(min=0).sqrt()
    course = 2 * torch.pi * u[:, 1]
    tilt = _tilt(sin * torch.cos(course), sin * torch.sin(course), cos)
    turn = torch.deg2rad(roll * (2 * u[:, 2] - 1))
    axis = torch.tensor([[0.0, 0.0, 1.0]]).expand(len(u), 3)
    towards = _tilt(*ray.unbind(1))
    return towards @ _about(axis, torch.cos(turn), torch.sin(turn)) @ tilt @ _PALM_TO_CAMERA


def turn_away(rotation: Tensor, limit: float) -> Tensor:
    """Half a turn about the picture's vertical for hands whose forearm comes nearer by more than ``limit`` (cosine)."""
    flipped = torch.diag(torch.tensor([-1.0, 1.0, -1.0])) @ rotation
    return torch.where((rotation[:, 2, 1] > limit)[:, None, None], flipped, rotation)


_BENDS = 8  # steps of the search on the way to each corner of the wrist's range
_ARM = 30.0  # mm, half the breadth of an arm in its sleeve


def clear_forearm(shape: HandShape, pose: HandPose, rotation: Tensor, place: Tensor) -> HandPose:
    """Bend wrists so that no forearm stands between its hand and the camera.

    Each wrist is bent on, as little as needed, towards one of the corners of its range: until the forearm and the line
    from the hand to the camera are ``FOREARM_ASIDE`` degrees apart, and the forearm hides no joint, or as few as can
    be. A wrist that is well already stays as it is, and nothing else changes.

    Args:
        shape: B hands.
        pose: their poses.
        rotation: ``(B, 3, 3)`` hand frame to camera frame. place: ``(B, 3)`` the hand in the camera's frame.
    """
    # The way back to the camera, in the hand's frame.
    back = -(rotation * place[:, :, None])
    back = back[:, 0] + back[:, 1] + back[:, 2]
    back = (back / dot(back, back).sqrt()[:, None])[:, None]  # (B, 1, 3)

    limits = WRIST_LIMITS.to(place.device)
    corners = torch.cartesian_prod(limits[0], limits[1])  # (4, 2)
    share = torch.linspace(0, 1, _BENDS + 1, device=place.device)[:, None, None]
    wrists = (pose.wrist[:, None, None] + share * (corners - pose.wrist[:, None, None])).flatten(1, 2)  # (B, N, 2)
    arm = forearm_direction(wrists)  # (B, N, 3)
    near = dot(arm, back)  # cosine between forearm and way back
    # What the arm hides: joints beside its axis by less than its half breadth, as seen from the camera, and behind it.
    joints, _ = forward_kinematics(shape, pose)
    joints = joints[:, 1:]
    height = dot(joints, back)  # (B, 20) mm nearer than the wrist
    flat = (joints - height[..., None] * back)[:, None]  # (B, 1, 20, 3)
    across = arm - near[..., None] * back
    slant = dot(across, across).clamp(min=1e-6).sqrt()
    across = (across / slant[..., None])[:, :, None]  # (B, N, 1, 3)
    along = dot(flat, across)  # (B, N, 20)
    aside = flat - along[..., None] * across
    aside = dot(aside, aside).sqrt()
    behind = along * (near / slant)[..., None] - height[:, None]
    hides = ((_ARM - aside) / 10).clamp(0, 1) * (along > 0) * (behind > 0)
    hides = sum(hides.unbind(2))
    excess = (near - math.cos(math.radians(FOREARM_ASIDE))).clamp(min=0)
    bend = share.expand(_BENDS + 1, 4, 1).flatten()
    best = (100.0 * excess + hides + 0.5 * bend).argmin(1)
    return replace(pose, wrist=wrists.gather(1, best[:, None, None].expand(-1, 1, 2))[:, 0])
