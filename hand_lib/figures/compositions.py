"""What a row is made of, in words and shapes: its F, G and D, and what goes from one to the next."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from hand_lib.models.backbone import ResNet
from hand_lib.models.decoders import DecoderPerJoint, HandDecoder, MultiHeadDecoder, SharedDecoder
from hand_lib.models.groups.branches import Fusion, GroupMaps
from hand_lib.models.groups.decoding import GroupDecoder
from hand_lib.models.groups.joint_aware import GroupedDecoder
from hand_lib.models.groups.selectors import FixedSelector
from hand_lib.models.heatmaps import Deconvolutions, SoftArgmax
from hand_lib.models.hourglass import HourglassBackbone
from hand_lib.models.network import RefinedHandPoseNet
from hand_lib.models.refinement import DepthMaps, Heatmaps, RefineMaps
from hand_lib.models.representations import FeatureMaps, GlobalAverage, JointMaps, JointPooled
from hand_lib.models.rows import Row
from hand_lib.models.size import NetworkSize

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Composition:
    """A network as the book draws it: Y = D(G(F(I))).

    Attributes:
        F, G, D: what they are, in a few words each.
        image, X, read, Y: shapes of the picture, of what F makes of it, of what D reads, and of the answer, without
            the batch.
        stages: how often the network answers, the first time included.
        shown: what a further stage is shown of the answer before it; empty where there is none.
        groups: K, into how many groups the joints are cut, and who cuts them; 0 and empty where nobody does.
    """

    F: str
    G: str
    D: str
    image: Shape
    X: Shape
    read: Shape
    Y: Shape
    stages: int = 1
    shown: tuple[str, ...] = ()
    groups: int = 0
    grouping: str = ""

    @property
    def words(self) -> tuple[str | int | tuple[str, ...], ...]:
        """What two rows share that are drawn as one: all but K and the shapes."""
        return (self.F, self.G, self.D, self.stages, self.shown)


@functools.cache
def composition(row: Row, size: NetworkSize) -> Composition:
    """What a row's network of this size is made of. Shapes only: nothing is computed, and each is asked for once.

    Args:
        row: of a table, or a variant.
        size: of the network.
    """
    with torch.device("meta"), torch.no_grad():
        network = row.build(size).eval()
        image = torch.empty(1, 3, size.image_size, size.image_size)
        X = network.backbone(image)
        read = network.representation(X)
        Y = network(image)
    selector = getattr(network.decoder, "selector", None)
    refinements = list(network.refinements) if isinstance(network, RefinedHandPoseNet) else []
    return Composition(
        F=words(network.backbone) if row.backbone else f"ResNet-{size.depth}",
        G=words(network.representation),
        D=words(network.decoder),
        image=tuple(image.shape[1:]),
        X=tuple(X.shape[1:]),
        read=tuple(read.shape[1:]),
        Y=tuple(Y.shape[1:]),
        stages=1 + len(refinements),
        shown=tuple(words(maps) for maps in refinements[0].maps) if refinements else (),
        groups=selector.groups if selector else 0,
        grouping=_grouping(selector) if selector else "",
    )


def words(module: nn.Module) -> str:
    """What a part is, in a few words: those of its class or of the nearest class above; else the class's own name."""
    for kind in type(module).__mro__:
        if kind in WORDS:
            said = WORDS[kind]
            return said if isinstance(said, str) else said(module)
        if kind is nn.Module:
            break
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(module).__name__).lower()


def _grouping(selector: nn.Module) -> str:
    """Who says which joint is in which group."""
    if selector.groups == 1:
        return "one group"
    return "fixed groups" if isinstance(selector, FixedSelector) else "learnt groups"


WORDS: Mapping[type[nn.Module], str | Callable[[nn.Module], str]] = {
    ResNet: "ResNet",
    HourglassBackbone: "hourglass",
    FeatureMaps: "all maps, flattened",
    GlobalAverage: "average of each map",
    JointPooled: "averages by joint",
    JointMaps: "maps by joint",
    Deconvolutions: "a heatmap and a depth map by joint",
    GroupMaps: lambda G: "a branch a group, fused" if isinstance(G.fusion, Fusion) else "a branch a group",
    HandDecoder: "one MLP for the hand",
    DecoderPerJoint: "an MLP a joint",
    SharedDecoder: "one MLP, shared",
    MultiHeadDecoder: lambda D: f"{D.heads} heads, fused",
    SoftArgmax: "soft-argmax",
    GroupDecoder: lambda D: f"soft-argmax, {_grouping(D.selector)}",
    GroupedDecoder: lambda D: f"an MLP a group, {_grouping(D.selector)}",
    Heatmaps: "heatmaps",
    DepthMaps: "depth maps",
    RefineMaps: "refine maps",
}


def write_shape(shape: Shape, other: Shape | None = None) -> str:
    """ "21×512"; where another shape of the same length differs from it, "K": "K×21×2×16×16"."""
    same = [None] * len(shape) if other is None else list(other)
    return "×".join("K" if b is not None and a != b else str(a) for a, b in zip(shape, same, strict=True))
