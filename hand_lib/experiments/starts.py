"""The start of a row's backbone: what decides it, and the files that hold it.

ImageNet's weights cannot be had everywhere. So a backbone may start from what a lesson taught it
(:mod:`hand_lib.experiments.lessons`), the same for every row that has such a backbone. A start is kept in the cache
where it was trained, or comes with the package, as two files: weights, convolutions in half precision, and a record of
how they came about. A start is taken as its file holds it, so that the one in the package and the one in the cache it
was copied from are the same to a row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hand_lib import cache, training
from hand_lib.errors import HandLibError
from hand_lib.experiments.lessons import PARTS, Lesson
from hand_lib.experiments.profiles import Pretraining, Profile
from hand_lib.experiments.revisions import TRAINING_REVISION
from hand_lib.experiments.schema import digest, run_key, validate
from hand_lib.experiments.sources import lesson_hash
from hand_lib.experiments.start_records import RecordedStart, StartRecord
from hand_lib.models.size import NetworkSize
from hand_lib.synthetic import DATA_VERSION
from hand_lib.training import TrainingConfig
from hand_lib.training.config import PRECISIONS

START_KIND = "start of a backbone"
RECORD_FILE, WEIGHTS_FILE = "record.json", "start.safetensors"

# Where the package keeps those that come with it.
SHIPPED = Path(__file__).resolve().parents[1] / "starts"


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """All that decides a start, but for the machine.

    Attributes:
        lesson: what is learnt.
        pretraining: how it is trained.
        network: whose backbone.
    """

    lesson: Lesson
    pretraining: Pretraining
    network: NetworkSize

    @property
    def name(self) -> str:
        """``<backbone>-w<width>-<side of the picture>px``."""
        return f"{self.lesson.backbone(self.network)}-w{self.network.width}-{self.network.image_size}px"

    @property
    def title(self) -> str:
        return f"the start of {self.name}"

    def config(self, precision: str) -> TrainingConfig:
        """How it is trained; the precision is the machine's choice."""
        asked = self.pretraining
        return TrainingConfig(
            steps=asked.steps,
            batch_size=asked.batch_size,
            image_size=self.network.image_size,
            augmentation=asked.augmentation,
            learning_rate=asked.learning_rate,
            precision=precision,
            seed=asked.seed,
        )

    @cached_property
    def decides(self) -> dict[str, Any]:
        """What decides the outcome, as JSON holds it; of the code its revisions."""
        asked, settings = self.pretraining, asdict(self.config(PRECISIONS[0]))
        del settings["precision"]
        decides = {
            "revision": {**self.lesson.revision, "training": TRAINING_REVISION},
            "network": asdict(self.network),
            "training": settings,
            "data": {
                "version": DATA_VERSION,
                "seed": asked.data_seed,
                "training_count": asked.training_count,
                "evaluation_count": asked.evaluation_count,
                "render_size": asked.render_size,
                "scene": asdict(asked.scene),
            },
        }
        return json.loads(json.dumps(decides, default=str))

    @cached_property
    def identity(self) -> str:
        """The hash of :attr:`decides`: which start this is, whoever trained it."""
        return digest(self.decides)

    @property
    def source(self) -> str:
        """The hash of the code that trains it."""
        return lesson_hash(self.lesson)

    @property
    def key(self) -> str:
        return run_key(self.decides, self.source)

    @property
    def folder(self) -> Path:
        return cache.cache_dir() / "starts" / f"{self.name}-{self.key[:12]}"

    @property
    def shipped(self) -> tuple[Path, Path]:
        """Where the package has it, if it has: record and weights."""
        path = SHIPPED / f"{self.name}-{self.identity[:12]}"
        return path.with_name(f"{path.name}.json"), path.with_name(f"{path.name}.safetensors")

    def build(self) -> nn.Module:
        """The network that learns, with the seed's random weights, on the CPU."""
        return training.build_seeded(lambda: self.lesson.build(self.network), self.pretraining.seed)


