"""What the fields of our files must be: no conversion, nothing left over, finite numbers, text that can be shown.

Files are made by programs, copied by people and damaged by disks. So what is read from one goes through a model of
what it must hold before anything believes it, and a model says in one line what is wrong with it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from hand_lib.errors import HandLibError


def _in_print(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that cannot be printed")
    return text


Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Text = Annotated[str, Field(max_length=120), AfterValidator(_in_print)]
Line = Annotated[str, Field(max_length=1000), AfterValidator(_in_print)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SEEDS = 2**32  # seeds are 0 to one less
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Positive = Annotated[int, Field(ge=1, le=10**15)]
Seconds = Annotated[float, Field(ge=0, le=1e10)]
Share = Annotated[float, Field(ge=0, le=1)]
Millimetres = Annotated[float, Field(ge=0, le=1e12)]


class Strict(BaseModel):
    """No field more or less, no conversion, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def check(model: type[BaseModel], content: object) -> BaseModel:
    """The content as the model has it.

    Raises:
        HandLibError: names the first field that is wrong, what is wrong with it, and its value.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        complaint = error.errors(include_url=False)[0]
    field = ".".join(map(str, complaint["loc"]))
    said = complaint["msg"].removeprefix("Value error, ")
    value = complaint["input"]
    shown = "" if isinstance(value, dict | BaseModel) else f", not {ascii(value)[:60]}"
    raise HandLibError(f"{field}: {said}{shown}" if field else said)
