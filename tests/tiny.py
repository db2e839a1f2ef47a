"""A profile that trains in a moment, and a cache and results of a test file's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from made_records import COMMIT

from hand_lib.datasets.augmentation import GENTLE
from hand_lib.experiments import PROFILES, Pretraining, Profile, recording, starts
from hand_lib.models.size import NetworkSize
from hand_lib.synthetic import EASY

TINY = Profile(
    name="tiny",
    title="for tests",
    network=NetworkSize(depth=18, width=8, image_size=32, final_stride=1),
    training_count=24,
    evaluation_count=12,
    render_size=32,
    scene=EASY,
    augmentation=GENTLE,
    steps=6,
    batch_size=8,
    pretraining=Pretraining(
        training_count=24,
        evaluation_count=12,
        render_size=40,
        scene=EASY,
        augmentation=GENTLE,
        steps=10,
        batch_size=8,
    ),
    seeds=(0, 1),
)


@contextmanager
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """New folders for cached runs, records and what comes with the package, and :data:`TINY` among the profiles.

    Records name a made-up commit: while somebody works on the package there is none that could be named.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOINT_BY_JOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("JOINT_BY_JOINT_RESULTS", str(tmp_path_factory.mktemp("results")))
        patch.setattr(starts, "SHIPPED", tmp_path_factory.mktemp("starts"))
        patch.setitem(PROFILES, "tiny", TINY)
        patch.setattr(recording, "commit_of_code", lambda: (COMMIT, ()))
        yield