def start_plan(profile: Profile, network: NetworkSize | None = None, lesson: Lesson = PARTS) -> StartPlan:
    """The start that a profile's rows have in common, with its own network or another backbone's.

    Raises:
        HandLibError: the profile has none.
    """
    if profile.pretraining is None:
        raise HandLibError(f"the profile {profile.name} has no pretraining: its backbones start from random weights")
    return StartPlan(lesson=lesson, pretraining=profile.pretraining, network=network or profile.network)


# ---------------------------------------------------------------------------------------------------------------- files


@dataclass(frozen=True)
class Start:
    """A trained start.

    Attributes:
        path: the file of weights.
        record: a :class:`StartRecord` as plain JSON.
        plan: what decided it.
        remedy: what to do where the file is not what the record says.
    """

    path: Path
    record: dict[str, Any]
    plan: StartPlan
    remedy: str

    @cached_property
    def weights(self) -> Mapping[str, Tensor]:
        """The backbone's weights by its own names, float32: what rows start from; errors as :attr:`tensors`."""
        return backbone_weights(self.tensors)

    def network(self) -> nn.Module:
        """The network that learnt, its head included, in evaluation mode; errors as :attr:`tensors`."""
        model = self.plan.build()
        model.load_state_dict(widened(self.tensors))
        return model.eval()

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """What the file holds.

        Raises:
            HandLibError: the file is missing, damaged, or not the one the record tells of.
        """
        try:
            if cache.sha256(self.path) != self.record["weights_sha256"]:
                raise HandLibError(f"{self.path} is not the file its record tells of")
            tensors, _ = cache.read_tensors(self.path)
            # On the CPU: the meta device makes torch load its compiler, which takes seconds.
            like = self.plan.build().state_dict()
            cache.expect_tensors(self.path, tensors, {name: halved(tensor) for name, tensor in like.items()})
        except HandLibError as error:
            raise HandLibError(f"{error}; {self.remedy}") from error
        return tensors


def halved(tensor: Tensor) -> Tensor:
    """As a file of weights has it: convolutions in half precision, all else as it is."""
    return tensor.half() if tensor.dim() == 4 else tensor


def widened(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As a network loads them."""
    return {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in tensors.items()}


def backbone_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a start's file what a row's backbone takes, by its own names, as it loads them; the head is left out."""
    part = "backbone."
    return widened({name.removeprefix(part): value for name, value in tensors.items() if name.startswith(part)})


def find_start(planned: StartPlan) -> Start | None:
    """The start, if the package has it, or the cache.

    Raises:
        HandLibError: a file of it is damaged, or another's: one line that names it, and what to do.
    """
    return find_shipped(planned) or find_kept(planned)


def find_shipped(planned: StartPlan) -> Start | None:
    """The start that came with the package; errors as :func:`find_start`."""
    record, weights = planned.shipped
    remedy = f"install hand_lib again, or delete {record} and {weights} to train it here"
    return _read(planned, record, weights, RecordedStart, remedy)


def find_kept(planned: StartPlan) -> Start | None:
    """The start that was trained here; errors as :func:`find_start`."""
    folder = planned.folder
    remedy = f"delete {folder} to train it again"
    return _read(planned, folder / RECORD_FILE, folder / WEIGHTS_FILE, StartRecord, remedy)


def _read(planned: StartPlan, record: Path, weights: Path, model: type[StartRecord], remedy: str) -> Start | None:
    if not cache.exists(record):
        if model is RecordedStart and cache.exists(weights):  # in the cache the record is written last of all
            raise HandLibError(f"{weights} has no record beside it; {remedy}")
        return None
    try:
        content = cache.read_json(record)
        try:
            content = validate(content, model)
        except HandLibError as error:
            raise HandLibError(f"cannot use {record}: {error}") from error
        if content["decides"] != planned.decides:
            raise HandLibError(f"{record} is the record of another start")
    except HandLibError as error:
        raise HandLibError(f"{error}; {remedy}") from error
    return Start(weights, content, planned, remedy)
