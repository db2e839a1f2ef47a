"""Things that a hand holds, or that stand before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hand_lib.skeleton import TIPS
from hand_lib.synthetic.anatomy import rotate
from hand_lib.synthetic.cloth import muted
from hand_lib.synthetic.draws import Draws
from hand_lib.synthetic.pixels import power
from hand_lib.synthetic.views import rotation_of_unit

_FLESH = 8.0  # mm from a bone to the skin, about


@dataclass(frozen=True, kw_only=True)
class Things:
    """The objects of B pictures.

    Attributes:
        present: ``(B,)`` bool. held: ``(B,)`` bool: in the hand, else between hand and camera.
        color: ``(B, 3)`` linear RGB. gloss: ``(B,)``.
        shape: ``(B, 2)`` exponents of the superellipsoid. size: ``(B, 3)`` proportions; radius ``(B,)`` mm, held ones'.
        rotation: ``(B, 3, 3)``. offset: ``(B, 3)`` random numbers that place it.
    """

    present: Tensor
    held: Tensor
    color: Tensor
    gloss: Tensor
    shape: Tensor
    size: Tensor
    radius: Tensor
    rotation: Tensor
    offset: Tensor


def sample_things(draws: Draws, *, occluder: float) -> Things:
    """Draw objects; ``occluder`` is the probability of one."""
    v = draws.unit(16)
    exponents = torch.tensor([[1.0, 1.0], [0.25, 0.25], [0.25, 1.0]])  # ball, box, cylinder
    kind = (v[:, 3] * 3).long().clamp(max=2)  # in single precision a number below one may be one
    # Cylinders are long: bottles, handles, pens.
    long = torch.where(kind == 2, 1.0 + 2.5 * v[:, 6], 0.75 + 0.5 * v[:, 6])
    return Things(
        present=draws.chance(occluder),
        held=draws.chance(0.7),
        color=muted(torch.cat([v[:, :3], v[:, 13:14]], 1)),
        gloss=2.5 * v[:, 14] ** 2,
        shape=exponents[kind],
        size=torch.stack([0.75 + 0.25 * v[:, 4], 0.75 + 0.25 * v[:, 5], long], 1),
        radius=9.0 + 27.0 * v[:, 15],
        rotation=rotation_of_unit(v[:, 7:10]),
        offset=v[:, 10:13],
    )


@lru_cache(maxsize=4)
def _ellipsoid_mesh(device: str) -> tuple[Tensor, Tensor]:
    """Angles (latitude, longitude) of a sphere's vertices, (2, 164), and faces, outwards anticlockwise."""
    rings, around = 11, 18
    latitude = torch.linspace(-torch.pi / 2, torch.pi / 2, rings)[1:-1]
    longitude = torch.arange(around) * (2 * torch.pi / around)
    grid = torch.stack(torch.meshgrid(latitude, longitude, indexing="ij")).flatten(1)
    poles = torch.tensor([[-torch.pi / 2, torch.pi / 2], [0.0, 0.0]])
    south, north = grid.shape[1], grid.shape[1] + 1
    faces = []
    for i in range(rings - 2):
        for k in range(around):
            a, b = i * around + k, i * around + (k + 1) % around
            if i == 0:
                faces.append((south, b, a))
            if i == rings - 3:
                faces.append((north, a, b))
            else:
                faces += [(a, b, b + around), (a, b + around, a + around)]
    return torch.cat([grid, poles], 1).to(device), torch.tensor(faces, device=device)


