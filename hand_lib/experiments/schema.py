"""What a record of a run must be: its fields, their ranges, and how they hang together.

A record passes through here when it is written and whenever it is read, so nothing that reads records has to doubt
them. Each is a :class:`Record`. A :class:`RunRecord` says what a run measured, and lies beside the run's weights in the
cache; a :class:`RecordedRun` says also when it was recorded and from which commit, and lies under ``results/``. Both
end in a checksum of all the rest (:func:`seal`), so that a digit changed by hand or by a bad disk is noticed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hand_lib.errors import HandLibError
from hand_lib.models.size import NetworkSize
from hand_lib.skeleton import NUM_JOINTS
from hand_lib.strict import Count, Hash, Millimetres, Name, Positive, Seconds, Seed, Share, Strict, Text, check
from hand_lib.training.checkpoints import CurvePoint, in_order

RECORD_FORMAT = 3


def _a_date(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def possible_network(size: Network) -> Network:
    """The size, if there is a network of it; else ValueError."""
    try:
        NetworkSize(**size.model_dump())
    except HandLibError as error:
        raise ValueError(str(error)) from error
    return size


StartName = Literal["random", "parts", "points", "imagenet"]
Group = Annotated[int, Field(ge=0, lt=NUM_JOINTS)]
Scalar = bool | int | float | str | None
Small = dict[str, Scalar | list[Scalar]]
Setting = Scalar | list[Scalar | Small] | Small


class Settings(BaseModel):
    """Settings of which some must be there; others are kept as they are, for every version of the code has its own."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Setting]


class Network(Strict):
    """:class:`hand_lib.models.rows.NetworkSize`."""

    depth: Positive
    width: Positive
    image_size: Positive
    stem_stride: Positive
    final_stride: Positive


class Training(Settings):
    """:class:`hand_lib.training.TrainingConfig`."""

    steps: Positive
    batch_size: Positive
    image_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    precision: Literal["32-true", "bf16-mixed"]
    seed: Seed


class Data(Settings):
    """The rendered hands."""

    version: Text
    seed: Seed
    training_count: Positive
    evaluation_count: Positive
    render_size: Positive


class Revision(Strict):
    """Of the code: raised where a change of it changes the outcome."""

    row: Positive
    training: Positive


class Decides(Strict):
    """What decided a run's outcome, see :attr:`hand_lib.experiments.planning.Plan.decides`.

    Attributes:
        start: where the backbone's weights came from.
        pretraining: of a start that is a lesson's, "parts" or "points", the hash of what decided it.
        weights: the digest of the weights that the backbone started from; None where they were random.
        given: the digest of those that the row itself brought.
        depth_weight: of the row's loss; not there where it is 1.
    """

    row: Name
    revision: Revision
    profile: Name
    network: Annotated[Network, AfterValidator(possible_network)]
    start: StartName
    pretraining: Hash | None
    weights: Hash | None
    given: Hash | None
    training: Training
    data: Data
    depth_weight: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _agree(self) -> Decides:
        if (self.weights is None) != (self.start == "random"):
            raise ValueError(f"weights is {self.weights!r}, but start is {self.start!r}")
        if (self.pretraining is None) != (self.start not in ("parts", "points")):
            raise ValueError(f"pretraining is {self.pretraining!r}, but start is {self.start!r}")
        return self


