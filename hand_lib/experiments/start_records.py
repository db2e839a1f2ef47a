"""What a record of a start must be, see :mod:`hand_lib.experiments.schema`: its fields, and how they hang together."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from hand_lib.experiments.schema import Data, Libraries, Network, Record, Recorded, Settings, possible_network
from hand_lib.strict import Hash, Millimetres, Positive, Seconds, Seed, Share, Strict, Text
from hand_lib.training.checkpoints import CurvePoint, in_order
from hand_lib.training.config import PRECISIONS

START_FORMAT = 1


class StartRevision(Strict):
    """Of the code where a backbone learns parts: raised where a change of it changes the outcome."""

    start: Positive
    training: Positive


class PointsRevision(Strict):
    """The same where it learns points."""

    points: Positive
    training: Positive


class StartTraining(Settings):
    """:class:`hand_lib.training.TrainingConfig`, without the precision."""

    steps: Positive
    batch_size: Positive
    image_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    seed: Seed


class StartDecides(Strict):
    """What decided a start, see :attr:`hand_lib.experiments.starts.StartPlan.decides`."""

    revision: StartRevision | PointsRevision
    network: Annotated[Network, AfterValidator(possible_network)]
    training: StartTraining
    data: Data


class PartsMetrics(Strict):
    """How well parts and depth are told.

    Attributes:
        foreground_accuracy: of the cells that show the hand, the share whose part is named right.
        depth_error: mean distance in depth on these cells.
    """

    foreground_accuracy: Share
    depth_error: Millimetres


class PointsMetrics(Strict):
    """How well joints are found in the picture.

    Attributes:
        uv_error, uv_median: mean and median distance, in pixels of the crop.
    """

    uv_error: Annotated[float, Field(ge=0, le=1e6)]
    uv_median: Annotated[float, Field(ge=0, le=1e6)]


class StartRecord(Record):
    """How a start came about, and what it learnt.

    Attributes:
        decides: what decided it.
        precision, device, libraries: what it was trained in, on and with.
        steps, seconds: of the training; wall time of all parts of an interrupted one together.
        metrics: on held-out hands, of the network as it is kept.
        constant_guess: the same of one who does not look, and names the commonest part at the median depth.
        curve: the loss while it was trained.
        weights_sha256: of the file of weights.
        weights_digest: of the backbone's weights as a row loads them, see :func:`hand_lib.cache.digest`.
    """

    KIND: ClassVar[str] = "a start"
    FORMAT: ClassVar[int] = START_FORMAT
    format: Literal[START_FORMAT]
    decides: StartDecides
    precision: Literal[PRECISIONS]
    device: Text
    libraries: Libraries
    steps: Positive
    seconds: Seconds
    metrics: PartsMetrics | PointsMetrics
    constant_guess: PartsMetrics | PointsMetrics
    curve: Annotated[list[CurvePoint], Field(min_length=1, max_length=10_000)]
    weights_sha256: Hash
    weights_digest: Hash

    @model_validator(mode="after")
    def _agree(self) -> StartRecord:
        if self.steps != self.decides.training.steps or self.curve[-1].step != self.steps:
            raise ValueError(f"steps is {self.steps}, but not in decides.training or at the curve's end")
        learnt = PointsMetrics if isinstance(self.decides.revision, PointsRevision) else PartsMetrics
        for name in ("metrics", "constant_guess"):
            if not isinstance(getattr(self, name), learnt):
                raise ValueError(f"{name} is of another lesson than decides.revision")
        in_order(self.curve, steps=self.steps, seconds=self.seconds + 0.01)  # which are rounded to hundredths
        return self


class RecordedStart(StartRecord, Recorded):
    """A start as it comes with the package: a :class:`StartRecord` with its commit, its date and the command."""

    command: Text
