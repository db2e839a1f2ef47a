"""The hand under the skin: bone lengths, joint limits, poses, forward kinematics.

Hand frame of a **right** hand, millimetres: the wrist at the origin, x towards the thumb (radial), y towards the
fingers (distal), z out of the palm (palmar). A finger's flexion is a rotation about its own x axis, which carries y
towards z; abduction is a rotation about z, positive towards the little finger (ulnar). Left hands are mirror images
and are made from right ones at the very end.

Bone lengths are the means of Buryanov & Kotiuk, "Proportions of Hand Segments", Int. J. Morphol. 28(3), 2010. They
measured a spread of 8 to 9 % for metacarpals and of 7 to 16 % for phalanges; here every bone has about 8 %, split into
size, proportions of palm, fingers and thumb, and a small rest for each bone, because long hands have long bones
everywhere. The ranges of the MCP and IP joints follow Hume et al., "Functional range of motion of the joints of the
hand", J. Hand Surg. 15A(2), 1990, who measured no others. Those of abduction, the thumb's CMC joint and its twist,
cupping and the wrist are this book's own round figures: chosen to stay within what goniometry calls normal where it
has a norm (wrist: about 80° of flexion, 70° of extension, 20° of radial and 30° of ulnar deviation), and by eye where
it has none. The coupling DIP = 2/3 PIP is that of Rijpkema & Girard, "Computer animation of knowledge-based human
grasping", SIGGRAPH 1991.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from hand_lib.skeleton import NUM_JOINTS

# Lengths in mm, from base to tip: metacarpal, proximal, middle and distal phalanx. The thumb has no middle phalanx.
METACARPALS = (46.22, 68.12, 64.60, 58.00, 53.69)
PHALANGES = (
    (31.57, 21.67),
    (39.78, 22.38, 15.82),
    (44.63, 26.33, 17.40),
    (41.37, 25.65, 17.30),
    (32.74, 18.11, 15.96),
)
# The three bones that move in each chain: the thumb's metacarpal counts as its first.
SEGMENTS = torch.tensor([(METACARPALS[0], *PHALANGES[0]), *PHALANGES[1:]])  # (5, 3)

# Where each chain leaves the palm: the thumb's CMC joint, and the MCP joints at the ends of the metacarpals, which fan
# out from the far row of the carpal bones and form a shallow arch (the middle knuckle stands highest on the back).
_CARPUS = np.array([[11.0, 24.0, -2.0], [2.0, 27.0, -3.0], [-7.0, 25.0, -2.0], [-15.0, 23.0, 0.0]])
_FAN = np.array([[0.165, 1.0, 0.0], [0.005, 1.0, -0.03], [-0.19, 1.0, 0.0], [-0.37, 1.0, 0.06]])
_FAN = _FAN / np.linalg.norm(_FAN, axis=1, keepdims=True)
BASES = torch.tensor(
    np.concatenate([[[19.0, 15.0, 9.0]], _CARPUS + _FAN * np.array(METACARPALS[1:])[:, None]]), dtype=torch.float32
)  # (5, 3)
CARPUS = torch.tensor(_CARPUS, dtype=torch.float32)


def _thumb_frame() -> Tensor:
    # The thumb stands off the palm and is turned about its axis: its pad (z) looks at the fingers, not out of the palm.
    y = torch.tensor([0.60, 0.70, 0.38])
    y = y / y.norm()
    z = torch.tensor([-0.72, 0.22, 0.66])
    z = z - (z @ y) * y
    z = z / z.norm()
    return torch.stack([torch.linalg.cross(y, z), y, z], dim=1)


def rotation_x(angle: Tensor) -> Tensor:
    """Rotation about x by ``angle`` radians, ``(...)`` to ``(..., 3, 3)``: carries y towards z."""
    c, s, o, i = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([i, o, o, o, c, -s, o, s, c], dim=-1).unflatten(-1, (3, 3))


def rotation_y(angle: Tensor) -> Tensor:
    """Rotation about y by ``angle`` radians, ``(...)`` to ``(..., 3, 3)``: carries z towards x."""
    c, s, o, i = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, o, s, o, i, o, -s, o, c], dim=-1).unflatten(-1, (3, 3))


def rotation_z(angle: Tensor) -> Tensor:
    """Rotation about z by ``angle`` radians, ``(...)`` to ``(..., 3, 3)``: carries x towards y."""
    c, s, o, i = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, -s, o, s, c, o, o, o, i], dim=-1).unflatten(-1, (3, 3))


def rotate(rotation: Tensor, points: Tensor) -> Tensor:
    """Rotate points: ``(B, 3, 3)``, ``(B, 3, N)`` to ``(B, 3, N)``.

    Written out, because a library's matrix product may round differently for another batch size, and a sample must be
    the same in every batch.
    """
    x, y, z = points.unsqueeze(1).unbind(2)  # each (B, 1, N)
    r = rotation[..., None]  # (B, 3, 3, 1)
    return r[:, :, 0] * x + r[:, :, 1] * y + r[:, :, 2] * z


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar product over the last dimension of 3, written out for the same reason."""
    x, y, z = (a * b).unbind(-1)
    return x + y + z


