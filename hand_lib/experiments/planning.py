"""What decides a run's outcome, and the key made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hand_lib import cache, training
from hand_lib.datasets.mapped import Mapped
from hand_lib.errors import HandLibError, choose
from hand_lib.experiments.lessons import LESSONS
from hand_lib.experiments.profiles import (
    DATA_SEED,
    PROFILES,
    STARTS,
    Profile,
    datasets,
    get_profile,
    get_row,
    own_backbone,
    own_start,
    possible_starts,
    sized,
)
from hand_lib.experiments.real_data import RealData
from hand_lib.experiments.revisions import TRAINING_REVISION
from hand_lib.experiments.schema import run_key
from hand_lib.experiments.sources import source_hash
from hand_lib.experiments.starts import StartPlan, find_start, start_plan
from hand_lib.models.backbone import load_imagenet
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.rows import Row
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples
from hand_lib.synthetic import DATA_VERSION
from hand_lib.training import TrainingConfig

# What a run's folder holds when it is finished.
RECORD_FILE, MODEL_FILE, EVALUATION_FILE = "record.json", "model.safetensors", "evaluation.safetensors"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that decides the outcome of a run.

    Attributes:
        row, profile: what and how much.
        network: the profile's, or with another backbone.
        config: the training's.
        start: where the backbone's weights come from, one of ``STARTS``.
        real: a public data set in the place of the profile's rendered hands.
    """

    row: Row
    profile: Profile
    network: NetworkSize
    config: TrainingConfig
    start: str = "random"
    real: RealData | None = None

    @property
    def name(self) -> str:
        """``row[-backbone][-start]-s<seed>``; backbone and start where they are not the row's own in the profile."""
        return run_name(self.row.name, self.profile.name, self.backbone, self.start, self.config.seed)

    @property
    def title(self) -> str:
        on = "" if self.real is None else f" on {self.real.name}"
        return f"{self.name.rpartition('-s')[0]}{on}, profile {self.profile.name}, seed {self.config.seed}"

    @property
    def data(self) -> tuple[Samples | Mapped, Samples | Mapped]:
        """What the run is trained on and measured on: treat it as read-only."""
        return datasets(self.profile) if self.real is None else self.real.sets

    @property
    def backbone(self) -> str:
        return self.row.backbone or f"resnet{self.network.depth}"

    @cached_property
    def given(self) -> Mapping[str, Tensor] | None:
        """The weights that the row brings to start from; asked for once, so that the key is that of what is used."""
        return None if self.row.recipe.start is None else self.row.recipe.start(self.network)

    @cached_property
    def pretraining(self) -> StartPlan | None:
        """What the start is the outcome of; None where it is not that of a lesson."""
        lesson = LESSONS.get(self.start)
        return None if lesson is None else start_plan(self.profile, self.network, lesson)

    @cached_property
    def weights(self) -> Mapping[str, Tensor] | None:
        """What the backbone starts from, by its own names; None where that is random, or is not here yet.

        Raises:
            HandLibError: the file that holds them is damaged, or another's.
        """
        if self.start == "imagenet":
            return load_imagenet(self.network.depth, folder=_imagenet_folder())
        found = None if self.pretraining is None else find_start(self.pretraining)
        return None if found is None else found.weights

    @property
    def lacks_start(self) -> bool:
        """Whether the backbone that this starts from has still to be trained."""
        return self.start in LESSONS and self.weights is None

    @cached_property
    def decides(self) -> dict[str, Any]:
        """What decides the outcome, as JSON holds it; of the code its revisions. A record is current while this is."""
        return self.decides_from(None if self.weights is None else cache.digest(self.weights))

    def decides_from(self, weights: str | None) -> dict[str, Any]:
        """:attr:`decides` if the backbone started from the weights of this digest."""
        profile = self.profile
        decides = {
            "row": self.row.name,
            "revision": {"row": self.row.revision, "training": TRAINING_REVISION},
            "profile": profile.name,
            "network": asdict(self.network),
            "start": self.start,
            "pretraining": None if self.pretraining is None else self.pretraining.identity,
            "weights": weights,
            "given": None if self.given is None else cache.digest(self.given),
            "training": asdict(self.config),
            "data": {
                "version": DATA_VERSION,
                "seed": DATA_SEED,
                "training_count": profile.training_count,
                "evaluation_count": profile.evaluation_count,
                "render_size": profile.render_size,
                "scene": asdict(profile.scene),
            }
            if self.real is None
            else self.real.decides,
        }
        if self.row.recipe.depth_weight != 1:
            decides["depth_weight"] = self.row.recipe.depth_weight
        return json.loads(json.dumps(decides, default=str))

    @cached_property
    def source(self) -> str:
        """The hash of the code that trains this row."""
        return source_hash(self.row, self.network)

    @property
    def key(self) -> str:
        """The hash of :attr:`decides` and :attr:`source`: who edits a decoder sees it trained."""
        return run_key(self.decides, self.source)

    @property
    def folder(self) -> Path:
        group = self.profile.name if self.real is None else f"{self.real.name}-{self.profile.name}"
        return cache.cache_dir() / "runs" / group / f"{self.name}-{self.key[:12]}"

    def build(self) -> nn.Module:
        """The row's network with the seed's random weights, on the CPU."""
        return training.build_seeded(lambda: self.row.build(self.network), self.config.seed)

    def begin(self) -> nn.Module:
        """The network as its training begins: :meth:`build`, with the weights that the plan or its row starts from.

        Raises:
            HandLibError: weights that the network has no place for; the backbone's are not here.
        """
        model = self.build()
        if self.start != "random":
            if self.weights is None:
                raise HandLibError(f"{self.title}: the weights that it starts from are not here")
            model.load_backbone(dict(self.weights))
        if self.given is not None:
            try:
                wrong = model.load_state_dict(self.given, strict=False).unexpected_keys
            except RuntimeError as error:  # of another shape
                wrong = [str(error).splitlines()[1].strip()]
            if wrong:
                raise HandLibError(f"the start of {self.row.name} does not fit its network: {wrong[0]}")
        return model


