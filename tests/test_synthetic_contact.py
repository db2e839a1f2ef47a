"""Bodies touch and do not pass through each other: by closed forms, properties and winding numbers of the skin."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from hand_lib.synthetic import (
    HandPose,
    HandShape,
    forward_kinematics,
    hand_surface,
    limit_pose,
    pose_surface,
    sample_hands,
)
from hand_lib.synthetic.anatomy import RADII, SEGMENTS, pose_of_vector, prototypes, select
from hand_lib.synthetic.contact import GIVE, contacts, relax
from hand_lib.synthetic.draws import SPLITS
from hand_lib.synthetic.surface import PALM_PART

ANGLES = ("flexion", "abduction", "twist", "cupping", "wrist")


def deepest(shape: HandShape, pose: HandPose) -> torch.Tensor:
    """(B,) mm, of the package's own measure."""
    return torch.maximum(*contacts(shape, pose)).amax(1)


def bent(*fingers: tuple[float, float, float], thumb=(0.0, 0.0, 0.0)) -> HandPose:
    """One hand; degrees for index to little finger."""
    return limit_pose(
        replace(HandPose.zero(), flexion=torch.deg2rad(torch.tensor([[thumb, *fingers]], dtype=torch.float32)))
    )


OPEN = replace(
    bent(*[(0.0, 4.0, 2.0)] * 4, thumb=(-18.0, 2.0, 2.0)),
    abduction=torch.deg2rad(torch.tensor([[8.0, -9.0, -1.5, 5.5, 13.0]])),
)
TIGHT = bent(*[(90.0, 105.0, 75.0)] * 4, thumb=(-18.0, 2.0, 2.0))


def test_two_capsules_overlap_by_their_radii_less_their_distance():
    """Distal segments of two fingers, crossed by abduction alone: the nearest points of two lines in one plane."""
    pose = replace(HandPose.zero(), abduction=torch.deg2rad(torch.tensor([[0.0, 0.0, 9.0, -9.0, 0.0]])))
    joints, _ = forward_kinematics(HandShape.mean(), pose)
    # Sample both capsules' axes densely: an independent way to the nearest approach.
    t = torch.linspace(0, 1, 401)[:, None]
    deep = -math.inf
    for start, stop, share in ((0, 1, 1.0), (1, 2, 1.0), (2, 3, 0.88)):
        for start2, stop2, share2 in ((0, 1, 1.0), (1, 2, 1.0), (2, 3, 0.88)):
            (a, ra), (b, rb) = (
                (
                    joints[0, 1 + 4 * f + i] + s * t * (joints[0, 1 + 4 * f + j] - joints[0, 1 + 4 * f + i]),
                    RADII[f, i] + s * t[:, 0] * (RADII[f, j] - RADII[f, i]),
                )
                for f, i, j, s in ((2, start, stop, share), (3, start2, stop2, share2))
            )
            depth = ra[:, None] + rb - torch.cdist(a, b)
            if start == 0:
                depth[t[:, 0] < 0.999] = -math.inf
            if start2 == 0:
                depth[:, t[:, 0] < 0.999] = -math.inf
            deep = max(deep, depth.max().item())
    assert deep > 3  # they do cross
    # The capsules are nearest where axes are, not where radii are largest: a little less deep.
    assert contacts(HandShape.mean(), pose)[1][0, 2].item() == pytest.approx(deep, abs=0.35)


def test_an_open_hand_touches_nothing_and_is_not_moved():
    assert deepest(HandShape.mean(), OPEN) < 0
    after = relax(HandShape.mean(), OPEN)
    for name in ANGLES:
        assert torch.equal(getattr(after, name), getattr(OPEN, name))


def test_the_gap_to_the_palm_closes_as_a_finger_bends():
    depths = [
        contacts(HandShape.mean(), bent(*[(0.9 * s, s, 0.7 * s)] * 4, thumb=(-18.0, 2.0, 2.0)))[0][0, 1:]
        for s in range(60, 106, 5)
    ]
    depths = torch.stack(depths)
    assert (depths[1:] > depths[:-1]).all()
    assert (depths[0] < -5).all() and (depths[-1] > 1).all()


