"""What is drawn round the hand: camera, light, clothes, things, background; and the skin's colours.

Random numbers are drawn on the CPU (:mod:`hand_lib.synthetic.draws`); only the noise of single pixels is made on the
device, by hashing the pixel's number with a key of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.synthetic.anatomy import rotate, select
from hand_lib.synthetic.draws import Draws, check_split
from hand_lib.synthetic.views import rotation_of_unit, turn_away, viewpoints


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """How pictures vary. Angles in degrees; probabilities in [0, 1]; pairs are ranges.

    Attributes:
        cone: seen from the hand, the camera stands within this angle of the palm's normal; 180 is every viewpoint.
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
class Skin:
    """Colours of B people's hands, linear RGB.

    Attributes:
        back: ``(B, 3)`` albedo of the back of the hand; palm ``(B, 3)`` of the palm; nail ``(B, 3)`` of the nails.
        tone: ``(B,)`` 0 the lightest human skin, 1 the darkest.
        mottle: ``(B, 4)`` weights of the four fields of the skin's grain.
        gloss: ``(B,)`` strength of the highlights; nail_gloss ``(B,)`` of the nails'.
    """

    back: Tensor
    palm: Tensor
    nail: Tensor
    tone: Tensor
    mottle: Tensor
    gloss: Tensor
    nail_gloss: Tensor


