"""The groups paper's losses: 2D joints for the hourglass before any group, and Eq. 10 with its weight of the depth."""

from __future__ import annotations

from torch import Tensor

from hand_lib.datasets.augmentation import Crops
from hand_lib.samples import Samples
from hand_lib.training.objectives import Objective, l1_of_stages, targets_of_joints

BETA = 20.0  # of Eq. 10
PAPER_SIDE = 256  # px: of the paper's crops

# In Eq. 10 as trained, u and v are pixels of the paper's crop, 255/2 of them a unit of u here, and z is in lengths of
# the scale bone, as here. So |Δu| + |Δv| + β|Δz| there is 255/2 times |Δu| + |Δv| + this times |Δz| here. It is taken
# for crops of any side: what counts is the hand's size in the crop, not the number of pixels.
DEPTH_WEIGHT = 2 * BETA / (PAPER_SIDE - 1)


def targets_of_points(samples: Samples, crops: Crops) -> Tensor:
    """u and v of the joints, ``(B, 21, 2)``, −1 and +1 at the centres of the crop's outer pixels."""
    return crops.targets[..., :2]


def equation_10(stages: Tensor, targets: Tensor) -> Tensor:
    """Eq. 10 of each stage, ``(S,)``, divided by 255/2 and averaged over images, joints and coordinates.

    The paper prints the hat on the ground truth. With a depth weight of 1 it is
    :func:`hand_lib.training.objectives.l1_of_stages`; Eq. 10's is 0.157, so it asks for u and v first.

    Args:
        stages: ``(S, B, 21, 3)`` predictions in the targets' units.
        targets: ``(B, 21, 3)``.
    """
    weights = stages.new_tensor((1.0, 1.0, DEPTH_WEIGHT), dtype=targets.dtype)
    return ((stages.float() - targets).abs() * weights).mean(dim=(1, 2, 3))


POINTS = Objective(targets=targets_of_points, losses=l1_of_stages)
EQUATION_10 = Objective(targets=targets_of_joints, losses=equation_10)
