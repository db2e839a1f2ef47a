"""What a network says of a data set's evaluation pictures as they are, and where in space that puts the hands.

An evaluation whose truth is kept by a server tells of a hand no more than its picture, its camera and perhaps a box or
a length. So here the network's part, the 2.5D pose (:func:`look`), is kept apart from the two numbers that it lacks,
the root's depth and the scale, and each of these says where it comes from (:class:`Known`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib import root_depth
from hand_lib.camera import from_25d, inverse, transform_points
from hand_lib.datasets.augmentation import crop
from hand_lib.datasets.real.checks import evenly
from hand_lib.datasets.real.hands import Annotation, Hand, Reader, to_pictures
from hand_lib.errors import HandLibError
from hand_lib.skeleton import JOINTS, ROOT, SCALE_BONE

BATCH = 64
BELIEVED = (100.0, 3000.0)  # millimetres at which a hand is seen
SCALES_FROM = 512  # training hands that a mean scale is taken of, evenly spread


@dataclass(frozen=True, kw_only=True)
class Poses:
    """What a network says of N hands, in their pictures, and what the data set tells beside these.

    Attributes:
        uv: ``(N, 21, 2)`` predicted, pixels of the data set's own pictures.
        z_rel: ``(N, 21)`` predicted depths relative to the root, in lengths of the scale bone.
        K: ``(N, 3, 3)`` the cameras.
        told: ``(N, 21, 3)`` millimetres, the joints that the data set tells; NaN in the rows of the others. Nothing of
            the prediction depends on it.
        visible: ``(N, 21)`` bool, of those the ones that are visible in the crop, as the data set says.
        told_scale: ``(N,)`` millimetres, the scale bone's length where the data set tells it; else NaN.
    """

    uv: Tensor
    z_rel: Tensor
    K: Tensor
    told: Tensor
    visible: Tensor
    told_scale: Tensor

    def __len__(self) -> int:
        return len(self.uv)

    @property
    def whole(self) -> bool:
        """Whether the data set tells all joints of all hands."""
        return bool(self.told.isfinite().all())


@torch.no_grad()
def look(
    model: Callable[[Tensor], Tensor],
    reader: Reader,
    *,
    image_size: int,
    device: torch.device | str,
    progress: bool = True,
) -> Poses:
    """Show a network every hand of a reader, cropped by its box out of its picture, without augmentation.

    Args:
        model: ``(B, 3, S, S)`` in [0, 1] to ``(B, 21, 3)`` in the targets' units, in evaluation mode.
        reader: whose hands; no more than a batch of pictures is in memory.
        image_size: S.
        device: where the crops are made.
        progress: show a bar on stderr.

    Raises:
        HandLibError: a file is missing or damaged; where a hand lies in its picture is not known; the network's answer
            is not finite.
    """
    parts = []
    for hands in _batches(reader, progress):
        crops = crop(to_pictures(hands).pictures_to(device), size=image_size)
        said = model(crops.images.contiguous(memory_format=torch.channels_last)).float().cpu()
        if not said.isfinite().all():
            raise HandLibError("the network answers with numbers that are not finite: its weights are of no use")
        in_crop = (said[..., :2] + 1) / 2 * (image_size - 1)
        in_picture = transform_points(inverse(crops.A.cpu().double()), in_crop.double()).float()
        notes = [hand.annotation for hand in hands]
        scales = torch.tensor([_scale(note) for note in notes])
        K, told = torch.stack([note.K for note in notes]), torch.stack([note.xyz for note in notes])
        parts.append((in_picture, said[..., 2], K, told, crops.visible.cpu(), scales))
    uv, z_rel, K, told, visible, told_scale = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return Poses(uv=uv, z_rel=z_rel, K=K, told=told, visible=visible, told_scale=told_scale)


def _batches(reader: Reader, progress: bool) -> Iterator[list[Hand]]:
    from tqdm import tqdm

    with tqdm(total=len(reader), desc="looking", unit="hand", disable=not progress, dynamic_ncols=True) as bar:
        for start in range(0, len(reader), BATCH):
            hands = [reader.hand(index) for index in range(start, min(start + BATCH, len(reader)))]
            yield hands
            bar.update(len(hands))


def _scale(said: Annotation) -> float:
    """Millimetres; NaN where it is not told."""
    if said.scale is not None:
        return said.scale
    start, end = SCALE_BONE
    return (said.xyz[end] - said.xyz[start]).norm().item()


# ------------------------------------------------------------------------------------------------------ the two numbers


@dataclass(frozen=True, kw_only=True)
class Known:
    """A number a hand, and where it comes from.

    Attributes:
        values: ``(N,)`` millimetres.
        said: in words.
    """

    values: Tensor
    said: str


def told_scale(poses: Poses) -> Known:
    """The length that the data set gives with each hand. Raises HandLibError where it gives none."""
    if not poses.told_scale.isfinite().all():
        raise HandLibError("the data set does not tell the hands' scale: take a mean one, or give it in millimetres")
    return Known(values=poses.told_scale, said="scale given by the data set")


def mean_scale(training: Sequence[Reader], count: int) -> Known:
    """For ``count`` hands the mean of training hands, of each reader up to ``SCALES_FROM`` evenly spread ones.

    Raises:
        HandLibError: none of them tells its scale.
    """
    some = [(reader, index) for reader in training for index in evenly(len(reader), SCALES_FROM)]
    mean = torch.tensor([_scale(reader.annotation(index)) for reader, index in some]).nanmean().item()
    if not mean > 0:
        raise HandLibError("the training hands do not tell their scale: give it in millimetres")
    return Known(values=torch.full((count,), mean), said=f"scale {mean:.1f} mm, the mean of training hands")


def same_scale(millimetres: float, count: int) -> Known:
    """The same for all hands. Raises HandLibError where that is no bone's length."""
    if not 5 <= millimetres <= 100:
        raise HandLibError(f"a scale of {millimetres:g} mm is no length of a bone: from 5 to 100")
    return Known(values=torch.full((count,), float(millimetres)), said=f"scale {millimetres:g} mm for all hands")


