"""A look at a few hands of a data set: is the unit the millimetre, is z forward, is the order the canonical one?

A reader that takes metres for millimetres, OpenGL's axes for OpenCV's or one finger for another raises nothing, and
what is trained on it learns the mistake. But hands are alike: bones have lengths, knuckles stand in a row, fingers bend
towards the palm, joints lie on the hand's pixels. Each mistake breaks one of these, on a sample already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hand_lib.camera import project
from hand_lib.datasets.real.hands import Hand, Reader
from hand_lib.errors import HandLibError
from hand_lib.skeleton import FINGERS, JOINTS, SCALE_BONE, TIPS, bone_lengths

FEWEST_FOR_SIDE = 8  # a single straight hand does not tell left from right
_CHAIN = (60.0, 150.0)  # millimetres from the middle finger's knuckle along its bones to the tip
_SPREAD = (10.0, 220.0)  # millimetres between the outermost tips that are known
_DEPTH = (100.0, 5000.0)  # millimetres
# Parts of a finger's length that its three bones take, and those of a thumb.
_SHARES = torch.tensor([[0.33, 0.70], [0.14, 0.47], [0.08, 0.40]])
_KNUCKLES = [JOINTS.index(f"{finger} MCP") for finger in FINGERS[1:]]


def check_sample(reader: Reader, *, count: int = 16) -> None:
    """Look at some hands of a reader, evenly spread over its index.

    Args:
        reader: whose hands.
        count: how many, or all if there are fewer. Left and right are told apart by ``FEWEST_FOR_SIDE`` of a side.

    Raises:
        HandLibError: a file is damaged; or one line with all that the hands cannot be.
    """
    if not len(reader):
        raise HandLibError("the data set has no hands")
    indices = evenly(len(reader), count)
    found = complaints([reader.hand(index) for index in indices])
    if found:
        raise HandLibError(f"{len(indices)} hands from {reader.name(0)} on: {'; '.join(found)}")


def evenly(length: int, count: int) -> list[int]:
    """At most ``count`` numbers below ``length``, evenly spread, the first and the last among them."""
    return sorted({round(i * (length - 1) / max(count - 1, 1)) for i in range(count)}) if length else []


def complaints(hands: Sequence[Hand]) -> list[str]:
    """What is wrong with these hands of one data set, a phrase each; none if they can be what they are said to be."""
    unit = _unit(hands)
    if any("?" in said for said in unit):
        return unit  # what is measured in millimetres has no meaning then
    return unit + [said for look in _LOOKS for said in look(hands)]


def _whole(hands: Sequence[Hand]) -> Tensor:
    """``(N, 21, 3)``, the hands of which every joint is known."""
    chosen = [hand.annotation.xyz for hand in hands if hand.annotation.known.all()]
    return torch.stack(chosen) if chosen else torch.empty(0, len(JOINTS), 3)


def _chains(xyz: Tensor) -> Tensor:
    """``(N, 5, 3)``, the lengths of each finger's three bones from its base on."""
    return bone_lengths(xyz).unflatten(-1, (5, 4))[..., 1:]


def _unit(hands: Sequence[Hand]) -> list[str]:
    xyz, (low, high) = _whole(hands), _CHAIN
    if len(xyz):
        length = _chains(xyz)[:, FINGERS.index("middle")].sum(-1).median().item()
        what = "a middle finger is"
    else:
        tips = torch.stack([hand.annotation.xyz[list(TIPS)] for hand in hands])
        spread = torch.cdist(tips, tips).nan_to_num(0.0).amax((-1, -2))
        if not (spread > 0).any():
            return []
        length, (low, high) = spread[spread > 0].median().item(), _SPREAD
        what = "the outermost tips are"
    if low <= length <= high:
        return []
    units = {"metres": 1e-3, "centimetres": 0.1, "micrometres": 1e3}
    guess = next((f": are they {unit}?" for unit, size in units.items() if low <= length / size <= high), "")
    return [f"{what} {length:.3g} mm {'long' if len(xyz) else 'apart'}{guess}"]


def _depth(hands: Sequence[Hand]) -> list[str]:
    z = torch.cat([hand.annotation.xyz[hand.annotation.known, 2] for hand in hands])
    if not len(z):
        return []
    behind = (z <= 0).float().mean().item()
    if behind > 0.5:
        return [f"{behind:.0%} of the joints lie behind the camera: does z go backward, as OpenGL's does?"]
    median = z.median().item()
    if behind > 0 or not _DEPTH[0] <= median <= _DEPTH[1]:
        return [f"joints lie at depths from {z.min():.4g} to {z.max():.4g} mm"]
    return []


