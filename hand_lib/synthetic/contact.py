"""Bodies that do not pass through each other: a pose is relaxed until fingers and palm touch instead of overlapping.

Fingers are tapered capsules round their bones. The palm, with the thenar that the thumb carries, is the smooth union
of the flesh that its skin is made from (:mod:`hand_lib.synthetic.surface`). In each step every finger takes its
deepest contact with the palm and its deepest one with another finger, and turns its own joints by the smallest angles
that would undo them (of two fingers each undoes half); then the pose is brought back within its limits. What did not
overlap stays as it is, and what did ends in touch: a fist stays a fist.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import (
    CHAIN_FRAMES,
    RADII,
    Frames,
    HandPose,
    HandShape,
    dot,
    forward_kinematics,
    frame_scales,
    limit_pose,
    rotation_z,
    select,
)
from hand_lib.synthetic.surface import PALM_PART, PALM_SOFTNESS, flesh_capsules, rest_pose

GIVE = 0.3  # mm that flesh yields where it is touched
_STEPS = 24
_PADS = 0.5  # mm that the pads stand out over the capsules
_OVER = 1.25  # over-relaxation
_STUCK, _ATTEMPTS = 1.0, 4  # mm of overlap with which a pose is tried again, and how often
# Where a finger can meet the palm: share of its middle (1) and distal (2) segment. The proximal one adjoins the palm.
_PALM_POINTS = ((1, 0.25), (1, 0.5), (1, 0.75), (1, 1.0), (2, 0.4), (2, 0.65), (2, 0.88))
_PALM_SEGMENTS, _PALM_SHARES = (torch.tensor(column) for column in zip(*_PALM_POINTS, strict=True))
# Where a finger can meet another: pieces of its segments, from and to which share, and the millimetres that the skin
# stands out there over the capsules. The first half of the proximal segment is joined to its neighbour by the web.
_PIECES = ((0, 0.5, 0.75, 2.6, 1.0), (0, 0.75, 1.0, 1.0, 0.0), (1, 0.0, 1.0, 0.0, 0.0), (2, 0.0, 0.88, 0.0, 0.0))
_PIECE_COLUMNS = tuple(torch.tensor(column) for column in zip(*_PIECES, strict=True))
_ROOT = 3.0  # mm that the skin stands out at a finger's root
# How readily each joint gives way: three flexions, abduction, twist of the thumb.
_MOBILITY = torch.tensor([1.0, 1.0, 0.6, 0.4, 0.4])
_OPEN_THUMB = torch.zeros(5, 5)  # away from the palm and from the fingers
_OPEN_THUMB[0, :4] = torch.deg2rad(torch.tensor([-14.0, -8.0, -12.0, -9.0]))


@lru_cache(maxsize=1)
def _palm() -> tuple[Tensor, ...]:
    """The palm's C capsules; each end hangs from two frames.

    Returns frames (2, 2C), places in them (2, 2C, 3), their shares (2, 2C), radii (2C,), and which the thumb carries.
    """
    capsules = [c for c in flesh_capsules() if c.chain == 5 and not {c.a.frame, c.b.frame} & {5, 9, 13, 17}]
    _, rest = forward_kinematics(HandShape.mean(), rest_pose())
    rotation, origin = rest.rotation[0], rest.origin[0]
    frames, places, shares = [], [], []
    for anchor in [c.a for c in capsules] + [c.b for c in capsules]:
        place = rotation[anchor.frame] @ torch.tensor(anchor.local) + origin[anchor.frame]
        pair = (anchor.frame, anchor.other if anchor.blend else anchor.frame)
        frames.append(pair)
        places.append([(rotation[f].T @ (place - origin[f])).tolist() for f in pair])
        shares.append((1 - anchor.blend, anchor.blend))
    thumb = torch.tensor([c.part != PALM_PART or 1 in (c.a.frame, c.b.frame) for c in capsules])
    radius = torch.tensor([c.ra for c in capsules] + [c.rb for c in capsules])
    return torch.tensor(frames).T, torch.tensor(places).transpose(0, 1), torch.tensor(shares).T, radius, thumb


def _deepest(depth: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
    """Of depths (B, 5, N), the largest (B, 5) and the values (B, 5, N, 3) or (B, 5, N) that belong to it."""
    best, index = depth.max(2)
    picked = []
    for value in values:
        at = index[..., None] if value.dim() == 3 else index[..., None, None].expand(-1, -1, 1, value.shape[3])
        picked.append(value.gather(2, at).squeeze(2))
    return best, *picked


def _along(values: Tensor, segment: Tensor, share: Tensor) -> Tensor:
    """Of values at the joints of chains (B, 5, 4, ...), those at shares of P segments: (B, 5, P, ...)."""
    near, far = values.index_select(2, segment), values.index_select(2, segment + 1)
    return near + share * (far - near)


def _palm_contacts(shape: HandShape, joints: Tensor, frames: Frames) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each finger's deepest contact with the palm.

    Returns its depth (B, 5) mm, point (B, 5, 3), unit way out (B, 5, 3), and the finger's segment there (B, 5).
    """
    frame, place, share, radius, on_thumb = _palm()
    scale = frame_scales(shape)
    ends = 0.0
    for k in range(2):
        local = (place[k] * scale[:, frame[k]])[:, :, None]  # (B, 2C, 1, 3)
        turned = dot(frames.rotation[:, frame[k]], local)
        ends = ends + share[k][:, None] * (turned + frames.origin[:, frame[k]])
    radius = radius * shape.palm[:, 2:]
    count = ends.shape[1] // 2
    a, axis = ends[:, None, None, :count], (ends[:, count:] - ends[:, :count])[:, None, None]
    ra, taper = radius[:, None, None, :count], (radius[:, count:] - radius[:, :count])[:, None, None]
    chain = joints[:, 1:].unflatten(1, (5, 4))
    thick = (RADII + _PADS) * shape.thickness[..., None]

    points = _along(chain, _PALM_SEGMENTS, _PALM_SHARES[:, None])  # (B, 5, P, 3)
    sizes = _along(thick, _PALM_SEGMENTS, _PALM_SHARES)  # (B, 5, P)
    from_a = points[:, :, :, None] - a  # (B, 5, P, C, 3)
    t = (dot(from_a, axis) / dot(axis, axis).clamp(min=1e-6)).clamp(0, 1)
    out = from_a - t[..., None] * axis
    far = dot(out, out).clamp(min=1e-6).sqrt()
    # The smooth union, as the skin has it. No finger meets its own root: the thumb does not touch the thenar.
    own = torch.zeros(5, 1, count, dtype=torch.bool)
    own[0, 0] = on_thumb
    weight = torch.exp(((ra + t * taper - far) / PALM_SOFTNESS).clamp(-40, 10)).masked_fill(own, 0.0)
    total = weight.sum(-1).clamp(min=1e-12)
    depth = sizes + PALM_SOFTNESS * torch.log(total)
    depth[:, 0, :4] = -torch.inf  # the thumb's proximal segment adjoins the palm
    weight = (weight / far)[..., None] * out
    way = torch.stack([weight[..., i].sum(-1) for i in range(3)], -1)
    way = way / dot(way, way).clamp(min=1e-12).sqrt()[..., None]
    return _deepest(depth, points, way, _PALM_SEGMENTS.expand(depth.shape))


