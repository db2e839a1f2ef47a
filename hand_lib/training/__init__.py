"""Training, whatever the row: how (config), towards what (objectives), on what (batches), where (engine), and the loop.

Read in this order: :mod:`~hand_lib.training.config`, :mod:`~hand_lib.training.objectives`,
:mod:`~hand_lib.training.batches`, :mod:`~hand_lib.training.engine`, :mod:`~hand_lib.training.loop`, and what the loop
leans on, :mod:`~hand_lib.training.checkpoints` and :mod:`~hand_lib.training.interruption`.
"""

from hand_lib.training.batches import Batches, batch_indices, build_seeded, generator_for
from hand_lib.training.checkpoints import CHECKPOINT_KIND, Progress
from hand_lib.training.config import TrainingConfig
from hand_lib.training.engine import choose_device, choose_precision, make_fabric, now, processes
from hand_lib.training.loop import CHECKPOINT_FILE, set_up, train, training_step
from hand_lib.training.objectives import JOINTS, Objective, joints_by_depth, l1_of_stages

__all__ = [
    "CHECKPOINT_FILE",
    "CHECKPOINT_KIND",
    "JOINTS",
    "Batches",
    "Objective",
    "Progress",
    "TrainingConfig",
    "batch_indices",
    "build_seeded",
    "choose_device",
    "choose_precision",
    "generator_for",
    "joints_by_depth",
    "l1_of_stages",
    "make_fabric",
    "now",
    "processes",
    "set_up",
    "train",
    "training_step",
]
