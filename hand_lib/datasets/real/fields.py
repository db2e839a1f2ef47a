"""What annotation files must hold: arrays of a shape, finite and within reach; intrinsics that are a camera's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from torch import Tensor

from hand_lib.cache import read_at_most
from hand_lib.errors import HandLibError
from hand_lib.strict import check

_FARTHEST = 1e5  # metres, millimetres or pixels: nothing that a hand's camera saw is larger
_MOST_BYTES = 512 * 2**20  # FreiHAND's training joints are about forty million


class Entry(BaseModel):
    """One entry of an annotation file. What else stands in it is left alone: files have more than is read here."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, arbitrary_types_allowed=True)


def array(*shapes: tuple[int, ...]) -> Any:
    """The type of a field that is an array or list of finite numbers of one of these shapes; it comes as float64."""
    wanted = " or ".join(" × ".join(map(str, shape)) for shape in shapes)

    def numbers(value: object) -> np.ndarray:
        value = np.asarray(value) if isinstance(value, list | tuple) else value
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
            raise ValueError("is no array of numbers")
        if value.shape not in shapes:
            raise ValueError(f"is an array of {' × '.join(map(str, value.shape))}, not of {wanted}")
        value = value.astype(np.float64)
        if not np.isfinite(value).all():
            raise ValueError("has a number that is not finite")
        if np.abs(value).max() > _FARTHEST:
            raise ValueError(f"has a number beyond ±{_FARTHEST:g}")
        return value

    return Annotated[np.ndarray, BeforeValidator(numbers)]


def _camera(K: np.ndarray) -> np.ndarray:
    focal = K[[0, 1], [0, 1]]
    below = (K[1, 0], *K[2])
    if not np.allclose(below, (0, 0, 0, 1), atol=1e-6):
        raise ValueError("is no matrix of intrinsics: below its diagonal it is not 0, 0, 0, 1")
    if not (focal > 1).all():
        raise ValueError("is no matrix of intrinsics: a focal length is not above one pixel")
    return K


Intrinsics = Annotated[array((3, 3)), AfterValidator(_camera)]


def entry(model: type[BaseModel], content: object, path: Path, where: str = "") -> BaseModel:
    """The content of (a place in) a file as the model has it. Raises HandLibError, naming file, place and field."""
    try:
        return check(model, content)
    except HandLibError as error:
        place = f" at {where}" if where else ""
        raise HandLibError(f"cannot use {path}{place}: {error}") from error


def read_numbers(path: Path, *shape: int) -> np.ndarray:
    """A JSON list of nested lists of finite numbers.

    Args:
        path: the file.
        shape: of each entry; empty for a list of numbers.

    Returns:
        ``(N, *shape)`` float64, N as many as there are.

    Raises:
        HandLibError: no such file, no JSON, of another shape, or with a number that is not finite or out of reach.
    """
    kind = Annotated[float, Field(ge=-_FARTHEST, le=_FARTHEST, allow_inf_nan=False)]
    for count in reversed(shape):
        kind = Annotated[list[kind], Field(min_length=count, max_length=count)]
    return np.array(list_of(kind, read_at_most(path, _MOST_BYTES), path), dtype=np.float64)


def list_of(kind: Any, content: bytes, path: Path) -> list:
    """A JSON list of things of one type, at least one. Raises HandLibError, naming file and place.

    Args:
        kind: their type, as pydantic reads it; strictly: a number in quotes is none.
        content: of the file.
        path: the file.
    """
    try:
        return TypeAdapter(Annotated[list[kind], Field(min_length=1)]).validate_json(content, strict=True)
    except ValidationError as error:
        complaint = error.errors(include_url=False)[0]
        place = "".join(f"[{part}]" for part in complaint["loc"])
        raise HandLibError(f"cannot use {path}: {place or 'it'}: {complaint['msg'][:120]}") from error


def as_camera(K: np.ndarray, path: Path, where: str) -> Tensor:
    """A matrix of intrinsics ``(3, 3)``, looked at. Raises HandLibError, naming file and place."""
    try:
        return torch.tensor(_camera(K), dtype=torch.float32)
    except ValueError as error:
        raise HandLibError(f"cannot use {path} at {where}: {error}") from error
