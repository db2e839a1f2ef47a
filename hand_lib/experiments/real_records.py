"""What a record of a run on a public data set must be: that of any run, but for the data and hands elsewhere."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from hand_lib.experiments.schema import Decides, Recorded, RecordedRun, RunRecord, same
from hand_lib.strict import Line, Name, Positive, Share, Strict, Text

PCK_UP_TO = 100  # millimetres


class RealDataSaid(Strict):
    """:attr:`hand_lib.experiments.real_data.RealData.decides`.

    Attributes:
        training: the folder's name, or those of several data sets.
        training_count: different hands.
        epoch: of several data sets, how many hands of each an epoch shows.
    """

    version: Text
    dataset: Name
    training: Text | Annotated[list[Text], Field(min_length=2, max_length=20)]
    evaluation: Text
    training_count: Positive
    evaluation_count: Positive
    size: Positive
    epoch: Annotated[list[Positive], Field(min_length=2, max_length=20)] | None = None


class RealDecides(Decides):
    """What decided the outcome of a run on a public data set."""

    data: RealDataSaid


class ScoreSaid(Strict):
    """:class:`hand_lib.protocols.Score`."""

    name: Text
    value: Annotated[float, Field(ge=0, le=1e12)]
    unit: Literal["", "mm", "cm"]
    rule: Line


class RealRunRecord(RunRecord):
    """A run on a public data set.

    Attributes:
        dataset: its name; of several that were mixed, all of them.
        scores: by the rules of the data set that was measured on, with the true root depth and scale given.
        pck: which part of all joints lies within 0, 1, … 100 mm of the truth, nothing aligned.
        elsewhere: nothing: those are rendered hands.
    """

    KIND: ClassVar[str] = "a run on a public data set"

    dataset: Name
    decides: RealDecides
    scores: Annotated[list[ScoreSaid], Field(min_length=1, max_length=20)]
    pck: Annotated[list[Share], Field(min_length=PCK_UP_TO + 1, max_length=PCK_UP_TO + 1)]
    elsewhere: None = None

    @model_validator(mode="after")
    def _agree_on_the_data(self) -> RealRunRecord:
        same("dataset", self.dataset, self.decides.data.dataset, "decides.data.dataset")
        if any(after < before for before, after in pairwise(self.pck)):
            raise ValueError("pck falls: more joints lie within a smaller distance than within a larger one")
        return self


class RecordedRealRun(RealRunRecord, Recorded):
    """The same as it is committed."""


def kind_of(content: object) -> type[RunRecord]:
    """What a run's record must be: one on a public data set says which."""
    return RealRunRecord if isinstance(content, dict) and "dataset" in content else RunRecord


def recorded_kind_of(content: object) -> type[RecordedRun | RecordedRealRun]:
    """The same of a record that is committed."""
    return RecordedRealRun if kind_of(content) is RealRunRecord else RecordedRun
