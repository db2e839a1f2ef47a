"""Things that a hand holds, or that stand before it."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from hand_lib.skeleton import TIPS
from hand_lib.synthetic.anatomy import rotate
from hand_lib.synthetic.pixels import power
from hand_lib.synthetic.scene import SceneParameters


@lru_cache(maxsize=4)
def _ellipsoid_mesh(device: str) -> tuple[Tensor, Tensor]:
    """Angles (latitude, longitude) of a sphere's vertices, (2, 182), and faces, outwards anticlockwise."""
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


def objects_of(scene: SceneParameters, rows: Tensor, joints: Tensor, span: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices (N, Vo, 3), normals and faces of the objects of pictures ``rows``, camera frame."""
    angles, faces = _ellipsoid_mesh(str(rows.device))
    latitude, longitude = angles

    def signed(value: Tensor, exponent: Tensor) -> Tensor:
        return value.sign() * power(value.abs() + 1e-7, exponent)

    e1, e2 = scene.object_shape[rows, :1], scene.object_shape[rows, 1:]
    flat, up = torch.cos(latitude).clamp(min=0), torch.sin(latitude)
    cos, sin = torch.cos(longitude), torch.sin(longitude)
    unit = torch.stack([signed(flat, e1) * signed(cos, e2), signed(flat, e1) * signed(sin, e2), signed(up, e1)], 2)
    normal = torch.stack(
        [signed(flat, 2 - e1) * signed(cos, 2 - e2), signed(flat, 2 - e1) * signed(sin, 2 - e2), signed(up, 2 - e1)], 2
    )
    proportion = scene.object_size[rows]
    # Held: in the middle of palm and finger tips, as large as there is room; else between the hand and the camera.
    joints = joints[rows]
    palm = joints[:, [0, 1, 5, 9, 13, 17]].mean(1)
    tips = joints[:, list(TIPS)].mean(1)
    grasp = 0.5 * palm + 0.5 * tips
    bones = torch.cat([joints[:, 1:], 0.5 * (joints[:, 1:] + joints[:, :-1])], 1)
    room = (bones - grasp[:, None]).norm(dim=-1).amin(1) - 8.0
    held = scene.object_held[rows] & (room > 9.0)
    offset = scene.object_offset[rows]
    middle = joints.mean(1)
    front = middle + span[rows, None] * torch.stack(
        [0.8 * (offset[:, 0] - 0.5), 0.8 * (offset[:, 1] - 0.5), -0.45 - 0.2 * offset[:, 2]], 1
    )
    longest = proportion.amax(1)
    size = torch.where(held, room / longest, (0.07 + 0.10 * offset[:, 2]) * span[rows])
    centre = torch.where(held[:, None], grasp, front)
    scale = size[:, None] * proportion
    rotation = scene.object_rotation[rows]
    vertices = rotate(rotation, (unit * scale[:, None]).transpose(1, 2)).transpose(1, 2) + centre[:, None]
    normal = rotate(rotation, (normal / scale[:, None]).transpose(1, 2)).transpose(1, 2)
    return vertices, normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-9), faces