def run_name(row: str, profile: str, backbone: str, start: str, seed: int) -> str:
    """``row[-backbone][-start]-s<seed>``, backbone and start where they are not the row's own in the profile."""
    own, known = PROFILES.get(profile), rows_and_variants().get(row)
    parts = [row]
    if own is None or backbone != own_backbone(known, own):
        parts.append(backbone)
    if own is None or start != own_start(known, own):
        parts.append(start)
    return "-".join([*parts, f"s{seed}"])


def _imagenet_folder() -> Path:
    return cache.cache_dir() / "imagenet"


def plan(
    row: str | Row,
    *,
    profile: str | Profile = "quick",
    seed: int = 0,
    device: str | None = None,
    backbone: str | None = None,
    start: str | None = None,
    real: RealData | None = None,
) -> Plan:
    """What :func:`~hand_lib.experiments.runs.run` would do with these arguments; trains nothing.

    Where ImageNet's weights are asked for they are fetched now; without a network a warning says so, and the plan is
    one with the profile's own start, or with "parts" where that is ImageNet's too.

    Raises:
        HandLibError: an unknown row, profile, device, backbone or start; the line names the choices. ImageNet's
            weights for a thinner backbone than the published one; a profile without a pretraining, asked for parts.
    """
    profile, row = get_profile(profile), get_row(row)
    if row.backbone and backbone not in (None, row.backbone):
        raise HandLibError(f"{row.name} has a backbone of its own, {row.backbone}: it cannot have {backbone}")
    network = sized(profile, None if row.backbone else backbone)
    precision = training.choose_precision(training.choose_device(device))
    config = profile.training_config(seed=seed, precision=precision, recipe=row.recipe)
    start = own_start(row, profile) if start is None else start
    if start not in possible_starts(row):
        raise choose(f"start of {row.name}", start, possible_starts(row))
    if start == "imagenet":
        if network.width != 64:
            raise HandLibError(f"ImageNet's weights are of width 64, profile {profile.name} has width {network.width}")
        instead = "parts" if profile.start == "imagenet" else profile.start
        if load_imagenet(network.depth, folder=_imagenet_folder(), instead=STARTS[instead]) is None:
            start = instead
    if start in LESSONS:
        start_plan(profile, network)  # which not every profile has
    return Plan(row=row, profile=profile, network=network, config=config, start=start, real=real)
