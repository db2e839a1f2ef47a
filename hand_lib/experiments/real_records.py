"""What a record of a run on a public data set must be: that of any run, but for the data and hands elsewhere."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from hand_lib.experiments.schema import Decides, Recorded, RecordedRun, RunRecord, same
from hand_lib.strict import Name, Positive, Strict, Text


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


class RealRunRecord(RunRecord):
    """A run on a public data set.

    Attributes:
        dataset: its name.
        elsewhere: nothing: those are rendered hands.
    """

    KIND: ClassVar[str] = "a run on a public data set"

    dataset: Name
    decides: RealDecides
    elsewhere: None = None

    @model_validator(mode="after")
    def _agree_on_the_data(self) -> RealRunRecord:
        same("dataset", self.dataset, self.decides.data.dataset, "decides.data.dataset")
        return self


class RecordedRealRun(RealRunRecord, Recorded):
    """The same as it is committed."""


def kind_of(content: object) -> type[RunRecord]:
    """What a run's record must be: one on a public data set says which."""
    return RealRunRecord if isinstance(content, dict) and "dataset" in content else RunRecord


def recorded_kind_of(content: object) -> type[RecordedRun | RecordedRealRun]:
    """The same of a record that is committed."""
    return RecordedRealRun if kind_of(content) is RealRunRecord else RecordedRun
