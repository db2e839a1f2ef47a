"""D of Eq. 1: from the representation to coordinates (Eq. 3 and 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from hand_lib.skeleton import NUM_JOINTS

# A last layer starts at this share of its usual size: predictions start near zero, the centre of the crop and the
# depth of the root.
SMALL = 0.1


class MLP(nn.Module):
    """T of Eq. 3: two linear layers with a ReLU in between, on the last dimension."""

    def __init__(self, *, features: int, hidden: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.last = nn.Linear(hidden, outputs)
        initialise(self.first.weight, self.first.bias, gain=math.sqrt(2))
        initialise(self.last.weight, self.last.bias, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., features)`` to ``(..., outputs)``."""
        return self.last(functional.relu(self.first(x)))


class BatchedMLP(nn.Module):
    """n transformations T, one for each entry of the last dimension but one, as two batched products.

    Entry j is what ``MLP`` with ``weight1[j]``, ``bias1[j]``, ``weight2[j]``, ``bias2[j]`` would give, weights stored
    as ``nn.Linear`` stores them.
    """

    def __init__(self, *, count: int, features: int, hidden: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight1 = nn.Parameter(torch.empty(count, hidden, features))
        self.bias1 = nn.Parameter(torch.empty(count, hidden))
        self.weight2 = nn.Parameter(torch.empty(count, outputs, hidden))
        self.bias2 = nn.Parameter(torch.empty(count, outputs))
        initialise(self.weight1, self.bias1, gain=math.sqrt(2))
        initialise(self.weight2, self.bias2, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n, features)`` to ``(B, n, outputs)``."""
        x = x.transpose(0, 1)  # (n, B, features)
        x = functional.relu(torch.baddbmm(self.bias1[:, None], x, self.weight1.mT))  # (n, B, hidden)
        x = torch.baddbmm(self.bias2[:, None], x, self.weight2.mT)  # (n, B, outputs)
        return x.transpose(0, 1)


def initialise(weight: Tensor, bias: Tensor, *, gain: float) -> None:
    """Normal weights that keep a unit input's variance times gain² (the last dimension is summed over); zero bias."""
    nn.init.normal_(weight, std=gain / math.sqrt(weight.shape[-1]))
    nn.init.zeros_(bias)


class HandDecoder(nn.Module):
    """FR and AFR: one T (Eq. 3) from the whole representation to all 21 joints at once."""

    def __init__(self, *, features: int, hidden: int) -> None:
        super().__init__()
        self.transform = MLP(features=features, hidden=hidden, outputs=NUM_JOINTS * 3, gain=SMALL)

    def forward(self, G: Tensor) -> Tensor:
        """``(B, features)`` to ``(B, 21, 3)``."""
        return self.transform(G).unflatten(1, (NUM_JOINTS, 3))


class DecoderPerJoint(nn.Module):
    """ID-3 and ID-5: every joint has a T of its own, Y_i = T_i(G_i); 21 decoders in one batched product."""

    def __init__(self, *, features: int, hidden: int) -> None:
        super().__init__()
        self.transforms = BatchedMLP(count=NUM_JOINTS, features=features, hidden=hidden, outputs=3, gain=SMALL)

    def forward(self, G: Tensor) -> Tensor:
        """``(B, 21, features)`` to ``(B, 21, 3)``."""
        return self.transforms(G)


class SharedDecoder(nn.Module):
    """Eq. 3 (ID-4 and ID-6): one T for all the joints, Y_i = T(G_i)."""

    def __init__(self, *, features: int, hidden: int) -> None:
        super().__init__()
        self.transform = MLP(features=features, hidden=hidden, outputs=3, gain=SMALL)

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
    """

    def __init__(self, *, features: int, heads: int, hidden: int, outputs: int, fuse_hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.outputs = heads * outputs  # length of M_i
        self.transforms = BatchedMLP(count=heads, features=features // heads, hidden=hidden, outputs=outputs)
        self.fusion = MLP(features=heads * outputs, hidden=fuse_hidden, outputs=3, gain=SMALL)

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
