"""What a converted data set is: one file that says it, written last. Without it the rest is not believed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hand_lib import cache
from hand_lib.errors import HandLibError
from hand_lib.strict import Count, Hash, Line, Name, Positive, Strict, Text, check

MANIFEST_FILE = "manifest.json"
MANIFEST_FORMAT = 1


Scalar = bool | int | float | str | None


class Skipped(Strict):
    """A hand that was left out, and why."""

    hand: Text
    why: Line


class Shard(Strict):
    """A file, and how many hands it holds."""

    file: Annotated[str, Field(pattern=r"^[0-9]{6,9}-[0-9]{6,9}\.safetensors$")]
    hands: Count


class Manifest(Strict):
    """A converted split of a data set.

    Attributes:
        format: of this file.
        version: of the code that converts.
        dataset, split: of :mod:`hand_lib.datasets.real.published`.
        options: the reader's choices.
        image_size: side of the crops that it serves, in pixels.
        margin: of these crops.
        size: side of the cut-outs, in pixels.
        reach: of the cut-outs in sides of a crop.
        hands: the readers' names of the hands, in order.
        skipped: hands that were left out.
        shards: the files, in order.
        sha256: of all the rest.
    """

    format: Literal[MANIFEST_FORMAT]
    version: Positive
    dataset: Name
    split: Name
    options: dict[Annotated[str, Field(max_length=60)], Scalar | list[Scalar] | dict[str, Scalar]]
    image_size: Positive
    margin: Annotated[float, Field(gt=0, le=100)]
    size: Positive
    reach: Annotated[float, Field(gt=0, le=100)]
    hands: Annotated[list[Text], Field(min_length=1)]
    skipped: list[Skipped]
    shards: Annotated[list[Shard], Field(min_length=1)]
    sha256: Hash

    @model_validator(mode="after")
    def _agree(self) -> Manifest:
        if (held := sum(shard.hands for shard in self.shards)) != len(self.hands):
            raise ValueError(f"the shards hold {held} hands, but {len(self.hands)} are named")
        return self


def write_manifest(folder: Path, content: dict[str, object]) -> Manifest:
    """Write what :class:`Manifest` says, but for ``format`` and ``sha256``, which are added.

    Raises:
        HandLibError: a field is wrong; the file cannot be written.
    """
    content = {"format": MANIFEST_FORMAT, **content}
    manifest = check(Manifest, {**content, "sha256": _digest(content)})
    cache.write_json(folder / MANIFEST_FILE, manifest.model_dump())
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """What a folder's manifest says; None where there is none.

    Raises:
        HandLibError: it is damaged or was changed; one line that names the file and says what to do.
    """
    path = folder / MANIFEST_FILE
    if not cache.exists(path):
        return None
    content = cache.read_json(path)
    try:
        manifest = check(Manifest, content)
        if manifest.sha256 != _digest({name: value for name, value in content.items() if name != "sha256"}):
            raise HandLibError("sha256 is not that of its content: something in it was changed")
    except HandLibError as error:
        raise cache.Damaged(f"cannot use {path}: {error}; delete it to have it made again") from error
    return manifest


def _digest(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
