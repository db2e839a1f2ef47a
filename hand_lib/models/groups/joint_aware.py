"""Groups of joints inside Joint-Aware Regression: a decoder a group, where JAR has one a joint or one for all.

Neither paper has this. JAR shares one decoder among all joints (ID-6) or none among any two (ID-5); the groups paper
shares features within a group, and reads them by heatmaps. Here each joint has its own maps, as in JAR, and the
joints of a group share the decoder that reads them, as the selector of the groups paper says.
"""

from __future__ import annotations

from torch import Tensor, nn

from hand_lib.models.decoders import MLP, BatchedCoordinateLinear, BatchedLinear
from hand_lib.models.groups.decoding import select
from hand_lib.skeleton import NUM_JOINTS


class GroupedDecoder(nn.Module):
    """K decoders, each shared within a group of joints: Y_i = Σ_k S_ik T_k(G_i), from Eq. 3 of JAR and Eq. 5 of groups.

    Every decoder reads every joint, and S says whose word counts. With one group it is the shared decoder (ID-6), and
    with a group a joint it is a decoder a joint (ID-5), which computes 21 times as much here. While S is soft, a
    joint's coordinates are a weighted mean of all decoders', and each decoder learns from each joint by its weight.

    Args:
        features: length of G_i.
        hidden: width of each decoder's hidden layer.
        selector: gives S, ``(21, K)``; one of :mod:`hand_lib.models.groups.selectors`.
    """

    def __init__(self, *, features: int, hidden: int, selector: nn.Module) -> None:
        super().__init__()
        self.transforms = MLP(
            BatchedLinear(selector.groups, features, hidden),
            BatchedCoordinateLinear(selector.groups, hidden, 3),
        )
        self.selector = selector

    def forward(self, G: Tensor) -> Tensor:
        """``(B, 21, features)`` to ``(B, 21, 3)``."""
        return select(self.selector(), self.every(G))

    def every(self, G: Tensor) -> Tensor:
        """What every decoder says of every joint: ``(B, 21, features)`` to ``(B, K, 21, 3)``."""
        joints = G.flatten(0, 1)[:, None].expand(-1, self.selector.groups, -1)  # (B·21, K, features)
        return self.transforms(joints).unflatten(0, (-1, NUM_JOINTS)).transpose(1, 2)