class Metrics(Strict):
    """What :func:`hand_lib.metrics.summarise` gives."""

    epe_mean: Millimetres
    epe_median: Millimetres
    epe_median_over_joints: Millimetres
    epe_visible: Millimetres | None
    epe_visible_over_joints: Millimetres | None
    epe_hidden_minus_visible: Annotated[float, Field(ge=-1e12, le=1e12)] | None = None  # the first records lack it
    epe_per_joint: Annotated[list[Millimetres], Field(min_length=NUM_JOINTS, max_length=NUM_JOINTS)]
    auc_0_50: Share
    auc_20_50: Share
    auc_21_50_groups: Share
    auc_0_100: Share
    root_epe_mean: Millimetres
    pa_epe_mean: Millimetres
    pa_epe_mean_reflection: Millimetres

    @model_validator(mode="after")
    def _agree(self) -> Metrics:
        mean = math.fsum(self.epe_per_joint) / NUM_JOINTS
        same("epe_mean", self.epe_mean, mean, "the mean of epe_per_joint")
        # The curve of correct keypoints rises from below 1 − e/T to 1, and the trapezium rule over 100 thresholds is
        # off by half a step at most.
        half_a_step = 1 / 198
        if self.auc_0_100 < 1 - self.epe_mean / 100 - half_a_step:
            raise ValueError(f"auc_0_100 is {self.auc_0_100}, too low for an epe_mean of {self.epe_mean} mm")
        for name in ("auc_20_50", "auc_0_100"):
            if self.auc_0_50 > getattr(self, name) + 2 * half_a_step:
                raise ValueError(f"auc_0_50 is {self.auc_0_50}, more than {name}, {getattr(self, name)}")
        return self


class Elsewhere(Strict):
    """What a run makes of hands that differ in kind from those it was trained on, and what a constant would.

    Attributes:
        images: how many.
        metrics: on all of them.
        constant_epe_mean: the mean error of the mean training target.
    """

    images: Positive
    metrics: Metrics
    constant_epe_mean: Millimetres


class AllElsewhere(Strict):
    """See :func:`hand_lib.experiments.profiles.elsewhere`."""

    held_out_gestures: Elsewhere
    other_look: Elsewhere


class Libraries(Strict):
    """Versions."""

    python: Text
    torch: Text
    numpy: Text
    scipy: Text
    lightning: Text
    safetensors: Text


class Record(Strict):
    """What every record of a training has, whatever was trained.

    Attributes:
        KIND, FORMAT: what it is a record of, and in which format; not fields.
        key: the hash of ``decides`` and ``source``, which the outcome is kept under.
        source: hash of the code that trained it.
        sha256: of all the rest of this record, see :func:`seal`.
    """

    KIND: ClassVar[str]
    FORMAT: ClassVar[int]
    key: Hash
    source: Hash
    sha256: Hash


class RunRecord(Record):
    """What a run was, how and on what it was trained, and what came out.

    Attributes:
        row, title, table_id, profile, backbone, start, seed: what was trained, and where its backbone started from.
        decides: what decided the outcome; of the code its revisions.
        device, processes, libraries: what it was trained on, and with.
        data_version, split, evaluation_images, training_images: the hands.
        steps, images_seen: of the training.
        seconds: its wall time, validations included, of all parts of an interrupted one together.
        data_wait_share: of it, the part in which the network waited for its next batch.
        params, head_params, macs, head_macs, head_macs_output_grid: see :class:`hand_lib.models.counting.Counts`.
        metrics: on the whole evaluation set.
        constant_prediction: the same of the mean training target.
        elsewhere: on gestures and under a look that no training shows.
        evaluation_source: hash of the code that measured.
        group_of_joint: of a row with joint groups the number of the group that each joint is in.
        curve: the validations while it was trained.
        checkpoint_sha256: of the file of the trained weights.
    """

    KIND: ClassVar[str] = "a run"
    FORMAT: ClassVar[int] = RECORD_FORMAT

    format: Literal[RECORD_FORMAT]
    row: Name
    title: Text
    table_id: Text
    profile: Name
    backbone: Annotated[str, Field(pattern=r"^(resnet[0-9]{2,3}|hourglass)$")]
    start: StartName
    seed: Seed
    decides: Decides
    device: Text
    processes: Positive
    libraries: Libraries
    data_version: Text
    split: Literal["evaluation"]
    evaluation_images: Positive
    training_images: Positive
    steps: Positive
    images_seen: Positive
    seconds: Seconds
    data_wait_share: Share
    params: Positive
    head_params: Count
    macs: Positive
    head_macs: Count
    head_macs_output_grid: Count
    metrics: Metrics
    constant_prediction: Metrics
    elsewhere: AllElsewhere
    evaluation_source: Hash
    group_of_joint: Annotated[list[Group], Field(min_length=NUM_JOINTS, max_length=NUM_JOINTS)] | None = None
    curve: Annotated[list[CurvePoint], Field(min_length=1, max_length=10_000)]
    checkpoint_sha256: Hash

    @model_validator(mode="after")
    def _agree(self) -> RunRecord:
        decides, training, data = self.decides, self.decides.training, self.decides.data
        for name in ("row", "profile", "start"):
            same(name, getattr(self, name), getattr(decides, name), f"decides.{name}")
        same("seed", self.seed, training.seed, "decides.training.seed")
        same("steps", self.steps, training.steps, "decides.training.steps")
        same("images_seen", self.images_seen, training.steps * training.batch_size, "steps times batch size")
        if self.backbone != "hourglass":
            same("backbone", self.backbone, f"resnet{decides.network.depth}", "the depth in decides.network")
        same("data_version", self.data_version, data.version, "decides.data.version")
        same("training_images", self.training_images, data.training_count, "decides.data.training_count")
        same("evaluation_images", self.evaluation_images, data.evaluation_count, "decides.data.evaluation_count")
        in_order(self.curve, steps=self.steps, seconds=self.seconds + 0.01)  # which are rounded to hundredths
        same("curve's first step", self.curve[0].step, 0, "a training's first")
        same("curve's last step", self.curve[-1].step, self.steps, "steps")
        if any(point.epe is None for point in self.curve):
            raise ValueError("curve has a validation without epe")
        for part, whole in (("head_params", "params"), ("head_macs", "macs")):
            if getattr(self, part) > getattr(self, whole):
                raise ValueError(f"{part} is {getattr(self, part)}, more than {whole}, {getattr(self, whole)}")
        return self


