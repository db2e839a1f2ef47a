"""The skin: one watertight triangle mesh, bent with the bones.

The flesh is a set of tapered capsules that hang from the bones' frames; the skin of the resting mean hand is the zero
level of their smooth union, made into triangles once per process by surface nets. To pose it, every vertex first
follows its bones (linear blend skinning) and then steps back onto the smooth union of the few *posed* capsules
that it belongs to. The first makes the skin slide and stretch as skin does, the second keeps the volume that
blending alone loses at bent joints. Because a vertex knows its own capsules only, fingers that touch do not melt
together, and because the mesh is closed and merely moved, no pose can tear it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.skeleton import TIPS
from hand_lib.synthetic.anatomy import (
    CARPUS,
    FOREARM,
    LITTLE_METACARPAL,
    NUM_FRAMES,
    RADII,
    RING_METACARPAL,
    SEGMENTS,
    Frames,
    HandPose,
    HandShape,
    forward_kinematics,
    move,
)

# Part labels of a right hand before they become RHD's classes: 0–14 the finger segments, thumb to little finger, each
# tip → palm; 15 the palm; 16 the forearm.
PALM_PART, FOREARM_PART = 15, 16
NUM_PARTS = 17

_FINGER_SOFTNESS, PALM_SOFTNESS = 1.5, 5.0  # mm, the smooth union's k
_NEIGHBOURS = 5  # capsules a vertex belongs to
_TIP_FLESH = (5.67, 3.84, 3.95, 3.95, 3.73)  # mm from the tip of the bone to the end of the finger (Buryanov & Kotiuk)
_FOREARM_START, _FOREARM_STRETCH = -22.0, 10.0  # the forearm is meshed short and drawn out, as it has no detail

# The forearm is two cones side by side: distance from the axis and radius at the wrist, at a bend, at the elbow, mm.
_FOREARM_CONES, _FOREARM_BEND, _FOREARM_END = ((8.5, 12.6), (10.5, 16.0), (14.0, 27.0)), 70.0, 240.0


def rest_pose() -> HandPose:
    """The pose the skin is made in: fingers straight and spread, thumb out, so that no two parts melt together."""
    pose = HandPose.zero()
    abduction = torch.deg2rad(torch.tensor([[0.0, -7.5, -1.0, 6.0, 15.0]]))
    flexion = torch.zeros(1, 5, 3)
    flexion[:, 1:] = torch.deg2rad(torch.tensor([4.0, 5.0, 3.0]))
    flexion[:, 0] = torch.deg2rad(torch.tensor([-8.0, 4.0, 3.0]))
    return HandPose(flexion=flexion, abduction=abduction, twist=pose.twist, cupping=pose.cupping, wrist=pose.wrist)


@dataclass(frozen=True)
class _Anchor:
    """A point of the flesh: fixed to one frame, or shared between two (``blend`` of the second)."""

    frame: int
    local: tuple[float, float, float]
    other: int = -1
    blend: float = 0.0


@dataclass(frozen=True)
class _Capsule:
    a: _Anchor
    b: _Anchor
    ra: float
    rb: float
    chain: int  # finger 0–4, 5 palm, 6 forearm: whose thickness it has
    part: int
    finger: bool = False  # stands free of the palm


def flesh_capsules() -> list[_Capsule]:
    """The capsules of the mean right hand; anchors are in millimetres in their frame (y along the bone)."""
    capsules = []
    radii = RADII.tolist()
    lengths = SEGMENTS.tolist()

    def bone(frame, y0, y1, r0, r1, chain, part, *, x0=0.0, x1=0.0, z0=0.0, z1=0.0, finger=True):
        a, b = _Anchor(frame, (x0, y0, z0)), _Anchor(frame, (x1, y1, z1))
        capsules.append(_Capsule(a, b, r0, r1, chain, part, finger))

    for chain in range(5):
        j = 1 + 4 * chain
        (l1, l2, l3), (r1, r2, r3, r4) = lengths[chain], radii[chain]
        t, m, p = 3 * chain, 3 * chain + 1, 3 * chain + 2
        slim = 0.9
        # Smooth union thickens the places where capsules meet, which makes the knuckles; the radii allow for it.
        bone(j, 0.0, l1, r1 - slim, r2 - slim, chain, p, finger=chain > 0, z1=0.3)
        bone(j + 1, 0.0, l2, r2 - slim, r3 - slim, chain, m, z0=0.3, z1=0.2)
        end = l3 + _TIP_FLESH[chain] - (r4 - slim - 0.4) - 0.3  # smooth union adds the last 0.3 mm
        bone(j + 2, 0.0, end, r3 - slim, r4 - slim - 0.4, chain, t, z0=0.2, z1=-0.4)
        # Pads on the palmar side.
        bone(j + 2, 0.35 * l3, 0.80 * l3, 0.82 * r4, 0.80 * r4, chain, t, z0=1.6, z1=1.4)
        bone(j + 1, 0.35 * l2, 0.62 * l2, 0.78 * r3, 0.76 * r3, chain, m, z0=2.0, z1=2.0)
        if chain:
            bone(j, 0.30 * l1, 0.62 * l1, 0.80 * r2, 0.78 * r2, chain, p, z0=2.4, z1=2.4)

    # Palm, in the frame of the hand. Metacarpals from carpus to knuckles; the two ulnar ones move with the cupping.
    joints, _ = forward_kinematics(HandShape.mean(), HandPose.zero())
    knuckles = joints[0, [5, 9, 13, 17]].tolist()
    carpus = CARPUS.tolist()
    frames = (0, 0, RING_METACARPAL, LITTLE_METACARPAL)

    def local(frame: int, point) -> tuple[float, float, float]:
        # The cupped frames sit at the metacarpals' carpal ends, with the hand's own axes.
        pivot = {RING_METACARPAL: carpus[2], LITTLE_METACARPAL: carpus[3]}.get(frame, (0.0, 0.0, 0.0))
        return tuple(float(p - q) for p, q in zip(point, pivot, strict=True))

    def palm(pa, pb, ra, rb, fa=0, fb=None):
        fb = fa if fb is None else fb
        a, b = _Anchor(fa, local(fa, pa)), _Anchor(fb, local(fb, pb))
        capsules.append(_Capsule(a, b, ra, rb, 5, PALM_PART))

    for i, frame in enumerate(frames):
        k, c = knuckles[i], carpus[i]
        palm((c[0], c[1], 2.0), (k[0], k[1], k[2] + 1.2), 8.6, 7.6 if i < 3 else 6.8, frame)
    ring, little = RING_METACARPAL, LITTLE_METACARPAL
    # The pads below the fingers, and the flesh that fills the palm between them and the wrist.
    palm((21.0, 79.0, 5.5), (2.0, 82.0, 6.0), 6.6, 6.8)
    palm((2.0, 82.0, 6.0), (-16.0, 75.0, 6.2), 6.8, 6.6, 0, ring)
    palm((-16.0, 75.0, 6.2), (-30.0, 66.0, 6.6), 6.6, 6.0, ring, little)
    palm((12.0, 52.0, 3.6), (-8.0, 50.0, 3.6), 7.4, 7.4)
    palm((8.0, 32.0, 4.0), (-8.0, 30.0, 4.5), 8.2, 8.2)
    # Hypothenar and thenar eminence.
    palm((-14.5, 15.0, 6.5), (-27.5, 52.0, 6.5), 9.6, 8.2, 0, little)
    palm((8.5, 13.0, 5.5), (19.0, 25.0, 11.0), 9.5, 10.0)
    a, b = _Anchor(0, (16.0, 26.0, 11.0), 1, 0.35), _Anchor(1, (-2.0, 30.0, 2.5))
    capsules.append(_Capsule(a, b, 11.0, 9.0, 5, 2))
    a, b = _Anchor(0, (11.0, 38.0, 8.5)), _Anchor(1, (1.0, 30.0, 1.0), 0, 0.25)
    capsules.append(_Capsule(a, b, 9.0, 7.6, 5, PALM_PART))
    # The web between thumb and index finger.
    a, b = _Anchor(0, (17.0, 56.0, 2.5)), _Anchor(1, (-2.0, 34.0, 0.0), 0, 0.25)
    capsules.append(_Capsule(a, b, 6.2, 5.6, 5, PALM_PART))
    a, b = _Anchor(0, (19.0, 66.0, 2.5)), _Anchor(1, (-3.0, 40.0, 0.0), 0, 0.55)
    capsules.append(_Capsule(a, b, 4.8, 4.2, 5, PALM_PART))
    # Webs between the fingers: shared by the finger and the palm, so that they give when one finger bends. A fold at
    # the front, and behind it the flesh that fills the valley between two knuckles.
    for left, right in ((5, 9), (9, 13), (13, 17)):
        for reach, z, radius in ((0.30, 1.5, 4.6), (0.12, 0.4, 5.4)):
            along = [reach * lengths[(j - 1) // 4][0] for j in (left, right)]
            a = _Anchor(left, (-3.0, along[0], z), 0, 0.3)
            b = _Anchor(right, (3.0, along[1], z), 0, 0.3)
            capsules.append(_Capsule(a, b, radius, radius, 5, PALM_PART))

    # Wrist and forearm: an oval from two cones side by side, wider towards the elbow.
    palm((8.5, 4.0, 0.0), (10.0, 26.0, 2.0), 12.0, 9.0)
    palm((-8.5, 4.0, 0.0), (-10.0, 24.0, 2.0), 12.0, 9.0)
    (x0, r0), (x1, r1), (x2, r2) = _FOREARM_CONES
    x3, r3 = x2 + 0.3 * (x2 - x1), r2 + 0.3 * (r2 - r1)  # beyond the end of the skin
    bend, end = -_FOREARM_BEND, -_FOREARM_END - 0.3 * (_FOREARM_END - _FOREARM_BEND)
    for side in (1.0, -1.0):
        a, b = _Anchor(FOREARM, (x0 * side, 0.0, 0.0)), _Anchor(FOREARM, (x1 * side, bend, 0.0))
        capsules.append(_Capsule(a, b, r0, r1, 6, FOREARM_PART))
        a, b = _Anchor(FOREARM, (x1 * side, bend, 0.0)), _Anchor(FOREARM, (x3 * side, end, 0.0))
        capsules.append(_Capsule(a, b, r1, r3, 6, FOREARM_PART))
    return capsules


@dataclass(frozen=True, kw_only=True)
class HandSurface:
    """The skin in its resting pose and what binds it to the bones. V vertices, T triangles, C capsules.

    Attributes:
        vertices: ``(V, 3)`` mm, hand frame, resting pose of the mean right hand.
        faces: ``(T, 3)`` vertex indices; seen from outside, corners run anticlockwise.
        weights: ``(V, 24)`` weight of each frame of :mod:`~hand_lib.synthetic.anatomy`; rows sum to one.
        part: ``(V,)`` 0–14 finger segments (thumb first, each tip → palm), 15 palm, 16 forearm.
        softness: ``(V,)`` mm, k of the smooth union.
        level: ``(V,)`` mm, the value of the union of its own capsules that a vertex keeps to.
        neighbours: ``(V, 5)`` the capsules each vertex belongs to.
        anchor: ``(2C, 3)`` ends of the capsules in the resting pose, all first ends before all second ones.
        anchor_weights: ``(2C, 24)`` their frames.
        radius: ``(2C,)`` mm.
        chain: ``(2C,)`` 0–4 finger, 5 palm, 6 forearm: whose thickness scales the radius.
        palmar: ``(V, 1)`` 1 where the resting skin looks to the palmar side of its part, 0 on the back.
        part_rotation: ``(17, 3, 3)``, part_origin ``(17, 3)``: each part's resting frame (y along its bone).
        grain: ``(V, 4)`` smooth random fields over the skin, of unit variance, for mottling.
        open_end: ``(V,)`` bool, the flat end of the forearm, which no capsule shapes.
        rest_rotation: ``(24, 3, 3)``, rest_origin ``(24, 3)``: the frames of the resting pose.
    """

    vertices: Tensor
    faces: Tensor
    weights: Tensor
    part: Tensor
    softness: Tensor
    level: Tensor
    neighbours: Tensor
    anchor: Tensor
    anchor_weights: Tensor
    radius: Tensor
    chain: Tensor
    palmar: Tensor
    part_rotation: Tensor
    part_origin: Tensor
    grain: Tensor
    open_end: Tensor
    rest_rotation: Tensor
    rest_origin: Tensor


def _distances(points: Tensor, a: Tensor, b: Tensor, ra: Tensor, rb: Tensor) -> Tensor:
    """Signed distance of points (N, 3) to each of C tapered capsules, (N, C)."""
    axis = b - a
    along = ((points[:, None] - a) * axis).sum(-1) / (axis * axis).sum(-1).clamp(min=1e-6)
    t = along.clamp(0, 1)
    return (points[:, None] - a - t[..., None] * axis).norm(dim=-1) - (ra + t * (rb - ra))


def frame_of_part(part: int) -> int:
    if part == PALM_PART:
        return 0
    if part == FOREARM_PART:
        return FOREARM
    chain, segment = divmod(part, 3)
    return 1 + 4 * chain + (2 - segment)


def _surface_nets(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of the zero level of a grid of values: one vertex in each mixed cell, one quad for each mixed edge."""
    inside = values < 0
    shape = np.array(values.shape)
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)
    cell = tuple(shape - 1)
    count = sum(
        inside[c[0] : c[0] + cell[0], c[1] : c[1] + cell[1], c[2] : c[2] + cell[2]].astype(int) for c in corners
    )
    mixed = (count > 0) & (count < 8)
    number = np.full(cell, -1)
    number[mixed] = np.arange(mixed.sum())
    where = np.argwhere(mixed)
    # A vertex is the mean of the crossings on its cell's twelve edges.
    total, hits = np.zeros((len(where), 3)), np.zeros(len(where))
    for c in corners:
        for axis in range(3):
            if c[axis]:
                continue
            d = c.copy()
            d[axis] = 1
            v0, v1 = values[tuple((where + c).T)], values[tuple((where + d).T)]
            crossing = (v0 < 0) != (v1 < 0)
            t = np.where(crossing, v0 / np.where(crossing, v0 - v1, 1.0), 0.0)
            total += np.where(crossing[:, None], c + t[:, None] * (d - c), 0.0)
            hits += crossing
    vertices = where + total / hits[:, None]
    quads = []
    for axis in range(3):
        o1, o2 = np.eye(3, dtype=int)[(axis + 1) % 3], np.eye(3, dtype=int)[(axis + 2) % 3]
        step = np.eye(3, dtype=int)[axis]
        lower = np.argwhere(np.ones(shape - step))
        lower = lower[(lower[:, (axis + 1) % 3] > 0) & (lower[:, (axis + 2) % 3] > 0)]
        lower = lower[
            (lower[:, (axis + 1) % 3] < shape[(axis + 1) % 3] - 1)
            & (lower[:, (axis + 2) % 3] < shape[(axis + 2) % 3] - 1)
        ]
        s0, s1 = inside[tuple(lower.T)], inside[tuple((lower + step).T)]
        for keep, order in ((s0 & ~s1, (0, 1, 2, 3)), (~s0 & s1, (3, 2, 1, 0))):
            base = lower[keep]
            ring = [base - o1 - o2, base - o2, base, base - o1]
            quads.append(np.stack([number[tuple(ring[i].T)] for i in order], 1))
    quads = np.concatenate(quads)
    # Split each quad along its shorter diagonal.
    corner = vertices[quads]
    first = np.linalg.norm(corner[:, 0] - corner[:, 2], axis=1) <= np.linalg.norm(corner[:, 1] - corner[:, 3], axis=1)
    faces = np.where(first[:, None], quads[:, [0, 1, 2, 0, 2, 3]], quads[:, [1, 2, 3, 1, 3, 0]]).reshape(-1, 3)
    return vertices, faces


