"""Eq. 1: what every network of the book is made of; and the same in several stages."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hand_lib.models.backbone import ResNet
from hand_lib.models.decoders import MultiHeadDecoder
from hand_lib.models.refinement import Refinement


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


class RefinedHandPoseNet(HandPoseNet):
    """Y = D(G(F(I))) in stages: each further one sees the middle feature maps F⁰ and the prediction before it (Eq.
    5–7).

    Args:
        backbone, representation, decoder: the first stage, as in :class:`HandPoseNet`; the decoder has many heads.
        refinements: the further stages, each with weights of its own.
    """

    def __init__(
        self,
        *,
        backbone: ResNet,
        representation: nn.Module,
        decoder: MultiHeadDecoder,
        refinements: Sequence[Refinement],
    ) -> None:
        super().__init__(backbone=backbone, representation=representation, decoder=decoder)
        self.refinements = nn.ModuleList(refinements)

    def forward(self, images: Tensor) -> Tensor:
        """The last stage's prediction, ``(B, 3, H, W)`` in [0, 1] to ``(B, 21, 3)``."""
        return self.stages(images)[-1]

    def stages(self, images: Tensor) -> Tensor:
        """The prediction of every stage, ``(S, B, 21, 3)``. Each has its loss in training; the last one counts."""
        F0, X = self.backbone.middle_and_last(images)
        M = self.decoder.multi_head(self.representation(X))
        predictions = [self.decoder.fuse(M)]
        for refinement in self.refinements:
            Y, M = refinement(F0, predictions[-1], M)
            predictions.append(Y)
        return torch.stack(predictions)

    def load_backbone(self, weights: dict[str, Tensor]) -> None:
        """Start from a trained backbone's weights; every further stage's own last block starts from them too."""
        super().load_backbone(weights)
        for refinement in self.refinements:
            refinement.block.load_state_dict(self.backbone.layer4.state_dict())