class Recorded(Strict):
    """When something was recorded, and from what.

    Attributes:
        commit: of the package at that time, without uncommitted changes; "unknown" outside git.
        date: UTC.
    """

    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64}|unknown)$")]
    date: Annotated[
        str, Field(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\+00:00$"), AfterValidator(_a_date)
    ]


class RecordedRun(RunRecord, Recorded):
    """A run as it is committed: a :class:`RunRecord` that says also when it was recorded, and from which commit."""


def digest(content: object) -> str:
    """The sha256 of plain JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def run_key(decides: Mapping[str, Any], source: str) -> str:
    """The hash that an outcome is kept under."""
    return digest({**decides, "source": source})


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the checksum of all the rest as its last field, ``sha256``."""
    content = {name: value for name, value in record.items() if name != "sha256"}
    return {**content, "sha256": digest(content)}


def validate(content: object, model: type[Record]) -> dict[str, Any]:
    """The content of a record, which has passed all checks; a plain dict, for its many readers.

    Raises:
        HandLibError: names the first field that is wrong, and its value.
    """
    form = content.get("format") if isinstance(content, dict) else None
    if form != model.FORMAT or isinstance(form, bool | float):
        if isinstance(form, int) and not isinstance(form, bool):
            age = "an older" if form < model.FORMAT else "a newer"
            ours = f"this one reads format {model.FORMAT}"
            raise HandLibError(f"it is of format {form}, of {age} version of hand_lib; {ours}: move it away")
        raise HandLibError(f"it is no record of {model.KIND} in format {model.FORMAT}")
    check(model, content)
    if content["key"] != run_key(content["decides"], content["source"]):
        raise HandLibError("key is not the hash of decides and source: something in them was changed")
    if content["sha256"] != seal(content)["sha256"]:
        raise HandLibError("sha256 is not that of its content: something in it was changed")
    return content


def same(name: str, here: object, there: object, where: str) -> None:
    """Raise ValueError where a field is not what another place says."""
    near = isinstance(here, float) and math.isclose(here, there, rel_tol=1e-9, abs_tol=1e-9)
    if here != there and not near:
        raise ValueError(f"{name} is {here!r}, but {where} is {there!r}")