def _closed(faces: np.ndarray) -> bool:
    """One closed sheet without handles: each edge in two triangles, and Euler's number two."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    key = directed[:, 0] * (faces.max() + 1) + directed[:, 1]
    vertices = len(np.unique(faces))
    return len(np.unique(key)) == len(key) and vertices - len(key) // 2 + len(faces) == 2


def _forearm_oval(distance: Tensor) -> tuple[Tensor, Tensor]:
    """Half width and half thickness of the forearm, mm, at a distance (mm) from the wrist."""
    near, far = distance.clamp(0, _FOREARM_BEND) / _FOREARM_BEND, (distance - _FOREARM_BEND).clamp(min=0)
    far = far / (_FOREARM_END - _FOREARM_BEND)
    (x0, r0), (x1, r1), (x2, r2) = _FOREARM_CONES
    thick = r0 + (r1 - r0) * near + (r2 - r1) * far
    return thick + x0 + (x1 - x0) * near + (x2 - x1) * far, thick


def cell_for(size: int) -> float:
    """The cell, mm, of the skin that suits pictures ``size`` pixels wide: a pixel or two on a side."""
    return 5.0 if size <= 160 else 3.5


@lru_cache(maxsize=8)
def hand_surface(cell: float = 4.0, device: str = "cpu") -> HandSurface:
    """Make the skin (about half a second, once per process, cell size and device).

    Args:
        cell: mm, the grid it is made on: about 4 gives some 3,000 vertices.
        device: where its tensors live.
    """
    if device != "cpu":
        return move(hand_surface(cell), device)
    with torch.inference_mode(False), torch.enable_grad():  # made once, whatever mode the caller is in
        return _make_surface(cell)


def _make_surface(cell: float) -> HandSurface:
    capsules = flesh_capsules()
    count = len(capsules)
    _, rest = forward_kinematics(HandShape.mean(), rest_pose())
    rotation, origin = rest.rotation[0], rest.origin[0]

    anchors, weights = [], torch.zeros(2 * count, NUM_FRAMES)
    for i, anchor in enumerate([c.a for c in capsules] + [c.b for c in capsules]):
        anchors.append(rotation[anchor.frame] @ torch.tensor(anchor.local) + origin[anchor.frame])
        weights[i, anchor.frame] = 1.0 - anchor.blend
        if anchor.blend:
            weights[i, anchor.other] = anchor.blend
    anchor = torch.stack(anchors)
    radius = torch.tensor([c.ra for c in capsules] + [c.rb for c in capsules])
    free = torch.tensor([c.finger for c in capsules])
    a, b, ra, rb = anchor[:count], anchor[count:], radius[:count], radius[count:]

    def field(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        d = _distances(points, a, b, ra, rb)
        gap = d[:, free].amin(1) - d[:, ~free].amin(1)
        k = _FINGER_SOFTNESS + (PALM_SOFTNESS - _FINGER_SOFTNESS) * torch.sigmoid(gap / 3.0)
        return -k * torch.logsumexp(-d / k[:, None], dim=1), d, k

    # Where two sheets of skin pass through one cell, surface nets pinch them together: move the grid until none does.
    high = torch.maximum(a, b).amax(0) + 22.0
    for shift in np.random.default_rng(1).random((40, 3)):
        low = torch.tensor([-66.0, -46.0, -34.0]) - cell * torch.tensor(shift, dtype=torch.float32)
        axes = [torch.arange(float(lo), float(hi), cell) for lo, hi in zip(low, high, strict=True)]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        values = torch.cat([field(chunk)[0] for chunk in grid.reshape(-1, 3).split(16384)]).reshape(grid.shape[:3])
        values[:, 0] = values[:, 0].abs()  # close the forearm's end
        vertices, faces = _surface_nets(values.numpy())
        if _closed(faces):
            break
    else:
        raise HandLibError(f"no closed skin with cells of {cell} mm: choose finer ones")
    vertices = torch.tensor(vertices, dtype=torch.float32) * cell + low
    faces = torch.tensor(faces)
    # Neighbours on the skin are neighbours in the list: sorted by cubes of 16 mm.
    cube = torch.floor((vertices[faces].mean(1) - low) / 16.0).long()
    faces = faces[torch.argsort((cube[:, 0] * 64 + cube[:, 1]) * 64 + cube[:, 2], stable=True)]

    # Even out the triangles, and bring the vertices to the surface exactly (not the flat end of the forearm).
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = torch.unique(torch.cat([edges, edges.flip(1)]), dim=0)
    degree = torch.bincount(edges[:, 0], minlength=len(vertices)).float()[:, None]

    def neighbour_mean(values: Tensor) -> Tensor:
        return torch.zeros_like(values).index_add_(0, edges[:, 0], values[edges[:, 1]]) / degree

    def outward(points: Tensor) -> tuple[Tensor, Tensor]:
        """The field at points and its gradient's direction over its length: where a step of −value leads to zero."""
        points = points.clone().requires_grad_(True)
        value = field(points)[0]
        (gradient,) = torch.autograd.grad(value.sum(), points)
        return value.detach()[:, None], gradient / gradient.square().sum(1, keepdim=True).clamp(min=0.05)

    open_end = vertices[:, 1] < low[1] + 1.5 * cell
    fixed = open_end[:, None].clone()
    for chain, tip in enumerate(TIPS):  # one vertex keeps the very end of each finger
        end = origin[tip] + _TIP_FLESH[chain] * rotation[tip][:, 1]
        nearest = (vertices - end).norm(dim=1).argmin()
        vertices[nearest], fixed[nearest] = end, True
    for _ in range(4):
        vertices = torch.where(fixed, vertices, 0.5 * vertices + 0.5 * neighbour_mean(vertices))
        for _ in range(3):
            value, normal = outward(vertices)
            vertices = torch.where(open_end[:, None], vertices, vertices - (value * normal).clamp(-2, 2))
    # Flat triangles between points of a round surface lie inside it: the points go out by as much as the triangles
    # round them lie too deep on average, so that a coarse skin is no thinner than a fine one.
    sides = torch.stack([faces, faces.roll(-1, 1)], 2)  # (T, 3, 2)
    faces_at = torch.bincount(faces.flatten(), minlength=len(vertices))[:, None]
    for _ in range(3):
        depth = field(vertices[sides].mean(2).flatten(0, 1))[0].view(-1, 3).mean(1)  # (T,), by the sides' middles
        depth = torch.zeros_like(fixed.float()).index_add_(0, faces.flatten(), depth.repeat_interleave(3)[:, None])
        vertices = torch.where(fixed, vertices, vertices - (depth / faces_at) * outward(vertices)[1])
    value, d, softness = field(vertices)

    # The capsule that shapes a vertex gives its part; only capsules of its own chain or the palm may pull at it, so
    # that a finger never follows its neighbour.
    chain = torch.tensor([c.chain for c in capsules])
    part_of = torch.tensor([c.part for c in capsules])
    home = torch.where(part_of < PALM_PART, part_of // 3, 5)
    nearest = d.argmin(1)
    own = home[nearest]
    part = part_of[nearest]
    allowed = (own[:, None] == 5) | (home == 5) | (home == own[:, None])
    allowed &= (own[:, None] != 5) | ~(part_of % 3 != 2).logical_and(part_of < PALM_PART)
    neighbours = torch.where(allowed, d, torch.inf).topk(_NEIGHBOURS, dim=1, largest=False).indices
    # A few capsules make a little less flesh than all of them: keep to the level that they have here at rest.
    softness = softness[:, None]
    level = -softness * torch.logsumexp(-d.gather(1, neighbours) / softness, dim=1, keepdim=True)

    # Weights: each vertex begins with the frames of the capsules that shape it, then they spread along the skin.
    share = torch.softmax(torch.where(allowed, -d / 2.5, -torch.inf), dim=1)
    frame_weight = 0.5 * (weights[:count] + weights[count:])
    w = share @ frame_weight
    rounds = max(2, round(9.0 / cell))
    for _ in range(rounds):
        w = 0.5 * w + 0.5 * neighbour_mean(w)
    w = w / w.sum(1, keepdim=True)

    # How far the skin looks to the palmar side of its own part: 1 pads and palm, 0 back of the hand.
    frame_of = torch.tensor([frame_of_part(p) for p in range(NUM_PARTS)])
    points = vertices.clone().requires_grad_(True)
    (normal,) = torch.autograd.grad(field(points)[0].sum(), points)
    outward = (normal / normal.norm(dim=1, keepdim=True) * rotation[frame_of[part], :, 2]).sum(1)
    palmar = torch.sigmoid(5.0 * outward)[:, None]
    for _ in range(3):
        palmar = 0.5 * palmar + 0.5 * neighbour_mean(palmar)

    # Draw the forearm out to its full length; it grows towards the elbow.
    x, y, z = vertices.unbind(1)
    drawn = torch.where(y < _FOREARM_START, _FOREARM_START + _FOREARM_STRETCH * (y - _FOREARM_START), y)
    (wide, thick), (wide_drawn, thick_drawn) = _forearm_oval(-y), _forearm_oval(-drawn)
    vertices = torch.stack([x * wide_drawn / wide, drawn, z * thick_drawn / thick], 1)
    d = _distances(vertices, a, b, ra, rb)
    drawn_level = -softness * torch.logsumexp(-d.gather(1, neighbours) / softness, dim=1, keepdim=True)
    level = torch.where((y < _FOREARM_START)[:, None], drawn_level, level)

    noise = torch.tensor(np.random.default_rng(7).standard_normal((len(vertices), 4)), dtype=torch.float32)
    for _ in range(3):
        noise[:, :2] = neighbour_mean(noise[:, :2])
    for _ in range(25):
        noise[:, 2:] = neighbour_mean(noise[:, 2:])
    grain = (noise - noise.mean(0)) / noise.std(0)

    return HandSurface(
        vertices=vertices.detach(),
        faces=faces,
        weights=w.detach(),
        part=part,
        softness=softness[:, 0].detach(),
        level=level[:, 0].detach(),
        neighbours=neighbours,
        anchor=anchor,
        anchor_weights=weights,
        radius=radius,
        chain=torch.cat([chain, chain]),
        palmar=palmar.detach(),
        part_rotation=rotation[frame_of],
        part_origin=origin[frame_of],
        grain=grain,
        open_end=open_end,
        rest_rotation=rotation,
        rest_origin=origin,
    )


def _transforms(surface: HandSurface, shape: HandShape, frames: Frames) -> tuple[Tensor, Tensor]:
    """Affine maps from the resting hand to the posed one: matrix (B, 24, 3, 3) and shift (B, 24, 3)."""
    batch, device = len(shape), shape.segments.device
    scale = torch.ones(batch, NUM_FRAMES, 3, device=device)
    mean = SEGMENTS.to(device)
    length = shape.segments / mean  # (B, 5, 3)
    length = torch.cat([length, length[..., 2:]], dim=2).flatten(1, 2)  # (B, 20), joints 1 to 20
    wide = shape.thickness.repeat_interleave(4, dim=1)
    scale = torch.cat(
        [
            shape.palm[:, None],
            torch.stack([wide, length, wide], dim=-1),
            shape.palm[:, None].expand(batch, 2, 3),
            torch.stack([shape.forearm, shape.palm[:, 1], shape.forearm], dim=-1)[:, None],
        ],
        dim=1,
    )  # (B, 24, 3)
    matrix = (frames.rotation * scale[:, :, None, :]) @ surface.rest_rotation.transpose(1, 2)
    shift = frames.origin - (matrix @ surface.rest_origin[..., None])[..., 0]
    return matrix, shift


def _blend(points: Tensor, weights: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Linear blend skinning: points (N, 3), weights (N, 24) to (B, 3, N)."""
    affine = torch.cat([matrix, shift[..., None]], dim=-1).flatten(2)  # (B, 24, 12)
    affine, weights = affine.transpose(1, 2), weights.t()
    # One product a hand on the CPU: its size, and so its rounding, does not depend on the batch.
    product = torch.stack([a @ weights for a in affine]) if affine.device.type == "cpu" else affine @ weights
    blended = product.unflatten(1, (3, 4))  # (B, 3, 4, N)
    x, y, z = points.t()
    return blended[:, :, 0] * x + blended[:, :, 1] * y + blended[:, :, 2] * z + blended[:, :, 3]


def pose_surface(
    surface: HandSurface, shape: HandShape, frames: Frames, *, iterations: int = 2
) -> tuple[Tensor, Tensor]:
    """Bend the skin.

    Args:
        surface: from :func:`hand_surface`.
        shape: B hands.
        frames: their posed frames, from :func:`~hand_lib.synthetic.anatomy.forward_kinematics`.
        iterations: steps back to the smooth union of the posed capsules; 0 leaves plain linear blend skinning.

    Returns:
        vertices and unit normals, both ``(B, 3, V)``, mm, hand frame of a right hand.
    """
    matrix, shift = _transforms(surface, shape, frames)
    points = _blend(surface.vertices, surface.weights, matrix, shift)  # (B, 3, V)
    ends = _blend(surface.anchor, surface.anchor_weights, matrix, shift)  # (B, 3, 2C)
    thick = torch.cat([shape.thickness, shape.palm[:, 2:], shape.forearm[:, None]], dim=1)[:, surface.chain]
    radius = surface.radius * thick  # (B, 2C)
    count = ends.shape[2] // 2
    batch, vertices = len(points), points.shape[2]
    index = surface.neighbours.t().reshape(-1)  # (5V,): the slow axis runs over the capsules
    shape5 = (batch, _NEIGHBOURS, vertices)

    # What the steps share: each capsule's axis e, its length and taper, gathered per vertex.
    first, axis = ends[..., :count], ends[..., count:] - ends[..., :count]
    inverse = 1.0 / axis.square().sum(1).clamp(min=1e-6)
    taper = radius[:, count:] - radius[:, :count]
    table = torch.cat([first, axis, inverse[:, None], radius[:, None, :count], taper[:, None]], dim=1)  # (B, 9, C)
    table = table.flatten(0, 1).index_select(1, index).unflatten(0, (batch, 9))
    ax, ay, az, ex, ey, ez, inverse, r0, taper = (t.view(shape5) for t in table.unbind(1))
    k, over_k = surface.softness, 1.0 / surface.softness
    normals = points
    for _ in range(max(iterations, 1)):
        px, py, pz = (points[:, i, None] for i in range(3))
        qx, qy, qz = px - ax, py - ay, pz - az
        t = ((qx * ex + qy * ey + qz * ez) * inverse).clamp_(0, 1)
        qx, qy, qz = qx - t * ex, qy - t * ey, qz - t * ez
        far = (qx * qx + qy * qy + qz * qz + 1e-6).sqrt_()
        w = torch.exp(((r0 + t * taper - far) * over_k).clamp_(-60, 60))
        value = -k * torch.log(w.sum(1)) - surface.level
        w = w.div_(far)
        normals = torch.stack([(w * qx).sum(1), (w * qy).sum(1), (w * qz).sum(1)], dim=1)
        normals = normals / normals.square().sum(1, keepdim=True).clamp(min=1e-8).sqrt()
        if iterations:
            # The forearm's flat end is not on the surface and stays where it is.
            value = torch.where(surface.open_end, 0.0, value.clamp(-8, 8))
            points = points - value[:, None] * normals
    return points, normals


__all__ = ["HandSurface", "cell_for", "hand_surface", "pose_surface", "rest_pose"]
