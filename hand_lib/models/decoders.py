"""D of Eq. 1: from the representation to coordinates (Eq. 3 and 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from hand_lib.errors import HandLibError
from hand_lib.skeleton import NUM_JOINTS


class BatchedLinear(nn.Module):
    """n linear layers, one for each entry of the last dimension but one, as one batched product.

    Entry j is what ``nn.Linear`` with ``weight[j]`` and ``bias[j]`` gives.
    """

    def __init__(self, count: int, features: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, outputs, features))
        self.bias = nn.Parameter(torch.empty(count, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n, features)`` to ``(B, n, outputs)``."""
        x = x.transpose(0, 1).contiguous()  # in order once; the three products of a step would each do it again
        return torch.baddbmm(self.bias[:, None], x, self.weight.mT).transpose(0, 1)


class Coordinates:
    """What a last layer that gives coordinates needs, mixed into a linear one.

    It computes in full precision under autocast: near ±1 bfloat16 has steps of a 256th, half a pixel of a 256-pixel
    crop. And it starts small, so that predictions start near zero: the centre of the crop, the depth of the root.
    """

    start = 0.1  # of a linear layer's usual weights

    def forward(self, x: Tensor) -> Tensor:
        device = "cpu" if x.is_meta else x.device.type  # the device without data, for counting, knows no autocast
        with torch.autocast(device, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class CoordinateLinear(Coordinates, nn.Linear):
    """``nn.Linear`` to coordinates."""


class BatchedCoordinateLinear(Coordinates, BatchedLinear):
    """:class:`BatchedLinear` to coordinates."""


class MLP(nn.Module):
    """T of Eq. 3: two linear layers with a ReLU in between, ReLU(G W₁ + b₁) W₂ + b₂.

    Args:
        first, last: the layers; n transformations side by side are the same with a :class:`BatchedLinear` for each.
    """

    def __init__(self, first: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.last = last
        # Normal weights that keep the variance from layer to layer; ReLU halves it.
        nn.init.normal_(first.weight, std=math.sqrt(2 / first.weight.shape[-1]))
        nn.init.normal_(last.weight, std=getattr(last, "start", 1) / math.sqrt(last.weight.shape[-1]))
        nn.init.zeros_(first.bias)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., features)`` to ``(..., outputs)``. Raises HandLibError for another number of features."""
        expected, given = self.first.weight.shape[-1], x.shape[-1]
        if given != expected:
            raise HandLibError(
                f"this network decodes {expected} features and was given {given}: was it built for another image size?"
            )
        return self.last(functional.relu(self.first(x)))


class HandDecoder(nn.Module):
    """FR and AFR: one T (Eq. 3) from the whole representation to all 21 joints at once."""

    def __init__(self, *, features: int, hidden: int) -> None:
        super().__init__()
        self.transform = MLP(nn.Linear(features, hidden), CoordinateLinear(hidden, NUM_JOINTS * 3))

    def forward(self, G: Tensor) -> Tensor:
        """``(B, features)`` to ``(B, 21, 3)``."""
        return self.transform(G).unflatten(1, (NUM_JOINTS, 3))


class DecoderPerJoint(nn.Module):
    """ID-3 and ID-5: every joint has a T of its own, Y_i = T_i(G_i); 21 decoders in one batched product."""

    def __init__(self, *, features: int, hidden: int) -> None:
        super().__init__()
        self.transforms = MLP(
            BatchedLinear(NUM_JOINTS, features, hidden),
            BatchedCoordinateLinear(NUM_JOINTS, hidden, 3),
        )

    def forward(self, G: Tensor) -> Tensor:
        """``(B, 21, features)`` to ``(B, 21, 3)``."""
        return self.transforms(G)


class SharedDecoder(nn.Module):
    """Eq. 3 (ID-4 and ID-6): one T for all the joints, Y_i = T(G_i)."""

    def __init__(self, *, features: int, hidden: int) -> None:
        super().__init__()
        self.transform = MLP(nn.Linear(features, hidden), CoordinateLinear(hidden, 3))

    def forward(self, G: Tensor) -> Tensor:
        """``(B, 21, features)`` to ``(B, 21, 3)``."""
        return self.transform(G)


class MultiHeadDecoder(nn.Module):
    """Eq. 4 (ID-7): n heads, each a T_j for its own part of a joint's features, fused by T_f; all shared by the joints.

    With one head it is T_f(T_0(G_i)): the shared decoder of Eq. 3 followed by T_f, and equal to it where T_f passes its
    input through.

    Args:
        features: length of G_i, a multiple of ``heads``; head j reads the j-th part.
        heads: n.
        hidden: width of each T_j's hidden layer.
        outputs: length of each T_j's output; M_i has heads·outputs numbers.
        fuse_hidden: width of T_f's hidden layer.

    Raises:
        HandLibError: where the features cannot be divided among the heads.
    """

    def __init__(self, *, features: int, heads: int, hidden: int, outputs: int, fuse_hidden: int) -> None:
        super().__init__()
        if features % heads:
            raise HandLibError(f"{features} features a joint cannot be divided among {heads} heads")
        self.heads = heads
        self.outputs = heads * outputs  # length of M_i
        self.transforms = MLP(
            BatchedLinear(heads, features // heads, hidden),
            BatchedLinear(heads, hidden, outputs),
        )
        self.fusion = MLP(nn.Linear(heads * outputs, fuse_hidden), CoordinateLinear(fuse_hidden, 3))

    def forward(self, G: Tensor) -> Tensor:
        """``(B, 21, features)`` to ``(B, 21, 3)``."""
        return self.fuse(self.multi_head(G))

    def multi_head(self, G: Tensor) -> Tensor:
        """M of Eq. 4: ``(B, 21, features)`` to ``(B, 21, heads·outputs)``."""
        parts = G.flatten(0, 1).unflatten(1, (self.heads, -1))  # (B·21, n, features / n)
        return self.transforms(parts).flatten(1).unflatten(0, (-1, NUM_JOINTS))

    def fuse(self, M: Tensor) -> Tensor:
        """Y of Eq. 4 from M: ``(B, 21, heads·outputs)`` to ``(B, 21, 3)``."""
        return self.fusion(M)
