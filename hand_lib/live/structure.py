"""What a network is made of, for the scripts of the page: names and numbers that its tensors do not say."""

from __future__ import annotations

from typing import Any

from torch import nn

from hand_lib.models.heatmaps import SoftArgmax
from hand_lib.models.network import HandPoseNet, RefinedHandPoseNet
from hand_lib.models.refinement import Heatmaps
from hand_lib.models.size import NetworkSize


def structure(network: HandPoseNet, size: NetworkSize) -> dict[str, Any]:
    """Plain JSON: the classes of G and D, and of each further stage the maps that it is shown, in their order.

    Layers, heads and widths are left out: the shapes of the tensors say them.

    Args:
        network: of a row of JAR's Table 1, or of a variant of one.
        size: its size.
    """
    described = {
        "side": size.image_size,
        "stem": size.stem_stride,
        "final": size.final_stride,
        "representation": type(network.representation).__name__,
        "decoder": type(network.decoder).__name__,
        "stages": [[_maps(maps) for maps in refinement.maps] for refinement in _refinements(network)],
    }
    if isinstance(network.decoder, SoftArgmax):
        described |= {"beta": network.decoder.beta, "stride": network.decoder.grid.stride}
    return described


def _refinements(network: HandPoseNet) -> list[nn.Module]:
    return list(network.refinements) if isinstance(network, RefinedHandPoseNet) else []


def _maps(maps: nn.Module) -> dict[str, Any]:
    return {"kind": type(maps).__name__, **({"sigma": maps.sigma} if isinstance(maps, Heatmaps) else {})}
