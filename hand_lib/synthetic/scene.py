"""What is drawn round the hand, and how every picture's random numbers are made.

All random numbers of a picture come from a counter-based generator keyed by (seed, split, index, stream), so picture
``i`` is the same in any batch, order or process. They are drawn on the CPU; only the noise of single pixels is made on
the device, by hashing the pixel's number with a key of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hand_lib.errors import HandLibError, choose
from hand_lib.synthetic.anatomy import (
    SEGMENTS,
    HandPose,
    HandShape,
    forward_kinematics,
    limit_pose,
    overlap,
    pose_of_vector,
    prototypes,
    select,
)
from hand_lib.synthetic.pixels import to_linear
from hand_lib.synthetic.skin import Skin, sample_skins

SPLITS = ("training", "evaluation")
CHARACTERS = {"training": 800, "evaluation": 120}  # people in each split; nobody is in both
_STREAMS = {"character": 0, "hand": 1, "scene": 2, "other hand": 3}


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """How pictures vary. Angles in degrees; probabilities in [0, 1]; pairs are ranges.

    Attributes:
        cone: the camera stands within this angle of the palm's normal; 180 is every viewpoint.
        roll: in-plane rotation is within ± this angle of upright.
        fill: part of the picture's side that the hand's larger extent takes.
        distance: mm from the camera to the hand.
        shapes: number of background shapes (at most 6).
        clutter: contrast of the background's multi-scale noise.
        sleeve: probability that a sleeve covers the forearm.
        distractor: probability of another person's hand behind this one.
        occluder: probability of an object, held or in front.
        motion_blur: probability of motion blur.
        noise: standard deviation of the sensor's noise, in units of the full range.
        left: probability of a left hand.
    """

    cone: float = 180.0
    roll: float = 180.0
    fill: tuple[float, float] = (0.60, 0.75)
    distance: tuple[float, float] = (350.0, 700.0)
    shapes: tuple[int, int] = (1, 5)
    clutter: tuple[float, float] = (0.2, 1.0)
    sleeve: float = 0.5
    distractor: float = 0.15
    occluder: float = 0.25
    motion_blur: float = 0.12
    noise: tuple[float, float] = (0.0, 0.04)
    left: float = 0.5

    def __post_init__(self) -> None:
        for name in ("sleeve", "distractor", "occluder", "motion_blur", "left"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise HandLibError(f"scene.{name} is {getattr(self, name)}: a probability lies between 0 and 1")
        for name in ("fill", "distance", "shapes", "clutter", "noise"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise HandLibError(f"scene.{name} is {getattr(self, name)}: give a range (low, high), 0 ≤ low ≤ high")
        if not 0.1 <= self.fill[0] <= self.fill[1] <= 0.9:
            raise HandLibError(f"scene.fill is {self.fill}: the hand can fill from 0.1 to 0.9 of the side")
        if self.distance[0] < 250.0:
            raise HandLibError(f"scene.distance is {self.distance}: nearer than 250 mm the forearm may meet the camera")
        if self.shapes[1] > MAX_SHAPES:
            raise HandLibError(f"scene.shapes is {self.shapes}: at most {MAX_SHAPES}")


MAX_SHAPES = 6
EASY = SceneConfig(
    cone=60.0,
    roll=60.0,
    shapes=(0, 0),
    clutter=(0.0, 0.08),
    sleeve=0.5,
    distractor=0.0,
    occluder=0.0,
    motion_blur=0.0,
    noise=(0.0, 0.02),
)
WIDE = SceneConfig()


class Draws:
    """Random numbers of B pictures: a table of uniform ones, handed out from left to right."""

    def __init__(self, *, seed: int, split: str, indices: list[int], stream: str, width: int) -> None:
        self.table = torch.from_numpy(
            np.array([_uniform(seed, split, int(index), stream, width) for index in indices]).reshape(-1, width)
        ).float()
        self._used = 0

    def __len__(self) -> int:
        return len(self.table)

    def unit(self, count: int) -> Tensor:
        """``(B, count)`` uniform in [0, 1)."""
        part = self.table[:, self._used : self._used + count]
        if part.shape[1] != count:
            raise ValueError("the table of random numbers is too narrow")
        self._used += count
        return part

    def uniform(self, low: float, high: float) -> Tensor:
        """``(B,)`` uniform between two bounds."""
        return low + (high - low) * self.unit(1)[:, 0]

    def normal(self, count: int) -> Tensor:
        """``(B, count)`` standard normal, cut at ± 2.5 standard deviations."""
        return torch.special.ndtri((0.0062 + 0.9876 * self.unit(count)).double()).float()

    def chance(self, probability: float) -> Tensor:
        """``(B,)`` true with the given probability."""
        return self.unit(1)[:, 0] < probability

    def integer(self, low: int, high: int) -> Tensor:
        """``(B,)`` int64 from low to high, both included."""
        return (low + (self.unit(1)[:, 0] * (high - low + 1)).floor().clamp(max=high - low)).long()


def _uniform(seed: int, split: str, index: int, stream: str, width: int) -> np.ndarray:
    number = (SPLITS.index(split) << 60) | (_STREAMS[stream] << 56) | (index & ((1 << 56) - 1))
    key = np.array([seed & ((1 << 64) - 1), number], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(width)


@lru_cache(maxsize=4096)
def _character(seed: int, split: str, person: int) -> np.ndarray:
    return _uniform(seed, split, person, "character", 48)


@dataclass(frozen=True, kw_only=True)
class HandParameters:
    """Everything about B hands but what stands round them.

    Attributes:
        shape: bones and thickness. pose: joint angles. skin: colours.
        right: ``(B,)`` bool; a left hand is drawn as a right one and mirrored with its picture.
        character: ``(B,)`` int64, number of the person in the split.
    """

    shape: HandShape
    pose: HandPose
    skin: Skin
    right: Tensor
    character: Tensor

    def __len__(self) -> int:
        return len(self.right)

    def __getitem__(self, index) -> HandParameters:
        """The rows of a slice, list or tensor of indices."""
        return select(self, index)


def _shapes(draws: Draws) -> HandShape:
    # Size: the middle of women's and men's hands, and the spread of both together.
    size = 1.0 + 0.065 * draws.normal(1)
    palm = size * (1.0 + torch.tensor([0.045, 0.03, 0.04]) * draws.normal(3))
    fingers = size * (1.0 + 0.035 * draws.normal(1))
    chain = fingers * (1.0 + 0.025 * draws.normal(5))
    segments = SEGMENTS * chain[..., None] * (1.0 + 0.03 * draws.normal(15).unflatten(1, (5, 3)))
    build = 1.0 + 0.06 * draws.normal(1)
    return HandShape(
        segments=segments,
        palm=palm,
        thickness=size * build * (1.0 + 0.02 * draws.normal(5)),
        forearm=(size * build * (1.0 + 0.05 * draws.normal(1)))[:, 0],
    )


def _poses(draws: Draws, shape: HandShape, split: str) -> HandPose:
    """A gesture, a share of a second one, and noise; the first of several tries whose fingers do not overlap."""
    gestures = prototypes(split)
    first = gestures[draws.integer(0, len(gestures) - 1)]
    second = gestures[draws.integer(0, len(gestures) - 1)]
    share = draws.unit(1) ** 2
    curl = draws.normal(1)
    noise = torch.deg2rad(
        torch.tensor([7.0, 8.0, 9.0] + [9.0, 10.0, 5.0] * 4 + [9.0] + [4.0] * 4 + [9.0, 6.0, 22.0, 11.0])
    )
    noise = noise * draws.normal(24)
    noise[:, 3:15] += torch.deg2rad(8.0 * curl) * torch.tensor([1.0, 1.3, 0.8] * 4)
    wrist = torch.zeros(24)
    wrist[22:] = 1.0
    # Opening the thumb: away from the palm and from the fingers.
    open_thumb = torch.zeros(24)
    open_thumb[[0, 1, 2, 15]] = torch.deg2rad(torch.tensor([-14.0, -8.0, -12.0, -9.0]))
    first_try = limit_pose(pose_of_vector(first + share * (second - first) + noise))
    joints, _ = forward_kinematics(shape, first_try)
    bad = torch.nonzero(overlap(joints, shape.thickness) >= _MOST_OVERLAP)[:, 0]
    if len(bad) == 0:
        return first_try
    first, second, share, noise = (t[bad] for t in (first, second, share, noise))
    tries = []
    for scale, mix, thumb in (
        (1.0, 1.0, 0.0), (1.0, 1.0, 1.0), (0.5, 1.0, 0.0), (0.5, 1.0, 1.0), (0.5, 0.3, 0.5), (0.4, 0.0, 0.0),
        (0.4, 0.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 2.0),
    ):  # fmt: skip
        blend = first + mix * share * (second - first)
        tries.append(blend + (scale * (1 - wrist) + wrist) * noise + thumb * open_thumb)
    vectors = torch.stack(tries, 1)  # (b, M, 24)
    count = vectors.shape[1]
    poses = limit_pose(pose_of_vector(vectors.flatten(0, 1)))
    wide = select(shape, bad.repeat_interleave(count))
    joints, _ = forward_kinematics(wide, poses)
    depth = overlap(joints, wide.thickness).unflatten(0, (len(bad), count))
    # Take the first that is good enough, else the least bad.
    score = torch.where(depth < _MOST_OVERLAP, torch.arange(count) * 1e-3, depth)
    better = select(poses, torch.arange(len(bad)) * count + score.argmin(1))
    return HandPose(
        **{f: getattr(first_try, f).index_copy(0, bad, getattr(better, f)) for f in HandPose.__dataclass_fields__}
    )


_MOST_OVERLAP = 2.0  # mm that the flesh of two fingers may press into each other


def check_split(split: str) -> str:
    """``split`` itself, or the error that names the two there are."""
    if split not in SPLITS:
        raise choose("split", split, SPLITS)
    return split


def sample_hands(
    seed: int, split: str, indices: Tensor | list[int], *, left: float = 0.5, stream: str = "hand"
) -> HandParameters:
    """Draw hands: who, in what pose, left or right.

    Args:
        seed: of the data set.
        split: ``"training"`` or ``"evaluation"``: different people, different gestures, different draws.
        indices: ``(B,)`` numbers of the samples.
        left: probability of a left hand.
        stream: ``"hand"``, or ``"other hand"`` for the bystander's.

    Raises:
        HandLibError: unknown split.
    """
    check_split(split)
    indices = [int(i) for i in indices]
    draws = Draws(seed=seed, split=split, indices=indices, stream=stream, width=48)
    person = draws.integer(0, CHARACTERS[split] - 1)
    body = Draws(seed=seed, split=split, indices=[], stream="character", width=48)
    body.table = torch.from_numpy(np.array([_character(seed, split, int(p)) for p in person]).reshape(-1, 48)).float()
    skin, shape = sample_skins(body), _shapes(body)
    right = ~draws.chance(left)
    return HandParameters(shape=shape, pose=_poses(draws, shape, split), skin=skin, right=right, character=person)


@dataclass(frozen=True, kw_only=True)
class SceneParameters:
    """Camera, light, clothes, things and background of B pictures. Camera frame, mm; colours are linear RGB.

    Attributes:
        rotation: ``(B, 3, 3)`` hand frame to camera frame.
        place: ``(B, 3)`` where the hand's middle is.
        fill: ``(B,)`` part of the side that the hand takes. shift ``(B, 2)`` in [−1, 1]: where in its room it lies.
        key: ``(B, 3)`` unit vector towards the main light; key_color, fill_color ``(B, 3)``; fill_dir ``(B, 3)``.
        sky, ground: ``(B, 3)`` ambient light from above and below.
        exposure: ``(B,)`` brightness that the hand is exposed to.
        cuff: ``(B,)`` mm from the wrist to where the sleeve begins, infinite without one.
        cloth: ``(B, 2, 3)`` its two colours. weave: ``(B, 2)`` period of its stripes in mm, and their share.
        has_other: ``(B,)`` bool. other_rotation ``(B, 3, 3)``. other_place ``(B, 3)`` in hand sizes.
        has_object: ``(B,)`` bool. object_held ``(B,)`` bool. object_color ``(B, 3)``.
        object_shape: ``(B, 2)`` exponents of the superellipsoid. object_size ``(B, 3)`` proportions.
        object_rotation: ``(B, 3, 3)``. object_offset ``(B, 3)`` random numbers that place it.
        noise_key: ``(B,)`` int64 below 2**31. noise: ``(B,)`` standard deviation.
        blur: ``(B, 2)`` motion in parts of the picture's side, 0 for none.
        background: ``(B, 6)`` two colours of the gradient; clutter ``(B,)`` contrast of the noise.
        tint: ``(B, 3, 3)`` colours of the noise's three fields. shape_count ``(B,)`` int64.
        shapes: ``(B, 6, 20)`` numbers of each background shape, uniform in [0, 1).
    """

    rotation: Tensor
    place: Tensor
    fill: Tensor
    shift: Tensor
    key: Tensor
    key_color: Tensor
    fill_dir: Tensor
    fill_color: Tensor
    sky: Tensor
    ground: Tensor
    exposure: Tensor
    cuff: Tensor
    cloth: Tensor
    weave: Tensor
    has_other: Tensor
    other_rotation: Tensor
    other_place: Tensor
    has_object: Tensor
    object_held: Tensor
    object_color: Tensor
    object_shape: Tensor
    object_size: Tensor
    object_rotation: Tensor
    object_offset: Tensor
    noise_key: Tensor
    noise: Tensor
    blur: Tensor
    background: Tensor
    clutter: Tensor
    tint: Tensor
    shape_count: Tensor
    shapes: Tensor

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, index) -> SceneParameters:
        """The rows of a slice, list or tensor of indices."""
        return select(self, index)


def _rotation_of_unit(u: Tensor) -> Tensor:
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


def _viewpoints(draws: Draws, scene: SceneConfig) -> Tensor:
    # What would have the forearm come at the camera is seen from the opposite side.
    u = draws.unit(5)
    if scene.cone >= 180.0 and scene.roll >= 180.0:
        return _turn_away(_rotation_of_unit(u[:, :3]), _FOREARM_TOWARDS_CAMERA)
    angle = torch.deg2rad(scene.cone * torch.sqrt(u[:, 0]))
    turn = 2 * torch.pi * u[:, 1]
    axis = torch.stack([torch.cos(turn), torch.sin(turn), torch.zeros_like(turn)], 1)
    roll = torch.deg2rad(scene.roll * (2 * u[:, 2] - 1))
    roll = _about(torch.tensor([[0.0, 0.0, 1.0]]).expand(len(u), 3), roll)
    one, opposite = (roll @ _about(axis, sign * angle) @ _PALM_TO_CAMERA for sign in (1.0, -1.0))
    return torch.where((one[:, 2, 1] > _FOREARM_TOWARDS_CAMERA)[:, None, None], opposite, one)


def _turn_away(rotation: Tensor, limit: float) -> Tensor:
    """Half a turn about the picture's vertical for hands whose forearm comes nearer by more than ``limit`` (cosine)."""
    flipped = torch.diag(torch.tensor([-1.0, 1.0, -1.0])) @ rotation
    return torch.where((rotation[:, 2, 1] > limit)[:, None, None], flipped, rotation)


