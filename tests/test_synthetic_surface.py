"""The skin: closed, bound to the bones, and keeping its volume."""

from dataclasses import replace

import pytest
import torch
import trimesh

from hand_lib.synthetic import (
    HandPose,
    HandShape,
    forward_kinematics,
    hand_surface,
    pose_hand,
    pose_surface,
    sample_hands,
)
from hand_lib.synthetic.surface import FOREARM_PART, NUM_PARTS, PALM_PART, rest_pose

CELLS = [6.0, 5.0, 3.5]  # the renderer uses 5 and 3.5


@pytest.mark.parametrize("cell", CELLS)
def test_watertight(cell):
    surface = hand_surface(cell)
    edges = torch.cat([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
    # Each edge belongs to two triangles, once in each direction.
    assert len(torch.unique(edges, dim=0)) == len(edges)
    _, counts = torch.unique(edges.sort(1).values, dim=0, return_counts=True)
    assert (counts == 2).all()
    mesh = trimesh.Trimesh(surface.vertices.numpy(), surface.faces.numpy(), process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.euler_number == 2  # one piece, no handle: no two fingers melt together
    assert mesh.volume > 0  # triangles look outwards


@pytest.mark.parametrize("cell", CELLS)
def test_weights_and_parts(cell):
    surface = hand_surface(cell)
    assert (surface.weights >= 0).all()
    assert torch.allclose(surface.weights.sum(1), torch.ones(len(surface.weights)), atol=1e-5)
    assert torch.unique(surface.part).tolist() == list(range(NUM_PARTS))
    # No vertex of a finger follows another finger's last two bones.
    for chain in range(5):
        own = surface.part // 3 == chain
        for other in set(range(5)) - {chain}:
            assert surface.weights[own][:, 2 + 4 * other : 5 + 4 * other].max() < 0.05


def test_resting_skin_does_not_move_in_its_own_pose():
    surface = hand_surface(4.5)
    _, frames = forward_kinematics(HandShape.mean(), rest_pose())
    plain, _ = pose_surface(surface, HandShape.mean(), frames, iterations=0)
    assert torch.allclose(plain[0].t(), surface.vertices, atol=1e-3)
    kept, _ = pose_surface(surface, HandShape.mean(), frames)
    inner = surface.part != FOREARM_PART
    assert (kept[0].t() - surface.vertices).norm(dim=1)[inner].max() < 0.01


def test_skin_lies_on_the_flesh_of_random_poses():
    """Every vertex of a finger is as far from its own bone as flesh is thick."""
    hands = sample_hands(0, "training", range(24))
    posed = pose_hand(hands)
    for chain in range(1, 5):
        for segment in range(3):
            a, b = posed.joints[:, 1 + 4 * chain + 2 - segment], posed.joints[:, 2 + 4 * chain + 2 - segment]
            points = posed.vertices[:, posed.part == 3 * chain + segment]
            axis = b - a
            t = ((points - a[:, None]) * axis[:, None]).sum(-1) / axis.square().sum(-1)[:, None]
            distance = (points - a[:, None] - t.clamp(0, 1)[..., None] * axis[:, None]).norm(dim=-1)
            assert distance.quantile(0.01) > 2.0 and distance.quantile(0.99) < 14.0


def test_bent_fingers_keep_their_volume():
    """Linear blend skinning alone loses flesh at a joint bent to the full; the steps back to the flesh give it back."""
    shape = HandShape.mean()
    surface = hand_surface(3.5)
    flexion = torch.zeros(1, 5, 3)
    flexion[:, 1:, 1] = 1.75
    flexion[:, 1:, 2] = 1.1

    def radius_at_knuckle(iterations: int) -> torch.Tensor:
        joints, frames = forward_kinematics(shape, replace(HandPose.zero(), flexion=flexion))
        points, _ = pose_surface(surface, shape, frames, iterations=iterations)
        pip = joints[0, [6, 10, 14, 18]]
        near = [(points[0].t() - p).norm(dim=1)[(surface.part // 3 == i + 1)] for i, p in enumerate(pip)]
        # The knuckle's outside: the part of the skin near the joint that is farthest from the palm's plane.
        return torch.stack([d[d < 20].quantile(0.05) for d in near])

    assert (radius_at_knuckle(2) > 1.1 * radius_at_knuckle(0)).all()
    assert (radius_at_knuckle(2) > 5.0).all()


def test_normals_are_unit_and_look_outwards():
    posed = pose_hand(sample_hands(1, "evaluation", range(6)))
    assert torch.allclose(posed.normals.norm(dim=-1), torch.ones(posed.normals.shape[:2]), atol=1e-4)
    corner = posed.vertices[:, posed.faces]
    flat = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
    smooth = posed.normals[:, posed.faces].mean(2)
    agree = ((flat * smooth).sum(-1) > 0).float().mean()
    assert agree > 0.97  # the rest are folds of skin in bent joints


def test_longer_bones_make_longer_skin():
    shape = HandShape.mean()
    longer = replace(shape, segments=shape.segments * 1.1)
    surface = hand_surface(4.5)
    reach = []
    for s in (shape, longer):
        joints, frames = forward_kinematics(s, HandPose.zero())
        points, _ = pose_surface(surface, s, frames)
        reach.append(points[0, 1].max() - joints[0, 9, 1])
    assert reach[1] / reach[0] == pytest.approx(1.1, abs=0.03)


def test_palm_and_back():
    surface = hand_surface(4.5)
    palm = surface.part == PALM_PART
    height = surface.vertices[palm, 2]
    palmar = surface.palmar[palm, 0]
    assert palmar[height > 10].mean() > 0.8
    assert palmar[height < -6].mean() < 0.2
