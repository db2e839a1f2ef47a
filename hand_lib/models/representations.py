"""G of Eq. 1: what of the feature maps X the decoder gets to see (sections 2.1 and 2.2)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from hand_lib.skeleton import NUM_JOINTS


class FeatureMaps(nn.Module):
    """FR (ID-1): the identity. All the feature maps, flattened."""

    def forward(self, X: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, C·h·w)``."""
        return X.flatten(1)


class Projection(nn.Module):
    """1×1 convolution, batch normalisation, ReLU: as many maps as G needs, of the kind the backbone's last layer makes.

    The paper takes G's maps straight from the backbone, d = c/k a joint. With c = 512 or 2048 channels and k = 21
    joints that is no integer, so something must change the number of channels. The ReLU is not decoration: averaging
    commutes with a linear layer, so without it a pooled representation would hold nothing that the plain average does
    not.
    """

    def __init__(self, *, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, X: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to ``(B, out_channels, h, w)``."""
        return self.relu(self.bn(self.conv(X)))


def average(maps: Tensor) -> Tensor:
    """Global average pooling, ``(B, C, h, w)`` to ``(B, C)``; as pooling, which unlike ``mean`` keeps channels last."""
    return functional.avg_pool2d(maps, maps.shape[2:]).flatten(1)


class GlobalAverage(nn.Module):
    """AFR (ID-2): global average pooling, X̄.

    Args:
        channels: C of X.
        features: length of the representation; a :class:`Projection` brings the channels there before they are
            averaged.
    """

    def __init__(self, *, channels: int, features: int) -> None:
        super().__init__()
        self.project = Projection(channels=channels, out_channels=features)

    def forward(self, X: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, features)``."""
        return average(self.project(X))


class JointPooled(nn.Module):
    """Joint-specific pooled features (ID-3, ID-4): the maps are averaged, and joint i owns the averages i·d … i·d+d−1.

    Args:
        channels: C of X.
        features: d, features a joint.
    """

    def __init__(self, *, channels: int, features: int) -> None:
        super().__init__()
        self.project = Projection(channels=channels, out_channels=NUM_JOINTS * features)

    def forward(self, X: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, 21, d)``."""
        return average(self.project(X)).unflatten(1, (NUM_JOINTS, -1))


class JointMaps(nn.Module):
    """Joint-specific feature maps, Eq. 2 (ID-5 and on): joint i owns the maps i·d … i·d+d−1, flattened.

    The paper prints X^{id}; what is meant is the map number i·d.

    Args:
        channels: C of X.
        maps: d, maps a joint.
    """

    def __init__(self, *, channels: int, maps: int) -> None:
        super().__init__()
        self.project = Projection(channels=channels, out_channels=NUM_JOINTS * maps)

    def forward(self, X: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, 21, d·h·w)``."""
        return self.split(self.project(X))

    @staticmethod
    def split(maps: Tensor) -> Tensor:
        """Eq. 2 itself: ``(B, 21·d, h, w)`` to ``(B, 21, d·h·w)``."""
        return maps.unflatten(1, (NUM_JOINTS, -1)).flatten(2)