def _picture(hands: Sequence[Hand]) -> list[str]:
    inside, on_hand, in_box, apart = [], [], [], []
    for hand in hands:
        said = hand.annotation
        seen = said.known & (said.xyz[:, 2] > 0)
        if not seen.any():
            continue
        uv = project(said.xyz[seen], said.K)
        size = torch.tensor([hand.image.shape[2], hand.image.shape[1]])
        margin = 0.1 * size
        inside.append(((uv > -margin) & (uv < size + margin)).all(-1).float().mean())
        if said.box is not None:
            half = 0.5 * (said.box[2:] - said.box[:2])
            in_box.append(((uv > said.box[:2] - half) & (uv < said.box[2:] + half)).all(-1).float().mean())
        if said.uv is not None:
            apart.append((uv - said.uv[seen]).norm(dim=-1).median())
        if hand.silhouette is not None and hand.silhouette.any():
            u, v = uv.round().long().unbind(-1)
            within = (u >= 0) & (v >= 0) & (u < size[0]) & (v < size[1])
            if said.visible is not None:
                within &= said.visible[seen]
            if within.any():
                on_hand.append(hand.silhouette[v[within], u[within]].float().mean())
    found = []
    if inside and (share := torch.stack(inside).median()) < 0.5:
        found.append(f"of a hand's joints, {share:.0%} project into the picture: are axes or intrinsics wrong?")
    if apart and (pixels := torch.stack(apart).median()) > 3:
        found.append(f"joints project {pixels:.0f} pixels from where the data set has them: are axes or unit wrong?")
    if on_hand and (share := torch.stack(on_hand).median()) < 0.5:
        found.append(f"of a hand's joints, {share:.0%} lie on its pixels: is an axis or the side wrong?")
    if in_box and (share := torch.stack(in_box).median()) < 0.5:
        found.append(f"of a hand's joints, {share:.0%} lie in its box: are axes or intrinsics wrong?")
    return found


def _order(hands: Sequence[Hand]) -> list[str]:
    xyz = _whole(hands)
    if not len(xyz):
        return []
    chains = _chains(xyz)
    shares = (chains / chains.sum(-1, keepdim=True)).median(0).values  # (5, 3)
    odd = ((shares < _SHARES[:, 0]) | (shares > _SHARES[:, 1])).any(-1)
    if odd.any():
        named = ", ".join(name for name, is_odd in zip(FINGERS, odd.tolist(), strict=True) if is_odd)
        return [f"bones of a finger are not as a finger's are ({named}): is the order of joints another?"]
    lengths = chains.sum(-1).median(0).values
    rows = torch.cdist(xyz[:, _KNUCKLES], xyz[:, _KNUCKLES]).median(0).values  # index to little
    in_row = rows[0, 1] < rows[0, 2] < rows[0, 3] and rows[3, 2] < rows[3, 1] < rows[3, 0]
    to_thumb = (xyz[:, _KNUCKLES[0]] - xyz[:, JOINTS.index("thumb CMC")]).norm(dim=-1).median()
    if not in_row or lengths[4] > lengths[2] or to_thumb < 1.8 * rows[0, 1]:
        return ["the knuckles do not stand in a row from index to little finger: is the order of fingers another?"]
    return []


def _side(hands: Sequence[Hand]) -> list[str]:
    """Fingers bend towards the palm, about an axis across it. Where most bend the other way, it is the other side."""
    found = []
    for right, name, other in ((True, "right", "left"), (False, "left", "right")):
        xyz = _whole([hand for hand in hands if hand.annotation.right == right])
        if len(xyz) < FEWEST_FOR_SIDE:
            continue
        knuckle, middle, tip = (xyz[:, [joint + place for joint in _KNUCKLES]] for place in (0, 1, 3))
        axis = torch.linalg.cross(middle - knuckle, tip - middle).sum(1)  # what the fingers bend about
        bent = (axis * (knuckle[:, 0] - knuckle[:, -1])).sum(-1)  # of a right hand, from little to index finger
        share = ((bent > 0) == right).float().mean()
        if share < 0.4:
            found.append(f"{1 - share:.0%} of the {name} hands bend as {other} ones do: is an axis mirrored?")
    return found


def _scale(hands: Sequence[Hand]) -> list[str]:
    pairs = [(hand.annotation.scale, hand.annotation.xyz[list(SCALE_BONE)]) for hand in hands]
    ratios = [scale / (ends[1] - ends[0]).norm() for scale, ends in pairs if scale and ends.isfinite().all()]
    if ratios and not 0.9 < (ratio := torch.stack(ratios).median().item()) < 1.1:
        return [f"the length that comes with a hand is {ratio:.3g} times that of its bone"]
    return []


_LOOKS: tuple[Callable[[Sequence[Hand]], list[str]], ...] = (_depth, _picture, _order, _side, _scale)