# Orientation of each chain with all angles at zero: fingers fan out a little, the thumb has a frame of its own.
_FAN_ANGLES = torch.deg2rad(torch.tensor([-3.0, 0.0, 4.0, 9.0]))
CHAIN_FRAMES = torch.cat([_thumb_frame()[None], rotation_z(_FAN_ANGLES)])  # (5, 3, 3)

# Frames that skin and flesh hang from: one at each joint (the bone that leaves it; a tip repeats its last bone), then
# the metacarpals of ring and little finger, which move a little when the palm is cupped, then the forearm.
RING_METACARPAL, LITTLE_METACARPAL, FOREARM = NUM_JOINTS, NUM_JOINTS + 1, NUM_JOINTS + 2
NUM_FRAMES = NUM_JOINTS + 3


@dataclass(frozen=True, kw_only=True)
class HandShape:
    """The bones and the thickness of B hands.

    Attributes:
        segments: ``(B, 5, 3)`` mm, the three moving bones of each chain (thumb: metacarpal, proximal, distal).
        palm: ``(B, 3)``, scales of the palm along x, y, z relative to the mean hand.
        thickness: ``(B, 5)``, scale of each finger's radii.
        forearm: ``(B,)``, scale of the forearm's thickness.
    """

    segments: Tensor
    palm: Tensor
    thickness: Tensor
    forearm: Tensor

    def __len__(self) -> int:
        return len(self.segments)

    @staticmethod
    def mean(batch: int = 1) -> HandShape:
        """The mean hand, ``batch`` times."""
        return HandShape(
            segments=SEGMENTS.expand(batch, 5, 3),
            palm=torch.ones(batch, 3),
            thickness=torch.ones(batch, 5),
            forearm=torch.ones(batch),
        )


@dataclass(frozen=True, kw_only=True)
class HandPose:
    """Joint angles of B hands, radians.

    Attributes:
        flexion: ``(B, 5, 3)``; fingers MCP, PIP, DIP; thumb CMC, MCP, IP.
        abduction: ``(B, 5)``; fingers positive to the ulnar side; thumb positive towards the plane of the palm,
            negative away from it (palmar abduction).
        twist: ``(B,)``, the thumb's turn about its own axis (pronation is positive: the pad turns to the palm).
        cupping: ``(B,)``, flexion of the little finger's metacarpal; the ring finger's has half of it.
        wrist: ``(B, 2)``, flexion (towards the palm) and ulnar deviation of the hand on the forearm.
    """

    flexion: Tensor
    abduction: Tensor
    twist: Tensor
    cupping: Tensor
    wrist: Tensor

    def __len__(self) -> int:
        return len(self.flexion)

    @staticmethod
    def zero(batch: int = 1) -> HandPose:
        """All angles zero: fingers straight and nearly parallel, ``batch`` times."""
        return HandPose(
            flexion=torch.zeros(batch, 5, 3),
            abduction=torch.zeros(batch, 5),
            twist=torch.zeros(batch),
            cupping=torch.zeros(batch),
            wrist=torch.zeros(batch, 2),
        )


def select(batch, index: Tensor):
    """The rows ``index`` of a dataclass whose fields are tensors with a leading batch dimension (or None, or such)."""
    new = {}
    for f in fields(batch):
        value = getattr(batch, f.name)
        new[f.name] = value if value is None else (value[index] if isinstance(value, Tensor) else select(value, index))
    return replace(batch, **new)


def concat(a, b):
    """The rows of two dataclasses of tensors (nested ones too), one after the other."""
    if isinstance(a, Tensor):
        return torch.cat([a, b])
    return replace(a, **{f.name: concat(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)})