def _rest_in_hand(joints: Tensor, palmar: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Where balls come to rest in hands: middles (N, 3), and the radii (N,) that fit.

    A ball begins off the palm on its inner side, and is drawn to the palm and pushed out of palm and fingers in turn.

    Args:
        joints: ``(N, 21, 3)``. palmar: ``(N, 3)`` unit, out of the palm. radius: ``(N,)`` mm, as large as may be.
    """
    palm = joints[:, [0, 1, 5, 9, 13, 17]].mean(1)
    tips = joints[:, list(TIPS)].mean(1)
    ahead = (joints[:, 9] - joints[:, 0]) / (joints[:, 9] - joints[:, 0]).norm(dim=1, keepdim=True)
    bones = torch.cat([joints[:, 1:], 0.5 * (joints[:, 1:] + joints[:, :-1])], 1)
    keep = radius + _FLESH
    centre = 0.35 * tips + 0.65 * (palm + 12.0 * ahead) + 0.5 * keep[:, None] * palmar
    for step in range(10):
        away = centre[:, None] - bones
        distance = away.norm(dim=2)
        nearest, which = distance.min(1)
        toward = away.gather(1, which[:, None, None].expand(-1, 1, 3))[:, 0] / nearest.clamp(min=1e-3)[:, None]
        # Out of the flesh by all of its depth, towards it by a part of the gap.
        move = keep - nearest
        centre = centre + toward * torch.where(move > 0, 0.8 * move, (0.9 if step > 6 else 0.5) * move)[:, None]
    nearest = (centre[:, None] - bones).norm(dim=2).amin(1)
    return centre, torch.minimum(radius, (nearest - _FLESH).clamp(min=5.0))


def objects_of(
    things: Things, rows: Tensor, joints: Tensor, rotation: Tensor, span: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices (N, Vo, 3), normals and faces of the objects of pictures ``rows``, camera frame.

    Args:
        things: of B pictures. rows: ``(N,)``. joints: ``(B, 21, 3)`` camera frame.
        rotation: ``(B, 3, 3)`` hand frame to camera frame. span: ``(B,)`` mm, how large the hand looks.
    """
    angles, faces = _ellipsoid_mesh(str(rows.device))
    latitude, longitude = angles

    def signed(value: Tensor, exponent: Tensor) -> Tensor:
        return value.sign() * power(value.abs() + 1e-7, exponent)

    e1, e2 = things.shape[rows, :1], things.shape[rows, 1:]
    flat, up = torch.cos(latitude).clamp(min=0), torch.sin(latitude)
    cos, sin = torch.cos(longitude), torch.sin(longitude)
    unit = torch.stack([signed(flat, e1) * signed(cos, e2), signed(flat, e1) * signed(sin, e2), signed(up, e1)], 2)
    normal = torch.stack(
        [signed(flat, 2 - e1) * signed(cos, 2 - e2), signed(flat, 2 - e1) * signed(sin, 2 - e2), signed(up, 2 - e1)], 2
    )
    # Held: at rest against palm and fingers, long ones across the palm; else between the hand and the camera.
    joints, turn = joints[rows], rotation[rows]
    held, offset = things.held[rows], things.offset[rows]
    grasp, room = _rest_in_hand(joints, turn[:, :, 2], things.radius[rows])
    front = joints.mean(1) + span[rows, None] * torch.stack(
        [0.8 * (offset[:, 0] - 0.5), 0.8 * (offset[:, 1] - 0.5), -0.45 - 0.2 * offset[:, 2]], 1
    )
    size = torch.where(held, room, (0.05 + 0.07 * offset[:, 2]) * span[rows])
    centre = torch.where(held[:, None], grasp, front)
    scale = size[:, None] * things.size[rows]
    across = torch.stack([turn[:, :, 1], turn[:, :, 2], turn[:, :, 0]], 2)  # its z along the palm's x
    along = held & (things.size[rows, 2] > 1.3)
    rotation = torch.where(along[:, None, None], across, things.rotation[rows])
    vertices = rotate(rotation, (unit * scale[:, None]).transpose(1, 2)).transpose(1, 2) + centre[:, None]
    normal = rotate(rotation, (normal / scale[:, None]).transpose(1, 2)).transpose(1, 2)
    return vertices, normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-9), faces
