"""What is drawn round the hand: view, light, clothes, things, surroundings, camera.

Random numbers are drawn on the CPU (:mod:`hand_lib.synthetic.draws`); only the noise of single pixels is made on the
device, by hashing the pixel's number with a key of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.synthetic.anatomy import select
from hand_lib.synthetic.backdrop import MAX_SHAPES, Room, sample_room
from hand_lib.synthetic.cloth import Cloth, sample_cloth
from hand_lib.synthetic.draws import Draws, check_split
from hand_lib.synthetic.lens import Lens, sample_lens
from hand_lib.synthetic.light import Lamps, sample_lamps
from hand_lib.synthetic.objects import Things, sample_things
from hand_lib.synthetic.views import rotation_of_unit, turn_away, viewpoints


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """How pictures vary. Angles in degrees; probabilities in [0, 1]; pairs are ranges.

    Attributes:
        cone: seen from the hand, the camera stands within this angle of the palm's normal; 180 is every viewpoint.
        roll: in-plane rotation is within ± this angle of upright.
        fill: part of the picture's side that the hand's larger extent takes.
        distance: mm from the camera to the hand.
        surface: probability that the hand is just above a table or before a wall, which its shadow falls on; else what
            is behind it is a room away.
        outdoors: probability of the open air instead of a room.
        shapes: number of things in the background: furniture, books, plants, pictures, windows (at most 6).
        limbs: probability of each of two bare limbs in the background, in human skin tones.
        clutter: contrast of the patterns of walls, tables and things; 1 is that of wood, tiles and bricks.
        sleeve: probability that a sleeve covers the forearm.
        distractor: probability of another person's hand behind this one.
        occluder: probability of an object, held or in front.
        light: range of the main light's strength. ambient: of the room's own light.
        warmth: spread of the lights' colours, 0 for white ones.
        aperture: standard deviation of the blur of what is infinitely far, in parts of the picture's side (up to 0.1).
        softness: standard deviation of the blur of the whole picture, in parts of its side (up to 0.02).
        motion_blur: probability of motion blur.
        noise: standard deviation of the sensor's noise, in units of the full range.
        compressed: probability that the picture went through a JPEG file. quality: of the file, 1 to 100.
        left: probability of a left hand.
    """

    cone: float = 180.0
    roll: float = 180.0
    fill: tuple[float, float] = (0.60, 0.75)
    distance: tuple[float, float] = (350.0, 700.0)
    surface: float = 0.5
    outdoors: float = 0.0
    shapes: tuple[int, int] = (1, 5)
    limbs: float = 0.15
    clutter: tuple[float, float] = (0.3, 1.2)
    sleeve: float = 0.5
    distractor: float = 0.15
    occluder: float = 0.25
    light: tuple[float, float] = (0.8, 1.5)
    ambient: tuple[float, float] = (0.22, 0.5)
    warmth: float = 0.12
    aperture: tuple[float, float] = (0.0, 0.06)
    softness: tuple[float, float] = (0.0, 0.007)
    motion_blur: float = 0.12
    noise: tuple[float, float] = (0.0, 0.03)
    compressed: float = 0.6
    quality: tuple[float, float] = (70.0, 100.0)
    left: float = 0.5

    def __post_init__(self) -> None:
        for name in (
            "surface", "outdoors", "limbs", "sleeve", "distractor", "occluder", "motion_blur", "compressed", "left",
        ):  # fmt: skip
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise HandLibError(f"scene.{name} is {getattr(self, name)}: a probability lies between 0 and 1")
        for name in (
            "fill", "distance", "shapes", "clutter", "light", "ambient", "aperture", "softness", "noise", "quality",
        ):  # fmt: skip
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise HandLibError(f"scene.{name} is {getattr(self, name)}: give a range (low, high), 0 ≤ low ≤ high")
        for name, most in (("shapes", MAX_SHAPES), ("aperture", 0.1), ("softness", 0.02)):
            if getattr(self, name)[1] > most:
                raise HandLibError(f"scene.{name} is {getattr(self, name)}: at most {most}")
        if not 0.1 <= self.fill[0] <= self.fill[1] <= 0.9:
            raise HandLibError(f"scene.fill is {self.fill}: the hand can fill from 0.1 to 0.9 of the side")
        if self.distance[0] < 250.0:
            raise HandLibError(f"scene.distance is {self.distance}: nearer than 250 mm the forearm may meet the camera")
        if not 0.0 <= self.warmth <= 0.4:
            raise HandLibError(f"scene.warmth is {self.warmth}: choose 0 to 0.4")
        if not 1.0 <= self.quality[0] <= self.quality[1] <= 100.0:
            raise HandLibError(f"scene.quality is {self.quality}: a JPEG file's quality is 1 to 100")


EASY = SceneConfig(
    cone=60.0,
    roll=60.0,
    surface=0.8,
    shapes=(0, 0),
    limbs=0.0,
    clutter=(0.1, 0.4),
    sleeve=0.5,
    distractor=0.0,
    occluder=0.0,
    motion_blur=0.0,
    aperture=(0.0, 0.02),
    softness=(0.0, 0.0),
    noise=(0.0, 0.02),
    compressed=0.0,
)
WIDE = SceneConfig()
# A look that no training uses: what a network meets there stands in for photographs, whose look it has not learnt
# either. In the open air, under harder and more coloured light, with a poorer camera.
OTHER_LOOK = SceneConfig(
    surface=0.0,
    outdoors=1.0,
    shapes=(3, 6),
    light=(1.6, 2.6),
    ambient=(0.12, 0.3),
    warmth=0.25,
    aperture=(0.01, 0.06),
    softness=(0.004, 0.014),
    noise=(0.01, 0.05),
    compressed=1.0,
    quality=(25.0, 60.0),
)


@dataclass(frozen=True, kw_only=True)
class SceneParameters:
    """View, light, clothes, things, surroundings and camera of B pictures. Camera frame, mm; colours are linear RGB.

    Attributes:
        rotation: ``(B, 3, 3)`` hand frame to camera frame.
        place: ``(B, 3)`` where the hand's middle is.
        fill: ``(B,)`` part of the side that the hand takes. shift ``(B, 2)`` in [−1, 1]: where in its room it lies.
        has_other: ``(B,)`` bool. other_rotation ``(B, 3, 3)``. other_place ``(B, 3)`` in hand sizes.
        lamps: the light. cloth: sleeves. things: objects. room: the surroundings. lens: the camera.
    """

    rotation: Tensor
    place: Tensor
    fill: Tensor
    shift: Tensor
    has_other: Tensor
    other_rotation: Tensor
    other_place: Tensor
    lamps: Lamps
    cloth: Cloth
    things: Things
    room: Room
    lens: Lens

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, index) -> SceneParameters:
        """The rows of a slice, list or tensor of indices."""
        return select(self, index)


def sample_scenes(seed: int, split: str, indices: Tensor | list[int], scene: SceneConfig) -> SceneParameters:
    """Draw what is round the hands of :func:`~hand_lib.synthetic.hands.sample_hands`.

    Raises:
        HandLibError: unknown split.
    """
    check_split(split)
    draws = Draws(seed=seed, split=split, indices=[int(i) for i in indices], stream="scene", width=_WIDTH)
    distance = draws.uniform(*scene.distance)
    off_axis = 0.30 * (2 * draws.unit(2) - 1)  # up to 17 degrees from the optical axis, as in a whole photograph
    place = torch.cat([off_axis * distance[:, None], distance[:, None]], 1)
    ray = torch.cat([off_axis, torch.ones_like(distance)[:, None]], 1)
    ray = ray / (ray[:, 0] ** 2 + ray[:, 1] ** 2 + 1.0).sqrt()[:, None]
    rotation = viewpoints(draws, ray, cone=scene.cone, roll=scene.roll)
    fill, shift = draws.uniform(*scene.fill), 2 * draws.unit(2) - 1
    u = draws.unit(6)
    turn = 2 * torch.pi * u[:, 3]
    other_place = torch.stack([torch.cos(turn), torch.sin(turn), 0.25 + u[:, 4]], 1)
    other_place[:, :2] *= (0.55 + 0.3 * u[:, 5])[:, None]
    room = sample_room(
        draws,
        surface=scene.surface,
        outdoors=scene.outdoors,
        shapes=scene.shapes,
        limbs=scene.limbs,
        clutter=scene.clutter,
    )
    return SceneParameters(
        rotation=rotation,
        place=place,
        fill=fill,
        shift=shift,
        has_other=draws.chance(scene.distractor),
        other_rotation=turn_away(rotation_of_unit(u[:, :3]), -0.2),
        other_place=other_place,
        lamps=sample_lamps(
            draws, strength=scene.light, ambient=scene.ambient, warmth=scene.warmth, up=room.up, surface=room.facing
        ),
        cloth=sample_cloth(draws, sleeve=scene.sleeve),
        things=sample_things(draws, occluder=scene.occluder),
        room=room,
        lens=sample_lens(
            draws,
            aperture=scene.aperture,
            softness=scene.softness,
            motion_blur=scene.motion_blur,
            noise=scene.noise,
            compressed=scene.compressed,
            quality=scene.quality,
        ),
    )


_WIDTH = 420  # random numbers that a scene takes, and some to spare


__all__ = [
    "EASY",
    "OTHER_LOOK",
    "WIDE",
    "SceneConfig",
    "SceneParameters",
    "sample_scenes",
]