def move(batch, device):
    """A dataclass of tensors (nested ones too) on ``device``."""
    new = {}
    for f in fields(batch):
        value = getattr(batch, f.name)
        new[f.name] = (
            value if value is None else (value.to(device) if isinstance(value, Tensor) else move(value, device))
        )
    return replace(batch, **new)


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Orientation ``rotation (B, 24, 3, 3)`` and ``origin (B, 24, 3)`` mm of each frame, in the hand frame."""

    rotation: Tensor
    origin: Tensor


def forward_kinematics(shape: HandShape, pose: HandPose) -> tuple[Tensor, Frames]:
    """Place the bones.

    Args:
        shape: B hands.
        pose: their B poses.

    Returns:
        joints ``(B, 21, 3)`` in mm, hand frame of a right hand, canonical order; and the :class:`Frames`.
    """
    batch, device = len(shape), shape.segments.device
    eye = torch.eye(3, device=device).expand(batch, 3, 3)
    zero = torch.zeros(batch, 3, device=device)

    # Cupping turns the ring and little metacarpals about the palm's x axis, at their carpal ends.
    cup = rotation_x(torch.stack([pose.cupping * 0.5, pose.cupping], dim=1))  # (B, 2, 3, 3)
    pivot = CARPUS[2:].to(device) * shape.palm[:, None]  # (B, 2, 3)
    base = BASES.to(device) * shape.palm[:, None]  # (B, 5, 3)
    cupped = pivot + ((cup @ (base[:, 3:] - pivot)[..., None])[..., 0])
    base = torch.cat([base[:, :3], cupped], dim=1)
    carry = torch.cat([eye[:, None].expand(batch, 3, 3, 3), cup], dim=1)  # (B, 5, 3, 3)

    # The thumb alone turns about its axis.
    twist = torch.cat([pose.twist[:, None], torch.zeros(batch, 4, device=device)], dim=1)
    first = carry @ CHAIN_FRAMES.to(device) @ rotation_z(pose.abduction) @ rotation_y(-twist)
    bend = rotation_x(pose.flexion)  # (B, 5, 3, 3, 3)
    r1 = first @ bend[:, :, 0]
    r2 = r1 @ bend[:, :, 1]
    r3 = r2 @ bend[:, :, 2]
    p2 = base + shape.segments[..., 0:1] * r1[..., 1]
    p3 = p2 + shape.segments[..., 1:2] * r2[..., 1]
    p4 = p3 + shape.segments[..., 2:3] * r3[..., 1]
    joints = torch.cat([zero[:, None], torch.stack([base, p2, p3, p4], dim=2).flatten(1, 2)], dim=1)

    # The hand is still, the forearm hangs from it: bending the hand forward turns the forearm the other way.
    forearm = rotation_z(-pose.wrist[:, 1]) @ rotation_x(-pose.wrist[:, 0])
    rotation = torch.cat(
        [eye[:, None], torch.stack([r1, r2, r3, r3], dim=2).flatten(1, 2), cup, forearm[:, None]], dim=1
    )
    origin = torch.cat([joints, pivot, zero[:, None]], dim=1)
    return joints, Frames(rotation=rotation, origin=origin)


def forearm_direction(wrist: Tensor) -> Tensor:
    """Unit vectors ``(..., 3)`` from wrist to elbow, for wrist angles ``(..., 2)``: flexion and ulnar deviation."""
    flexion, deviation = wrist.unbind(-1)
    across = -torch.cos(flexion)
    return torch.stack([torch.sin(deviation) * across, torch.cos(deviation) * across, torch.sin(flexion)], -1)


def frame_scales(shape: HandShape) -> Tensor:
    """``(B, 24, 3)``: how much wider, longer and thicker what hangs from each frame is than in the mean hand."""
    length = shape.segments / SEGMENTS.to(shape.segments.device)  # (B, 5, 3)
    length = torch.cat([length, length[..., 2:]], dim=2).flatten(1, 2)  # (B, 20), joints 1 to 20
    wide = shape.thickness.repeat_interleave(4, dim=1)
    return torch.cat(
        [
            shape.palm[:, None],
            torch.stack([wide, length, wide], dim=-1),
            shape.palm[:, None].expand(len(shape), 2, 3),
            torch.stack([shape.forearm, shape.palm[:, 1], shape.forearm], dim=-1)[:, None],
        ],
        dim=1,
    )


# ---------------------------------------------------------------------------------------------------------------
# Limits, in degrees. Fingers: active range of motion; thumb: about the neutral frame above. Sources: at the top.
FLEXION_LIMITS = torch.deg2rad(
    torch.tensor(
        [
            [[-25.0, 50.0], [-10.0, 60.0], [-15.0, 80.0]],
            [[-25.0, 90.0], [-3.0, 105.0], [-6.0, 75.0]],
            [[-25.0, 90.0], [-3.0, 105.0], [-6.0, 75.0]],
            [[-25.0, 90.0], [-3.0, 105.0], [-6.0, 75.0]],
            [[-25.0, 92.0], [-3.0, 105.0], [-6.0, 75.0]],
        ]
    )
)  # (5, 3, 2)
ABDUCTION_LIMITS = torch.deg2rad(
    torch.tensor([[-34.0, 38.0], [-17.0, 12.0], [-10.0, 10.0], [-8.0, 14.0], [-9.0, 22.0]])
)  # (5, 2)
TWIST_LIMITS = (np.deg2rad(-20.0), np.deg2rad(60.0))
CUPPING_LIMITS = (0.0, np.deg2rad(18.0))
WRIST_LIMITS = torch.deg2rad(torch.tensor([[-55.0, 60.0], [-18.0, 28.0]]))
DIP_OF_PIP = 2.0 / 3.0
DIP_SLACK = np.deg2rad(12.0)  # how far a DIP joint may stray from two thirds of its PIP joint


def limit_pose(pose: HandPose) -> HandPose:
    """The nearest pose within the limits: ranges, DIP coupled to PIP, and less abduction in a bent finger."""
    device = pose.flexion.device
    limits = FLEXION_LIMITS.to(device)
    flexion = pose.flexion.clamp(limits[..., 0], limits[..., 1])
    coupled = DIP_OF_PIP * flexion[:, 1:, 1]
    dip = torch.minimum(torch.maximum(flexion[:, 1:, 2], coupled - DIP_SLACK), coupled + DIP_SLACK)
    dip = dip.clamp(limits[1:, 2, 0], limits[1:, 2, 1])
    flexion = torch.cat([flexion[:, :1], torch.stack([flexion[:, 1:, 0], flexion[:, 1:, 1], dip], dim=-1)], dim=1)
    # The collateral ligaments of a bent MCP joint are taut: it can hardly be spread.
    room = torch.cat([torch.ones_like(flexion[:, :1, 0]), 0.15 + 0.85 * torch.cos(flexion[:, 1:, 0]).clamp(0, 1)], 1)
    limits = ABDUCTION_LIMITS.to(device)
    abduction = torch.minimum(torch.maximum(pose.abduction, limits[:, 0] * room), limits[:, 1] * room)
    limits = WRIST_LIMITS.to(device)
    return HandPose(
        flexion=flexion,
        abduction=abduction,
        twist=pose.twist.clamp(*TWIST_LIMITS),
        cupping=pose.cupping.clamp(*CUPPING_LIMITS),
        wrist=pose.wrist.clamp(limits[:, 0], limits[:, 1]),
    )


# ---------------------------------------------------------------------------------------------------------------
# Pose prototypes, in degrees. A finger's state is (MCP, PIP).
_FINGER_STATES = {
    "E": (0.0, 4.0),  # extended
    "B": (-14.0, 2.0),  # bent back
    "R": (22.0, 28.0),  # relaxed
    "H": (48.0, 55.0),  # half closed
    "G": (34.0, 62.0),  # gripping
    "C": (4.0, 78.0),  # claw
    "T": (76.0, 10.0),  # table top
    "Q": (60.0, 30.0),  # index or little finger at the thumb's tip
    "M": (68.0, 38.0),  # middle finger there
    "F": (82.0, 100.0),  # fist
}
# CMC flexion, CMC abduction, twist, MCP flexion, IP flexion.
_THUMB_STATES = {
    "out": (-18.0, 8.0, -5.0, 2.0, 2.0),
    "rest": (4.0, -2.0, 6.0, 12.0, 14.0),
    "side": (-6.0, 34.0, 0.0, 16.0, 12.0),
    "front": (6.0, -24.0, 20.0, 8.0, 10.0),
    "across": (40.0, -21.0, 36.0, 10.0, 72.0),
    "tuck": (28.0, 8.0, 24.0, 48.0, 66.0),
    "up": (-20.0, 24.0, -8.0, -4.0, -8.0),
    "opposed": (44.0, -13.0, 32.0, -4.0, -6.0),
}
# name: fingers from index to little, thumb, spread (−1 pressed together, 1 wide). Training and
# evaluation draw from the first group; the second is held out, to measure what new gestures cost.
PROTOTYPES = {
    "training": {
        "open": ("EEEE", "out", 0.8),
        "flat": ("EEEE", "side", -0.5),
        "stretched": ("BBBB", "out", 1.0),
        "relaxed": ("RRRR", "rest", 0.0),
        "soft": ("ERRR", "rest", 0.2),
        "fist": ("FFFF", "across", -0.4),
        "loose fist": ("HHHH", "rest", -0.3),
        "point": ("EFFF", "across", 0.0),
        "victory": ("EEFF", "across", 0.9),
        "thumb up": ("FFFF", "up", -0.4),
        "three": ("EEEF", "across", 0.6),
        "four": ("EEEE", "tuck", 0.5),
        "claw": ("CCCC", "front", 0.5),
        "hook": ("CCCC", "side", -0.3),
        "table": ("TTTT", "side", -0.4),
        "beak": ("QMMQ", "opposed", -0.6),
        "pinch": ("QRRR", "opposed", 0.0),
        "ok": ("QEEE", "opposed", 0.7),
        "grip": ("GGGG", "front", 0.0),
        "wide grip": ("RGGG", "front", 0.6),
        "little": ("FFFE", "across", 0.0),
        "middle pinch": ("RMRR", "opposed", 0.1),
        "stop": ("BBBB", "side", -0.4),
        "fan": ("ERHF", "rest", 0.3),
        "reverse fan": ("FHRE", "rest", 0.3),
        "trigger": ("GFFF", "up", 0.0),
        "tray": ("BEEE", "front", 0.4),
    },
    "held_out": {
        "gun": ("EFFF", "up", 0.0),
        "horns": ("EFFE", "across", 0.4),
        "call": ("FFFE", "out", 0.3),
        "pair": ("FFEE", "across", 0.3),
        "bowl": ("GGGG", "opposed", 0.4),
        "scissors": ("EEHH", "rest", 0.5),
        "tripod": ("QMRR", "opposed", -0.2),
        "walk": ("RTHH", "rest", 0.0),
        "gable": ("EETT", "side", -0.2),
    },
}
_SPREAD = (-9.0, -1.5, 5.5, 13.0)  # abduction of index to little at spread 1


def prototypes(group: str) -> Tensor:
    """The gestures of a group, ``"training"`` or ``"held_out"``: ``(P, 24)`` radians, see :func:`pose_of_vector`."""
    rows = []
    for fingers, thumb, spread in PROTOTYPES[group].values():
        cmc, abduction, twist, mcp, ip = _THUMB_STATES[thumb]
        flexion = [(cmc, mcp, ip)] + [(*_FINGER_STATES[s], DIP_OF_PIP * _FINGER_STATES[s][1]) for s in fingers]
        cupping = 9.0 if thumb in ("opposed", "tuck", "across") else 2.0
        rows.append(
            [angle for chain in flexion for angle in chain]
            + [abduction]
            + [spread * a for a in _SPREAD]
            + [twist, cupping, 0.0, 0.0]
        )
    return torch.deg2rad(torch.tensor(rows))


def pose_of_vector(vector: Tensor) -> HandPose:
    """Angles ``(B, 24)``: 15 flexions, 5 abductions, twist, cupping, wrist flexion and deviation; as a pose."""
    return HandPose(
        flexion=vector[:, :15].unflatten(1, (5, 3)),
        abduction=vector[:, 15:20],
        twist=vector[:, 20],
        cupping=vector[:, 21],
        wrist=vector[:, 22:24],
    )


# Radii of flesh round the bones at the joints, mm, for the mean hand: base, second joint, third joint, tip.
RADII = torch.tensor(
    [
        [11.5, 10.0, 9.0, 7.2],
        [9.4, 8.5, 7.2, 6.1],
        [9.6, 8.7, 7.4, 6.3],
        [9.0, 8.1, 7.0, 5.9],
        [8.0, 7.0, 6.1, 5.2],
    ]
)  # (5, 4)