def test_a_tight_fist_stays_a_fist_and_touches():
    before, after = contacts(HandShape.mean(), TIGHT)[0], relax(HandShape.mean(), TIGHT)
    assert (before[0, 1:] > 1).all()
    palm, finger = contacts(HandShape.mean(), after)
    assert palm.max() <= GIVE and finger.max() <= GIVE
    assert (palm[0, 1:] > -1.5).sum() >= 3 and (palm[0, 1:] > -6.0).all()  # still in touch
    assert (after.flexion[0, 1:].sum(-1) > math.radians(225)).all()  # of 270: still closed


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_pose_comes_out_clear_and_within_its_limits(seed):
    generator = torch.Generator().manual_seed(seed)
    gestures = torch.cat([prototypes("training"), prototypes("held_out")])
    vectors = gestures[torch.randint(len(gestures), (24,), generator=generator)]
    pose = limit_pose(pose_of_vector(vectors + 0.2 * torch.randn(24, 24, generator=generator)))
    after = relax(HandShape.mean(24), pose)
    again = limit_pose(after)
    for name in ANGLES:
        assert torch.allclose(getattr(after, name), getattr(again, name), atol=1e-6), name
    assert torch.equal(after.wrist, pose.wrist) and torch.equal(after.cupping, pose.cupping)
    assert (deepest(HandShape.mean(24), after) > 1.0).float().mean() < 0.1
    clear = deepest(HandShape.mean(24), pose) <= GIVE
    assert torch.equal(after.flexion[clear], pose.flexion[clear])


@pytest.mark.parametrize("split", SPLITS)
def test_sampled_hands_do_not_overlap_but_do_touch(split):
    hands = sample_hands(3, split, range(400))
    palm, finger = contacts(hands.shape, hands.pose)
    deep = torch.maximum(palm, finger).amax(1)
    assert (deep > 1.0).float().mean() < 0.01
    assert (palm[:, 1:].amax(1) > -1.0).float().mean() > 0.08  # fists
    thumb = contacts(hands.shape, hands.pose)[1][:, 0]
    assert (thumb > -1.5).float().mean() > 0.08  # pinches, and thumbs across the fingers


def test_fists_and_pinches_are_not_sampled_away():
    """As many closed fingers and as many small gaps between thumb and finger tips as the poses had before."""
    hands = sample_hands(0, "training", range(1000))
    total = hands.pose.flexion[:, 1:].sum(-1)
    assert (total > math.radians(220)).float().mean() > 0.08
    assert ((total > math.radians(200)).sum(1) >= 3).float().mean() > 0.08
    joints, _ = forward_kinematics(hands.shape, hands.pose)
    gap = (joints[:, [8, 12, 16, 20]] - joints[:, 4:5]).norm(dim=-1).amin(1)
    assert (gap < 20).float().mean() > 0.03  # two pads of 6 to 7 mm each


# ------------------------------------------------------------------------- an oracle that knows the skin alone


