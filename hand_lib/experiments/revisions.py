"""The number that is raised by hand when a change of code alters what every training gives."""

TRAINING_REVISION = 1
"""Of the backbone, the loop, the batches, the augmentation and the camera: all outside the rows' own networks. A test
notices when it ought to be raised. Records of runs and of starts hold it."""
