"""A trained network made small: batch normalisation folded into the convolutions, weights rounded to eight bits.

Each output row of a layer has a scale of its own, so that a row of small weights keeps its digits. Biases, and what is
not a layer's weight, stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hand_lib.models.decoders import BatchedLinear

LARGEST = 127  # of an eight-bit weight, either way


def folded(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode in which each convolution does the work of the batch normalisation behind it.

    It computes what the network computes, and names its layers the same; where a normalisation was stands an identity.
    One without a convolution right before it, as on the maps of a refinement, stays.
    """
    network = copy.deepcopy(network).eval()
    for parent in list(network.modules()):
        for (name, layer), (behind, norm) in pairwise(list(parent.named_children())):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                transposed = isinstance(layer, nn.ConvTranspose2d)
                setattr(parent, name, fuse_conv_bn_eval(layer, norm, transpose=transposed))
                setattr(parent, behind, nn.Identity())
    return network


def output_axes(layer: nn.Module) -> tuple[int, ...] | None:
    """Which axes of a layer's weight count its outputs; None for what has no such weight."""
    if isinstance(layer, nn.ConvTranspose2d):
        return (1,)
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return (0,)
    return (0, 1) if isinstance(layer, BatchedLinear) else None


def rounded(network: nn.Module) -> dict[str, Tensor]:
    """The tensors of a folded network with its layers' weights in eight bits.

    Returns:
        By the network's own names. A weight is int8 of its own shape; beside it stands ``….scale``, float32, of length
        1 along every axis that counts no outputs: ``weight · scale`` is what it was, rounded.
    """
    tensors = dict(network.state_dict())
    for name, layer in network.named_modules():
        if (axes := output_axes(layer)) is None:
            continue
        weight = tensors[f"{name}.weight"]
        inputs = [axis for axis in range(weight.ndim) if axis not in axes]
        scale = (weight.abs().amax(inputs, keepdim=True) / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
        tensors[f"{name}.weight"] = (weight / scale).round().clamp(-LARGEST, LARGEST).to(torch.int8)
        tensors[f"{name}.scale"] = scale
    return tensors


def restored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What :func:`rounded` gave, as a folded network loads it."""
    found = {}
    for name, tensor in tensors.items():
        if tensor.dtype == torch.int8:
            tensor = tensor.float() * tensors[f"{name.removesuffix('weight')}scale"]
        if not name.endswith(".scale"):
            found[name] = tensor
    return found
