"""The groups paper's losses: 2D joints for the hourglass before any group, and Eq. 10 with its weight of the depth."""

from __future__ import annotations

from torch import Tensor

from hand_lib.datasets.augmentation import Crops
from hand_lib.models.groups.rows import DEPTH_WEIGHT
from hand_lib.samples import Samples
from hand_lib.training.objectives import Objective, joints_by_depth, l1_of_stages


def targets_of_points(samples: Samples, crops: Crops) -> Tensor:
    """u and v of the joints, ``(B, 21, 2)``, −1 and +1 at the centres of the crop's outer pixels."""
    return crops.targets[..., :2]


POINTS = Objective(targets=targets_of_points, losses=l1_of_stages)

# The paper prints the hat on the ground truth. The loss is divided by 255/2, and averaged over images, joints and
# coordinates.
EQUATION_10 = joints_by_depth(DEPTH_WEIGHT)
