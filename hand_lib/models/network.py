"""Eq. 1: what every network of the book is made of."""

from __future__ import annotations

from torch import Tensor, nn

from hand_lib.models.backbone import ResNet


class HandPoseNet(nn.Module):
    """Y = D(G(F(I))), Eq. 1: backbone F, representation estimation G, coordinate decoding D.

    Args:
        backbone: F, ``(B, 3, H, W)`` in [0, 1] to X, ``(B, C, h, w)``.
        representation: G, X to whatever D reads.
        decoder: D, to ``(B, 21, 3)``.
    """

    def __init__(self, *, backbone: ResNet, representation: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.representation = representation
        self.decoder = decoder

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to ``(B, 21, 3)``.

        The three numbers are u and v, −1 and +1 at the centres of the crop's outer pixels, and the depth relative to
        the root in units of the scale bone.
        """
        return self.decoder(self.representation(self.backbone(images)))

    def stages(self, images: Tensor) -> Tensor:
        """The prediction of every stage, ``(S, B, 21, 3)``; here there is one."""
        return self.forward(images)[None]

    def load_backbone(self, weights: dict[str, Tensor]) -> None:
        """Start from a trained backbone, such as ImageNet's (:func:`hand_lib.models.backbone.load_imagenet`)."""
        self.backbone.load_weights(weights)
