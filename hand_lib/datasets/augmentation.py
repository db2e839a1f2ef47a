"""From annotated pictures to what a network sees: square crops of right hands, augmented, with their targets.

The box crop, the resizing, the mirroring of left hands, and the random scale, rotation and translation are one matrix
(:func:`hand_lib.camera.crop_transform`), so each picture is sampled **once** and the joints, the intrinsics and the
pixels cannot disagree. Everything is batched: the pixels are computed where the pictures are, the geometry where the
annotations are. The random numbers are drawn on the CPU, so a seed gives the same crops on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import pi, sqrt

import torch
from torch import Tensor

from hand_lib.camera import (
    crop_transform,
    from_25d,
    is_mirrored,
    mirror_xyz,
    to_25d,
    transform_intrinsics,
    warp_image,
)
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples

TRANSLATION_REFERENCE = 256  # px; translations are given for a crop of this side and shrink with smaller ones


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far a crop may stray from the plain one. All draws are uniform and independent, one of each an image.

    Attributes:
        scale: lowest and highest magnification; above 1 the hand gets larger. Uniform in the side of the square that
            is cut out, between 1/highest and 1/lowest of the plain one.
        rotation_degrees: at most so far to either side.
        translation_px: at most so far in u and in v, in pixels of a 256-pixel crop; in proportion in others.
        brightness: colours are multiplied by 1 ± this.
        contrast: differences from the crop's mean grey are multiplied by 1 ± this.
        saturation: differences from a pixel's own grey are multiplied by 1 ± this.
        hue: colours are turned about the grey axis of the RGB cube by at most this part of a full turn.

    Raises:
        HandLibError: a range is empty or negative.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    rotation_degrees: float = 0.0
    translation_px: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high:
            raise HandLibError(f"scale must be (low, high) with 0 < low <= high, got {self.scale}")
        for field in fields(self)[1:]:
            if getattr(self, field.name) < 0:
                raise HandLibError(f"{field.name} must not be negative, got {getattr(self, field.name)}")

    @property
    def changes_colors(self) -> bool:
        return any((self.brightness, self.contrast, self.saturation, self.hue))


NO_AUGMENTATION = Augmentation()

# For small networks and short trainings, where a full turn is too much to learn.
GENTLE = Augmentation(
    scale=(0.9, 1.1), rotation_degrees=20, translation_px=10, brightness=0.2, contrast=0.2, saturation=0.2
)

# JAR, section 3.2: scaling ±10 %, rotation ±180°, translation ±10 px, colour jittering ±20 %. The three colour factors
# are read as the ±20 %; a hue is an angle, has no per cent, and is left alone.
JAR = Augmentation(
    scale=(0.9, 1.1), rotation_degrees=180, translation_px=10, brightness=0.2, contrast=0.2, saturation=0.2
)

# Groups paper (Data Processing): scaling in [1, 1.2], rotation ±π, translation ±20 px, hue ±0.1. What the factor in
# [1, 1.2] scales is the square that is cut out: the hand only ever gets smaller.
GROUPS = Augmentation(scale=(1 / 1.2, 1.0), rotation_degrees=180, translation_px=20, hue=0.1)


@dataclass(frozen=True, kw_only=True)
class Crops:
    """A batch of B square crops, S pixels a side, each of one right hand (left hands are mirrored).

    Attributes:
        images: ``(B, 3, S, S)`` float32 in [0, 1], RGB; black where the crop leaves the source.
        targets: ``(B, 21, 3)`` what a network learns: u and v of the crop with −1 and +1 at the centres of its outer
            pixels (a joint outside the crop lies beyond), and z relative to the root in lengths of the scale bone.
        uv: ``(B, 21, 2)`` joints in pixels of the crop.
        xyz: ``(B, 21, 3)`` joints in millimetres, camera frame, mirrored with the picture. Neither the crop nor its
            rotation changes them: those are in ``K``.
        K: ``(B, 3, 3)`` intrinsics of the crop: ``uv = project(xyz, K)``.
        z_root: ``(B,)`` depth of the root joint in millimetres.
        scale: ``(B,)`` length of the scale bone in millimetres.
        visible: ``(B, 21)`` bool: visible in the source, and inside the crop.
        A: ``(B, 3, 3)`` source pixels to crop pixels; its inverse draws a prediction over the source picture, and
            :func:`hand_lib.camera.is_mirrored` of it says which hands were left ones.
    """

    images: Tensor
    targets: Tensor
    uv: Tensor
    xyz: Tensor
    K: Tensor
    z_root: Tensor
    scale: Tensor
    visible: Tensor
    A: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | Tensor | list[int]) -> Crops:
        """A sub-batch: a slice, a list or a tensor of indices (an integer would drop the batch dimension)."""
        return self._map(lambda tensor: tensor[index])

    def to(self, device: torch.device | str) -> Crops:
        """The same crops with every tensor on ``device``."""
        return self._map(lambda tensor: tensor.to(device))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Crops:
        return replace(self, **{field.name: function(getattr(self, field.name)) for field in fields(self)})


def crop(
    samples: Samples,
    *,
    size: int,
    augmentation: Augmentation = NO_AUGMENTATION,
    generator: torch.Generator | None = None,
    margin: float = 1.2,
) -> Crops:
    """Cut the hands out, turn left ones into right ones, and augment.

    The square that is cut out shares its centre with the hand's box, and its side is the longer side of the box times
    ``margin``. A box runs from outer edge to outer edge of the hand's pixels, so it is u1 − u0 pixels wide.

    Args:
        samples: B annotated pictures; their ``images``, ``xyz``, ``visible``, ``K``, ``right`` and ``box`` are used.
            The images may be on any device; the rest on the same, or on the CPU, and then no GPU is waited for.
        size: side of the crop in pixels, S, 2 or more.
        augmentation: :data:`NO_AUGMENTATION` (exact, draws nothing), :data:`GENTLE`, :data:`JAR`, :data:`GROUPS` or
            another :class:`Augmentation`.
        generator: a CPU generator that gives all random numbers, eight an image; None takes torch's own.
        margin: see above.

    Returns:
        :class:`Crops` on the device of the images.

    Raises:
        HandLibError: a box is empty, ``size`` is below 2, ``margin`` is not positive, or the generator is not on
            the CPU.
    """
    if size < 2:
        raise HandLibError(f"a crop whose outer pixels are −1 and +1 needs at least two pixels, got size={size}")
    if margin <= 0:
        raise HandLibError(f"margin must be positive, got {margin}")
    first, last = samples.box[:, :2], samples.box[:, 2:]
    side = margin * (last - first).amax(dim=-1)
    if not (side > 0).all():
        raise HandLibError(f"{int((~(side > 0)).sum())} of {len(samples)} boxes are empty")
    draws = _draw(len(samples), augmentation, generator).to(samples.box.device)
    zoom, turn, shift, brightness, contrast, saturation, hue = draws.split([1, 1, 2, 1, 1, 1, 1], dim=-1)

    low, high = augmentation.scale
    A = crop_transform(
        (first + last) / 2,
        side * (0.5 * (1 / low + 1 / high) + 0.5 * (1 / low - 1 / high) * zoom.squeeze(-1)),
        size,
        rotation=augmentation.rotation_degrees * pi / 180 * turn.squeeze(-1),
        translation=augmentation.translation_px * size / TRANSLATION_REFERENCE * shift,
        mirror=~samples.right,
    )
    images = warp_image(samples.images.float(), A, size) / 255
    if augmentation.changes_colors:
        images = jitter_colors(
            images,
            brightness=1 + augmentation.brightness * brightness.squeeze(-1),
            contrast=1 + augmentation.contrast * contrast.squeeze(-1),
            saturation=1 + augmentation.saturation * saturation.squeeze(-1),
            turn=augmentation.hue * hue.squeeze(-1),
        )

    K = transform_intrinsics(A, samples.K)
    xyz = mirror_xyz(samples.xyz, is_mirrored(A))
    uv, z_rel, z_root, scale = to_25d(xyz, K)
    inside = ((uv >= -0.5) & (uv <= size - 0.5)).all(dim=-1)
    geometry = {
        "targets": torch.cat([2 * uv / (size - 1) - 1, z_rel.unsqueeze(-1)], dim=-1),
        "uv": uv,
        "xyz": xyz,
        "K": K,
        "z_root": z_root,
        "scale": scale,
        "visible": samples.visible & inside,
        "A": A,
    }
    geometry = {name: tensor.to(images.device, non_blocking=True) for name, tensor in geometry.items()}
    return Crops(images=images.clamp(0, 1), **geometry)


def to_xyz(prediction: Tensor, crops: Crops) -> Tensor:
    """A network's output in millimetres, with the true root depth and scale (groups paper, Eq. 3).

    Args:
        prediction: ``(B, 21, 3)`` in the units of ``crops.targets``, any float dtype.
        crops: the crops that it was made from.

    Returns:
        ``(B, 21, 3)`` float32 millimetres in the frame of ``crops.xyz`` (of the mirrored, right hand).

    Raises:
        HandLibError: ``prediction`` does not have the shape of the targets.
    """
    if prediction.shape != crops.targets.shape:
        raise HandLibError(f"expected a prediction {tuple(crops.targets.shape)}, got {tuple(prediction.shape)}")
    prediction = prediction.float()
    uv = (prediction[..., :2] + 1) / 2 * (crops.images.shape[-1] - 1)
    return from_25d(uv, prediction[..., 2], crops.K, z_root=crops.z_root, scale=crops.scale)


# -------------------------------------------------------------------------------------------------------------- colours

LUMA = (0.299, 0.587, 0.114)  # of R, G, B in a pixel's grey (ITU-R BT.601)


def jitter_colors(images: Tensor, *, brightness: Tensor, contrast: Tensor, saturation: Tensor, turn: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue, in this order, an amount an image.

    All four are linear in the colours, so they are one 3×3 matrix M and one grey offset an image, ``y = M x + o``.
    The hue turns about the grey axis (1, 1, 1); a third of a turn takes red to green to blue to red, as it does in HSV.

    Args:
        images: ``(B, 3, H, W)``.
        brightness, contrast, saturation: ``(B,)`` factors, 1 for no change; they may stay on the CPU.
        turn: ``(B,)`` of the hue, in full turns.

    Returns:
        ``(B, 3, H, W)``, not clamped, on the device of ``images``.
    """
    luma = torch.tensor(LUMA, dtype=images.dtype, device=turn.device)
    identity = torch.eye(3, dtype=images.dtype, device=turn.device)
    grey = luma.expand(3, 3)  # every row gives the grey of a pixel
    saturate = grey + saturation.view(-1, 1, 1) * (identity - grey)

    # Rodrigues' formula about the unit vector (1, 1, 1)/√3.
    angle = 2 * pi * turn.view(-1, 1, 1)
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=images.dtype, device=turn.device) / sqrt(3)
    rotate = identity + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (1 / 3 - identity)

    with torch.autocast(images.device.type, enabled=False), torch.autocast(turn.device.type, enabled=False):
        factor = (brightness * contrast).view(-1, 1, 1)
        matrix, luma, lost = (
            tensor.to(images.device, non_blocking=True)
            for tensor in (factor * (rotate @ saturate), luma, (1 - contrast) * brightness)
        )
        mean_grey = (images.mean(dim=(-2, -1)) * luma).sum(-1)  # (B,)
        offset = (lost * mean_grey).view(-1, 1, 1)  # greys pass through the other two unchanged
        return torch.baddbmm(offset, matrix, images.flatten(2)).view_as(images)


def _draw(count: int, augmentation: Augmentation, generator: torch.Generator | None) -> Tensor:
    """``(count, 8)`` uniform in [−1, 1), on the CPU; zeros where there is nothing to draw."""
    if generator is not None and generator.device.type != "cpu":
        raise HandLibError(
            f"the generator must be on the CPU, so that a seed means the same anywhere: {generator.device}"
        )
    if augmentation == NO_AUGMENTATION:
        return torch.zeros(count, 8)
    return 2 * torch.rand(count, 8, generator=generator) - 1