def depth_of_bone(poses: Poses, scale: Known) -> Known:
    """Recovered from the prediction itself, see :mod:`hand_lib.root_depth`. Of the truth it knows the scale at most.

    A bone that is predicted far too short or too deep puts a hand nowhere, or where no hand is seen: such hands get the
    median depth of the others.

    Raises:
        HandLibError: there are no others.
    """
    depth = root_depth.solve(poses.uv, poses.z_rel, poses.K).far.float() * scale.values
    nearest, farthest = BELIEVED
    believed = (depth >= nearest) & (depth <= farthest)
    if not believed.any():
        raise HandLibError(f"no predicted bone puts its hand between {nearest:g} and {farthest:g} mm: give root depths")
    depth = torch.where(believed, depth, depth[believed].median())
    lost = int((~believed).sum())
    said = "root depth recovered from the predicted scale bone"
    return Known(values=depth, said=said + (f", of {lost} hands the others' median" if lost else ""))


def depth_of_joint(poses: Poses, scale: Known, *, joint: int, depths: Tensor, source: str) -> Known:
    """From the depth of a joint, which need not be the root.

    Args:
        poses: the prediction.
        scale: of each hand.
        joint: its number.
        depths: ``(N,)`` millimetres.
        source: where they come from, in words.

    Raises:
        HandLibError: a depth is not known.
    """
    if not depths.isfinite().all():
        lost = int((~depths.isfinite()).sum())
        raise HandLibError(f"of {lost} of {len(poses)} hands the depth of the {JOINTS[joint]} is not known")
    z_root = root_depth.from_joint(depths, poses.z_rel, joint=joint, scale=scale.values)
    return Known(values=z_root, said=f"root depth from that of the {JOINTS[joint]}, {source}")


def told_depth(poses: Poses, scale: Known, *, joint: int) -> Known:
    """From a joint that the data set tells: of HO-3D's evaluation, the wrist."""
    said = "given by the data set"
    return depth_of_joint(poses, scale, joint=joint, depths=poses.told[:, joint, 2], source=said)


def true_depth(poses: Poses, scale: Known) -> Known:
    """The true one; of hands whose root is not told, the one that suits the joints that are told best.

    Raises:
        HandLibError: of a hand no joint is told.
    """
    if poses.told[:, ROOT, 2].isfinite().all():
        return Known(values=poses.told[:, ROOT, 2], said="true root depth")
    suits = (poses.told[..., 2] - scale.values.unsqueeze(-1) * poses.z_rel).nanmean(dim=-1)
    if not suits.isfinite().all():
        raise HandLibError(f"of {int((~suits.isfinite()).sum())} of {len(poses)} hands no joint is known")
    return Known(values=suits, said="root depth that suits the true depths of the known joints best")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Predicted hands before their cameras, and what was known to put them there.

    Attributes:
        xyz: ``(N, 21, 3)`` millimetres, the data set's own left and right hands, OpenCV's axes.
        said: where depth and scale come from, in words.
    """

    xyz: Tensor
    said: str


def place(poses: Poses, *, depth: Known, scale: Known) -> Placed:
    """Hands in millimetres (groups paper, Eq. 3).

    Raises:
        HandLibError: a hand would lie behind the camera.
    """
    xyz = from_25d(poses.uv, poses.z_rel, poses.K, z_root=depth.values, scale=scale.values)
    behind = int((xyz[..., 2] <= 0).any(-1).sum())
    if behind:
        raise HandLibError(f"{behind} of {len(poses)} hands would lie behind the camera: {depth.said}, {scale.said}")
    return Placed(xyz=xyz, said=f"{depth.said}; {scale.said}")