_OTHERS = torch.tensor([[g for g in range(5) if g != f] for f in range(5)])  # (5, 4)


def _finger_contacts(shape: HandShape, joints: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each finger's deepest contact with another finger, as :func:`_palm_contacts`."""
    chain = joints[:, 1:].unflatten(1, (5, 4))
    thick = RADII * shape.thickness[..., None]

    segment, begin, end, rim_begin, rim_end = _PIECE_COLUMNS
    start, stop = (_along(chain, segment, share[:, None]) for share in (begin, end))  # (B, 5, 4, 3)
    r0, r1 = _along(thick, segment, begin) + rim_begin, _along(thick, segment, end) + rim_end
    # No web joins the thumb to a finger's proximal segment: the two can meet along all of it.
    whole, whole_r0 = start.clone(), r0.clone()
    whole[:, 1:, 0], whole_r0[:, 1:, 0] = chain[:, 1:, 0], thick[:, 1:, 0] + _ROOT
    # (B, 5, 1, 4, 1) against (B, 5, 4, 1, 4)
    with_thumb = torch.zeros(5, 4, 1, 1, dtype=torch.bool)
    with_thumb[0], with_thumb[1:, 0] = True, True
    p = torch.where(with_thumb[..., None], whole[:, :, None, :, None], start[:, :, None, :, None])
    ra = torch.where(with_thumb, whole_r0[:, :, None, :, None], r0[:, :, None, :, None])
    q = torch.where(with_thumb[..., None], whole[:, _OTHERS][:, :, :, None], start[:, _OTHERS][:, :, :, None])
    rb = torch.where(with_thumb, whole_r0[:, _OTHERS][:, :, :, None], r0[:, _OTHERS][:, :, :, None])
    d, e = stop[:, :, None, :, None] - p, stop[:, _OTHERS][:, :, :, None] - q
    # The nearest points of two segments, Ericson's way.
    dd, ee, de = dot(d, d), dot(e, e), dot(d, e)
    r = p - q
    dr, er = dot(d, r), dot(e, r)
    s = ((de * er - dr * ee) / (dd * ee - de * de).clamp(min=1e-6)).clamp(0, 1)
    t = ((de * s + er) / ee).clamp(0, 1)
    s = ((de * t - dr) / dd).clamp(0, 1)
    mine = p + s[..., None] * d
    apart = mine - q - t[..., None] * e
    far = dot(apart, apart).clamp(min=1e-6).sqrt()
    size = ra + s * (r1[:, :, None, :, None] - ra) + rb + t * (r1[:, _OTHERS][:, :, :, None] - rb)
    depth = size - far  # (B, 5, 4, 4, 4)
    depth[:, 0, :, :2] = -torch.inf  # the thumb's metacarpal is part of the palm
    depth[:, 1:, 0, :, :2] = -torch.inf
    segment = segment[:, None].expand(depth.shape)
    return _deepest(*(x.flatten(2, 4) for x in (depth, mine, apart / far[..., None], segment)))


def _turns(
    pose: HandPose, joints: Tensor, frames: Frames, depth: Tensor, point: Tensor, way: Tensor, segment: Tensor
) -> tuple[Tensor, Tensor]:
    """How each joint moves contacts out, and the depth: angles' rates (B, 5, 5), and sums to divide by (B, 5)."""
    chain = joints[:, 1:].unflatten(1, (5, 4))
    flex = frames.rotation[:, 1:21, :, 0].unflatten(1, (5, 4))[:, :, :3]  # (B, 5, 3, 3)
    spread = CHAIN_FRAMES[:, :, 2].expand(len(joints), 5, 3)
    twist = torch.zeros_like(spread)
    twist[:, 0] = -(CHAIN_FRAMES[0] @ rotation_z(pose.abduction[:, 0]))[..., 1]
    axes = torch.cat([flex, spread[:, :, None], twist[:, :, None]], 2)  # (B, 5, 5, 3)
    origins = torch.cat([chain[:, :, :3], chain[:, :, :1], chain[:, :, :1]], 2)
    rate = dot(axes, torch.linalg.cross(point[:, :, None] - origins, way[:, :, None].expand_as(origins)))
    moves = torch.tensor([0, 1, 2, 0, 0]) <= segment[..., None]
    rate = rate * moves
    weighted = rate * _MOBILITY
    return depth[..., None].square() * weighted, depth * (rate * weighted).sum(-1)


def contacts(shape: HandShape, pose: HandPose) -> tuple[Tensor, Tensor]:
    """Deepest overlap of each finger with the palm and with another finger, both (B, 5) mm; negative is a gap."""
    joints, frames = forward_kinematics(shape, pose)
    return _palm_contacts(shape, joints, frames)[0], _finger_contacts(shape, joints)[0]


def relax(shape: HandShape, pose: HandPose) -> HandPose:
    """The pose with its overlaps undone.

    Args:
        shape: B hands.
        pose: their B poses, within the limits.

    Returns:
        B poses within the limits; those without overlap are unchanged.
    """
    angles = _to_angles(pose)
    rows, pose_now = torch.arange(len(shape)), pose
    for attempt in range(_ATTEMPTS):
        if attempt:  # begin again with a thumb that is out of the way
            pose_now = limit_pose(_from_angles(angles[rows] + attempt * _OPEN_THUMB, pose_now))
        angles[rows] = _to_angles(_push_apart(select(shape, rows), pose_now))
        pose_now = _from_angles(angles[rows], pose_now)
        stuck = torch.nonzero(torch.maximum(*contacts(select(shape, rows), pose_now)).amax(1) > _STUCK)[:, 0]
        rows, pose_now = rows[stuck], select(pose_now, stuck)
        if len(rows) == 0:
            break
    return _from_angles(angles, pose)


def _push_apart(shape: HandShape, pose: HandPose) -> HandPose:
    whole, angles = pose, _to_angles(pose)
    rows = torch.arange(len(shape))
    for _ in range(_STEPS):
        joints, frames = forward_kinematics(shape, pose)
        palm, finger = _palm_contacts(shape, joints, frames), _finger_contacts(shape, joints)
        busy = torch.nonzero(torch.maximum(palm[0], finger[0]).amax(1) > GIVE)[:, 0]
        if len(busy) < len(rows):
            rows, joints = rows[busy], joints[busy]
            frames, pose, shape = (select(x, busy) for x in (frames, pose, shape))
            palm, finger = (tuple(x[busy] for x in contact) for contact in (palm, finger))
        if len(rows) == 0:
            break
        up, down = 0.0, 1e-6
        for (depth, *contact), part in ((palm, 1.0), (finger, 0.5)):
            u, v = _turns(pose, joints, frames, (depth - 0.5 * GIVE).clamp(min=0) * part, *contact)
            up, down = up + u, down + v
        step = _OVER * (up / down[..., None]).clamp(-0.2, 0.2)
        pose = limit_pose(_from_angles(_to_angles(pose) + step, pose))
        angles[rows] = _to_angles(pose)
    return _from_angles(angles, whole)


def _to_angles(pose: HandPose) -> Tensor:
    """(B, 5, 5): three flexions and abduction of each chain, and the thumb's twist."""
    twist = torch.nn.functional.pad(pose.twist[:, None], (0, 4))
    return torch.cat([pose.flexion, pose.abduction[..., None], twist[..., None]], 2)


def _from_angles(angles: Tensor, pose: HandPose) -> HandPose:
    return replace(pose, flexion=angles[..., :3], abduction=angles[..., 3], twist=angles[:, 0, 4])
