"""What is drawn round the hand: camera, light, clothes, things, background.

Random numbers are drawn on the CPU (:mod:`hand_lib.synthetic.draws`); only the noise of single pixels is made on the
device, by hashing the pixel's number with a key of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.synthetic.anatomy import select
from hand_lib.synthetic.draws import Draws, check_split
from hand_lib.synthetic.pixels import to_linear
from hand_lib.synthetic.views import rotation_of_unit, turn_away, viewpoints


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


def sample_scenes(seed: int, split: str, indices: Tensor | list[int], scene: SceneConfig) -> SceneParameters:
    """Draw what stands round the hands of :func:`sample_hands`: camera, light, clothes, things, background.

    Raises:
        HandLibError: unknown split.
    """
    check_split(split)
    draws = Draws(seed=seed, split=split, indices=[int(i) for i in indices], stream="scene", width=256)
    rotation = viewpoints(draws, cone=scene.cone, roll=scene.roll)
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
        other_rotation=turn_away(rotation_of_unit(u[:, :3]), -0.2),
        other_place=other_place,
        has_object=draws.chance(scene.occluder),
        object_held=draws.chance(0.6),
        object_color=to_linear(v[:, :3] * 0.9 + 0.05),
        object_shape=exponents[(v[:, 3] * 3).long()],
        object_size=0.6 + 0.8 * v[:, 4:7],
        object_rotation=rotation_of_unit(v[:, 7:10]),
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
    "WIDE",
    "SceneConfig",
    "SceneParameters",
    "sample_scenes",
]