def winding(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """How often a closed mesh (T, 3, 3) winds round points (P, 3): van Oosterom & Strackee's solid angles."""
    a, b, c = (triangles[None, :, k] - points[:, None] for k in range(3))
    la, lb, lc = (np.sqrt((v * v).sum(-1)) for v in (a, b, c))
    volume = (a * np.cross(b, c)).sum(-1)
    rest = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return np.arctan2(volume, rest).sum(1) / (2 * np.pi)


def to_triangles(point: np.ndarray, triangles: np.ndarray) -> float:
    """Distance of a point to the nearest of triangles (T, 3, 3)."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    height = ((point - a) * normal).sum(1)
    foot, within = point - height[:, None] * normal, np.ones(len(a), bool)
    edge = np.full(len(a), np.inf)
    for u, v in ((a, b), (b, c), (c, a)):
        within &= (np.cross(v - u, foot - u) * normal).sum(1) >= 0
        t = np.clip(((point - u) * (v - u)).sum(1) / np.maximum(((v - u) ** 2).sum(1), 1e-12), 0, 1)
        edge = np.minimum(edge, np.linalg.norm(point - u - t[:, None] * (v - u), axis=1))
    return float(np.where(within, np.abs(height), edge).min())


class Bodies:
    """The skin cut into six closed bodies: five fingers, and the palm with the thenar and the forearm."""

    def __init__(self, cell: float = 5.0) -> None:
        self.surface = surface = hand_surface(cell)
        part, self.faces = surface.part.numpy(), surface.faces.numpy()
        chain, segment = np.where(part < PALM_PART, part // 3, 5), np.where(part < PALM_PART, 2 - part % 3, 0)
        self.body = np.where((chain == 0) & (segment == 0), 5, chain)
        turn, origin = surface.part_rotation.numpy()[part], surface.part_origin.numpy()[part]
        length = np.append(SEGMENTS.numpy()[:, ::-1].ravel(), [60.0, 60.0])[part]
        along = np.einsum("vi,vi->v", surface.vertices.numpy() - origin, turn[:, :, 1]) / length
        # What can meet the palm, and what can meet a finger: not what adjoins it at a joint or by the web.
        self.meets_palm = (self.body < 5) & ((segment == 2) | (segment == 1) & (chain > 0))
        self.meets_finger = (self.body < 5) & ((segment >= 1) | (along > 0.65))
        self.owner = np.array([np.sort(self.body[f])[1] for f in self.faces])
        self.caps = [self._rims(self.faces[self.owner == b]) for b in range(6)]

    @staticmethod
    def _rims(faces: np.ndarray) -> list[list[tuple[int, int]]]:
        directed = {tuple(e) for e in np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()}
        follow: dict[int, list[int]] = {}
        for u, v in directed:
            if (v, u) not in directed:
                follow.setdefault(u, []).append(v)
        rims = []
        while follow:
            u, rim = next(iter(follow)), []
            while u in follow:
                v = follow[u].pop()
                if not follow[u]:
                    del follow[u]
                rim.append((u, v))
                u = v
            rims.append(rim)
        return rims

    def closed(self, vertices: np.ndarray, body: int) -> np.ndarray:
        """Triangles (T, 3, 3) of a body, each hole closed by a fan."""
        triangles = [vertices[self.faces[self.owner == body]]]
        for rim in self.caps[body]:
            middle = vertices[[u for u, _ in rim]].mean(0)
            triangles.append(np.array([[vertices[v], vertices[u], middle] for u, v in rim]))
        return np.concatenate(triangles)

    def burial(self, vertices: np.ndarray) -> float:
        """How deep a vertex of one body lies inside another, mm, 0 if none does."""
        deep = 0.0
        for body in range(6):
            own = vertices[self.faces[self.owner == body]]
            rows = np.nonzero((self.meets_palm if body == 5 else self.meets_finger) & (self.body != body))[0]
            near, _ = cKDTree(own.reshape(-1, 3)).query(vertices[rows])
            rows = rows[near < 9.0]
            if len(rows):
                inside = rows[winding(vertices[rows], self.closed(vertices, body)) > 0.5]
                deep = max([deep, *(to_triangles(vertices[i], own) for i in inside)])
        return deep


@pytest.fixture(scope="module")
def bodies():
    return Bodies()


def skins(bodies: Bodies, shape: HandShape, pose: HandPose) -> np.ndarray:
    _, frames = forward_kinematics(shape, pose)
    return pose_surface(bodies.surface, shape, frames)[0].transpose(1, 2).double().numpy()


def test_the_oracle_finds_what_is_buried_and_nothing_else(bodies):
    """Its bodies are closed, an open hand has nothing buried, and fingertips pushed into the palm by 5 mm are found."""
    vertices = skins(bodies, HandShape.mean(), OPEN)[0]
    for body in range(6):
        middle = vertices[bodies.body == body].mean(0)
        probes = np.stack([middle, middle + np.array([0, 0, 200.0])])
        if body < 5:
            joint = forward_kinematics(HandShape.mean(), OPEN)[0][0, 3 + 4 * body].double().numpy()
            probes[0] = joint
        assert np.allclose(winding(probes, bodies.closed(vertices, body)), [1, 0], atol=1e-6)
    assert bodies.burial(vertices) == 0.0
    tight = skins(bodies, HandShape.mean(), TIGHT)[0]
    assert bodies.burial(tight) > 1.0


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_skins_of_sampled_hands_are_not_buried_in_each_other(bodies, split):
    hands = sample_hands(11, split, range(60))
    deep = np.array([bodies.burial(v) for v in skins(bodies, hands.shape, hands.pose)])
    assert np.quantile(deep, 0.95) < 1.0
    assert deep.max() < 3.0


@pytest.mark.slow
def test_relaxing_is_what_brings_them_out(bodies):
    hands = sample_hands(0, "training", range(20))
    rows = torch.arange(20)
    tight = limit_pose(replace(hands.pose, flexion=hands.pose.flexion + torch.deg2rad(torch.tensor(35.0))))
    before = [bodies.burial(v) for v in skins(bodies, hands.shape, tight)]
    after = [bodies.burial(v) for v in skins(bodies, hands.shape, relax(select(hands.shape, rows), tight))]
    assert np.quantile(before, 0.75) > 2.0
    assert np.quantile(after, 0.9) < 1.0