def sample_scenes(seed: int, split: str, indices: Tensor | list[int], scene: SceneConfig) -> SceneParameters:
    """Draw what stands round the hands of :func:`sample_hands`: camera, light, clothes, things, background.

    Raises:
        HandLibError: unknown split.
    """
    check_split(split)
    draws = Draws(seed=seed, split=split, indices=[int(i) for i in indices], stream="scene", width=256)
    rotation = _viewpoints(draws, scene)
    distance = draws.uniform(*scene.distance)
    off_axis = 0.30 * (2 * draws.unit(2) - 1)  # up to 17 degrees from the optical axis, as in a whole photograph
    place = torch.cat([off_axis * distance[:, None], distance[:, None]], 1)
    # Main light: from above and from the camera's side.
    key = torch.stack([draws.uniform(-1.0, 1.0), draws.uniform(-1.2, 0.25), draws.uniform(-1.2, -0.35)], 1)
    key = key / key.norm(dim=1, keepdim=True)
    warm = 0.12 * draws.normal(2)

    def tinted(power: Tensor, warmth: Tensor) -> Tensor:
        return power[:, None] * torch.stack([1 + warmth, torch.ones_like(warmth), 1 - warmth], 1)

    key_color = tinted(draws.uniform(0.8, 1.5), warm[:, 0])
    fill_dir = torch.stack([-key[:, 0], draws.uniform(-0.6, 0.4), -draws.uniform(0.3, 1.0)], 1)
    fill_dir = fill_dir / fill_dir.norm(dim=1, keepdim=True)
    fill_color = tinted(draws.uniform(0.1, 0.45), -warm[:, 0])
    ambient = draws.uniform(0.22, 0.5)
    sky = tinted(ambient, warm[:, 1] - 0.03)
    ground = tinted(ambient * draws.uniform(0.35, 0.8), warm[:, 1] + 0.08)
    cuff = torch.where(draws.chance(scene.sleeve), draws.uniform(14.0, 80.0), torch.inf)
    cloth = to_linear(draws.unit(6).unflatten(1, (2, 3)) * 0.9 + 0.04)
    plain = draws.chance(0.5)
    weave = torch.stack([draws.uniform(5.0, 26.0), torch.where(plain, 0.0, draws.uniform(0.25, 0.75))], 1)

    u = draws.unit(6)
    turn = 2 * torch.pi * u[:, 3]
    other_place = torch.stack([torch.cos(turn), torch.sin(turn), 0.25 + u[:, 4]], 1)
    other_place[:, :2] *= (0.55 + 0.3 * u[:, 5])[:, None]
    v = draws.unit(16)
    exponents = torch.tensor([[1.0, 1.0], [0.25, 0.25], [0.25, 1.0]])  # ball, box, cylinder
    moves, course, travel = draws.chance(scene.motion_blur), draws.uniform(0.0, 2 * np.pi), draws.uniform(0.02, 0.06)
    background = draws.unit(1) * 0.88 + 0.06
    background = (background + 0.7 * (draws.unit(6) - 0.5) * draws.unit(1)).clamp(0.03, 0.98)
    return SceneParameters(
        rotation=rotation,
        place=place,
        fill=draws.uniform(*scene.fill),
        shift=2 * draws.unit(2) - 1,
        key=key,
        key_color=key_color,
        fill_dir=fill_dir,
        fill_color=fill_color,
        sky=sky,
        ground=ground,
        exposure=draws.uniform(0.75, 1.3),
        cuff=cuff,
        cloth=cloth,
        weave=weave,
        has_other=draws.chance(scene.distractor),
        other_rotation=_turn_away(_rotation_of_unit(u[:, :3]), -0.2),
        other_place=other_place,
        has_object=draws.chance(scene.occluder),
        object_held=draws.chance(0.6),
        object_color=to_linear(v[:, :3] * 0.9 + 0.05),
        object_shape=exponents[(v[:, 3] * 3).long()],
        object_size=0.6 + 0.8 * v[:, 4:7],
        object_rotation=_rotation_of_unit(v[:, 7:10]),
        object_offset=v[:, 10:13],
        noise_key=(draws.unit(1)[:, 0].double() * (1 << 24)).long() * 61 + 17,
        noise=draws.uniform(*scene.noise),
        blur=torch.where(moves[:, None], travel[:, None] * torch.stack([torch.cos(course), torch.sin(course)], 1), 0.0),
        background=to_linear(background),
        clutter=draws.uniform(*scene.clutter),
        tint=draws.normal(9).unflatten(1, (3, 3)),
        shape_count=draws.integer(*scene.shapes),
        shapes=draws.unit(20 * MAX_SHAPES).unflatten(1, (MAX_SHAPES, 20)),
    )


__all__ = [
    "EASY",
    "SPLITS",
    "WIDE",
    "HandParameters",
    "SceneConfig",
    "SceneParameters",
    "sample_hands",
    "sample_scenes",
]