# sRGB of bare skin from the lightest to the darkest, roughly even steps of the individual typology angle.
_TONES = torch.tensor(
    [
        [0.955, 0.775, 0.680],
        [0.925, 0.720, 0.605],
        [0.865, 0.645, 0.515],
        [0.765, 0.545, 0.410],
        [0.640, 0.445, 0.320],
        [0.490, 0.325, 0.230],
        [0.360, 0.235, 0.170],
        [0.265, 0.175, 0.135],
    ]
)


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB in [0, 1] to linear light, with the plain power 2.2."""
    return power(srgb.clamp(min=0.0), 2.2)


def power(base: Tensor, exponent: float | Tensor) -> Tensor:
    """``base ** exponent`` in double precision, then rounded: in single precision torch rounds the last elements of a
    tensor otherwise than the first ones, and a sample would not be the same in every batch."""
    return (base.double() ** exponent).to(base.dtype)


def _skins(draws: Draws) -> Skin:
    batch = len(draws)
    tone = draws.unit(1)[:, 0]
    position = tone * (len(_TONES) - 1)
    low = position.floor().long().clamp(max=len(_TONES) - 2)
    f = (position - low)[:, None]
    colour = _TONES[low] * (1 - f) + _TONES[low + 1] * f
    jitter = draws.normal(3)
    colour = colour * (1.0 + 0.035 * jitter[:, :1]) + torch.stack(
        [0.012 * jitter[:, 1], -0.012 * jitter[:, 1], 0.02 * jitter[:, 2]], 1
    )
    colour = colour.clamp(0.08, 0.98)
    # Palms have little pigment: the darker the skin, the larger the difference; and they are redder.
    pale = torch.tensor([0.84, 0.62, 0.52])
    share = (0.10 + 0.38 * tone)[:, None]
    palm = (1 - share) * colour + share * pale * (0.6 + 0.4 * (1 - tone[:, None]))
    palm = palm * torch.tensor([1.02, 0.965, 0.955])
    nail = 0.55 * palm + 0.45 * torch.tensor([0.90, 0.72, 0.67]) * (1 - 0.3 * tone[:, None])
    varnished = draws.chance(0.10)[:, None]
    varnish = torch.tensor([0.75, 0.08, 0.15]) * (0.4 + 0.6 * draws.unit(3)) + 0.35 * draws.unit(3)
    nail = torch.where(varnished, varnish.clamp(0, 1), nail)
    mottle = torch.tensor([0.03, 0.03, 0.035, 0.035]) * draws.normal(4)
    return Skin(
        back=to_linear(colour),
        palm=to_linear(palm),
        nail=to_linear(nail),
        tone=tone,
        mottle=mottle,
        gloss=0.5 + 0.9 * draws.unit(1)[:, 0] ** 2,
        nail_gloss=torch.where(varnished[:, 0], 3.0, 1.6) * torch.ones(batch),
    )


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
    distance = draws.uniform(*scene.distance)
    off_axis = 0.30 * (2 * draws.unit(2) - 1)  # up to 17 degrees from the optical axis, as in a whole photograph
    place = torch.cat([off_axis * distance[:, None], distance[:, None]], 1)
    ray = torch.cat([off_axis, torch.ones_like(distance)[:, None]], 1)
    ray = ray / (ray[:, 0] ** 2 + ray[:, 1] ** 2 + 1.0).sqrt()[:, None]
    rotation = viewpoints(draws, ray, cone=scene.cone, roll=scene.roll)
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


def hash_noise(key: Tensor, count: int, *, salt: int = 0) -> Tensor:
    """Integer noise ``(B, count)`` int32 in [0, 2**31): pixel number and picture key through a bit mixer.

    Multiplications and shifts of a 32-bit finaliser, by constants below 2**31; int32 products wrap the same way on
    every device.
    """
    x = torch.arange(count, device=key.device, dtype=torch.int32)[None] * 747796405
    x = x + ((key + salt * 40503) & 0x7FFFFFFF).to(torch.int32)[:, None]
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * 0x21F0AAAD
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * 0x735A2D97
    return (x ^ ((x >> 15) & 0x1FFFF)) & 0x7FFFFFFF


def backgrounds(scene: SceneParameters, size: int) -> Tensor:
    """Paint ``(B, 3, size, size)`` linear RGB: a gradient, noise on several scales, shapes; some look like fingers."""
    device, batch = scene.place.device, len(scene)
    grid = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) / size  # 0 to 1
    y, x = grid[:, None], grid[None, :]
    c0, c1 = scene.background[:, :3, None, None], scene.background[:, 3:, None, None]
    slope = scene.shapes[:, 0, 18:20]
    ramp = (slope[:, :1, None] * x + slope[:, 1:, None] * y).clamp(0, 1)[:, None]  # (B, 1, H, W)
    picture = c0 + (c1 - c0) * ramp
    # Value noise: random lattices, magnified; three fields with colours of their own.
    coarse = min(size, max(64, size // 2))  # noise has no finer detail
    field, weight = 0.0, 0.0
    for octave, cells in enumerate((3, 7, 16, 37)):
        lattice = hash_noise(scene.noise_key, 3 * cells * cells, salt=octave + 1).float() / 2**31
        lattice = lattice.view(batch, 3, cells, cells)
        share = 0.55**octave
        field = field + share * torch.nn.functional.interpolate(
            lattice, size=(coarse, coarse), mode="bilinear", align_corners=True
        )
        weight += share
    field = field / weight - 0.5
    tint = 0.55 * scene.tint + 1.0
    colour = rotate(tint.transpose(1, 2), field.flatten(2)).view_as(field)  # no rotation, but the same product
    colour = (1.0 + 2.2 * scene.clutter[:, None, None, None] * colour).clamp_(0.05, 3.0)
    if coarse < size:
        colour = torch.nn.functional.interpolate(colour, size=(size, size), mode="bilinear")
    picture = picture * colour

    for i in range(int(scene.shape_count.max()) if batch else 0):
        rows = torch.nonzero(scene.shape_count > i)[:, 0]
        s = scene.shapes[rows, i, :, None, None]  # (b, 20, 1, 1)
        angle = 2 * torch.pi * s[:, 0]
        cos, sin = torch.cos(angle), torch.sin(angle)
        cx, cy = 1.2 * s[:, 1] - 0.1, 1.2 * s[:, 2] - 0.1
        qx = x * cos + (y * sin - (cx * cos + cy * sin))  # place along and across the shape's axis
        qy = y * cos - (x * sin + (cy * cos - cx * sin))
        finger = s[:, 3] < 0.4
        half_x = torch.where(finger, 0.12 + 0.3 * s[:, 4], 0.05 + 0.22 * s[:, 4])
        half_y = torch.where(finger, torch.zeros_like(half_x), 0.22 * s[:, 5])
        round_ = torch.where(finger, 0.02 + 0.05 * s[:, 6], 0.01 + 0.12 * s[:, 6] ** 2)
        dx, dy = qx.abs().sub_(half_x).clamp_(min=0), qy.abs().sub_(half_y).clamp_(min=0)
        soft = 1.0 / (1.2 / size + 0.03 * s[:, 7] ** 3)
        alpha = dx.square_().add_(dy.square_()).sqrt_().mul_(-soft).add_(0.5 + round_ * soft).clamp_(0, 1)
        first, second = scene.shapes[rows, i, 8:11], scene.shapes[rows, i, 11:14]
        # Finger-like shapes have skin's colours and are lit like cylinders.
        tone = (first[:, :1] * 0.85 + 0.15) * torch.tensor([1.0, 0.72, 0.56], device=device) + 0.06 * (second - 0.5)
        first = torch.where(finger[:, :, 0], tone.clamp(0.02, 1), first)
        first, second = to_linear(first)[..., None, None], to_linear(second)[..., None, None]
        striped = (s[:, 14] < 0.35) & ~finger
        stripes = torch.remainder(qx.mul_(6.0 + 25.0 * s[:, 15]), 1.0).gt_(0.5).mul_(striped)
        bright = 0.8 + 0.4 * ramp[rows, 0] * s[:, 17]
        lit = qy.div_(round_).clamp_(-1, 1).square_().mul_(-0.55 * finger * (0.6 + 0.4 * s[:, 16]) ** 2).add_(1.0)
        lit = lit.mul_(bright)[:, None]
        colour = (stripes[:, None] * (second - first)).add_(first).mul_(lit)
        below = picture[rows]
        picture[rows] = below.add_(colour.sub_(below).mul_(alpha[:, None]))
    return picture


__all__ = [
    "EASY",
    "WIDE",
    "SceneConfig",
    "SceneParameters",
    "Skin",
    "backgrounds",
    "hash_noise",
    "sample_scenes",
]
